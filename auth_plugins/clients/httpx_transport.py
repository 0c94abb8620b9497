"""Makes token calls with httpx or httpx2."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext, suppress
from types import ModuleType
from typing import Any

from ..core.policy import RefreshPolicy
from ..core.wire import TokenRequest, TokenResponse
from .faults import built_for
from .reading import Deadline, naming_the_answer, read_whole, redacting_errors
from .route import Route
from .trust import context_for_httpx, context_without_authorities

__all__ = ["HttpxTransport"]


class HttpxTransport:
    """Makes token calls with a new client for each, which uses the environment's proxies and CA settings.

    If the user passes a client, every call uses that one and its settings. The client is synchronous for asynchronous
    requests, too: a token call runs in a thread of the engine.
    """

    def __init__(self, library: ModuleType, client: Any = None) -> None:
        self._library: Any = library
        self.client = client

    def send(self, request: TokenRequest, policy: RefreshPolicy, deadline: float) -> TokenResponse:
        """Send a token call, as `TokenTransport.send` describes."""
        name = self._library.__name__
        own_client = self.client is not None
        return redacting_errors(
            request, name, lambda route: self._send(request, policy, deadline, route), own_client=own_client
        )

    def _send(self, request: TokenRequest, policy: RefreshPolicy, seconds: float, route: Route) -> TokenResponse:
        deadline = Deadline.after(seconds)
        with (
            self._client(deadline, route) as client,
            client.stream(
                "POST",
                request.url,
                content=request.body,
                headers={"Accept": "application/json", "Accept-Encoding": "identity", **request.headers},
                auth=None,
                follow_redirects=False,
                timeout=self._library.Timeout(policy.read_timeout, connect=policy.connect_timeout),
            ) as response,
        ):
            headers = {name.lower(): value for name, value in response.headers.items()}
            encoding = headers.get("content-encoding", "")
            chunks = response.iter_raw()  # Of any size: with a chunk size, httpx waits until a chunk is full.
            if response.is_stream_consumed:  # The answer of a mock, which was read and decoded when it was created.
                encoding, chunks = "", response.iter_bytes()
            with naming_the_answer(request, response.status_code):
                body = read_whole(chunks, deadline, policy.max_response_bytes, encoding)
            return TokenResponse(response.status_code, headers, body)

    def _client(self, deadline: Deadline, route: Route) -> AbstractContextManager[Any]:
        if self.client is not None:
            return nullcontext(self.client)
        transport = self._transport(route)
        with suppress(AttributeError):  # Other versions may lack the attributes: then only the time-outs apply.
            transport._pool._network_backend = _Backend(transport._pool._network_backend, deadline)
        # The environment was read before, by one rule for all libraries.
        return self._library.Client(transport=transport, trust_env=False)  # type: ignore[no-any-return]

    def _transport(self, route: Route) -> Any:
        needs_tls = route.endpoint is not None and route.endpoint.scheme == "https"
        context = context_for_httpx(self._library) if needs_tls else context_without_authorities()
        if route.proxy is None:
            return self._library.HTTPTransport(verify=context)
        url = route.proxy.url
        more = {"ssl_context": context_for_httpx(self._library)} if url.lower().startswith("https:") else {}
        return built_for(
            route, lambda: self._library.HTTPTransport(verify=context, proxy=self._library.Proxy(url, **more))
        )


class _Backend:
    """A network backend whose streams end by the deadline. The library's read time-out restarts with every byte."""

    def __init__(self, backend: Any, deadline: Deadline) -> None:
        self._backend, self._deadline = backend, deadline

    def connect_tcp(self, host: str, port: int, timeout: float | None = None, **more: Any) -> _Stream:
        connected = self._backend.connect_tcp(host, port, timeout=self._deadline.cut(timeout), **more)
        return _Stream(connected, self._deadline)


class _Stream:
    def __init__(self, stream: Any, deadline: Deadline) -> None:
        self._stream, self._deadline = stream, deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> Any:
        return self._stream.read(max_bytes, self._deadline.cut(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._deadline.cut(timeout))

    def start_tls(self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None) -> _Stream:
        secured = self._stream.start_tls(ssl_context, server_hostname, self._deadline.cut(timeout))
        return _Stream(secured, self._deadline)

    def close(self) -> None:
        self._stream.close()

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
