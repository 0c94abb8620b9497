"""The steps of signing a request and of answering a 401, for libraries whose requests have a mapping of headers."""

from __future__ import annotations

from collections.abc import MutableMapping
from dataclasses import dataclass, field
from typing import Any

from ..auth import TokenAuth
from ..clients.errors import as_library_error
from ..clients.origins import attach, warn_not_replayed
from ..core.endpoints import endpoint_of
from ..core.errors import AuthError, TokenEndpointUnavailable
from ..engine import Snapshot, TokenSource

__all__ = ["MOST_DRAINED", "Answer", "Signer"]

Headers = MutableMapping[str, Any]

MOST_DRAINED = 65_536
"""How much of a 401's body is read, in bytes. To read more of it costs more than a new connection."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of the API, as far as it is judged."""

    method: str
    url: str
    sent: Headers = field(repr=False)
    """The headers of the request."""
    status: int
    headers: Any = field(repr=False)
    """The headers of the answer, by name in any case."""

    @property
    def endpoint(self) -> str:
        """The endpoint that answered: verdicts on a token are remembered for each."""
        return endpoint_of(self.method, self.url)


class Signer:
    """Signs requests with the token of an auth object, and judges their responses.

    Args:
        auth: the auth object.
        unavailable: the library's exception that a `TokenEndpointUnavailable` is, too.
        failed: the library's exception that every other `AuthError` is, too.

    Raises:
        TypeError: `auth` is no auth object of this package.
    """

    def __init__(self, auth: TokenAuth, unavailable: type[Exception], failed: type[Exception]) -> None:
        if not isinstance(auth, TokenAuth):
            raise TypeError("auth must be an auth object of auth_plugins, such as FyatuAuth(...)")
        self.auth = auth
        self._unavailable, self._failed = unavailable, failed

    @property
    def source(self) -> TokenSource:
        """The token source of the auth object."""
        return self.auth._source

    def covers(self, url: str) -> bool:
        """Whether the token may be sent to `url`."""
        return self.auth._requests.allowed.covers(url)

    def strip(self, headers: Headers) -> None:
        """Remove the token from the headers of a request that goes to another origin."""
        current = {str(value) for _, value in self.source.shared.snapshot.headers}
        for name, value in list(headers.items()):
            if value in current or self.source.owns(value):
                del headers[name]

    def sign(self, headers: Headers, *, replayable: bool) -> Snapshot:
        """Attach the token; wait for it if it has to be fetched.

        A request that is not `replayable` also waits for a renewal that is due: it could not be sent again.
        """
        try:
            snapshot = self.source.current(self.auth._transport, once=not replayable)
        except AuthError as error:
            raise self._as_library_error(error) from None
        return self._attach(headers, snapshot)

    async def asign(self, headers: Headers, *, replayable: bool) -> Snapshot:
        """Attach the token as `sign` does, without blocking the event loop."""
        try:
            snapshot = await self.source.acurrent(self.auth._transport, once=not replayable)
        except AuthError as error:
            raise self._as_library_error(error) from None
        return self._attach(headers, snapshot)

    def _attach(self, headers: Headers, snapshot: Snapshot) -> Snapshot:
        snapshot = snapshot.signing(self.source.clock)
        attach(headers, snapshot)
        return snapshot

    def rejects(self, answer: Answer) -> bool:
        """Whether an answer of the API rejects the token of its request."""
        if self.auth._requests.renew_on.rejects(answer.status, answer.headers):
            return True
        if self.source.watches_answers:
            self.source.accepted(answer.sent.get, answer.endpoint, replay=False)
        return False

    def renewal(self, answer: Answer, *, replayable: bool, sent_early: bool = False) -> Any:
        """Start what replaces the token that an answer rejects, and return what `wait` and `await_` wait for.

        `None`: the caller gets the answer, because a renewal would not help or the body cannot be sent again.
        """
        sent = answer.sent.get
        try:
            found = self.source.after_401(sent, self.auth._transport, answer.endpoint, sent_early=sent_early)
        except AuthError as error:
            if not replayable:
                return None
            raise self._as_library_error(error) from None
        if found is not None and not replayable:
            warn_not_replayed(self.source)
            return None
        return found

    def wait(self, found: Any) -> Snapshot:
        """Wait for the token that replaces the rejected one."""
        try:
            return self.source.wait_usable(found)
        except AuthError as error:
            raise self._as_library_error(error) from None

    async def await_(self, found: Any) -> Snapshot:
        """Wait as `wait` does, without blocking the event loop."""
        try:
            return await self.source.await_usable(found)
        except AuthError as error:
            raise self._as_library_error(error) from None

    def observe(self, answer: Answer, renewed: Snapshot) -> None:
        """Record the outcome of a replay."""
        if self.auth._requests.renew_on.rejects(answer.status, answer.headers):
            self.source.still_unauthorized(renewed, answer.endpoint)
        elif renewed.watched:
            self.source.accepted(dict(renewed.headers).get, answer.endpoint, replay=True)

    def _as_library_error(self, error: AuthError) -> AuthError:
        theirs = isinstance(error, TokenEndpointUnavailable)
        return as_library_error(error, self._unavailable if theirs else self._failed)
