"""Signs requests of requests, and replays them after a 401."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import requests
from requests.structures import CaseInsensitiveDict

from ..core.endpoints import endpoint_of
from ..core.errors import AuthError, TokenEndpointUnavailable
from ..core.renew_on import RENEW_ON_401, RenewOn
from ..core.wire import Masked
from ..engine import Snapshot, TokenSource
from .errors import as_library_error
from .httpx_transport import HttpxTransport
from .origins import AllowedOrigins, warn_not_replayed
from .requests_bodies import can_rewind, note_body_position, rewind
from .requests_redirects import OriginBoundHook, bind_to_origin, follows_last_redirect, note_redirect
from .requests_rejected import drain, take_cookies
from .requests_transport import RequestsTransport

__all__ = ["AnyTransport", "RequestsHook"]

AnyTransport = RequestsTransport | HttpxTransport
Headers = tuple[tuple[str, Masked], ...]

_NONE: Headers = ()


class RequestsHook(OriginBoundHook):
    """Signs prepared requests, and is their response hook, which copies and redirected requests keep.

    The hook has no state: what it does depends only on the request of the response, which it does not change. If a
    request is signed more than once, the last hook handles its response.
    """

    __slots__ = ("allowed", "renew_on", "source", "transport")

    def __init__(
        self, source: TokenSource, allowed: AllowedOrigins, transport: AnyTransport, renew_on: RenewOn = RENEW_ON_401
    ) -> None:
        self.source, self.allowed, self.transport, self.renew_on = source, allowed, transport, renew_on

    def sign(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Attach the token if it may be sent to the request's origin, and remove it if not."""
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
        """Handle a response before other hooks do; `sending` holds the arguments with which its request was sent."""
        request = response.request
        follows = follows_last_redirect(request)
        if response.status_code == 401 or self.renew_on is not RENEW_ON_401:
            response = self._judge(response, sending, follows=follows)
        elif self.source.watches_answers:
            self._learn_acceptance(request)
        if 300 <= response.status_code < 400 and response.is_redirect:
            signed = bool(self._carried_names(response.request))
            if signed or follows:
                note_redirect(response, signed=signed)
        return response

    def _judge(self, response: requests.Response, sending: dict[str, Any], *, follows: bool) -> requests.Response:
        request = response.request
        if not self._rejects(response):
            if self.source.watches_answers:
                self._learn_acceptance(request)
        elif self.allowed.covers(request.url) and self._answers_for(request, follows=follows):
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
        """Set these headers and this hook on a request, in place of those of an earlier signing."""
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
        # A new list, because copies of a request share the old one.
        request.hooks = {**request.hooks, "response": hooks}

    def _stays_with(self, signer: RequestsHook, request: requests.PreparedRequest, headers: Headers) -> bool:
        """Whether this hook of an earlier signing stays: for another account, in another header, at its own origin."""
        if signer.source.shares_with(self.source):
            return False
        self.strip_elsewhere(request)
        carried = self._carried_names(request)
        if carried.isdisjoint(name.lower() for name, _ in headers):
            return bool(carried)
        self._strip(request, headers)
        return False

    def _strip(self, request: requests.PreparedRequest, replaced: Headers) -> None:
        """Remove the token from a request. Headers that are about to be replaced stay, and so keep their position."""
        for name in self._carried_names(request).difference(name.lower() for name, _ in replaced):
            del request.headers[name]

    def _carried_names(self, request: requests.PreparedRequest) -> set[str]:
        """Return the names, in lower case, of the headers that carry a token of this account."""
        source = self.source
        found = {name.lower() for name, value in request.headers.items() if source.owns(value)}
        if not found and source.is_current(request.headers.get):  # As plain text, which shows no owner.
            found = {name.lower() for name in source.header_names}
        return found

    def _answers_for(self, request: requests.PreparedRequest, *, follows: bool) -> bool:
        """Whether a request carries a token of ours, or lost it on a redirect and has nothing in its place."""
        if self._carried_names(request):
            return True
        return follows and not any(name in request.headers for name in self.source.header_names)

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
            drain(response)
            snapshot = self.source.wait_usable(found)
        except AuthError as error:
            if not can_resend:
                return response
            response.close()
            raise _as_library_error(error, request) from None
        return self._resend(response, snapshot, sending)

    def _resend(self, response: requests.Response, snapshot: Snapshot, sending: dict[str, Any]) -> requests.Response:
        request = response.request.copy()  # The rejected request may be the caller's, or be kept in a history.
        self._strip(request, snapshot.headers)
        _attach(request, snapshot.headers)
        take_cookies(request, response)
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
        # Hooks are pickled with a request or response, and this hook holds the credentials.
        return (_spent_hook, ())

    def __deepcopy__(self, memo: dict[int, Any]) -> RequestsHook:
        return self


class _SpentHook:
    """Stands for the hook in a pickle, and does nothing."""

    def __call__(self, response: requests.Response, **_sending: Any) -> requests.Response:
        return response


def _spent_hook() -> _SpentHook:
    return _SpentHook()


def _endpoint(request: requests.PreparedRequest) -> str:
    return endpoint_of(request.method, str(request.url))


def _attach(request: requests.PreparedRequest, headers: Headers) -> None:
    for name, value in headers:
        request.headers[name] = value
    # On a redirect, requests removes `Authorization` for another origin, but not from http to https on the same host.
    if any(name.lower() != "authorization" for name, _ in headers) or not str(request.url).startswith("https:"):
        bind_to_origin(request)


def _as_library_error(error: AuthError, request: requests.PreparedRequest) -> AuthError:
    base = requests.ConnectionError if isinstance(error, TokenEndpointUnavailable) else requests.RequestException
    told: Any = as_library_error(error, base)
    told.request = requests.PreparedRequest()
    # Without headers: the old token may be among them.
    told.request.method, told.request.url, told.request.headers = request.method, request.url, CaseInsensitiveDict()
    return told  # type: ignore[no-any-return]
