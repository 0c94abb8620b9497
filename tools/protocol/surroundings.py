"""What happens around the processes: time, the network, the store's machine, and a user who logs out."""

from __future__ import annotations

from collections.abc import Iterator

from .state import NOTHING, At, Bounds, Late, Process, Record, Rules, Store, World
from .steps import Step
from .verdict import Property, Verdict, fresh_number, is_stale

__all__ = ["events_of"]

_BEFORE_THE_CALL = (At.RELOAD, At.PREPARE, At.PUT_BACK, At.RELEASE)
_IN_THE_CALL = (At.REQUEST, At.ANSWER, At.SAVE, At.SAVE_AGAIN)


def events_of(world: World, rules: Rules, bounds: Bounds) -> Iterator[Step]:
    """Return all that may happen around the processes next."""
    yield from _time(world, bounds)
    for late in world.late:
        after = world._replace(store=_executed(world, late, rules), late=tuple(x for x in world.late if x != late))
        back = world.ended and not world.unseen and after.store.record.token >= 0 > world.store.record.token
        verdict = Verdict("a token is back in the store after the logout", Property.LOGOUT) if back else None
        yield f"a late {late.command} is executed", after, verdict
    yield from _store(world, rules, bounds)
    yield from _settling(world, bounds)
    if "logout" in bounds.kinds and world.faults < bounds.faults:
        yield from _logout(world, rules)


def _time(world: World, bounds: Bounds) -> Iterator[Step]:
    if world.due < world.newest < bounds.renewals:
        yield "the newest token ends", world._replace(due=world.newest), None
    free = world._replace(store=world.store._replace(lock=0))
    if is_stale(world):
        yield "the lease of a lock without a holder ends", free, None
    for kind, places in (("stall", _BEFORE_THE_CALL), ("stop", _IN_THE_CALL)):
        if kind in bounds.kinds and world.faults < bounds.faults:
            for index, process in enumerate(world.processes):
                if process.at in places and process.lock == world.store.lock != 0:
                    after = free._replace(faults=world.faults + 1, stopped=world.stopped or kind == "stop")
                    yield f"the lease of {index} ends", after, None


def _executed(world: World, late: Late, rules: Rules) -> Store:
    store = world.store
    if late.command == "release":
        return store._replace(lock=0) if store.lock == late.lock else store
    if rules.numbered:
        return store if store.record.number > late.record.number else store._replace(record=late.record)
    return store if store.last > late.lock else store._replace(record=late.record, lock=late.lock)


def _settling(world: World, bounds: Bounds) -> Iterator[Step]:
    if not world.young or any(_has_to_save(each, world) for each in world.processes):
        return
    if not any(each.at in (At.REQUEST, At.ANSWER) for each in world.processes):
        yield "the store has settled", world._replace(young=False), None
    elif "long call" in bounds.kinds and world.faults < bounds.faults:
        yield "the store has settled during a call", world._replace(young=False, faults=world.faults + 1), None


def _has_to_save(process: Process, world: World) -> bool:
    """Whether a process has a token that it saves, or puts back, within the time in which the store settles."""
    return process.at in (At.SAVE, At.SAVE_AGAIN) or process.own.number > world.store.record.number


def _store(world: World, rules: Rules, bounds: Bounds) -> Iterator[Step]:
    if world.replica is not None:
        after = world._replace(store=world.replica, replica=None, unseen=True, young=rules.epochs)
        yield "the store fails over to its replica", after, None
        if "slow server" in bounds.kinds:
            yield "the store fails over to its replica, whose clock is behind", after._replace(slow=True), None
    if world.faults >= bounds.faults:
        return
    if "set back" in bounds.kinds and world.replica is None:
        yield "replication stops", world._replace(replica=world.store, faults=world.faults + 1), None
    if "emptied" in bounds.kinds and world.store != Store():
        after = world._replace(store=Store(), unseen=True, young=rules.epochs, faults=world.faults + 1)
        yield "the store is emptied", after, None


def _logout(world: World, rules: Rules) -> Iterator[Step]:
    if world.store.lock or world.ended:
        return
    number = fresh_number(world)
    record = Record(-1, number) if rules.numbered else NOTHING
    for index, process in enumerate(world.processes):
        if process.at is At.IDLE and process.own.token >= 0:
            out = process._replace(own=Record(-1, record.number), before=None)
            processes = (*world.processes[:index], out, *world.processes[index + 1 :])
            store = Store(record, number, 0)
            after = world._replace(processes=processes, store=store, ended=True, faults=world.faults + 1)
            yield f"{index}: logs out", after, None
