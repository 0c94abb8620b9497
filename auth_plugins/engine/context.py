"""What one auth object brings to the slot that it shares: its provider, how that is asked, and who is told."""

from __future__ import annotations

import logging
from contextlib import ExitStack
from dataclasses import replace

from ..core.answers import Answer
from ..core.errors import AuthError
from ..core.events import Event, EventKind, Listener
from ..core.policy import RefreshPolicy
from ..core.provider import Provider
from ..core.statuses import error_for_status
from ..core.token import Token
from ..core.wire import TokenRequest
from .clock import Clock
from .flight import Flight
from .snapshot import Snapshot
from .token_transport import TokenTransport

__all__ = ["BufferedContext", "Context"]

_log = logging.getLogger("auth_plugins")
_log.addHandler(logging.NullHandler())  # A library is silent in a program that never asked for its log.


class Context:
    """The credentials, in their contract, and how to go about it."""

    __slots__ = ("clock", "listener", "policy", "provider")

    def __init__(
        self, provider: Provider, policy: RefreshPolicy, clock: Clock, listener: Listener | None = None
    ) -> None:
        self.provider, self.policy, self.clock, self.listener = provider, policy, clock, listener

    def call_endpoint(self, request: TokenRequest, transport: TokenTransport, deadline: float | None = None) -> Answer:
        """Make a token call, and return the answer for the contract to read.

        It ends within `deadline` seconds; `None`: within the policy's.

        Raises:
            TokenEndpointUnavailable: there was no answer, or one that asks to come again.
            InvalidTokenResponse: the answer is too long, or no token endpoint's.
        """
        sent, monotonic = self.clock(), self.clock.monotonic()
        policy = self.policy if deadline is None else replace(self.policy, deadline=deadline)
        response = transport.send(request, policy)
        # Not a second look at the wall clock: it may have been set meanwhile.
        arrived = sent + max(self.clock.monotonic() - monotonic, 0.0)
        answer = Answer(request, response, self.provider.error_info(response), sent, arrived)
        error = error_for_status(answer)
        if error is not None:
            raise error
        return answer

    def warn(self, text: str, *values: object) -> None:
        """Log a warning that an operator should see."""
        _log.warning("%s: " + text, self.provider.name, *values)

    def notify(self, kind: EventKind, token: Token | None = None, error: AuthError | None = None) -> None:
        """Log what happened, and tell the listener, whose own failures end here."""
        name = self.provider.name
        level = logging.DEBUG if error is None else logging.WARNING
        _log.log(level, "%s: %s%s", name, kind.value, f": {error}" if error is not None else "")
        if self.listener is not None:
            try:
                self.listener(Event(kind, name, token, error))
            except Exception as failure:
                _log.error("on_event raised %s", type(failure).__name__)

    def published(self, snapshot: Snapshot) -> None:
        """Learn that requests use `live` from now on, whatever becomes of the rest of the renewal."""

    def waiting(self, failure: AuthError | None) -> None:
        """Learn what keeps the renewal, for those who stop waiting for it; `None`: the call does."""

    def afterwards(self, work: ExitStack) -> None:
        """Do `work` when there is nothing left for others to wait for."""
        work.close()


class BufferedContext(Context):
    """The same, but what there is to tell is kept until its time comes, and work for afterwards as well."""

    __slots__ = ("_flight", "_kept", "_terms", "_works")

    def __init__(self, context: Context, flight: Flight | None = None) -> None:
        super().__init__(context.provider, context.policy, context.clock, context.listener)
        self._terms, self._flight = context, flight
        self._works: list[ExitStack] = []
        self._kept: list[tuple[EventKind, Token | None, AuthError | None]] = []

    def tell(self, kind: EventKind, token: Token | None = None, error: AuthError | None = None) -> None:
        """Keep it."""
        self._kept.append((kind, token, error))

    def published(self, snapshot: Snapshot) -> None:
        """Let the flight have its outcome: those who stop waiting for the rest get the token."""
        if self._flight is not None:
            self._flight.publish(snapshot)

    def waiting(self, failure: AuthError | None) -> None:
        """Let the flight raise `failure` to those who stop waiting."""
        if self._flight is not None:
            self._flight.waits_for = failure

    def afterwards(self, work: ExitStack) -> None:
        """Keep it until `work_off`."""
        self._works.append(work)

    def work_off(self) -> None:
        """Do what is left to do."""
        for work in self._works:
            work.close()

    def notify_all(self) -> None:
        """Tell what was kept, in its order."""
        for kept in self._kept:
            self._terms.notify(*kept)
