"""What the model knows: tokens, the store, the processes, the provider; and which faults there may be.

A token is its generation: 0 is the one that the user gave, n + 1 is what the provider gives for n. The provider takes
each generation once; one that comes again ends the session. A record is a token and its number: that of the
lock under which it was fetched, or one more than that of the token before it, if that is higher; 0 for the given one.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

__all__ = [
    "NEW",
    "NOTHING",
    "OLD",
    "At",
    "Bounds",
    "Late",
    "Process",
    "Record",
    "Rules",
    "Store",
    "World",
    "first",
]


class At(IntEnum):
    """Where a process is. The step that it names comes next."""

    IDLE = 0
    LOAD = 1
    LOCK = 2
    RELOAD = 3
    SETTLE = 4
    PREPARE = 5
    """Save the token that is to be refreshed: a store that does not take it would not take the new one."""
    REQUEST = 6
    """The request is on its way to the provider."""
    ANSWER = 7
    """The answer is on its way to the process."""
    SAVE = 8
    SAVE_AGAIN = 9
    PUT_BACK = 10
    RELEASE = 11
    OVER = 12
    """The process was refused after a logout."""


class Record(NamedTuple):
    """What a store has under a key."""

    token: int
    """-1: there was a logout."""
    number: int
    slow_clock: bool = False
    """It was saved by a host whose clock is behind: to the clocks of the others it has ended."""


NOTHING = Record(-3, 0)
"""No record: the store never had one, or was emptied. Not -2, whose hash is that of -1 in CPython."""


class Store(NamedTuple):
    """What a store has under one key."""

    record: Record = NOTHING
    last: int = 0
    """The highest number of a lock, as far as it is known there."""
    lock: int = 0
    """The number of the lock that is held; 0 if none is."""


class Process(NamedTuple):
    """What a process has in memory."""

    at: At = At.IDLE
    own: Record = Record(0, 0)
    """The token that its requests use."""
    lock: int = 0
    """The number of its lock, while it believes that it has one."""
    new: Record = NOTHING
    """What the provider has given, or is about to give."""
    before: Record | None = None
    """The last save failed, when the store had this."""
    seen: int = 0
    """The number of the lock that kept it waiting."""


class Late(NamedTuple):
    """A command whose client has given up, and that the store may still execute at any later time, or never."""

    command: str
    lock: int
    record: Record


class World(NamedTuple):
    """One state."""

    processes: tuple[Process, ...]
    store: Store = Store()
    replica: Store | None = None
    """What the store will be set back to; None: the replica has everything."""
    late: tuple[Late, ...] = ()
    newest: int = 0
    """The generation that the provider takes next."""
    due: int = 0
    """Tokens of this generation and before have to be renewed."""
    faults: int = 0
    unseen: bool = False
    """The store lost something, and no process that has the newest token has used it since."""
    slow: bool = False
    """The clock of the store that was failed over to is behind that of the one before."""
    crashed: bool = False
    stopped: bool = False
    """A process was stopped past its lease during its call."""
    ended: bool = False
    """There was a logout."""
    young: bool = False
    """The store has lost something, and its new epoch has not settled."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What distinguishes the protocols."""

    name: str
    save_again: bool
    """A save that failed is repeated under its number while the lock is kept."""
    numbered: bool
    """A record has a number: SAVE takes none for a newer one, and a store that was set back is recognised by it."""
    answers: bool
    """ACQUIRE gives the record, along with its refusal too."""
    settle: str
    """Who waits for the call of a holder whose lock was lost: "never", "waiter" (saw the lock) or "always"."""
    revives: bool
    """A SAVE takes the lock again where it is free."""
    epochs: bool
    """The store shows that it may have lost something: every process puts back what is missing there, and none presents
    a token before that is done."""
    publish_first: bool
    """Requests get the token before the lock is released."""
    server_time: bool
    """The server's time alone decides whether a record has ended."""


OLD = Rules("old", False, False, False, "never", True, False, False, False)
"""The protocol of the first versions."""
NEW = Rules("new", True, True, True, "waiter", False, True, True, True)
"""The protocol that keeps every session but those that no protocol can keep."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How far the exploration goes."""

    processes: int = 2
    renewals: int = 2
    faults: int = 1
    kinds: frozenset[str] = frozenset()
    """The faults that there may be."""
    slow_clocks: int = 0
    """How many processes, the first ones, are on hosts whose clocks are behind."""


def first(bounds: Bounds) -> World:
    """Return the state in which every process has the token that the user gave."""
    return World(tuple(Process() for _ in range(bounds.processes)))
