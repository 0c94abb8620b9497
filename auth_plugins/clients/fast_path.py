"""The fast path: the token is valid, the request goes to the home origin, and its body can be sent again.

All other cases are left to `RequestsHook` and `HttpxFlow`. Every request runs this code, so the cost of each line was
measured (docs/explanation/benchmarks.md), and tests/test_speed_guard.py counts the instructions.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from functools import lru_cache
from operator import itemgetter
from typing import Any

import httpx
import requests

from ..core.origin import Origin
from ..core.renew_on import RENEW_ON_401, RenewOn
from ..engine import SYSTEM_CLOCK, Clock, Snapshot, TokenSource
from .async_flow import AsyncFlow, run_of
from .httpx_flow import HttpxFlow
from .library import library_of
from .origins import AllowedOrigins, default_port
from .requests_hook import AnyTransport, RequestsHook
from .requests_transport import RequestsTransport

__all__ = ["FastPath"]

_NOWHERE = Origin("", "", 0)
_NO_ORIGIN = Origin("https", "", -1)
"""An origin that no request goes to."""
_REQUESTS = RequestsTransport()
_BYTES_BODIES: set[type] = set()
"""The classes, in the libraries that are in use, of a body that is bytes."""
_LIST_HEADERS: set[type] = set()
"""Their classes of headers, where these are kept as a list of spelling, name and value."""
_AUTHORIZATION = b"authorization"
_name = itemgetter(1)


class _HomeOrigin:
    """The home origin, prepared for fast comparison, with the clock of the auth object."""

    __slots__ = ("below", "first", "host", "monotonic", "port", "scheme", "wall")

    def __init__(self, origin: Origin, clock: Clock = SYSTEM_CLOCK) -> None:
        self.wall, self.monotonic = clock.__call__, clock.monotonic
        # As strings are ordered, what begins with "https://host/" is just what lies between it and "https://host0".
        self.first, self.below = origin.prefix, origin.prefix[:-1] + "0"
        if origin.scheme == "http" and origin.port == 80:
            # From here requests would carry the token to https on the same host, which takes more to prevent.
            self.below = self.first
        self.scheme, self.host = origin.scheme, origin.host
        self.port = None if origin.port == default_port(origin.scheme) else origin.port


def _probe_library(library: Any) -> None:
    """Learn how a library keeps bodies and headers."""
    _BYTES_BODIES.add(library.ByteStream)
    if _can_append(library.Headers):
        _LIST_HEADERS.add(library.Headers)


def _can_append(kind: Any) -> bool:
    """Whether a header that is appended to the internal list is seen by all public methods, as any other is."""
    try:
        headers = kind({"Name": "value"})
        headers._list.append((b"Other", b"other", b"text"))
        copies = (headers, headers.copy(), kind(headers))
        found = all(
            each["other"] == "text" and "OTHER" in each and each.raw == [(b"Name", b"value"), (b"Other", b"text")]
            for each in copies
        )
        return found and headers.pop("Other") == "text" and headers == kind({"Name": "value"}) and "other" in copies[1]
    except Exception:  # It keeps headers in another way.
        return False


# Many auth objects share a few origins.
_home_of = lru_cache(64)(_HomeOrigin)
_origins_of = lru_cache(64)(AllowedOrigins)


class FastPath:
    """Signs requests to the origin of `base_url` while the token is fresh; otherwise uses the hook or the flow."""

    __slots__ = ("_home", "_httpx", "_requests", "_shared")

    def _open(
        self,
        source: TokenSource,
        home: Origin,
        origins: frozenset[Origin],
        client: AnyTransport | None,
        renew_on: RenewOn = RENEW_ON_401,
    ) -> None:
        if self._has_own_flow or renew_on is not RENEW_ON_401:
            home = _NO_ORIGIN  # The fast path of httpx would not call an overridden flow, and knows one status.
        self._home = _home_of(home) if source.clock is SYSTEM_CLOCK else _HomeOrigin(home, source.clock)
        self._requests = RequestsHook(source, _origins_of(origins), client or _REQUESTS, renew_on)
        self._httpx: tuple[HttpxFlow, ...] = ()
        self._shared = source.shared

    @property
    def _has_own_flow(self) -> bool:
        """Whether the class overrides `auth_flow`, or asks for bodies, in the ways that httpx documents."""
        kind: Any = type(self)
        own = kind.auth_flow is not FastPath.auth_flow
        return own or kind.requires_request_body or kind.requires_response_body

    @property
    def _source(self) -> TokenSource:
        return self._requests.source

    @property
    def _transport(self) -> AnyTransport:
        return self._requests.transport

    def _flow_for(self, request: Any) -> HttpxFlow:
        library = library_of(type(request))
        for flow in self._httpx:
            if flow.library is library:
                return flow
        _probe_library(library)
        client = None if self._transport is _REQUESTS else self._transport
        flow = HttpxFlow(library, self._source, self._requests.allowed, client, self._requests.renew_on)
        self._httpx += (flow,)
        return flow

    def __call__(self, r: requests.PreparedRequest) -> requests.PreparedRequest:
        """Sign a request of requests."""
        snapshot, home, url = self._shared.snapshot, self._home, r.url
        wall, monotonic = home.wall, home.monotonic
        if (
            wall() < snapshot.recheck_at
            and monotonic() < snapshot.recheck_at_monotonic
            and snapshot.fast_header is not None
            and url is not None
            and home.first <= url < home.below
            and (r.body is None or isinstance(r.body, (bytes, str)))
        ):
            if not r.hooks["response"]:
                r.hooks = {"response": [self._requests]}  # A list of its own: copies of a request share theirs.
            elif self._requests not in r.hooks["response"]:
                return self._requests.sign(r)
            r.headers["Authorization"] = snapshot.fast_header
            return r
        return self._requests.sign(r)

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Sign a request of httpx or httpx2, and answer a 401. Subclasses may override this, and call it by `super()`.

        In an `AsyncClient` nothing in here waits: what it needs is awaited before it begins, and after each response.
        Called without a client, it waits in this thread for a token that has to be fetched.
        """
        run = run_of(self)
        return self._flow_for(request).flow(request) if run is None else run.flow(request)

    def sync_auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Drive a request of an httpx or httpx2 `Client`."""
        snapshot = self._sign_fast(request)
        if snapshot is not None:
            try:
                response = yield request
            except BaseException as failure:
                self._flow_for(request).learn_from_failure(failure, snapshot)
                raise
            if response.status_code != 401:
                return
            yield from self._flow_for(request).follow_up(request, response, snapshot)
        elif self._has_own_flow:
            own: Any = self
            yield from httpx.Auth.sync_auth_flow(own, request)
        else:
            yield from self._flow_for(request).flow(request)

    def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """Drive a request of an httpx or httpx2 `AsyncClient`, on asyncio or trio."""
        return AsyncFlow(self, request)

    def _sign_fast(self, request: Any) -> Snapshot | None:
        """Attach the token to a request of httpx, if the fast path applies. Return the token's snapshot, or None."""
        snapshot, home = self._shared.snapshot, self._home
        wall, monotonic = home.wall, home.monotonic
        try:
            # The public names of a URL's parts take longer than all the rest. If a library keeps the parts in another
            # way, the request takes the slow path.
            url = request.url._uri_reference
        except AttributeError:
            url = _NOWHERE
        if (
            wall() < snapshot.recheck_at
            and monotonic() < snapshot.recheck_at_monotonic
            and snapshot.httpx_header is not None
            and url.host == home.host
            and url.scheme == home.scheme
            and url.port == home.port
            and type(request.stream) in _BYTES_BODIES
        ):
            headers = request.headers
            if type(headers) in _LIST_HEADERS and _AUTHORIZATION not in map(_name, headers._list):
                # The other branch has the same effect, and takes more than twice as long.
                headers._list.append(snapshot.httpx_header)
            else:
                headers["Authorization"] = snapshot.fast_header
            return snapshot
        return None
