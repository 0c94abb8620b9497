"""How a token gets onto a request of requests, and what becomes of a 401."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import urljoin

import requests
from requests.structures import CaseInsensitiveDict
from requests.utils import rewind_body

from ..core.errors import AuthError, TokenEndpointUnavailable
from ..source import Live, Owned, Source
from .errors import as_library_error
from .httpx_channel import HttpxChannel
from .requests_channel import RequestsChannel
from .scope import Scope, attach, tell_not_replayed

__all__ = ["AnyChannel", "RequestsDoor"]

AnyChannel = RequestsChannel | HttpxChannel

_USUAL = frozenset({"authorization"})
_NONE: frozenset[str] = frozenset()
_IN_MEMORY = (type(None), str, bytes, bytearray, memoryview)
"""Bodies that are there again whenever they are asked for."""
_MOST_DRAINED = 65_536
"""Of a 401's body, in bytes. To read more of it costs more than a new connection."""


class RequestsDoor:
    """Signs prepared requests; and is the hook that they carry, through copies and redirects, to their responses."""

    __slots__ = ("_names", "channel", "scope", "source")

    def __init__(self, source: Source, scope: Scope, channel: AnyChannel) -> None:
        self.source, self.scope, self.channel = source, scope, channel
        self._names = _NONE
        """Those that tokens travelled in, in lower case, also when there is no token any more; none: the usual one."""

    def sign(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Attach the token, if it belongs where the request goes."""
        if not self.scope.covers(request.url):
            return request
        try:
            live = self.source.current(self.channel, once=not _can_rewind(request))
        except AuthError as error:
            raise _told(error, request) from None
        attach(request.headers, live)
        names = {name.lower() for name, _ in live.headers}
        if not names <= self._names:
            self._names |= names
        if self not in request.hooks["response"]:
            request.hooks["response"].append(self)
        return request

    def __call__(self, response: requests.Response, **sending: Any) -> requests.Response:
        """Look at a response before anybody else does; `sending` is how its request was sent."""
        request = response.request
        if response.status_code == 401 and self.scope.covers(request.url) and self._has_signed(request):
            response = self._renew_and_resend(response, sending)
        elif self.source.slot.live.unproven and response.status_code != 401:
            self.source.accepted(request.headers.get, replay=False)
        if 300 <= response.status_code < 400 and self._has_signed(response.request):
            self._follow(response.request)
            self._keep_from_strangers(response)
        return response

    def _has_signed(self, request: requests.PreparedRequest) -> bool:
        """Whether it carries a token of ours. A request shares its hooks with its copies, which others may sign.

        What is only spelled like ours may have been copied.
        """
        carried = [request.headers.get(name) for name in self._names or _USUAL]
        if any(isinstance(value, Owned) for value in carried):
            return any(isinstance(value, Owned) and value.owner == self.source.slot.key for value in carried)
        return self.source.slot.live.is_carried(request.headers.get)

    def _follow(self, request: requests.PreparedRequest) -> None:
        """Go along on a redirect, in hooks of the request's own; whoever did not sign it stays behind."""
        follower = _Follower(self.source, self.scope, self.channel)
        follower._names = self._names
        hooks = request.hooks["response"]
        others = [each for each in hooks if not isinstance(each, RequestsDoor) or each._has_signed(request)]
        request.hooks = {"response": [follower if each == self else each for each in others]}

    def _renew_and_resend(self, response: requests.Response, sending: dict[str, Any]) -> requests.Response:
        request = response.request
        can_resend = _can_rewind(request)
        try:
            found = self.source.after_401(request.headers.get, self.channel)
            if found is None:
                return response
            if not can_resend or not _rewound(request):
                tell_not_replayed(self.source)
                return response
            _drain(response)
            live = self.source.settled(found)
        except AuthError as error:
            if not can_resend:
                return response
            response.close()
            raise _told(error, request) from None
        return self._resend(response, live, sending)

    def _resend(self, response: requests.Response, live: Live, sending: dict[str, Any]) -> requests.Response:
        request = response.request
        # The session goes on with this very request if it is redirected, so it gets the new token and history the copy.
        response.request = request.copy()
        attach(request.headers, live)
        began = time.perf_counter()
        again: requests.Response = response.connection.send(request, **sending)
        again.elapsed = timedelta(seconds=time.perf_counter() - began)
        again.history = [*response.history, response]
        if again.status_code == 401:
            self.source.unhelpful(live)
        elif live.unproven:
            self.source.accepted(again.request.headers.get, replay=True)
        return again

    def _keep_from_strangers(self, response: requests.Response) -> None:
        """Take the token off what follows a redirect to another origin: requests only knows `Authorization`."""
        target = response.headers.get("location")
        if target is not None and not self.scope.covers(urljoin(response.url, target)):
            response.request.headers = _KeptHere(response.request.headers, self._names | _USUAL)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RequestsDoor) and other.source.slot is self.source.slot

    def __hash__(self) -> int:
        return id(self.source.slot)

    def __reduce__(self) -> tuple[Any, ...]:
        # A pickled request or response takes its hooks along; this one would take the credentials.
        return (_spent_hook, ())

    def __deepcopy__(self, memo: dict[int, Any]) -> RequestsDoor:
        return self


class _Follower(RequestsDoor):
    """The hook of what a redirect of a signed request leads to: on the way back from a stranger it carries no token."""

    __slots__ = ()

    def _has_signed(self, request: requests.PreparedRequest) -> bool:
        return True

    def _follow(self, request: requests.PreparedRequest) -> None:
        pass


class _KeptHere(CaseInsensitiveDict[Any]):
    """The headers of a request that was redirected to a stranger. The next request gets a copy: without the token.

    The request itself keeps it, for it may be the caller's own, to be sent once more.
    """

    def __init__(self, headers: Mapping[str, Any], names: frozenset[str]) -> None:
        super().__init__(headers)
        before = headers._kept if isinstance(headers, _KeptHere) else frozenset()
        self._kept: frozenset[str] = names | before

    def copy(self) -> CaseInsensitiveDict[Any]:
        return CaseInsensitiveDict((name, value) for name, value in self.items() if name.lower() not in self._kept)


class _SpentHook:
    """What is left of the hook in a pickle."""

    def __call__(self, response: requests.Response, **_sending: Any) -> requests.Response:
        return response


def _spent_hook() -> _SpentHook:
    return _SpentHook()


def _told(error: AuthError, request: requests.PreparedRequest) -> AuthError:
    base = requests.ConnectionError if isinstance(error, TokenEndpointUnavailable) else requests.RequestException
    told: Any = as_library_error(error, base)
    told.request = requests.PreparedRequest()
    # No headers: one may be the old token.
    told.request.method, told.request.url, told.request.headers = request.method, request.url, CaseInsensitiveDict()
    return told  # type: ignore[no-any-return]


def _can_rewind(request: requests.PreparedRequest) -> bool:
    body: Any = request.body
    if isinstance(body, _IN_MEMORY):
        return True
    if not isinstance(request._body_position, int):
        return False
    try:  # What tells where it stands cannot always go back there: the body of another response, for one.
        return bool(body.seekable()) if hasattr(body, "seekable") else hasattr(body, "seek")
    except ValueError:  # It was closed.
        return False


def _rewound(request: requests.PreparedRequest) -> bool:
    if isinstance(request.body, _IN_MEMORY):
        return True
    try:
        rewind_body(request)
    except (requests.exceptions.UnrewindableBodyError, ValueError):  # ValueError: the file was closed.
        return False
    return True


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
