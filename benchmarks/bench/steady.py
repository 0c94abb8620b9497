"""A steady load while tokens are renewed: does any request wait, and does the event loop stand still?"""

from __future__ import annotations

import asyncio
import threading
import time
from dataclasses import dataclass, field
from typing import Any

from .candidates import Candidate, of_library
from .measure import Row, in_turn, percentile
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


async def _in_tasks(client: Any, url: str, seconds: float) -> tuple[list[tuple[float, bool]], float]:
    taken: list[tuple[float, bool]] = []
    end, lag = time.perf_counter() + seconds, 0.0

    async def worker() -> None:
        while (began := time.perf_counter()) < end:
            try:
                good = (await client.get(url)).status_code == 200
            except Exception:
                good = False
            taken.append((time.perf_counter() - began, good))
            await asyncio.sleep(PACE)

    async def watch() -> None:
        nonlocal lag
        while (began := time.perf_counter()) < end:
            await asyncio.sleep(0.005)
            lag = max(lag, time.perf_counter() - began - 0.005)

    await asyncio.gather(watch(), *(worker() for _ in range(4)))
    return taken, lag


async def _one_loop(candidate: Candidate, world: World, seconds: float) -> tuple[list[tuple[float, bool]], float]:
    client = candidate.open(world, False)
    await client.get(world.api)
    world.control(delay=DELAY, reset=1)
    taken = await _in_tasks(client, world.api, seconds)
    await client.aclose()
    return taken


@dataclass
class _Taken:
    """What all turns of a candidate came to."""

    requests: list[tuple[float, bool]] = field(default_factory=list)
    calls: int = 0
    lag: float | None = None


def steady(world: World, quick: bool) -> list[Row]:
    """Milliseconds of a request through renewals; who took more than half a token call has waited for one.

    The constant header and this package have six turns, in turn: the slowest request of a thousand differs by half from
    one turn to the next. The others have one, which shows who waits.
    """
    # Whatever it takes for a renewal: some begin 20, 30, 60 or 225 seconds before the end.
    renewal, seconds, turns = (4.0, 6.0, 1) if quick else (9.0, 12.0, 6)
    rows: list[Row] = []
    for way in ("requests", "httpx", "httpx async"):
        candidates = of_library(way.split()[0])
        taken = {each.name: _Taken() for each in candidates}
        failed: dict[str, str] = {}
        many = [each for each in candidates if each.name == "constant header" or each.ours]
        once = [each for each in candidates if each not in many]
        for each in (*once, *in_turn(turns, many)):
            try:
                # The floor cannot renew: its token lives for the whole turn.
                lifetime = 3600.0 if each.name == "constant header" else each.early + renewal
                _turn(world, each, way, lifetime, seconds, taken[each.name])
            except Exception as error:
                failed[each.name] = type(error).__name__
        floor = percentile([took for took, _ in taken["constant header"].requests], 0.999)
        for name, found in taken.items():
            if name in failed:
                rows.append({"client": way, "candidate": name, "requests": failed[name]})
            else:
                rows.append(_row(way, name, found, floor))
    return rows


def _turn(world: World, candidate: Candidate, way: str, lifetime: float, seconds: float, found: _Taken) -> None:
    world.control(lifetime=lifetime, delay=0)
    if way == "httpx async":
        taken, lag = asyncio.run(_one_loop(candidate, world, seconds))
        found.lag = max(lag, found.lag or 0.0)
    else:
        client = candidate.open(world, True)
        client.get(world.api)
        world.control(delay=DELAY, reset=1)
        taken = _in_threads(client, world.api, seconds)
    found.requests += taken
    found.calls += world.control(delay=0)["calls"]


def _row(way: str, name: str, found: _Taken, floor: float) -> Row:
    times = [seconds * 1e3 for seconds, _ in found.requests]
    return {
        "client": way,
        "candidate": name,
        "requests": len(times),
        "renewals": found.calls,
        "waited": sum(each > DELAY * 500 for each in times),
        "failed": sum(not good for _, good in found.requests),
        "p50, ms": percentile(times, 0.5),
        "p99, ms": percentile(times, 0.99),
        "p99.9, ms": percentile(times, 0.999),
        "to the floor's p99.9": percentile(times, 0.999) / 1e3 / floor,
        "max, ms": max(times),
        "loop stood still, ms": None if found.lag is None else found.lag * 1e3,
    }
