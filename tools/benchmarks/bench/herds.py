"""Many at once, with no token, an expired one, a revoked one; many processes; the endpoint down."""

from __future__ import annotations

import asyncio
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import product
from typing import Any

from .candidates import Candidate, Constant, Twice, client_with, of_library
from .measure import Row, in_turn, uncollected
from .world import World
from .world import world as world_of_its_own

__all__ = ["herd", "outage"]

DELAY = 0.2
"""Of a token call, in seconds."""
_CLIENTS = 500
"""Of a herd of httpx, with a connection each: a pool with a queue spends its time looking through it, the more so the
less evenly requests come, and then it is the pool that is measured."""
_OTHERS = 3
"""Turns of the other candidates: what they do differs by more than luck."""
_PATIENCE = 100.0
"""A herd whose turns have taken so many seconds is not sent again."""
Run = Callable[[list[Any], str, int], tuple[float, int]]
"""Sends so many requests at once; gives the seconds that it took, and how many failed."""


@dataclass(frozen=True)
class Herd:
    """So many requests at once, of one library."""

    size: str
    count: int
    library: str
    run: Run
    turns: int
    runner: asyncio.Runner | None = None
    """Where tasks run; `None`: they are threads."""

    def takes(self, candidate: Candidate) -> bool:
        """Whether a candidate's cells end within minutes: others make a token call for each task, one by one."""
        if candidate.floor or (self.runner is not None and candidate.name == "least code"):
            return False
        return self.count <= 1_000 or candidate.name == "auth_plugins"

    @property
    def connections(self) -> int:
        """How many it opens: one for each request, or of httpx, for each client."""
        return self.count if self.library == "requests" else min(self.count, _CLIENTS)

    @contextmanager
    def clients(self, auth: Any) -> Iterator[list[Any]]:
        """Open clients that share an auth object."""
        sync, many = self.runner is None, 1 if self.library == "requests" else self.connections
        clients = [client_with(self.library, auth, sync, connections=1) for _ in range(many)]
        try:
            yield clients
        finally:
            for client in clients:
                if self.runner is None:
                    client.close()
                else:
                    self.runner.run(client.aclose())

    def seconds(self, world: World, auth: Any) -> float:
        """Measure what it takes with an auth object that does nothing special."""
        with self.clients(auth) as clients:
            self.warm(clients, world.open)
            return self.sent(clients, world.open)[0]

    def sent(self, clients: list[Any], url: str) -> tuple[float, int]:
        """Send it: the seconds that it took, and how many failed."""
        with uncollected():
            return self.run(clients, url, self.count)

    def warm(self, clients: list[Any], url: str) -> None:
        """Open the connections, and if it takes one, get a token."""
        self.run(clients, url, self.connections)


def _threads(clients: list[Any], url: str, count: int) -> tuple[float, int]:
    failures: list[object] = []
    together = threading.Barrier(count + 1)

    def one(client: Any) -> None:
        together.wait()
        try:
            if client.get(url).status_code != 200:
                failures.append(None)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=one, args=(clients[n % len(clients)],)) for n in range(count)]
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


def herd(world: World, quick: bool) -> list[Row]:
    """Token calls, failures and wall time, beside what theory asks for: one token call, and the bare requests."""
    rows: list[Row] = []
    for count in (8,) if quick else (64, 500):
        turns = 1 if quick else 15  # So many threads on a few processors take what they take.
        for library in ("requests", "httpx"):
            rows += _rows(world, Herd(f"{count} threads", count, library, _threads, turns))
    with asyncio.Runner() as runner:
        for count in (50,) if quick else (1_000, 10_000):
            run: Run = lambda clients, url, count: runner.run(_tasks(clients, url, count))  # noqa: E731
            rows += _rows(world, Herd(f"{count} tasks", count, "httpx", run, 1 if quick else 5, runner))
    return rows


@dataclass
class _Cell:
    """The turns of one candidate, with its token in one state."""

    candidate: Candidate
    state: str
    seconds: list[float] = field(default_factory=list)
    rejected: list[int] = field(default_factory=list)
    calls: int = 0
    failures: int = 0
    broken: str | None = None
    """What kept it from going on."""

    def turn(self, world: World, of: Herd) -> None:
        """Send the herd once more, unless that has taken too long already."""
        if self.broken is not None or sum(self.seconds) >= _PATIENCE:
            return
        try:
            took, failed, told = _turn(world, of, self.candidate, self.state)
        except Exception as error:
            self.broken = type(error).__name__
            return
        self.seconds.append(took)
        self.rejected.append(told["rejected"])
        self.calls, self.failures = max(self.calls, told["calls"]), max(self.failures, failed)

    def row(self, of: Herd, once: float, twice: float) -> Row:
        """Put it beside theory; in the revoked case each request that had left before the renewal counts twice."""
        row: Row = {"herd": of.size, "client": of.library, "token": self.state, "candidate": self.candidate.name}
        if self.broken is not None:
            return {**row, "failures": self.broken}
        took = statistics.median(self.seconds)
        theory = DELAY + once + (twice - once) * statistics.median(self.rejected) / of.count
        return {
            **row,
            "token calls": self.calls,
            "failures": self.failures,
            "ms": took * 1e3,
            "theory, ms": theory * 1e3,
            "ratio": took / theory,
            "turns": len(self.seconds),
        }


def _rows(world: World, of: Herd) -> list[Row]:
    bare: dict[type[Constant], list[float]] = {Constant: [], Twice: []}

    def measure(kind: type[Constant]) -> None:
        if sum(bare[kind]) < _PATIENCE:
            bare[kind].append(of.seconds(world, kind("Bearer x")))

    states = product(filter(of.takes, of_library(of.library)), ("none", "expired", "revoked"))
    cells = [_Cell(*each) for each in states if not (each[0].eager and each[1] == "none")]
    jobs, others = [partial(measure, kind) for kind in bare], []
    for cell in cells:
        (jobs if cell.candidate.ours else others).append(partial(cell.turn, world, of))
    few = min(_OTHERS, of.turns)
    # In turn, since a machine is not as fast from one minute to the next.
    for job in (*in_turn(few, [*jobs, *others]), *in_turn(of.turns - few, jobs)):
        job()
    once, twice = (statistics.median(found) for found in bare.values())
    return [cell.row(of, once, twice) for cell in cells]


def _turn(world: World, of: Herd, candidate: Candidate, state: str) -> tuple[float, int, dict[str, Any]]:
    """Bring a candidate's token into a state, and its connections to life; then send the herd."""
    world.control(lifetime=1 if state == "expired" else 3600, delay=0)
    own = candidate.open(world, of.runner is None)
    auth = getattr(own, "auth", None)
    with of.clients(auth) as clients:
        if auth is None:  # The client itself is what signs.
            clients[:] = [own]
        if state != "none":
            of.warm(clients, world.api)
        elif auth is not None:
            for client in clients:
                client.auth = None
            of.warm(clients, world.open)
            for client in clients:
                client.auth = auth
        if state == "expired":
            time.sleep(1.1)
        world.control(lifetime=3600, delay=DELAY, reset=1, **({"revoke": 1} if state == "revoked" else {}))
        took, failed = of.sent(clients, world.api)
        told = world.control(delay=0)
    return took, failed, told


def outage(_world: World, quick: bool) -> list[Row]:
    """The token endpoint is down from a token's first moment on, until its last and beyond.

    Requests, how many of them failed, and token calls, while the token is valid and when it has ended.
    """
    lifetime = 4.0 if quick else 100.0
    all_of_them = [each for each in [*of_library("requests"), *of_library("httpx")] if not each.floor]
    with ThreadPoolExecutor(len(all_of_them)) as pool:
        return list(pool.map(lambda each: _outage_of(each, lifetime), all_of_them))


def _outage_of(candidate: Candidate, lifetime: float) -> Row:
    """Let one candidate have a server of its own, and go down with it."""
    with world_of_its_own() as world:
        world.control(lifetime=lifetime)
        client = candidate.open(world, True)
        client.get(world.api)
        ends = time.perf_counter() + lifetime
        world.control(down=1, reset=1)
        sent, failed = _until(ends - lifetime * 0.05, client, world.api, lifetime / 400)
        calls = world.control()["calls"]
        time.sleep(max(0.0, ends - time.perf_counter()))
        world.control(reset=1)
        sent_later, _ = _until(ends + lifetime * 0.3, client, world.api, lifetime / 400)
        calls_later = world.control()["calls"]
    return {
        "client": candidate.library,
        "candidate": candidate.name,
        "requests": sent,
        "failed": failed,
        "failed, %": 100 * failed / sent,
        "token calls": calls,
        "requests after its end": sent_later,
        "token calls then": calls_later,
    }


def _until(end: float, client: Any, url: str, pause: float) -> tuple[int, int]:
    sent = failed = 0
    while time.perf_counter() < end:
        sent += 1
        try:
            failed += client.get(url).status_code != 200
        except Exception:
            failed += 1
        time.sleep(pause)
    return sent, failed
