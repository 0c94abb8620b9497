"""The pool of threads by itself: how many there are, in which order renewals get one, and how it ends."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from auth_plugins import FyatuAuth, MemoryStore, RefreshPolicy, TokenEndpointUnavailable
from auth_plugins.engine import flight_runner, job, worker_pool
from auth_plugins.engine.fair_queue import FairQueue
from auth_plugins.engine.flight import Flight
from auth_plugins.engine.job import Job
from auth_plugins.engine.snapshot import Snapshot
from auth_plugins.engine.worker_pool import WORKER_NAME, WorkerPool

BASE = "https://api.example/api/v3"
ANSWER = {"success": True, "data": {"accessToken": "t", "tokenType": "Bearer", "expiresIn": 86_400}}


class Gate:
    """Jobs that wait until it is opened, and how many of them ran at the same time."""

    def __init__(self) -> None:
        self.opened, self.lock = threading.Event(), threading.Lock()
        self.inside, self.most, self.done = 0, 0, 0

    def job(
        self, server: str = "a", *, at_once: int | None = None, deadline: float = 30.0, locked: bool = False
    ) -> Job:
        return Job(self.run, server, at_once, deadline, lambda: locked)

    def run(self) -> None:
        with self.lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
        assert self.opened.wait(20.0)
        with self.lock:
            self.inside, self.done = self.inside - 1, self.done + 1


@pytest.fixture
def gate() -> Iterator[Gate]:
    made = Gate()
    yield made
    made.opened.set()


def wait_for(condition: Callable[[], bool]) -> bool:
    ends = time.monotonic() + 10.0
    while not condition() and time.monotonic() < ends:
        time.sleep(0.002)
    return condition()


def test_a_hundred_jobs_for_one_server_run_in_twenty_threads(gate: Gate) -> None:
    pool = WorkerPool()
    for _ in range(100):
        assert pool.submit(gate.job(), awaited=True)
    assert wait_for(lambda: gate.inside == 20)
    time.sleep(0.2)
    gate.opened.set()
    assert wait_for(lambda: not pool.is_busy)
    assert (gate.most, gate.done) == (20, 100)


def test_a_server_that_hangs_leaves_threads_to_another_one(gate: Gate) -> None:
    pool, served = WorkerPool(), threading.Event()
    for _ in range(100):
        pool.submit(gate.job("hangs"), awaited=True)
    assert wait_for(lambda: gate.inside == 20)
    pool.submit(Job(served.set, "another", None, 30.0, lambda: False), awaited=False)
    assert served.wait(5.0)


def test_jobs_in_the_background_take_four_threads_and_leave_the_others_to_requests(gate: Gate) -> None:
    pool = WorkerPool()
    for _ in range(20):
        pool.submit(gate.job(), awaited=False)
    assert wait_for(lambda: gate.inside == 4)
    time.sleep(0.1)
    assert gate.inside == 4
    for _ in range(10):
        pool.submit(gate.job(), awaited=True)
    assert wait_for(lambda: gate.inside == 14)
    gate.opened.set()
    assert wait_for(lambda: gate.done == 30)


def test_a_policy_may_allow_more_calls_at_once(gate: Gate) -> None:
    pool = WorkerPool()
    for _ in range(40):
        pool.submit(gate.job(at_once=30), awaited=True)
    assert wait_for(lambda: gate.inside == 30)
    time.sleep(0.1)
    assert gate.most == 30


@pytest.mark.parametrize("stuck", [{"deadline": 0.1}, {"locked": True}], ids=["overdue", "locked out"])
def test_a_job_that_is_stuck_no_longer_counts(
    gate: Gate, stuck: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job, "PATIENCE", 0.1)
    pool, served = WorkerPool(), threading.Event()
    for _ in range(20):
        pool.submit(gate.job(**stuck), awaited=True)
    assert wait_for(lambda: gate.inside == 20)
    pool.submit(Job(served.set, "a", None, 30.0, lambda: False), awaited=True)
    assert served.wait(5.0)


def test_idle_threads_end(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_pool, "_IDLE", 0.05)
    before = set(threading.enumerate())
    pool = WorkerPool()
    for _ in range(10):
        pool.submit(gate.job(), awaited=True)
    assert wait_for(lambda: gate.inside == 10)
    gate.opened.set()
    assert wait_for(lambda: set(threading.enumerate()) <= before)
    assert (pool._alive, len(pool._workers), len(pool._idle)) == (0, 0, 0)


def test_jobs_that_come_one_after_the_other_share_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_pool, "_IDLE", 60.0)  # Also on a machine that is busy with something else.
    pool, threads = WorkerPool(), list[threading.Thread]()
    for number in range(1, 6):
        pool.submit(
            Job(lambda: threads.append(threading.current_thread()), "a", None, 30.0, lambda: False), awaited=True
        )
        assert wait_for(lambda number=number: len(threads) == number and len(pool._idle) == 1)  # type: ignore[misc]
    assert len(set(threads)) == 1
    assert threads[0].name == WORKER_NAME


def test_a_worker_that_ends_by_an_exception_leaves_the_queue_to_another_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    pool, served = WorkerPool(), threading.Event()

    def die() -> None:
        raise SystemExit

    pool.submit(Job(die, "a", None, 30.0, lambda: False), awaited=True)
    pool.submit(Job(served.set, "a", None, 30.0, lambda: False), awaited=True)
    assert served.wait(5.0)


class TestTheOrder:
    """Of what waits for a thread."""

    @staticmethod
    def _order(*jobs: tuple[str, bool], busy: str = "") -> list[str]:
        queue = FairQueue()
        for server, awaited in jobs:
            queue.push(Job(lambda: None, server, None, 30.0, lambda: False), awaited=awaited)
        found = []
        while (taken := queue.pop(*[lambda each: each.server != busy] * 2)) is not None:
            found.append(str(taken.server))
        return found

    def test_puts_jobs_that_requests_wait_for_before_those_in_the_background(self) -> None:
        assert self._order(("background", False), ("x", True), ("x", True)) == ["x", "x", "background"]

    def test_gives_every_fourth_turn_to_the_background(self) -> None:
        jobs = [("x", True)] * 8 + [("background", False)] * 2
        assert self._order(*jobs) == ["x", "x", "x", "background"] * 2 + ["x", "x"]

    def test_lets_servers_take_turns(self) -> None:
        assert self._order(("x", True), ("x", True), ("x", True), ("y", True)) == ["x", "y", "x", "x"]

    def test_passes_over_a_server_that_has_all_its_threads(self) -> None:
        assert self._order(("x", True), ("y", True), ("y", False), busy="x") == ["y", "y"]


def auths(count: int, handler: Callable[[httpx.Request], httpx.Response], **options: Any) -> list[FyatuAuth]:
    client, store = httpx.Client(transport=httpx.MockTransport(handler)), MemoryStore()
    shared: dict[str, Any] = {"base_url": BASE, "token_client": client, "store": store, **options}
    return [FyatuAuth(f"A1B2C3D4E5F6G{number:05d}", "a-secret-key-of-a-set", **shared) for number in range(count)]


@pytest.mark.slow
def test_requests_wait_longer_than_the_deadline_while_the_server_answers_others() -> None:
    def slow(_: httpx.Request) -> httpx.Response:
        time.sleep(0.1)
        return httpx.Response(200, json=ANSWER)

    policy = RefreshPolicy(deadline=0.4, max_concurrent_calls=None)

    async def main() -> int:
        asked = [auth.atoken() for auth in auths(200, slow, policy=policy)]
        return len(await asyncio.gather(*asked))

    began = time.monotonic()
    assert asyncio.run(main()) == 200
    assert time.monotonic() - began > 0.9


def test_requests_behind_a_server_that_hangs_fail_by_the_deadline() -> None:
    opened = threading.Event()

    def hang(_: httpx.Request) -> httpx.Response:
        opened.wait(20.0)
        return httpx.Response(503)

    policy = RefreshPolicy(deadline=0.4, tries=1)

    async def main() -> list[Any]:
        asked = [auth.atoken() for auth in auths(60, hang, policy=policy)]
        return await asyncio.gather(*asked, return_exceptions=True)

    began = time.monotonic()
    try:
        failures = asyncio.run(main())
    finally:
        opened.set()
    assert {type(each) for each in failures} == {TokenEndpointUnavailable}
    assert time.monotonic() - began < 5.0


@pytest.mark.slow
def test_token_calls_that_need_another_token_of_the_package_do_not_wait_for_each_other() -> None:
    """As behind a gateway: the client for token calls gets a token of its own first."""

    def answer(_: httpx.Request) -> httpx.Response:
        time.sleep(0.02)
        return httpx.Response(200, json=ANSWER)

    inner = iter(auths(100, answer))

    def through_gateway(request: httpx.Request) -> httpx.Response:
        next(inner).token()
        return answer(request)

    async def main() -> None:
        await asyncio.gather(*[auth.atoken() for auth in auths(100, through_gateway)])

    began = time.monotonic()
    asyncio.run(main())
    assert time.monotonic() - began < 10.0


def test_a_renewal_in_the_background_goes_first_once_a_request_waits_for_it() -> None:
    class Place:
        advanced_at = 0.0
        hurried = 0

        def hurry(self) -> None:
            self.hurried += 1

        def run_here(self, *, may_block: bool) -> None: ...

    flight, place = Flight(0.0, awaited=False), Place()
    flight.place = place
    snapshot = Snapshot()
    for _ in range(2):
        assert flight.wait(0.01, snapshot) is snapshot
    assert (place.hurried, flight.awaited) == (1, True)


def test_a_task_that_starts_a_renewal_starts_no_thread_that_it_waits_for(monkeypatch: pytest.MonkeyPatch) -> None:
    starters = list[str]()
    start = threading.Thread.start

    def recorded(self: threading.Thread) -> None:
        starters.append(threading.main_thread().name if threading.get_ident() == loop_thread else "another")
        start(self)

    loop_thread = threading.get_ident()
    monkeypatch.setattr(flight_runner, "pool", WorkerPool())
    monkeypatch.setattr(threading.Thread, "start", recorded)

    async def main() -> None:
        await asyncio.gather(*[auth.atoken() for auth in auths(30, lambda _: httpx.Response(200, json=ANSWER))])

    asyncio.run(main())
    assert set(starters) == {"another"}
