"""Runs a flight in a new thread, and delivers the outcome to all waiters, whatever it is."""

from __future__ import annotations

import threading

from ..core.errors import AuthError
from ..core.events import EventKind
from .context import BufferedContext, Context
from .flight import Flight
from .shared_state import SharedState
from .snapshot import Snapshot

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
    """Start the job of `flight`, once. Its thread is not a daemon, so the interpreter waits for it at exit."""
    try:
        if flight.begin():
            _start_thread(context, shared, flight)
    except BaseException:  # The caller is interrupted, for example by Ctrl-C; other threads may wait for the flight.
        if not flight.is_claimed:
            _start_thread(context, shared, flight)
        raise


def _start_thread(*arguments: *tuple[Context, SharedState, Flight]) -> None:
    if _is_too_late():
        _run(*arguments)
        return
    work = threading.Thread(target=_run, args=arguments, name="auth_plugins renewal", daemon=False)
    try:
        work.start()
    except RuntimeError:  # No new thread can be started, so the job runs in the caller's.
        _run(*arguments)


def _is_too_late() -> bool:
    # True in an atexit handler. There, some Python versions start a thread but do not wait for it; others refuse to.
    main = threading.main_thread()
    return not main.is_alive() and all(each.daemon or each is main for each in threading.enumerate())


def _run(context: Context, shared: SharedState, flight: Flight) -> None:
    if not flight.claim():
        return
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
