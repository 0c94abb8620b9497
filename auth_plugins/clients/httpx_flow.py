"""Signs requests of httpx and httpx2, and replays them after a 401."""

from __future__ import annotations

import sys
from collections.abc import Generator
from types import ModuleType
from typing import Any

from ..core.errors import AuthError, TokenEndpointUnavailable
from ..engine import OwnedBytes, Snapshot, TokenSource, TokenTransport
from .bodies import Body
from .errors import as_library_error
from .httpx_transport import HttpxTransport
from .origins import AllowedOrigins, attach, warn_not_replayed

__all__ = ["HttpxFlow", "library_of"]

Request = Any
Response = Any


def library_of(kind: type) -> ModuleType:
    """Find the library whose request this is, or is derived from: httpx and httpx2 share no classes."""
    for ancestor in kind.__mro__:
        root = ancestor.__module__.partition(".")[0]
        if root in ("httpx", "httpx2"):
            return sys.modules[root]
    raise TypeError("request must be an httpx.Request or an httpx2.Request")


class HttpxFlow:
    """The steps of an auth flow for one of the two libraries, whose classes it uses for requests and errors."""

    def __init__(
        self, library: ModuleType, source: TokenSource, allowed: AllowedOrigins, transport: TokenTransport | None
    ) -> None:
        self.library: Any = library
        self._source, self._allowed = source, allowed
        self._transport = transport or HttpxTransport(library)
        self._unreadable = (self.library.RequestError, self.library.StreamError)

    def flow(self, request: Request) -> Generator[Request, Response, None]:
        """Drive a request: sign it, and answer a 401. It waits in this thread for a token that has to be fetched."""
        if not self.covers(request):
            self.unsign(request)
            yield request
            return
        body = Body(request.stream, self.library)
        snapshot = self.sign(request, body)
        response = yield request
        yield from self.follow_up(request, response, snapshot, body)

    def follow_up(self, request: Request, response: Response, snapshot: Snapshot, body: Body | None = None) -> Any:
        """Drive what comes after the response to a request that carried `snapshot`: a generator, as `flow`."""
        if not self.is_rejected(response, snapshot):
            return
        again = self.prepare_replay(request, response, body or Body(request.stream, self.library))
        if again is not None:
            yield from self.replay(*again)

    def replay(self, again: Request, renewed: Snapshot) -> Generator[Request, Response, None]:
        """Send a request again, and learn from its response, or from there being none."""
        try:
            response = yield again
        except BaseException:  # The client closes the generator when a request fails.
            self._source.unanswered(renewed)
            raise
        self.observe_replay(response, renewed)

    def sign(self, request: Request, body: Body) -> Snapshot:
        """Attach the token, and return its snapshot."""
        try:
            snapshot = self._source.current(self._transport, once=not body.replayable)
        except AuthError as error:
            raise self._as_library_error(error, request) from None
        return self.attach(request, snapshot)

    async def acurrent(self, request: Request, body: Body) -> Snapshot:
        """Return the token for a request with this body, in a task of asyncio or trio."""
        await body.aprobe()
        try:
            return await self._source.acurrent(self._transport, once=not body.replayable)
        except AuthError as error:
            raise self._as_library_error(error, request) from None

    def prepare_replay(self, request: Request, response: Response, body: Body) -> tuple[Request, Snapshot] | None:
        """Answer a 401 to `request`: return what to send now and its token, or `None` if the caller gets the 401."""
        rejected = response.request
        try:
            found = self._source.after_401(rejected.headers.get, self._transport)
            if found is None:
                return None
            if not body.rewind(rejected.stream):
                warn_not_replayed(self._source)
                return None
            self._drain(response)  # Its connection is free for other requests during the wait.
            snapshot = self._source.wait_usable(found)
        except AuthError as error:
            if not body.can_be_resent(rejected.stream):
                return None
            raise self._as_library_error(error, request) from None
        return self._replay_request(rejected, snapshot)

    async def aprepare_replay(
        self, request: Request, response: Response, body: Body
    ) -> tuple[Request, Snapshot] | None:
        """The same as `prepare_replay`, in a task of asyncio or trio."""
        rejected = response.request
        try:
            found = self._source.after_401(rejected.headers.get, self._transport)
            if found is None:
                return None
            if not await body.arewind(rejected.stream):
                warn_not_replayed(self._source)
                return None
            await self._adrain(response)
            snapshot = await self._source.await_usable(found)
        except AuthError as error:
            if not body.can_be_resent(rejected.stream):
                return None
            raise self._as_library_error(error, request) from None
        return self._replay_request(rejected, snapshot)

    def _drain(self, response: Response) -> None:
        """Read a 401 to its end. One that breaks off is closed, and has no content."""
        try:
            response.read()
        except self._unreadable:
            response.close()
            response._content = b""  # The client itself reads the response once more.

    async def _adrain(self, response: Response) -> None:
        """Do as `_drain`, in a task of asyncio or trio."""
        try:
            await response.aread()
        except self._unreadable:
            await response.aclose()
            response._content = b""

    def unsign(self, request: Request) -> None:
        """Take our token off a request that goes to another origin, and leave all other headers as they are.

        It may have been signed at home and sent elsewhere since, or made with the headers of a signed request.
        """
        headers, shared = request.headers, self._source.shared
        current = [value.encode() for _, value in shared.snapshot.headers]
        raw = headers.raw
        kept = [
            (name, value)
            for name, value in raw
            if value not in current and not (isinstance(value, OwnedBytes) and value.owner == shared.key)
        ]
        if len(kept) < len(raw):
            request.headers = self.library.Headers(kept, encoding=headers.encoding)

    def attach(self, request: Request, snapshot: Snapshot) -> Snapshot:
        """Put the token on a request; refuse one that the library would carry to strangers.

        It follows redirects out of a flow's sight, and takes only `Authorization` off on the way to another origin.
        """
        if any(name.lower() != "authorization" for name, _ in snapshot.headers):
            hint = "Carry the token in Authorization, or send these requests with requests."
            raise self._as_library_error(
                AuthError(f"{self.library.__name__} may leak this token's header", hint=hint), request
            )
        attach(request.headers, snapshot)
        snapshot.prepare_for_httpx()
        return snapshot

    def covers(self, request: Request) -> bool:
        """Whether the token may go where the request goes."""
        url = request.url
        return self._allowed.covers_parts(url.scheme, url.raw_host.decode("ascii"), url.port)

    def is_rejected(self, response: Response, snapshot: Snapshot) -> bool:
        """Whether the response, to a request that carried `snapshot`, is a 401 from an allowed origin."""
        if response.status_code == 401:
            return self.covers(response.request)
        if snapshot.unproven:
            self._source.accepted(response.request.headers.get, replay=False)
        return False

    def observe_replay(self, response: Response, renewed: Snapshot) -> None:
        """Record the outcome of a replay. A redirect to another origin counts as accepted."""
        if response.status_code == 401 and self.covers(response.request):
            self._source.still_unauthorized(renewed)
        elif renewed.unproven:
            self._source.accepted(dict(renewed.headers).get, replay=True)

    def _replay_request(self, rejected: Request, snapshot: Snapshot) -> tuple[Request, Snapshot]:
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
        attach(again.headers, snapshot)
        return again, snapshot

    def _as_library_error(self, error: AuthError, request: Request) -> AuthError:
        theirs = isinstance(error, TokenEndpointUnavailable)
        told: Any = as_library_error(error, self.library.TransportError if theirs else self.library.RequestError)
        # Without headers: the old token may be among them.
        told.request = self.library.Request(request.method, request.url)
        return told  # type: ignore[no-any-return]
