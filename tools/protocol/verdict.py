"""What must hold, and what no protocol can prevent."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from .state import At, Process, Record, World

__all__ = [
    "Property",
    "Verdict",
    "fresh_number",
    "good",
    "holds_newest",
    "is_stale",
    "judge_request",
    "judge_waiter",
    "numbers_of",
]

ANSWER_LOST = "an answer was lost between provider and process"
ON_THE_WIRE = (
    "the store lost a lock during a call that lasted longer than it takes to settle,"
    " and the next holder had not seen that lock"
)
STOPPED = "the lease ended before the holder had its answer in the store"
NOWHERE = "neither the store nor any living process had the newest token"


class Property(Enum):
    """What must hold in every state."""

    SESSION = "no refresh token is presented twice"
    WAITING = "no request and no process waits where a good token is there"
    LOGOUT = "no token comes back into the store after a logout"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is over in a state."""

    what: str
    broken: Property | None = None
    """The property that does not hold; None: the session ended in a way that no protocol can prevent."""


def good(record: Record, world: World) -> bool:
    """Whether requests can use a token: it has not ended."""
    return record.token > world.due


def holds_newest(process: Process, world: World) -> bool:
    """Whether a process has, in its memory, the token that the provider takes next."""
    fetched = process.at in (At.SAVE, At.SAVE_AGAIN) and process.new.token == world.newest
    return fetched or process.own.token == world.newest


def is_stale(world: World) -> bool:
    """Whether the lock is held, and by no process that is still at work."""
    return world.store.lock != 0 and all(each.lock != world.store.lock for each in world.processes)


def fresh_number(world: World) -> int:
    """Return a lock's number: the server's time, or one more than the last if that is higher.

    All numbers of a state are even. A server whose clock is behind gives the next odd one: above what it knows, below
    what else there is, and another than every other holder's, as a holder is known by a random name besides.
    """
    store = world.store
    if world.slow:
        return max(store.last, store.record.number) + 1
    return max(numbers_of(world)) + 2


def numbers_of(world: World) -> set[int]:
    """Return all numbers that there are in a state."""
    numbers = {0}
    for store in (world.store, world.replica):
        if store is not None:
            numbers.update((store.last, store.lock, store.record.number))
    for process in world.processes:
        numbers.update((process.own.number, process.lock, process.new.number, process.seen))
        if process.before is not None:
            numbers.add(process.before.number)
    for late in world.late:
        numbers.update((late.lock, late.record.number))
    return numbers


def judge_waiter(world: World) -> Verdict | None:
    """Judge a process that waits for a lock though the store has a good token."""
    what = "a process waits for a lock that no process holds, though the token is there"
    return Verdict(what, Property.WAITING) if is_stale(world) else None


def judge_request(world: World, index: int) -> Verdict | None:
    """Judge a request as it is sent: whether it ends the session, and whether that could have been prevented."""
    process = world.processes[index]
    others = [each for number, each in enumerate(world.processes) if number != index]
    used = process.new.token
    calling = [each for each in others if each.at is At.REQUEST and each.new.token == used]
    calling += [each for each in others if each.at is At.ANSWER and each.new.token == world.newest]
    if world.ended or (used == world.newest and not calling):
        return None
    holders = [each for each in others if holds_newest(each, world) and each not in calling]
    if world.stopped and (calling or any(each.at in (At.SAVE, At.SAVE_AGAIN) for each in holders)):
        return Verdict(STOPPED)
    if calling:
        known = any(each.lock == process.seen for each in calling)
        return _unless(world.unseen and not known, ON_THE_WIRE, "another call is under way")
    if holds_newest(process, world):
        return Verdict("a refresh token is presented twice, by a process that has a newer one", Property.SESSION)
    if holders:
        known = any(each.lock == process.seen for each in holders)
        late = all(each.at in (At.SAVE, At.SAVE_AGAIN) for each in holders)
        return _unless(world.unseen and late and not known, ON_THE_WIRE, "a living process has the newest one")
    if world.store.record.token == world.newest:
        return _unless(False, "", "the store has the newest token")
    return _unless(world.crashed, NOWHERE, "the newest token was thrown away")


def _unless(excused: bool, excuse: str, why: str) -> Verdict:
    if excused:
        return Verdict(excuse)
    return Verdict(f"a refresh token is presented twice: {why}", Property.SESSION)
