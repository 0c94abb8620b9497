"""How a token gets onto a request of httpx or httpx2, and what becomes of a 401."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

from ..core.errors import AuthError, TokenEndpointUnavailable
from ..source import Channel, Live, Source
from .bodies import Body
from .errors import as_library_error
from .httpx_channel import HttpxChannel
from .scope import Scope, attach, tell_not_replayed

__all__ = ["HttpxDoor", "library_of"]

Request = Any
Response = Any


def library_of(kind: type) -> ModuleType:
    """Find the library whose request this is, or is derived from: httpx and httpx2 share no classes."""
    for ancestor in kind.__mro__:
        root = ancestor.__module__.partition(".")[0]
        if root in ("httpx", "httpx2"):
            return sys.modules[root]
    raise TypeError("request must be an httpx.Request or an httpx2.Request")


class HttpxDoor:
    """What the flows do, for one of the two libraries: every request and every error is made with its own classes."""

    def __init__(self, library: ModuleType, source: Source, scope: Scope, channel: Channel | None) -> None:
        self.library: Any = library
        self._source, self._scope = source, scope
        self._channel = channel or HttpxChannel(library)

    def sign(self, request: Request, body: Body) -> Live:
        """Attach the token, and tell which."""
        try:
            live = self._source.current(self._channel, once=not body.replayable)
        except AuthError as error:
            raise self._told(error, request) from None
        return self._attach(request, live)

    async def asign(self, request: Request, body: Body) -> Live:
        """Do as `sign`, in a task of asyncio or trio."""
        await body.alook()
        try:
            live = await self._source.acurrent(self._channel, once=not body.replayable)
        except AuthError as error:
            raise self._told(error, request) from None
        return self._attach(request, live)

    def again(self, request: Request, response: Response, body: Body) -> tuple[Request, Live] | None:
        """Answer a 401 to `request`: give what to send now, and the token on it; `None`: the caller gets the 401."""
        rejected = response.request
        try:
            found = self._source.after_401(rejected.headers.get, self._channel)
            if found is None:
                return None
            if not body.rewind(rejected.stream):
                tell_not_replayed(self._source)
                return None
            response.read()  # Others can use its connection while this one waits.
            live = self._source.settled(found)
        except AuthError as error:
            if not body.can_be_resent(rejected.stream):
                return None
            raise self._told(error, request) from None
        return self._made_again(rejected, live)

    async def aagain(self, request: Request, response: Response, body: Body) -> tuple[Request, Live] | None:
        """Do as `again`, in a task of asyncio or trio."""
        rejected = response.request
        try:
            found = self._source.after_401(rejected.headers.get, self._channel)
            if found is None:
                return None
            if not await body.arewind(rejected.stream):
                tell_not_replayed(self._source)
                return None
            await response.aread()
            live = await self._source.asettled(found)
        except AuthError as error:
            if not body.can_be_resent(rejected.stream):
                return None
            raise self._told(error, request) from None
        return self._made_again(rejected, live)

    def _attach(self, request: Request, live: Live) -> Live:
        """Put the token on a request; refuse one that the library would carry to strangers.

        It follows redirects out of a flow's sight, and takes only `Authorization` off on the way to another origin.
        """
        if any(name.lower() != "authorization" for name, _ in live.headers):
            hint = "Carry the token in Authorization, or send these requests with requests."
            raise self._told(AuthError(f"{self.library.__name__} may leak this token's header", hint=hint), request)
        attach(request.headers, live)
        live.prepare_for_httpx()
        return live

    def covers(self, request: Request) -> bool:
        """Whether the token may go where the request goes."""
        url = request.url
        return self._scope.covers_parts(url.scheme, url.raw_host.decode("ascii"), url.port)

    def is_rejected(self, response: Response, live: Live) -> bool:
        """Look at the response to a request that carried `live`: whether it is a 401 of ours."""
        if response.status_code == 401:
            return self.covers(response.request)
        if live.unproven:
            self._source.accepted(response.request.headers.get, replay=False)
        return False

    def learn(self, response: Response, renewed: Live) -> None:
        """Look at the response to a request that was sent again; who redirected it to a stranger accepted the token."""
        if response.status_code == 401 and self.covers(response.request):
            self._source.unhelpful(renewed)
        elif renewed.unproven:
            self._source.accepted(dict(renewed.headers).get, replay=True)

    def _made_again(self, rejected: Request, live: Live) -> tuple[Request, Live]:
        """Make the request to send after a renewal: the one that was rejected, byte for byte but for the token.

        After a redirect that is the last one of the chain: the first may have taken effect.
        """
        again = self.library.Request(
            rejected.method,
            rejected.url,
            headers=rejected.headers,
            stream=rejected.stream,
            extensions=rejected.extensions,
        )
        if hasattr(rejected, "_content"):
            again.read()  # So has this one its `content`: an event hook may look there.
        attach(again.headers, live)
        return again, live

    def _told(self, error: AuthError, request: Request) -> AuthError:
        theirs = isinstance(error, TokenEndpointUnavailable)
        told: Any = as_library_error(error, self.library.TransportError if theirs else self.library.RequestError)
        told.request = self.library.Request(request.method, request.url)  # No headers: one may be the old token.
        return told  # type: ignore[no-any-return]
