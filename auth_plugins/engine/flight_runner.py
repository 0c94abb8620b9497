"""Runs a flight in a thread of the pool, and delivers the outcome to all waiters, whatever it is."""

from __future__ import annotations

import math
from functools import partial

from ..core.errors import AuthError, ConfigurationError, TokenEndpointUnavailable
from ..core.events import EventKind
from ..core.origin import Origin
from . import exit_guard
from .context import BufferedContext, Context
from .flight import Flight
from .job import Job
from .shared_state import SharedState
from .snapshot import Snapshot
from .worker_pool import pool

__all__ = ["launching", "start"]


class launching:
    """On exit from the block, normal or not, start the flight that is in the shared state, if there is a flight.

    Ctrl-C can end the block just after a flight was put into the shared state, and other threads may wait for it
    already. Every exit from such a block starts the flight, unless it was started before. So the next request starts
    a flight whose own block was interrupted.
    """

    __slots__ = ("_context", "_shared")

    def __init__(self, context: Context, shared: SharedState) -> None:
        self._context, self._shared = context, shared

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None:
        flight = self._shared.flight
        if flight is not None:
            start(self._context, self._shared, flight)


def start(context: Context, shared: SharedState, flight: Flight) -> None:
    """Put `flight` into the queue of the pool, once. If it is there already, see to it that the queue goes on."""
    try:
        if flight.begin():
            _enqueue(context, shared, flight)
        elif not flight.is_claimed and isinstance(flight.place, _Place):
            flight.place.is_served = pool.go_on()
    except BaseException:  # The caller is interrupted, for example by Ctrl-C; other threads may wait for the flight.
        if not flight.is_claimed:
            _enqueue(context, shared, flight)
        raise


def _enqueue(context: Context, shared: SharedState, flight: Flight) -> None:
    place = flight.place = _Place(context, shared, flight)
    place.is_served = pool.submit(place.job, awaited=flight.awaited)


class _Place:
    """The place of a flight in the queue of the pool."""

    def __init__(self, context: Context, shared: SharedState, flight: Flight) -> None:
        self.is_served = True
        """Whether the pool has a thread for it, or will have."""
        self.job = Job(
            partial(_run, context, shared, flight),
            Origin.of(context.provider.base_url),
            context.policy.max_concurrent_calls,
            context.policy.deadline,
            lambda: flight.waits_for is not None,
        )

    @property
    def advanced_at(self) -> float:
        return pool.answered_at.get(self.job.server, -math.inf)

    def hurry(self) -> None:
        # The second of the two jobs finds that the flight is claimed, and does nothing.
        self.is_served = pool.submit(self.job, awaited=True)

    def run_here(self, *, may_block: bool) -> None:
        if self.is_served and not pool.is_worker:
            return
        if may_block or pool.is_worker:
            self.job.run()
            return
        raise ConfigurationError(
            "The token was not renewed: no thread could be started for the token call",
            hint="Raise the limit of threads (ulimit -u, the container's pids limit), or end threads of this program.",
        )


def _run(context: Context, shared: SharedState, flight: Flight) -> None:
    if not flight.claim():
        return
    flight.started = context.clock.monotonic()
    outcome: Snapshot | AuthError
    later = BufferedContext(context, flight)
    try:
        outcome = flight.job(later, shared)
    except AuthError as error:
        outcome = error.clone()
    except BaseException as end_of_thread:  # The waiters must be notified, whatever was raised.
        outcome = AuthError(f"The renewal ended by {type(end_of_thread).__name__}", hint="Try again.")
    with shared.lock:
        if shared.flight is flight and isinstance(outcome, AuthError) and flight.renews:
            shared.record_failure(outcome, context.policy, context.clock)
        flight.set_outcome(outcome)
    if flight.place is not None and not isinstance(outcome, TokenEndpointUnavailable):
        pool.answered(Origin.of(context.provider.base_url))
    try:
        later.notify_all()  # After the outcome is set: a listener must not wait for its own flight.
        if isinstance(outcome, AuthError) and flight.renews:
            context.notify(EventKind.RENEWAL_FAILED, shared.snapshot.token, outcome)
    finally:
        with shared.lock:
            if shared.flight is flight:
                shared.flight = None
        flight.notify_waiters(outcome)
        later.work_off()  # After the waiters: they do not wait for further attempts to save a token.
        exit_guard.release(flight)
