"""The exploration: breadth first, so that what is found has no shorter way to it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import count

from .state import Bounds, Late, Process, Record, Rules, Store, World, first
from .steps import Step, steps_of
from .surroundings import events_of
from .verdict import Property, Verdict, numbers_of

__all__ = ["Exploration", "explore"]


@dataclass
class Exploration:
    """What an exploration found."""

    states: int = 0
    steps: int = 0
    depth: int = 0
    seconds: float = 0.0
    broken: list[str] | None = None
    """The shortest way to a state in which a property does not hold, and which one."""
    lost: Counter[str] = field(default_factory=Counter)
    """How often a session ended in a way that no protocol can prevent."""
    ways: dict[str, list[str]] = field(default_factory=dict)
    """The shortest way to each of these."""


def explore(rules: Rules, bounds: Bounds, properties: Iterable[Property] = Property) -> Exploration:
    """Visit every state within `bounds`, or all up to the first in which one of the `properties` does not hold."""
    explorer = _Explorer(rules, bounds, frozenset(properties))
    began = time.perf_counter()
    level = [first(bounds)]
    while level and explorer.found.broken is None:
        level = explorer.following(level)
        explorer.found.depth += 1
    explorer.found.states, explorer.found.seconds = len(explorer.parents), time.perf_counter() - began
    return explorer.found


class _Explorer:
    def __init__(self, rules: Rules, bounds: Bounds, properties: frozenset[Property]) -> None:
        self.rules, self.bounds, self.properties = rules, bounds, properties
        self.found = Exploration()
        self.parents: dict[int, int] = {hash(first(bounds)): 0}
        """Of each state, by its hash, the one from which it was found. Hashes have 64 bits."""

    def following(self, level: list[World]) -> list[World]:
        """Return the states that follow from these, and are new."""
        new: list[World] = []
        for world in level:
            for _, after, verdict in self._steps(world):
                self.found.steps += 1
                if verdict is not None and self._is_over(world, verdict):
                    if self.found.broken is not None:
                        return []
                    continue
                same = canonical(after, self.bounds)
                key = hash(same)
                if key not in self.parents:
                    self.parents[key] = hash(world)
                    new.append(same)
        return new

    def _is_over(self, world: World, verdict: Verdict) -> bool:
        if verdict.broken is None:
            self.found.lost[verdict.what] += 1
            if verdict.what not in self.found.ways:
                self.found.ways[verdict.what] = self._way(world, verdict)
            return True
        if verdict.broken in self.properties:
            self.found.broken = [*self._way(world, verdict), verdict.what]
        return self.found.broken is not None

    def _steps(self, world: World) -> Iterator[Step]:
        for index in range(len(world.processes)):
            yield from steps_of(world, index, self.rules, self.bounds)
        yield from events_of(world, self.rules, self.bounds)

    def _way(self, world: World, end: Verdict) -> list[str]:
        """Return the names of the steps that lead to a state and to its end, from the hashes of those on the way."""
        hashes = [hash(world)]
        while self.parents[hashes[-1]]:
            hashes.append(self.parents[hashes[-1]])
        names, at = [], first(self.bounds)
        # It is walked without reordering, so that a process keeps its number from beginning to end.
        for wanted in reversed(hashes[:-1]):
            for name, after, _ in self._steps(at):
                if hash(canonical(after, self.bounds)) == wanted:
                    names.append(name)
                    at = canonical(after, self.bounds, sort=False)
                    break
        return [*names, next(name for name, _, verdict in self._steps(at) if verdict == end)]


def canonical(world: World, bounds: Bounds, *, sort: bool = True) -> World:
    """Return the same state with the numbers 2, 4, 6 ..., and processes that differ in nothing in one order."""
    rank = dict(zip(sorted(numbers_of(world)), count(0, 2), strict=False))
    processes = [_process(each, rank) for each in world.processes]
    fixed = bounds.slow_clocks if sort else len(processes)
    return World(
        (*processes[:fixed], *sorted(processes[fixed:], key=_key)),
        _store(world.store, rank),
        None if world.replica is None else _store(world.replica, rank),
        tuple(sorted(Late(each.command, rank[each.lock], _record(each.record, rank)) for each in world.late)),
        *world[4:],
    )


def _key(process: Process) -> tuple[object, ...]:
    return (*process[:4], process.before or (), process.seen)


def _record(record: Record, rank: dict[int, int]) -> Record:
    return Record(record.token, rank[record.number], record.slow_clock)


def _store(store: Store, rank: dict[int, int]) -> Store:
    return Store(_record(store.record, rank), rank[store.last], rank[store.lock])


def _process(process: Process, rank: dict[int, int]) -> Process:
    at, own, lock, new, before, seen = process
    before = None if before is None else _record(before, rank)
    return Process(at, _record(own, rank), rank[lock], _record(new, rank), before, rank[seen])
