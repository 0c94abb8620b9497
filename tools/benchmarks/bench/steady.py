"""A steady load while tokens are renewed: does any request wait, and does the event loop stand still?"""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from .candidates import Candidate, of_library
from .measure import Row, in_turn, percentile, uncollected
from .world import World

__all__ = ["steady"]

DELAY, PACE = 0.2, 0.01
"""Seconds: a token call takes, between two requests of one worker."""


def _in_threads(client: Any, url: str, seconds: float) -> list[tuple[float, bool]]:
    taken: list[tuple[float, bool]] = []

    def worker() -> None:
        end = time.perf_counter() + seconds
        while (began := time.perf_counter()) < end:
            try:
                good = client.get(url).status_code == 200
            except Exception:
                good = False
            taken.append((time.perf_counter() - began, good))
            time.sleep(PACE)

    threads = [threading.Thread(target=worker) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return taken


async def _in_tasks(client: Any, url: str, seconds: float) -> tuple[list[tuple[float, bool]], list[float]]:
    taken: list[tuple[float, bool]] = []
    lags: list[float] = []
    end = time.perf_counter() + seconds

    async def worker() -> None:
        while (began := time.perf_counter()) < end:
            try:
                good = (await client.get(url)).status_code == 200
            except Exception:
                good = False
            taken.append((time.perf_counter() - began, good))
            await asyncio.sleep(PACE)

    async def watch() -> None:
        while (began := time.perf_counter()) < end:
            await asyncio.sleep(0.005)
            lags.append(time.perf_counter() - began - 0.005)

    await asyncio.gather(watch(), *(worker() for _ in range(4)))
    return taken, lags


@dataclass
class _Loaded:
    """A candidate under load, with its client, and what all its turns came to."""

    candidate: Candidate
    way: str
    lifetime: float
    runner: asyncio.Runner
    client: Any = None
    turns: list[list[tuple[float, bool]]] = field(default_factory=list)
    calls: int = 0
    lags: list[float] = field(default_factory=list)
    failed: str | None = None

    @property
    def sync(self) -> bool:
        """Whether it runs in threads."""
        return self.way != "httpx async"

    def turn(self, world: World, seconds: float) -> None:
        """Go on for so many seconds, unless it has failed."""
        if self.failed is None:
            try:
                self._turn(world, seconds)
            except Exception as error:
                self.failed = type(error).__name__

    def _turn(self, world: World, seconds: float) -> None:
        world.control(lifetime=self.lifetime, delay=0)
        if self.client is None:
            self.client = self.candidate.open(world, self.sync)
            _ = self.client.get(world.api) if self.sync else self.runner.run(self.client.get(world.api))
        world.control(delay=DELAY, reset=1)
        with uncollected():
            if self.sync:
                self.turns.append(_in_threads(self.client, world.api, seconds))
            else:
                taken, lags = self.runner.run(_in_tasks(self.client, world.api, seconds))
                self.turns.append(taken)
                self.lags += lags
        self.calls += world.control(delay=0)["calls"]

    def close(self) -> None:
        """Let an asynchronous client go while its loop runs."""
        if not self.sync and self.client is not None:
            self.runner.run(self.client.aclose())

    def row(self, floor: _Loaded) -> Row:
        """Put it beside the constant header."""
        if self.failed is not None:
            return {"client": self.way, "candidate": self.candidate.name, "requests": self.failed}
        times = [seconds * 1e3 for turn in self.turns for seconds, _ in turn]
        return {
            "client": self.way,
            "candidate": self.candidate.name,
            "requests": len(times),
            "renewals": self.calls,
            "waited": sum(each > DELAY * 500 for each in times),
            "failed": sum(not good for turn in self.turns for _, good in turn),
            "p50, ms": percentile(times, 0.5),
            "p99, ms": percentile(times, 0.99),
            "p99.9, ms": _p999(self.turns) * 1e3,
            "to the floor's p99.9": _p999(self.turns) / _p999(floor.turns),
            "between": None if self is floor or len(self.turns) == 1 else _between(self.turns, floor.turns),
            "max, ms": max(times),
            "loop's lag p99.9, ms": percentile(self.lags, 0.999) * 1e3 if self.lags else None,
            "loop stood still, ms": max(self.lags) * 1e3 if self.lags else None,
        }


_Turns = Sequence[list[tuple[float, bool]]]


def _p999(turns: _Turns) -> float:
    return percentile([seconds for turn in turns for seconds, _ in turn], 0.999)


def _between(turns: _Turns, floor: _Turns) -> str:
    """Give the bounds of 95 ratios of 100, had other turns of these been drawn: what chance may have done."""
    draw = random.Random(1).choices
    ratios = [_p999(draw(turns, k=len(turns))) / _p999(draw(floor, k=len(floor))) for _ in range(200)]
    return f"{percentile(ratios, 0.025):.2f} and {percentile(ratios, 0.975):.2f}"


@dataclass(frozen=True)
class _Plan:
    """How long everything takes, in seconds."""

    once: float
    """The one turn of the other candidates ..."""
    lifetime: float
    """... into which one renewal falls, beginning as early as each of them does."""
    turn: float
    """A turn of the constant header, and of this package ..."""
    turns: int
    """... and how many they have."""
    lifetime_in_turns: float
    """This package begins a fifth of it before the end: longer than the others' turns, or it finds its token ended."""

    def of(self, candidate: Candidate) -> float:
        """Give the lifetime of a candidate's tokens. The floor cannot renew."""
        if candidate.floor:
            return 3600.0
        return self.lifetime_in_turns if candidate.ours else candidate.early + self.lifetime


def steady(world: World, quick: bool) -> list[Row]:
    """Milliseconds of a request through renewals; who took more than half a token call has waited for one.

    The constant header and this package take turns of a second: the machine is not as fast from one minute to the next,
    and it is the slowest request of a thousand that is looked at. The header does so twice over, as if it were two: its
    second row shows what is chance, and so do the bounds between which a ratio would be in 95 of 100 draws of these
    turns. The others have one turn, which shows who waits.
    """
    plan = _Plan(6.0, 4.0, 0.5, 15, 12.0) if quick else _Plan(12.0, 9.0, 1.0, 240, 30.0)
    return [row for way in ("requests", "httpx", "httpx async") for row in _rows(world, way, plan)]


def _rows(world: World, way: str, plan: _Plan) -> list[Row]:
    candidates = of_library(way.split()[0])
    header = next(each for each in candidates if each.floor)
    twin = replace(header, name=f"{header.name}, once more")
    all_of_them = [header, twin, *(each for each in candidates if each is not header)]
    with asyncio.Runner() as runner:
        loaded = [_Loaded(each, way, plan.of(each), runner) for each in all_of_them]
        many = [each for each in loaded if each.candidate.ours or each.candidate.floor]
        for each in loaded:
            if each not in many:
                each.turn(world, plan.once)
        for each in in_turn(plan.turns, many):
            each.turn(world, plan.turn)
        for each in loaded:
            each.close()
    return [each.row(loaded[0]) for each in loaded]
