"""Many at once, with no token, an expired one, a revoked one; many processes; the endpoint down."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from typing import Any

from .candidates import Candidate, Constant, client_with, of_library
from .measure import Row
from .world import World
from .world import world as world_of_its_own

__all__ = ["herd", "outage"]

DELAY = 0.2
"""Of a token call, in seconds."""
_CLIENTS, _CONNECTIONS = 100, 2
"""Of a herd of tasks: clients that share one auth object, and connections of each."""


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


async def _tasks(clients: list[Any], url: str, count: int) -> tuple[float, int]:
    async def one(client: Any) -> bool:
        try:
            return bool((await client.get(url)).status_code == 200)
        except Exception:
            return False

    began = time.perf_counter()
    good = await asyncio.gather(*(one(clients[number % len(clients)]) for number in range(count)))
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
        if candidate.name == "constant header" or (candidate.eager and state == "none"):
            continue
        try:
            world.control(lifetime=1 if state == "expired" else 3600, delay=0)
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


async def _with(auth: Any, stack: AsyncExitStack) -> list[Any]:
    """Open the clients of a herd: one pool would spend all its time looking for its next connection."""
    clients = []
    for _ in range(_CLIENTS):
        client = client_with("httpx", auth, False, connections=_CONNECTIONS)
        clients.append(await stack.enter_async_context(client))
    return clients


async def _herd_of_tasks(world: World, count: int) -> list[Row]:
    rows: list[Row] = []
    async with AsyncExitStack() as stack:
        clients = await _with(Constant("Bearer x"), stack)
        await _tasks(clients, world.open, count)
        floor = min([(await _tasks(clients, world.open, count))[0] for _ in range(2)])
    for candidate in of_library("httpx"):
        if candidate.name in ("constant header", "least code"):  # The latter would block the loop for each 401.
            continue
        if count > 1_000 and candidate.needs != "auth_plugins":
            continue  # A token call for each task, one after the other: that would take more than half an hour.
        for state in ("none", "expired", "revoked"):
            world.control(lifetime=1 if state == "expired" else 3600, delay=0)
            auth = candidate.auth(candidate.open(world, False))
            async with AsyncExitStack() as stack:
                clients = await _with(None if state == "none" else auth, stack)
                await _tasks(clients, world.api, _CLIENTS * _CONNECTIONS)  # The connections: the floor has them, too.
                for client in clients:
                    client.auth = auth
                _prepare(world, state, lambda: None)
                seconds, failures = await _tasks(clients, world.api, count)
            rows.append(_row(world, candidate, f"{count} tasks", state, seconds, failures, floor))
    return rows


def outage(_world: World, quick: bool) -> list[Row]:
    """The token endpoint is down from a token's first moment to its last: failed requests, and token calls."""
    lifetime = 4.0 if quick else 100.0
    all_of_them = [each for each in [*of_library("requests"), *of_library("httpx")] if each.name != "constant header"]
    with ThreadPoolExecutor(len(all_of_them)) as pool:
        return list(pool.map(lambda each: _outage_of(each, lifetime), all_of_them))


def _outage_of(candidate: Candidate, lifetime: float) -> Row:
    """Let one candidate have a server of its own, and go down with it."""
    sent = failures = 0
    with world_of_its_own() as world:
        world.control(lifetime=lifetime)
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
            time.sleep(lifetime / 400)
        calls = world.control()["calls"]
    return {
        "client": candidate.library,
        "candidate": candidate.name,
        "requests": sent,
        "failed": failures,
        "failed, %": 100 * failures / sent,
        "token calls": calls,
    }
