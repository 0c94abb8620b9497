"""The context in which one auth object uses the shared state: its provider, policy, clock and listener."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from ..core.answers import Answer
from ..core.errors import AuthError, ConfigurationError
from ..core.events import Event, EventKind, Listener
from ..core.policy import RefreshPolicy
from ..core.provider import Provider
from ..core.secret import request_with_secrets
from ..core.statuses import error_for_status
from ..core.token import Token
from ..core.wire import TokenRequest
from . import exit_guard
from .clock import Clock
from .flight import Flight
from .snapshot import Snapshot
from .token_transport import TokenTransport

__all__ = ["BufferedContext", "Context"]

_log = logging.getLogger("auth_plugins")
_log.addHandler(logging.NullHandler())  # Otherwise unconfigured logging prints warnings to stderr.


_NO_SECRET = ConfigurationError(
    "The function for a secret did not return in time", hint="Look for what it waits for. Nothing was sent."
)


class Context:
    """The provider, policy, clock and listener of one auth object."""

    __slots__ = ("clock", "listener", "policy", "provider")

    def __init__(
        self, provider: Provider, policy: RefreshPolicy, clock: Clock, listener: Listener | None = None
    ) -> None:
        self.provider, self.policy, self.clock, self.listener = provider, policy, clock, listener

    def request(self, make: Callable[[Any], TokenRequest]) -> tuple[TokenRequest, Provider]:
        """Return the request that `make` builds from the contract, and the contract with the secrets that it needs.

        Raises:
            ConfigurationError: a function for a secret failed.
        """
        self.waiting(_NO_SECRET)
        try:
            return request_with_secrets(self.provider, make)
        finally:
            self.waiting(None)

    def call_endpoint(self, request: TokenRequest, transport: TokenTransport, deadline: float | None = None) -> Answer:
        """Make a token call, and return the answer for the provider to read.

        The call ends within `deadline` seconds, or within the policy's deadline if `deadline` is `None`.

        Raises:
            TokenEndpointUnavailable: there was no answer, or its status asks to retry later.
            InvalidTokenResponse: the answer is too long, or has a status that no token endpoint sends.
        """
        sent, monotonic = self.clock(), self.clock.monotonic()
        response = transport.send(request, self.policy, self.policy.deadline if deadline is None else deadline)
        # Measured with the monotonic clock: the wall clock may have been set during the call.
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
        """Log an event, and pass it to the listener. What the listener raises is logged and not raised."""
        name = self.provider.name
        level = logging.DEBUG if error is None else logging.WARNING
        _log.log(level, "%s: %s%s", name, kind.value, f": {error}" if error is not None else "")
        if self.listener is not None:
            try:
                self.listener(Event(kind, name, token, error))
            except Exception as failure:
                _log.error("on_event raised %s", type(failure).__name__)

    def published(self, snapshot: Snapshot) -> None:
        """Called when requests start to use `snapshot`, before the rest of the renewal has ended."""

    def waiting(self, failure: AuthError | None) -> None:
        """Called with the error for waiters that time out before the token call; `None`: it goes on to the call."""

    def hold_exit(self, seconds: float) -> None:
        """Let the exit of the program wait for the end of this renewal, up to `seconds`; see `exit_guard.hold`."""

    def afterwards(self, work: ExitStack) -> None:
        """Close `work` when no waiter depends on this renewal any more; here, at once."""
        work.close()


class BufferedContext(Context):
    """The context of a renewal that runs: buffers events until `notify_all`, and later work until `work_off`."""

    __slots__ = ("_context", "_flight", "_kept", "_works")

    def __init__(self, context: Context, flight: Flight | None = None) -> None:
        super().__init__(context.provider, context.policy, context.clock, context.listener)
        self._context, self._flight = context, flight
        self._works: list[ExitStack] = []
        self._kept: list[tuple[EventKind, Token | None, AuthError | None]] = []

    def notify(self, kind: EventKind, token: Token | None = None, error: AuthError | None = None) -> None:
        """Keep the event until `notify_all`."""
        self._kept.append((kind, token, error))

    def published(self, snapshot: Snapshot) -> None:
        """Publish the token in the flight: waiters that time out return it."""
        if self._flight is not None:
            self._flight.publish(snapshot)

    def waiting(self, failure: AuthError | None) -> None:
        """Set the error that waiters of the flight raise when they time out."""
        if self._flight is not None:
            self._flight.waits_for = failure

    def hold_exit(self, seconds: float) -> None:
        """Hold the exit until the flight has ended."""
        if self._flight is not None:
            exit_guard.hold(self._flight, seconds)

    def afterwards(self, work: ExitStack) -> None:
        """Keep `work` until `work_off`."""
        self._works.append(work)

    def work_off(self) -> None:
        """Close all the work that was kept."""
        for work in self._works:
            work.close()

    def notify_all(self) -> None:
        """Notify the listener of the buffered events, in order."""
        for kept in self._kept:
            self._context.notify(*kept)
