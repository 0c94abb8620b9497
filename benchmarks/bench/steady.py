"""A steady load while tokens are renewed: does any request wait, and does the event loop stand still?"""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

from .candidates import Candidate, of_library
from .measure import Row, percentile
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


def steady(world: World, quick: bool) -> list[Row]:
    """Milliseconds of a request through renewals; who took more than half a token call has waited for one."""
    # Whatever it takes for a renewal: some begin 20, 30, 60 or 225 seconds before the end.
    renewal, seconds = (4.0, 6.0) if quick else (9.0, 12.0)
    rows: list[Row] = []
    for way in ("requests", "httpx", "httpx async"):
        floor = 0.0
        for each in of_library(way.split()[0]):
            # The floor, which comes first, cannot renew: its token lives for the whole turn.
            bare = each.name == "constant header"
            try:
                taken, lag, calls = _turn(world, each, way, 3600.0 if bare else each.early + renewal, seconds)
            except Exception as error:
                rows.append({"client": way, "candidate": each.name, "requests": type(error).__name__})
                continue
            if bare:
                floor = percentile([took for took, _ in taken], 0.999)
            rows.append(_row(way, each.name, taken, floor, calls, lag))
    return rows


def _turn(
    world: World, candidate: Candidate, way: str, lifetime: float, seconds: float
) -> tuple[list[tuple[float, bool]], float | None, int]:
    world.control(lifetime=lifetime, delay=0)
    lag: float | None = None
    if way == "httpx async":
        taken, lag = asyncio.run(_one_loop(candidate, world, seconds))
    else:
        client = candidate.open(world, True)
        client.get(world.api)
        world.control(delay=DELAY, reset=1)
        taken = _in_threads(client, world.api, seconds)
    return taken, lag, world.control(delay=0)["calls"]


def _row(way: str, name: str, taken: list[tuple[float, bool]], floor: float, calls: int, lag: float | None) -> Row:
    times = [seconds * 1e3 for seconds, _ in taken]
    return {
        "client": way,
        "candidate": name,
        "requests": len(taken),
        "renewals": calls,
        "waited": sum(each > DELAY * 500 for each in times),
        "failed": sum(not good for _, good in taken),
        "p50, ms": percentile(times, 0.5),
        "p99, ms": percentile(times, 0.99),
        "p99.9, ms": percentile(times, 0.999),
        "to the floor's p99.9": percentile(times, 0.999) / 1e3 / floor,
        "max, ms": max(times),
        "loop stood still, ms": None if lag is None else lag * 1e3,
    }
