"""How a token gets onto a request of requests, and what becomes of a 401."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import requests
from requests.cookies import extract_cookies_to_jar, get_cookie_header
from requests.structures import CaseInsensitiveDict

from ..core.errors import AuthError, TokenEndpointUnavailable
from ..core.renew_on import RENEW_ON_401, RenewOn
from ..core.unauthorized import endpoint_of
from ..core.wire import Masked
from ..engine import OwnedHeader, Snapshot, TokenSource
from .errors import as_library_error
from .httpx_transport import HttpxTransport
from .origins import AllowedOrigins, warn_not_replayed
from .requests_bodies import can_rewind, note_body_position, rewind
from .requests_redirects import OriginBoundHook, bind_to_origin, follows_last_redirect, note_redirect
from .requests_transport import RequestsTransport

__all__ = ["AnyTransport", "RequestsHook"]

AnyTransport = RequestsTransport | HttpxTransport
Headers = tuple[tuple[str, Masked], ...]

_NONE: Headers = ()
_MOST_DRAINED = 65_536
"""Of a 401's body, in bytes. To read more of it costs more than a new connection."""


class RequestsHook(OriginBoundHook):
    """Signs prepared requests; and is the hook that they carry, through copies and redirects, to their responses.

    The hook has no state: what it does follows from the request whose response it sees, and it changes none. The last
    who signs a request answers for it.
    """

    __slots__ = ("allowed", "renew_on", "source", "transport")

    def __init__(
        self, source: TokenSource, allowed: AllowedOrigins, transport: AnyTransport, renew_on: RenewOn = RENEW_ON_401
    ) -> None:
        self.source, self.allowed, self.transport, self.renew_on = source, allowed, transport, renew_on

    def sign(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Attach the token if it belongs where the request goes, and take it off if it does not."""
        if not self.allowed.covers(request.url):
            self._answer_for(request, _NONE)
            return request
        note_body_position(request)
        try:
            snapshot = self.source.current(self.transport, once=not can_rewind(request))
        except AuthError as error:
            raise _as_library_error(error, request) from None
        self._answer_for(request, snapshot.signing(self.source.clock).headers)
        return request

    def __call__(self, response: requests.Response, **sending: Any) -> requests.Response:
        """Look at a response before anybody else does; `sending` is how its request was sent."""
        if response.status_code == 401 or self.renew_on is not RENEW_ON_401:
            response = self._judge(response, sending)
        elif self.source.shared.snapshot.watched:
            self._learn_acceptance(response.request)
        if 300 <= response.status_code < 400 and response.is_redirect and self._has_signed(response.request):
            note_redirect(response)
        return response

    def _judge(self, response: requests.Response, sending: dict[str, Any]) -> requests.Response:
        request = response.request
        if not self._rejects(response):
            if self.source.shared.snapshot.watched:
                self._learn_acceptance(request)
        elif self.allowed.covers(request.url) and self._has_signed(request):
            return self._renew_and_resend(response, sending)
        return response

    def _rejects(self, response: requests.Response) -> bool:
        try:
            return self.renew_on.rejects(response.status_code, response.headers)
        except BaseException:  # The predicate is the user's.
            response.close()
            raise

    def _learn_acceptance(self, request: requests.PreparedRequest) -> None:
        if self._carried_names(request):
            self.source.accepted(request.headers.get, _endpoint(request), replay=False)

    def strip_elsewhere(self, request: requests.PreparedRequest) -> None:
        """Take the token off a request if its URL has another origin."""
        if not self.allowed.covers(request.url):
            self._strip(request, _NONE)

    def _answer_for(self, request: requests.PreparedRequest, headers: Headers) -> None:
        """Put these headers on a request, and this hook, in place of those of an earlier signing."""
        self._strip(request, headers)
        hooks: list[Any] = []
        for hook in request.hooks["response"]:
            if not isinstance(hook, RequestsHook) or hook._stays_with(self, request, headers):
                hooks.append(hook)
            elif headers and self not in hooks:
                hooks.append(self)
        if headers and self not in hooks:
            hooks.append(self)
        _attach(request, headers)
        # A new list: copies of a request share the one that they had.
        request.hooks = {**request.hooks, "response": hooks}

    def _stays_with(self, signer: RequestsHook, request: requests.PreparedRequest, headers: Headers) -> bool:
        """Whether this hook of an earlier signing has a token of its own on a request: in another header, at home."""
        if signer.source.shared is self.source.shared:
            return False
        self.strip_elsewhere(request)
        carried = self._carried_names(request)
        if carried.isdisjoint(name.lower() for name, _ in headers):
            return bool(carried)
        self._strip(request, headers)
        return False

    def _strip(self, request: requests.PreparedRequest, replaced: Headers) -> None:
        """Take the token off a request; what is replaced anyway keeps its place among the headers."""
        for name in self._carried_names(request).difference(name.lower() for name, _ in replaced):
            del request.headers[name]

    def _carried_names(self, request: requests.PreparedRequest) -> set[str]:
        """Return the names, in lower case, of the headers that carry a token of this account."""
        key, snapshot = self.source.shared.key, self.source.shared.snapshot
        found = {
            n.lower() for n, value in request.headers.items() if isinstance(value, OwnedHeader) and value.owner == key
        }
        if not found and snapshot.is_carried(request.headers.get):  # As plain text, which shows no owner.
            found = {name.lower() for name, _ in snapshot.headers}
        return found

    def _has_signed(self, request: requests.PreparedRequest) -> bool:
        """Whether this hook answers for a request: it carries a token of ours, or lost it on a redirect."""
        if self._carried_names(request):
            return True
        others = (isinstance(request.headers.get(name), OwnedHeader) for name, _ in self.source.shared.snapshot.headers)
        return follows_last_redirect(request) and not any(others)

    def _renew_and_resend(self, response: requests.Response, sending: dict[str, Any]) -> requests.Response:
        request = response.request
        can_resend = can_rewind(request)
        try:
            found = self.source.after_401(request.headers.get, self.transport, _endpoint(request))
            if found is None:
                return response
            if not can_resend or not rewind(request):
                warn_not_replayed(self.source, response.close)
                return response
            _drain(response)
            snapshot = self.source.wait_usable(found)
        except AuthError as error:
            if not can_resend:
                return response
            response.close()
            raise _as_library_error(error, request) from None
        return self._resend(response, snapshot, sending)

    def _resend(self, response: requests.Response, snapshot: Snapshot, sending: dict[str, Any]) -> requests.Response:
        request = response.request.copy()  # The one that was rejected may be the caller's, or somebody's record.
        self._strip(request, snapshot.headers)
        _attach(request, snapshot.headers)
        _take_cookies(request, response)
        began = time.perf_counter()
        try:
            again: requests.Response = response.connection.send(request, **sending)
        except BaseException:
            self.source.unanswered(snapshot)
            raise
        again.elapsed = timedelta(seconds=time.perf_counter() - began)
        again.history = [*response.history, response]
        again.request = request
        if self._rejects(again):
            self.source.still_unauthorized(snapshot, _endpoint(request))
        elif snapshot.watched:
            self.source.accepted(request.headers.get, _endpoint(request), replay=True)
        return again

    def __reduce__(self) -> tuple[Any, ...]:
        # A pickled request or response takes its hooks along; this one would take the credentials.
        return (_spent_hook, ())

    def __deepcopy__(self, memo: dict[int, Any]) -> RequestsHook:
        return self


class _SpentHook:
    """What is left of the hook in a pickle."""

    def __call__(self, response: requests.Response, **_sending: Any) -> requests.Response:
        return response


def _spent_hook() -> _SpentHook:
    return _SpentHook()


def _endpoint(request: requests.PreparedRequest) -> str:
    return endpoint_of(request.method, str(request.url))


def _attach(request: requests.PreparedRequest, headers: Headers) -> None:
    for name, value in headers:
        request.headers[name] = value
    # `Authorization` does not follow a redirect of requests to another origin, but from http to https on the same host.
    if any(name.lower() != "authorization" for name, _ in headers) or not str(request.url).startswith("https:"):
        bind_to_origin(request)


def _take_cookies(request: requests.PreparedRequest, rejected: requests.Response) -> None:
    """Let the cookies that a 401 sets go along with what is sent in its place; a `Cookie` of the caller's own stays."""
    jar: Any = request._cookies
    if jar is None or "Set-Cookie" not in rejected.headers:
        return
    bare = request.copy()
    bare.headers.pop("Cookie", None)
    if get_cookie_header(jar, bare) != request.headers.get("Cookie"):
        return
    extract_cookies_to_jar(jar, rejected.request, rejected.raw)
    cookies = get_cookie_header(jar, bare)
    if cookies is not None:
        request.headers["Cookie"] = cookies
    else:
        request.headers.pop("Cookie", None)


def _as_library_error(error: AuthError, request: requests.PreparedRequest) -> AuthError:
    base = requests.ConnectionError if isinstance(error, TokenEndpointUnavailable) else requests.RequestException
    told: Any = as_library_error(error, base)
    told.request = requests.PreparedRequest()
    # No headers: one may be the old token.
    told.request.method, told.request.url, told.request.headers = request.method, request.url, CaseInsensitiveDict()
    return told  # type: ignore[no-any-return]


def _drain(response: requests.Response) -> None:
    """Read a 401 to its end, so that others can use its connection while this one waits, or give the connection up."""
    body = bytearray()
    try:
        for chunk in response.iter_content(16_384):
            body += chunk
            if len(body) > _MOST_DRAINED:
                break
    except requests.RequestException:
        pass
    response.close()
    response._content, response._content_consumed = bytes(body), True
