"""How a flight begins and ends: in a thread of its own, whose every outcome is told to whoever waits."""

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
    """Start the flight that is in the slot when the block ends, however it ends.

    Ctrl-C can end the block just after a flight was put into the slot. Other threads may already count on it. Each
    block that is left starts the flight unless another has done so, so the next request starts a flight whose own
    block was interrupted.
    """

    __slots__ = ("_shared", "_terms")

    def __init__(self, context: Context, shared: SharedState) -> None:
        self._terms, self._slot = context, shared

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None:
        flight = self._slot.flight
        if flight is not None:
            start(self._terms, self._slot, flight)


def start(context: Context, shared: SharedState, flight: Flight) -> None:
    """Start the job of `flight`, once. Its thread is no daemon: the interpreter waits for it before it ends."""
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
    except RuntimeError:  # No thread to be had: the caller has to do it.
        _run(*arguments)


def _is_too_late() -> bool:
    # In an atexit handler. Some Pythons start a thread there, for which nobody waits any more; others refuse to.
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
    except BaseException as end_of_thread:  # Whoever waits must be told, whatever it was.
        outcome = AuthError(f"The renewal ended by {type(end_of_thread).__name__}", hint="Try again.")
    with shared.lock:
        if shared.flight is flight and isinstance(outcome, AuthError) and flight.renews:
            shared.record_failure(outcome, context.policy, context.clock)
        flight.set_outcome(outcome)
    try:
        later.notify_all()  # Only now: a listener may use the auth object, and must not wait for its own flight.
        if isinstance(outcome, AuthError) and flight.renews:
            context.notify(EventKind.RENEWAL_FAILED, shared.snapshot.token, outcome)
    finally:
        with shared.lock:
            if shared.flight is flight:
                shared.flight = None
        flight.notify_waiters(outcome)
        later.work_off()  # A token that could not be saved is not waited for.
