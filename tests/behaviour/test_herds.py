"""However many ask at once, from whatever they run in: one token call, and nobody fails."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import httpx2
import pytest
import requests
import trio

from auth_plugins import FyatuAuth, MemoryStore, RefreshPolicy, TokenEndpointUnavailable
from auth_plugins.simulators import FyatuSimulator
from auth_plugins.testing import FakeClock, RequestsAdapter, mock_transport, settle

URL = "https://api.example/api/v3"
API = f"{URL}/collections"


class Herd:
    """One auth object and an API without a network, whose token endpoint takes its time."""

    def __init__(self) -> None:
        self.clock, self.fyatu = FakeClock(), FyatuSimulator()
        self.fyatu.latency = 0.2  # Long enough for everybody to come and wait; only token calls sleep for it.
        tokens = httpx.Client(transport=mock_transport(self.fyatu, self.clock, sleep=time.sleep))
        self.auth = FyatuAuth(
            "A1B2C3D4E5F6G7H8",
            "your_secret_key_here",
            base_url=URL,
            token_client=tokens,
            clock=self.clock,
            store=MemoryStore(clock=self.clock),
        )

    def begin(self, state: str) -> None:
        if state != "none":
            self.auth.token()
        if state == "expired":
            self.clock.advance(86_401)
        if state == "revoked":
            self.fyatu.revoke_all()
        self.fyatu.ledger.clear()

    def session(self) -> requests.Session:
        session = requests.Session()
        session.mount("https://", RequestsAdapter(self.fyatu, self.clock))
        session.auth = self.auth
        return session

    def async_client(self, library: Any) -> Any:
        return library.AsyncClient(transport=mock_transport(self.fyatu, self.clock, library), auth=self.auth)

    async def tasks(self, library: Any, count: int) -> list[int]:
        async with self.async_client(library) as client:
            replies = await asyncio.gather(*[client.get(API) for _ in range(count)])
        return [reply.status_code for reply in replies]

    async def trio_tasks(self, library: Any, count: int) -> list[int]:
        found: list[int] = []

        async def once(client: Any) -> None:
            found.append((await client.get(API)).status_code)

        async with self.async_client(library) as client, trio.open_nursery() as nursery:
            for _ in range(count):
                nursery.start_soon(once, client)
        return found

    def threads(self, count: int) -> list[int]:
        together = threading.Barrier(count)

        def once(_: int) -> int:
            session = self.session()
            together.wait(60)
            return session.get(API).status_code

        with ThreadPoolExecutor(count) as pool:
            return list(pool.map(once, range(count)))


STATES = ["none", "expired", "revoked"]


def herd_of(state: str, send: Callable[[Herd], list[int]]) -> tuple[set[int], int]:
    herd = Herd()
    herd.begin(state)
    statuses = send(herd)
    return set(statuses), herd.fyatu.ledger.token_calls


@pytest.mark.matrix(
    group="Many at once", case="Ten thousand asyncio tasks find no valid token", outcome="one token call"
)
@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.parametrize("state", STATES)
def test_ten_thousand_asyncio_tasks_make_one_token_call(state: str) -> None:
    assert herd_of(state, lambda herd: asyncio.run(herd.tasks(httpx, 10_000))) == ({200}, 1)


@pytest.mark.matrix(group="Many at once", case="Five hundred threads find no valid token", outcome="one token call")
@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.parametrize("state", STATES)
def test_five_hundred_threads_make_one_token_call(state: str) -> None:
    assert herd_of(state, lambda herd: herd.threads(500)) == ({200}, 1)


@pytest.mark.matrix(group="Many at once", case="A thousand trio tasks find no valid token", outcome="one token call")
@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("library", [httpx, httpx2], ids=["httpx", "httpx2"])
def test_a_thousand_trio_tasks_make_one_token_call(state: str, library: Any) -> None:
    assert herd_of(state, lambda herd: trio.run(herd.trio_tasks, library, 1000)) == ({200}, 1)


@pytest.mark.matrix(
    group="Many at once", case="Threads, two asyncio loops and trio at the same time", outcome="one token call"
)
@pytest.mark.parametrize("state", STATES)
def test_threads_two_event_loops_and_trio_at_once_make_one_token_call(state: str) -> None:
    def everything(herd: Herd) -> list[int]:
        with ThreadPoolExecutor(4) as pool:
            parts = [
                pool.submit(herd.threads, 40),
                pool.submit(lambda: asyncio.run(herd.tasks(httpx, 200))),
                pool.submit(lambda: asyncio.run(herd.tasks(httpx2, 200))),
                pool.submit(trio.run, herd.trio_tasks, httpx2, 200),
            ]
            return [status for part in parts for status in part.result()]

    assert herd_of(state, everything) == ({200}, 1)


@pytest.mark.matrix(
    group="Many at once",
    case="A renewal fails that a hundred tasks wait for",
    outcome="a hundred copies of one error; no further call",
)
def test_waiters_share_a_failure_and_none_of_them_tries_again_in_its_turn() -> None:
    herd = Herd()
    herd.fyatu.outage = "unavailable"

    async def main() -> list[Any]:
        async with herd.async_client(httpx) as client:
            return await asyncio.gather(*[client.get(API) for _ in range(100)], return_exceptions=True)

    failures = asyncio.run(main())
    assert {type(failure).__name__ for failure in failures} == {"TokenEndpointUnavailable"}
    assert len({id(failure) for failure in failures}) == 100, "one exception raised in many tasks mixes tracebacks"
    assert herd.fyatu.ledger.token_calls == 2  # one renewal: the login, and its one repetition


@pytest.mark.matrix(
    group="Many at once",
    case="The task that started a renewal is cancelled",
    outcome="the renewal comes home, and serves the next: one token call",
)
@pytest.mark.parametrize("kind", ["asyncio", "trio"])
def test_a_cancelled_caller_abandons_the_wait_and_never_the_renewal(kind: str) -> None:
    herd = Herd()

    async def on_asyncio() -> None:
        async with herd.async_client(httpx) as client:
            first = asyncio.create_task(client.get(API))
            await asyncio.sleep(0.05)
            first.cancel()
            with pytest.raises(asyncio.CancelledError):
                await first

    async def on_trio() -> None:
        async with herd.async_client(httpx) as client:
            with trio.move_on_after(0.05):
                await client.get(API)

    asyncio.run(on_asyncio()) if kind == "asyncio" else trio.run(on_trio)
    assert herd.session().get(API).status_code == 200
    assert herd.fyatu.ledger.token_calls == 1


@pytest.mark.matrix(
    group="Many at once", case="A token call that takes half a second", outcome="the event loop is not blocked"
)
def test_the_event_loop_is_not_blocked_by_a_token_call() -> None:
    herd = Herd()
    herd.fyatu.latency = 0.5

    async def main() -> tuple[int, int]:
        async with herd.async_client(httpx) as client:
            request, turns = asyncio.create_task(client.get(API)), 0
            while not request.done():
                await asyncio.sleep(0.01)
                turns += 1
            return (await request).status_code, turns

    status, turns = asyncio.run(main())
    assert status == 200
    assert turns >= 10


@pytest.mark.matrix(
    group="Many at once", case="One object in one event loop after the other", outcome="nothing is bound to a loop"
)
def test_one_object_goes_from_one_event_loop_to_the_next() -> None:
    herd = Herd()
    for _ in range(2):
        assert asyncio.run(herd.tasks(httpx, 3)) == [200] * 3
        assert trio.run(herd.trio_tasks, httpx2, 3) == [200] * 3
        herd.auth.invalidate()
    assert herd.fyatu.ledger.token_calls == 2


@pytest.mark.matrix(
    group="Many at once",
    case="The event loop is closed while its tasks wait, and another is opened",
    outcome="the next loop uses what came",
)
def test_a_loop_that_was_closed_while_it_waited_disturbs_nobody() -> None:
    herd = Herd()

    async def main() -> None:
        async with herd.async_client(httpx) as client:
            asyncio.get_running_loop().call_later(0.05, asyncio.get_running_loop().stop)
            await client.get(API)

    loop = asyncio.new_event_loop()
    task = loop.create_task(main())
    loop.run_forever()
    task.cancel()
    loop.run_until_complete(asyncio.gather(task, return_exceptions=True))
    loop.close()
    assert herd.session().get(API).status_code == 200
    assert herd.fyatu.ledger.token_calls == 1


@pytest.mark.matrix(
    group="Time",
    case="the answer comes after the deadline",
    outcome="who waited is told; the token that came late is kept",
    client="httpx",
)
def test_a_wait_is_bounded_and_what_comes_late_is_kept() -> None:
    herd = Herd()
    herd.fyatu.latency = 0.6
    tokens = httpx.Client(transport=mock_transport(herd.fyatu, herd.clock, sleep=time.sleep))
    auth = FyatuAuth(
        "A1B2C3D4E5F6G7H8",
        "your_secret_key_here",
        base_url=URL,
        token_client=tokens,
        clock=herd.clock,
        store=MemoryStore(clock=herd.clock),
        policy=RefreshPolicy(deadline=0.1),
    )
    with pytest.raises(TokenEndpointUnavailable, match="did not end within"):
        auth.token()
    settle(auth)
    assert auth.token().access_token
    assert herd.fyatu.ledger.token_calls == 1
