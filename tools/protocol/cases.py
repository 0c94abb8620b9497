"""What is explored: each defect of the old protocol, and the new one within bounds that grow."""

from __future__ import annotations

from dataclasses import dataclass, replace

from .state import NEW, OLD, Bounds, Rules
from .verdict import Property

__all__ = ["ALL_FAULTS", "DEFECTS", "LARGE", "NEEDED", "SMALL", "Case"]

ALL_FAULTS = frozenset(
    {
        "answer lost",
        "crash",
        "emptied",
        "lock answer lost",
        "logout",
        "long call",
        "release fails",
        "request lost",
        "save fails",
        "set back",
        "slow server",
        "stall",
        "stop",
    }
)
"""The faults of the model."""


@dataclass(frozen=True, slots=True)
class Case:
    """Rules and bounds within which a property does not hold."""

    what: str
    rules: Rules
    bounds: Bounds
    property: Property


def _case(what: str, rules: Rules, of: Property, *kinds: str, **bounds: int) -> Case:
    return Case(what, rules, Bounds(**bounds, kinds=frozenset(kinds)), of)


_SESSION, _WAITING, _LOGOUT = Property.SESSION, Property.WAITING, Property.LOGOUT

DEFECTS = (
    _case("a save fails, and a peer uses the token before", OLD, _SESSION, "save fails"),
    _case("the store is set back, and a process uses the token before its own", OLD, _SESSION, "set back", processes=1),
    _case("the store is emptied, and a process with an old token is the first", OLD, _SESSION, "emptied"),
    _case("a holder dies after its save, and a peer waits for its lock", OLD, _WAITING, "crash"),
    _case("a release is lost, and the requests of its own process wait", OLD, _WAITING, "release fails"),
    _case("a late save takes a lock that was given back", OLD, _WAITING, "save fails"),
    _case("a host's clock is behind, and its token has ended for the others", OLD, _SESSION, slow_clocks=1, faults=0),
    _case("a late save brings a token back after a logout", OLD, _LOGOUT, "save fails", "logout", faults=2),
)
"""What the old protocol does wrong. In the new one the same bounds hold no such state."""

NEEDED = (
    _case("save_again", replace(NEW, save_again=False), _SESSION, "save fails"),
    _case("numbered", replace(NEW, numbered=False), _SESSION, "set back"),
    _case("answers", replace(NEW, answers=False), _WAITING, "crash"),
    _case("settle", replace(NEW, settle="never"), _SESSION, "emptied", "long call", faults=2),
    _case("revives", replace(NEW, revives=True), _SESSION, "stall"),
    _case("epochs", replace(NEW, epochs=False), _SESSION, "emptied"),
    _case("publish_first", replace(NEW, publish_first=False), _WAITING, "release fails"),
)
"""What the new protocol does wrong without one of its rules: none can be left out."""

SMALL = (Bounds(2, 2, 1, ALL_FAULTS), Bounds(2, 2, 1, ALL_FAULTS - {"slow server", "logout"}, slow_clocks=1))
"""Seconds."""
BEYOND = Bounds(3, 2, 2, frozenset({"emptied", "lock answer lost"}))
"""The store is emptied during a call, a third process takes the lock before the waiter, and its answer is lost. Its
number then hides from the waiter that the store has forgotten the first lock; but the waiter waits for the epoch."""
LARGE = (
    Bounds(3, 2, 1, ALL_FAULTS),
    Bounds(2, 3, 1, ALL_FAULTS),
    Bounds(2, 2, 2, ALL_FAULTS),
    Bounds(3, 3, 1, ALL_FAULTS),
    Bounds(2, 3, 2, ALL_FAULTS),
    BEYOND,
)
"""Minutes."""
