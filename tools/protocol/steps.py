"""The steps of a process: from a state to all states that may come next."""

from __future__ import annotations

from collections.abc import Iterator

from .state import NOTHING, At, Bounds, Late, Process, Record, Rules, Store, World
from .verdict import ANSWER_LOST, Property, Verdict, fresh_number, good, holds_newest, judge_request, judge_waiter

__all__ = ["Step", "steps_of"]

Step = tuple[str, World, Verdict | None]
"""What happens, the state to which it leads, and what is over by it."""
_IN_A_CALL = (At.REQUEST, At.ANSWER)


def steps_of(world: World, index: int, rules: Rules, bounds: Bounds) -> Iterator[Step]:
    """Return all that the process with this index may do next, its crash included."""
    steps = _Steps(world, index, rules, bounds)
    yield from steps.BY_PLACE[world.processes[index].at](steps)
    yield from steps.put_back_what_is_missing()
    if steps.may("crash") and world.processes[index] != Process():
        name, after, _ = steps.step("crashes, and starts anew", Process(), fault=True)
        yield name, after._replace(crashed=True), None


class _Steps:
    def __init__(self, world: World, index: int, rules: Rules, bounds: Bounds) -> None:
        self.world, self.index, self.rules, self.bounds = world, index, rules, bounds
        self.process, self.store = world.processes[index], world.store

    def may(self, kind: str) -> bool:
        return kind in self.bounds.kinds and self.world.faults < self.bounds.faults

    def step(
        self,
        name: str,
        process: Process,
        store: Store | None = None,
        *,
        fault: bool = False,
        late: Late | None = None,
        used_store: bool = False,
        verdict: Verdict | None = None,
    ) -> Step:
        """Make a step; `used_store`: the process had the occasion to put right what the store has."""
        world = self.world
        processes = (*world.processes[: self.index], process, *world.processes[self.index + 1 :])
        others = [each for number, each in enumerate(world.processes) if number != self.index]
        seen = used_store and (holds_newest(process, world) or holds_newest(self.process, world))
        seen = seen and not any(each.at in _IN_A_CALL for each in others)  # They may have a newer one soon.
        after = world._replace(
            processes=processes,
            store=self.store if store is None else store,
            faults=world.faults + fault,
            unseen=world.unseen and not seen,
            late=world.late if late is None else tuple(sorted({*world.late, late})),
        )
        return f"{self.index}: {name}", after, verdict

    def _visible(self) -> Record:
        """Return the record as `load` gives it."""
        record = self.store.record
        hidden = record.slow_clock and self.index >= self.bounds.slow_clocks and not self.rules.server_time
        return NOTHING if hidden else record

    def _newer(self, record: Record) -> bool:
        if self.rules.numbered:
            return record.number > self.process.own.number
        return record != NOTHING and record.token != self.process.own.token

    def _done(self, **changes: object) -> Process:
        """Return the process at rest, without its lock."""
        rest = self.process._replace(at=At.IDLE, lock=0, new=NOTHING, seen=0)
        return rest._replace(**changes)  # type: ignore[arg-type]

    def idle(self) -> Iterator[Step]:
        if 0 <= self.process.own.token <= self.world.due:
            yield self.step("begins a renewal", self.process._replace(at=At.LOAD))

    def put_back_what_is_missing(self) -> Iterator[Step]:
        """Do what the thread does that looks at the store's epoch, whatever else the process is doing."""
        if self.world.young and self.process.own.number > self.store.record.number:
            rests = self.process.at not in _IN_A_CALL  # Otherwise its lock is lost, whatever it puts back.
            yield self.step("puts its token back", self.process, self._saved(self.process.own, 0), used_store=rests)

    def load(self) -> Iterator[Step]:
        record, process = self._visible(), self.process
        if self._newer(record) and record.token < 0:
            yield self.step("loads: there was a logout", self._done(own=record))
        elif process.before is None and self._newer(record) and good(record, self.world):
            yield self.step("loads a good token", self._done(own=record))
        else:
            yield self.step("loads nothing good", process._replace(at=At.LOCK))

    def lock(self) -> Iterator[Step]:
        store, process = self.store, self.process
        if store.lock:
            yield from self._refused()
            return
        number = fresh_number(self.world)
        taken = store._replace(last=number, lock=number)
        if self.may("lock answer lost"):
            yield self.step(
                "gets the lock, the answer is lost", process._replace(at=At.RELEASE, lock=number), taken, fault=True
            )
        if self.rules.answers:
            had = process._replace(lock=number)
            yield self.step("gets the lock", self._decided(had, store), taken)
        else:
            yield self.step("gets the lock", process._replace(at=At.RELOAD, lock=number), taken)

    def _refused(self) -> Iterator[Step]:
        process, record = self.process, self._visible()
        if self.rules.answers and self._newer(record) and (good(record, self.world) or record.token < 0):
            yield self.step("is refused the lock, takes the token", self._done(own=record))
            return
        waits = judge_waiter(self.world) if self._newer(record) and good(record, self.world) else None
        seen = process._replace(seen=self.store.lock if self.rules.answers else 0)
        if waits is not None or seen != process:
            yield self.step("is refused the lock", seen, verdict=waits)

    def reload(self) -> Iterator[Step]:
        yield self.step("loads under the lock", self._decided(self.process, self.store))

    def _decided(self, process: Process, store: Store) -> Process:
        """Return what follows from a record that was read under the lock."""
        record, own = self._visible(), process.own
        set_back = self.rules.numbered and record.number < own.number
        unsaved = process.before is not None and record == process.before
        token = own if record == NOTHING or unsaved or set_back else record
        if token.token < 0:
            return process._replace(at=At.RELEASE, own=token)
        if good(token, self.world):
            keep = token == own and (set_back or process.before is not None)
            return process._replace(at=At.PUT_BACK if keep else At.RELEASE, own=token)
        lost = {"never": False, "waiter": store.last < process.seen, "always": set_back or store.last < process.seen}
        known = token if self.rules.numbered else own
        at = At.SETTLE if lost[self.rules.settle] else At.PREPARE
        return process._replace(at=at, own=known, new=token)

    def settle(self) -> Iterator[Step]:
        process, record = self.process, self.store.record
        if self._newer(record) and record.number >= process.seen:
            yield self.step("waits for a lost holder: its token is there", self._decided(process, self.store))
            return
        others = [each for index, each in enumerate(self.world.processes) if index != self.index]
        if not any(each.at in (At.REQUEST, At.ANSWER, At.SAVE, At.SAVE_AGAIN) for each in others):
            yield self.step("has waited for as long as a call lasts", process._replace(at=At.PREPARE))

    def _saved(self, record: Record, lock: int) -> Store | None:
        """Return the store after SAVE; None: it was refused."""
        store = self.store
        record = record._replace(slow_clock=self.index < self.bounds.slow_clocks)
        if self.rules.numbered:
            return None if store.record.number > record.number else store._replace(record=record)
        return None if store.last > lock else store._replace(record=record, lock=lock)

    def prepare(self) -> Iterator[Step]:
        process, store = self.process, self.store
        if self.world.young:
            if self._newer(store.record) and good(store.record, self.world):
                yield self.step("waits: a good token was put back", self._decided(process, store))
            return
        after = self._saved(process.new, process.lock)
        gone = not self.rules.revives and store.lock != process.lock
        if self.may("save fails"):
            late = Late("save", process.lock, process.new)
            yield self.step("cannot save the old token", process._replace(at=At.RELEASE), fault=True, late=late)
        if after is None and self.rules.numbered:
            newer = process._replace(at=At.RELEASE, own=store.record)
            yield self.step("saves the old token: there is a newer one", newer, used_store=True)
        elif after is None or gone:
            yield self.step("saves the old token: the lock is gone", process._replace(at=At.RELEASE))
        else:
            verdict = judge_request(self.world, self.index)
            sent = process._replace(at=At.REQUEST)
            yield self.step("saves the old token, asks the provider", sent, after, used_store=True, verdict=verdict)

    def request(self) -> Iterator[Step]:
        process = self.process
        if self.may("request lost"):
            yield self.step("its request is lost", process._replace(at=At.RELEASE), fault=True)
        if self.world.ended:
            over = process._replace(at=At.RELEASE, own=process.own._replace(token=-1))
            yield self.step("is refused by the provider", over)
        elif self.world.newest < self.bounds.renewals:
            number = max(process.lock, process.new.number + 1) if self.rules.numbered else 0
            answered = process._replace(at=At.ANSWER, new=Record(self.world.newest + 1, number))
            name, after, _ = self.step("the provider renews", answered)
            yield name, after._replace(newest=after.newest + 1), None

    def answer(self) -> Iterator[Step]:
        yield self.step("has the answer", self.process._replace(at=At.SAVE))
        if self.may("answer lost"):
            lost = Verdict(ANSWER_LOST)
            yield self.step("its answer is lost", self._done(), fault=True, verdict=lost)

    def save(self) -> Iterator[Step]:
        process, store = self.process, self.store
        before = process.new._replace(token=process.new.token - 1)
        published = process._replace(own=process.new, before=None, at=At.RELEASE)
        unsaved = published._replace(at=At.SAVE_AGAIN) if self.rules.save_again else published._replace(before=before)
        if self.may("save fails"):
            late = Late("save", process.lock, process.new)
            yield self.step("cannot save the new token", unsaved, fault=True, late=late)
        after = self._saved(process.new, process.lock)
        if after is not None:
            yield self.step("saves the new token", published, after, used_store=True)
        elif self.rules.numbered:
            yield self.step("saves the new token: there is a newer one", published._replace(own=store.record))
        else:
            yield self.step("saves the new token: the lock is gone", unsaved)

    def put_back(self) -> Iterator[Step]:
        process = self.process
        after = self._saved(process.own, process.lock)
        rest = process._replace(at=At.RELEASE)
        if self.may("save fails"):
            yield self.step("cannot save its own token", rest, fault=True, late=Late("save", process.lock, process.own))
        if after is None:
            yield self.step("cannot save its own token", rest)
        else:
            yield self.step("saves its own token", rest._replace(before=None), after, used_store=True)

    def release(self) -> Iterator[Step]:
        process, store = self.process, self.store
        if self.may("release fails"):
            late = Late("release", process.lock, NOTHING)
            waits = None
            if not self.rules.publish_first and process.own == process.new:
                waits = Verdict("requests wait for the store though the process has a good token", Property.WAITING)
            yield self.step("cannot release its lock", self._done(), fault=True, late=late, verdict=waits)
        store = store._replace(lock=0) if store.lock == process.lock else store
        yield self.step("releases its lock", self._done(), store)

    BY_PLACE = {  # noqa: RUF012
        At.IDLE: idle,
        At.LOAD: load,
        At.LOCK: lock,
        At.RELOAD: reload,
        At.SETTLE: settle,
        At.PREPARE: prepare,
        At.REQUEST: request,
        At.ANSWER: answer,
        At.SAVE: save,
        At.SAVE_AGAIN: save,
        At.PUT_BACK: put_back,
        At.RELEASE: release,
    }
