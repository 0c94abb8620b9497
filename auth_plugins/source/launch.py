"""How a flight begins and ends: in a thread of its own, whose every outcome is told to whoever waits."""

from __future__ import annotations

import threading
from collections.abc import Callable

from ..core.errors import AuthError
from ..core.events import EventKind
from .flight import Flight
from .live import Live
from .slot import Slot
from .terms import Later, Terms

__all__ = ["launch"]

Job = Callable[[Terms, Slot], Live]
"""What a flight does."""


def launch(terms: Terms, slot: Slot, flight: Flight, job: Job) -> None:
    """Let `flight` do its job. It is no daemon: at the interpreter's end a renewal comes home first."""
    try:
        _start(terms, slot, flight, job)
    except BaseException:  # Whoever asked is being ended, by Ctrl-C for one, and others may count on the flight.
        _start(terms, slot, flight, job)
        raise


def _start(*arguments: *tuple[Terms, Slot, Flight, Job]) -> None:
    if _is_too_late():
        _fly(*arguments)
        return
    work = threading.Thread(target=_fly, args=arguments, name="auth_plugins renewal", daemon=False)
    try:
        work.start()
    except RuntimeError:  # No thread to be had: the caller has to do it.
        _fly(*arguments)


def _is_too_late() -> bool:
    # In an atexit handler. Some Pythons start a thread there, for which nobody waits any more; others refuse to.
    main = threading.main_thread()
    return not main.is_alive() and all(each.daemon or each is main for each in threading.enumerate())


def _fly(terms: Terms, slot: Slot, flight: Flight, job: Job) -> None:
    if not flight.claim():
        return
    outcome: Live | AuthError
    later = Later(terms, flight)
    try:
        outcome = job(later, slot)
    except AuthError as error:
        outcome = error.fresh()
    except BaseException as end_of_thread:  # Whoever waits must be told, whatever it was.
        outcome = AuthError(f"The renewal ended by {type(end_of_thread).__name__}", hint="Try again.")
    with slot.lock:
        if slot.flight is flight and isinstance(outcome, AuthError) and flight.renews:
            slot.remember(outcome, terms.policy, terms.clock)
        flight.conclude(outcome)
    try:
        later.tell_all()  # Only now: a listener may use the auth object, and must not wait for its own flight.
        if isinstance(outcome, AuthError) and flight.renews:
            terms.tell(EventKind.RENEWAL_FAILED, slot.live.token, outcome)
    finally:
        with slot.lock:
            if slot.flight is flight:
                slot.flight = None
        flight.land(outcome)
        later.work_off()  # A token that could not be saved is not waited for.
