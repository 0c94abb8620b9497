"""Makes token calls with requests."""

from __future__ import annotations

import io
from contextlib import AbstractContextManager, nullcontext, suppress
from http.client import HTTPResponse
from typing import Any

import requests
from requests.adapters import HTTPAdapter

from ..core.policy import RefreshPolicy
from ..core.wire import TokenRequest, TokenResponse
from .faults import built_for
from .reading import Deadline, naming_the_answer, read_whole, redacting_errors
from .route import Route
from .trust import bundle_for_requests, context_for_requests

__all__ = ["RequestsTransport"]


class RequestsTransport:
    """Makes token calls with a new session for each, which uses the environment's proxies and CA settings.

    If the user passes a session, every call uses that one and its settings.
    """

    __slots__ = ("client",)

    def __init__(self, client: requests.Session | None = None) -> None:
        self.client = client

    def send(self, request: TokenRequest, policy: RefreshPolicy, deadline: float) -> TokenResponse:
        """Send a token call, as `TokenTransport.send` describes."""
        own_client = self.client is not None
        return redacting_errors(
            request, "requests", lambda route: self._send(request, policy, deadline, route), own_client=own_client
        )

    def _send(self, request: TokenRequest, policy: RefreshPolicy, seconds: float, route: Route) -> TokenResponse:
        deadline = Deadline.after(seconds)
        with (
            self._session(deadline, route) as session,
            session.post(
                request.url,
                data=request.body,
                headers={"Accept": "application/json", "Accept-Encoding": "identity", **request.headers},
                auth=_keep_headers,
                allow_redirects=False,
                stream=True,
                timeout=(deadline.cut(policy.connect_timeout), deadline.cut(policy.read_timeout)),
            ) as response,
        ):
            headers = {name.lower(): value for name, value in response.headers.items()}
            packed = headers.get("content-encoding", "")
            if hasattr(response.raw, "stream"):
                chunks = response.raw.stream(16_384, decode_content=False)
            else:  # An adapter of the user's session may answer with any file object.
                chunks, packed = response.iter_content(16_384), ""
            with naming_the_answer(request, response.status_code):
                body = read_whole(chunks, deadline, policy.max_response_bytes, packed)
            return TokenResponse(response.status_code, headers, body)

    def _session(self, deadline: Deadline, route: Route) -> AbstractContextManager[requests.Session]:
        if self.client is not None:
            return nullcontext(self.client)
        session = requests.Session()
        session.trust_env = False  # The environment was read before, by one rule for all libraries.
        session.verify = bundle_for_requests() or True
        adapter = _Adapter(deadline, route)
        session.mount("https://", adapter)
        session.mount("http://", adapter)
        if route.proxy is not None:
            session.proxies = {"all": route.proxy.url}
        return session


def _keep_headers(request: requests.PreparedRequest) -> requests.PreparedRequest:
    # With an `auth` argument, neither .netrc nor the `auth` of the user's session can overwrite the header.
    request.register_hook("response", _drop_location)
    return request


def _drop_location(response: requests.Response, **_: Any) -> None:
    # Even with allow_redirects=False, a session reads the whole body of a redirect to prepare the next request.
    response.headers.pop("location", None)


class _Adapter(HTTPAdapter):
    """An adapter whose connections end by the deadline. The library's read time-out restarts with every byte.

    With a later urllib3 that lacks the attributes used here, calls work without that, and without a shared context.
    """

    def __init__(self, deadline: Deadline, route: Route) -> None:
        needs_tls = route.endpoint is not None and route.endpoint.scheme == "https"
        self._deadline, self._context = deadline, context_for_requests() if needs_tls else None
        super().__init__()
        if route.proxy is not None:
            proxy = route.proxy.url
            own = {"proxy_ssl_context": context_for_requests()} if proxy.lower().startswith("https:") else {}
            built_for(route, lambda: self.proxy_manager_for(proxy, **own))

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self._bound(self.poolmanager)

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        return self._bound(super().proxy_manager_for(*args, **kwargs))

    def _bound(self, manager: Any) -> Any:
        with suppress(AttributeError):
            manager.pool_classes_by_scheme = {
                scheme: type(
                    pool.__name__,
                    (pool,),
                    {"ConnectionCls": _bounded(pool.ConnectionCls, self._deadline, self._context)},
                )
                for scheme, pool in manager.pool_classes_by_scheme.items()
            }
        return manager


def _bounded(kind: Any, deadline: Deadline, context: Any = None) -> Any:
    if not hasattr(kind, "_new_conn"):
        return kind

    class Bounded(kind):  # type: ignore[misc]
        timeout: Any

        def connect(self) -> Any:
            if context is not None and hasattr(self, "ca_certs"):
                # Otherwise the library reads the whole file of authorities for each connection.
                self.ssl_context, self.ca_certs, self.ca_cert_dir = context, None, None
            return super().connect()

        def _new_conn(self) -> Any:
            self.timeout = deadline.cut(self.timeout)
            made = super()._new_conn()
            made.settimeout(deadline.cut(self.timeout))  # For the TLS handshake, which counts as one step.
            return made

        def response_class(self, sock: Any, *args: Any, **kwargs: Any) -> HTTPResponse:
            response = HTTPResponse(sock, *args, **kwargs)
            response.fp = io.BufferedReader(_Reader(response.fp, sock, deadline))
            return response

    return Bounded


class _Reader(io.RawIOBase):
    """The stream from which http.client reads an answer, and a proxy's answer to CONNECT, by the deadline."""

    def __init__(self, buffered: Any, sock: Any, deadline: Deadline) -> None:
        self._raw, self._sock, self._deadline = buffered.detach(), sock, deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> Any:
        self._sock.settimeout(self._deadline.cut(self._sock.gettimeout()))
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()
