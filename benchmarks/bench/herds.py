"""Many at once, with no token, an expired one, a revoked one; many processes; the endpoint down."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

from .candidates import Candidate, Constant, client_with, of_library
from .measure import Row
from .world import World

__all__ = ["herd", "outage"]

DELAY = 0.2
"""Of a token call, in seconds."""


def _threads(client: Any, url: str, count: int) -> tuple[float, int]:
    """Send `count` requests at once; give the seconds that it took, and how many failed."""
    failures: list[object] = []
    together = threading.Barrier(count + 1)

    def one() -> None:
        together.wait()
        try:
            if client.get(url).status_code != 200:
                failures.append(None)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=one) for _ in range(count)]
    for thread in threads:
        thread.start()
    together.wait()
    began = time.perf_counter()
    for thread in threads:
        thread.join()
    return time.perf_counter() - began, len(failures)


async def _tasks(client: Any, url: str, count: int) -> tuple[float, int]:
    async def one() -> bool:
        try:
            return bool((await client.get(url)).status_code == 200)
        except Exception:
            return False

    began = time.perf_counter()
    good = await asyncio.gather(*(one() for _ in range(count)))
    return time.perf_counter() - began, count - sum(good)


def _prepare(world: World, state: str, first: Any) -> None:
    """Bring the client's token into a state; `first` sends one request."""
    world.control(lifetime=1 if state == "expired" else 3600, delay=0)
    if state != "none":
        first()
    if state == "expired":
        time.sleep(1.1)
    world.control(lifetime=3600, delay=DELAY, reset=1, **({"revoke": 1} if state == "revoked" else {}))


def _floor_of(world: World, library: str, run: Any, sync: bool) -> float:
    """Seconds for the same requests with a constant header, warm."""
    client = client_with(library, Constant("Bearer x"), sync)
    run(client, world.open)
    return min(run(client, world.open)[0] for _ in range(3))


def herd(world: World, quick: bool) -> list[Row]:
    """Token calls, failures and wall time, beside what theory asks for: one token call, and the bare requests."""
    rows: list[Row] = []
    for count in (8,) if quick else (64, 500):
        for library in ("requests", "httpx"):
            run = lambda client, url, count=count: _threads(client, url, count)  # noqa: E731
            floor = _floor_of(world, library, run, True)
            for candidate in of_library(library):
                rows += _states(world, candidate, run, floor, f"{count} threads")
    for count in (50,) if quick else (1_000, 10_000):
        rows += asyncio.run(_herd_of_tasks(world, count))
    return rows


def _states(world: World, candidate: Candidate, run: Any, floor: float, size: str) -> list[Row]:
    rows: list[Row] = []
    for state in ("none", "expired", "revoked"):
        if candidate.name in ("constant header",):
            continue
        try:
            client = candidate.open(world, True)
            _prepare(world, state, lambda c=client: run(c, world.api))
            seconds, failures = run(client, world.api)
        except Exception as error:
            rows.append({"herd": size, "client": candidate.library, "token": state, "candidate": candidate.name,
                         "failures": type(error).__name__})  # fmt: skip
            continue
        rows.append(_row(world, candidate, size, state, seconds, failures, floor))
    return rows


def _row(world: World, by: Candidate, size: str, state: str, seconds: float, failures: int, floor: float) -> Row:
    told = world.control(delay=0)
    many = int(size.split()[0])
    # In the revoked case each request that had left before the renewal counts twice.
    theory = DELAY + floor * (1 + told["rejected"] / many)
    return {
        "herd": size,
        "client": by.library,
        "token": state,
        "candidate": by.name,
        "token calls": told["calls"],
        "failures": failures,
        "ms": seconds * 1e3,
        "theory, ms": theory * 1e3,
        "ratio": seconds / theory,
    }


async def _herd_of_tasks(world: World, count: int) -> list[Row]:
    rows: list[Row] = []
    floor_client = client_with("httpx", Constant("Bearer x"), False)
    await _tasks(floor_client, world.open, count)
    floor = min([(await _tasks(floor_client, world.open, count))[0] for _ in range(2)])
    for candidate in of_library("httpx"):
        if candidate.name == "constant header":
            continue
        for state in ("none", "expired", "revoked"):
            client = candidate.open(world, False)
            world.control(lifetime=1 if state == "expired" else 3600, delay=0)
            await _tasks(client, world.open, 200)  # The connections, which the floor has as well.
            if state == "none":
                client = client_with("httpx", None, False)
                await _tasks(client, world.open, 200)
                client.auth = candidate.auth(candidate.open(world, False))
            _prepare(world, state, lambda: None)
            if state == "expired":
                await asyncio.sleep(0)
            seconds, failures = await _tasks(client, world.api, count)
            rows.append(_row(world, candidate, f"{count} tasks", state, seconds, failures, floor))
            await client.aclose()
    return rows


def outage(world: World, quick: bool) -> list[Row]:
    """The token endpoint is down while the token is due, and still valid: failed requests, and token calls."""
    lifetime, wanted = (4, 60) if quick else (20, 400)
    rows: list[Row] = []
    for library in ("requests", "httpx"):
        for candidate in of_library(library):
            if candidate.name == "constant header":
                continue
            world.control(lifetime=lifetime, delay=0, down=0)
            failures = sent = 0
            try:
                client = candidate.open(world, True)
                client.get(world.api)
                began = time.perf_counter()
                world.control(down=1, reset=1)
                while time.perf_counter() - began < lifetime * 0.95:
                    sent += 1
                    try:
                        failures += client.get(world.api).status_code != 200
                    except Exception:
                        failures += 1
                    time.sleep(lifetime / wanted)
            except Exception as error:
                rows.append({"client": library, "candidate": candidate.name, "failed": type(error).__name__})
                continue
            calls = world.control(down=0)["calls"]
            rows.append({"client": library, "candidate": candidate.name, "requests": sent, "failed": failures,
                         "token calls": calls})  # fmt: skip
    return rows
