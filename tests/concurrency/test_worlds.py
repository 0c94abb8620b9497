"""A synchronous call in a running loop, an auth object inside its own token calls: no deadlock, or a bounded one."""

from __future__ import annotations

import asyncio
import copy
import pickle
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import anyio
import httpx
import httpx2
import pytest
import requests

from auth_plugins import AuthError, FyatuAuth, MemoryStore, RefreshPolicy
from auth_plugins.testing import CLIENT_KINDS, RequestsAdapter, settle

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.concurrency.conftest import Crowd

URL = "https://api.example/api/v3"
API = f"{URL}/x"
SYNC_KINDS = ["requests", "httpx", "httpx2"]
LIBRARIES = {"httpx": httpx, "httpx2": httpx2}


def matrix(case: str, outcome: str) -> pytest.MarkDecorator:
    return pytest.mark.matrix(group="Many at once", case=case, outcome=outcome)


@matrix("A synchronous request inside a running event loop", "gets its token, though a task of that loop waits as well")
@pytest.mark.parametrize("loop", ["asyncio", "trio"])
@pytest.mark.parametrize("kind", SYNC_KINDS)
def test_a_synchronous_call_in_a_running_loop_does_not_deadlock(kind: str, loop: str, crowd: Crowd) -> None:
    found: list[Any] = []

    async def wait() -> None:
        found.append(await crowd.auth.atoken())

    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(wait)
            await anyio.sleep(0.03)
            with crowd.client(kind) as client:
                found.append(client.send("GET", API).status)

    anyio.run(main, backend=loop)
    assert len(found) == 2
    assert 200 in found
    assert crowd.calls == 1


@matrix("Every kind of client at the same time, on one auth object", "one token call")
@pytest.mark.parametrize("state", ["none", "expired", "revoked"])
def test_every_kind_of_client_at_once_makes_one_token_call(state: str, crowd: Crowd) -> None:
    if state != "none":
        crowd.auth.token()
    if state == "expired":
        crowd.clock.advance(86_401)
    if state == "revoked":
        crowd.fyatu.revoke_all()
    crowd.fyatu.ledger.clear()

    def ask(kind: str) -> list[int]:
        with crowd.client(kind) as client:
            return [reply.status for reply in client.send_many(10, "GET", API)]

    with ThreadPoolExecutor(len(CLIENT_KINDS)) as pool:
        assert {status for found in pool.map(ask, CLIENT_KINDS) for status in found} == {200}
    assert crowd.calls == 1


def lend_itself(kind: str, crowd: Crowd) -> tuple[Any, FyatuAuth]:
    """One client that is both the user's and lent for token calls, with the auth object as its auth."""
    client: Any = requests.Session()
    if kind == "requests":
        client.mount("https://", RequestsAdapter(crowd.fyatu, crowd.clock))
    else:
        client = crowd.lend(LIBRARIES[kind])
    options: Any = {"token_client": client, "clock": crowd.clock, "store": MemoryStore(clock=crowd.clock)}
    auth = FyatuAuth(crowd.fyatu.app_id, "your_secret_key_here", base_url=URL, **options)
    client.auth = auth
    return client, auth


@matrix("The client that is lent for token calls has the same auth object as its auth", "no recursion: one token call")
@pytest.mark.parametrize("kind", SYNC_KINDS)
def test_a_client_may_be_lent_to_its_own_auth(kind: str, crowd: Crowd) -> None:
    client, _ = lend_itself(kind, crowd)
    with client:
        assert [client.get(API).status_code for _ in range(3)] == [200] * 3
        crowd.fyatu.revoke_all()
        assert client.get(API).status_code == 200
    assert crowd.calls == 2


@matrix("A hook of the lent client asks for the very token that is being fetched", "an error after policy.deadline")
def test_a_token_call_that_waits_for_itself_ends_by_the_deadline(make_crowd: Callable[..., Crowd]) -> None:
    crowd = make_crowd(0.01, policy=RefreshPolicy(tries=1, deadline=0.3))

    def ask_for_itself() -> None:
        crowd.auth.token()

    crowd.during = ask_for_itself
    began = time.monotonic()
    with pytest.raises(AuthError):
        crowd.auth.token()
    assert time.monotonic() - began < 5
    settle(crowd.auth)
    crowd.during = lambda: None
    assert crowd.auth.token().access_token


@matrix("A listener makes a request with the auth object that told it", "it is served, without another token call")
@pytest.mark.parametrize("kind", CLIENT_KINDS)
def test_a_listener_may_use_the_auth_object_that_told_it(kind: str, make_crowd: Callable[..., Crowd]) -> None:
    statuses: list[int] = []

    def listener(event: object) -> None:
        with crowd.client(kind) as another:
            statuses.append(another.send("GET", API).status)

    crowd = make_crowd(0.0, on_event=listener)
    with crowd.client(kind) as client:
        statuses.append(client.send("GET", API).status)
    assert statuses == [200, 200]
    assert crowd.calls == 1


@matrix("An auth object is copied or pickled while a renewal is up", "it waits for that renewal, or logs in for itself")
@pytest.mark.parametrize("how", ["copy", "deepcopy"])
def test_a_copy_that_is_made_in_mid_flight_joins_it(how: str, crowd: Crowd) -> None:
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(crowd.auth.token)
        while crowd.auth._source.shared.flight is None:
            time.sleep(0.001)
        again = {"copy": copy.copy, "deepcopy": copy.deepcopy}[how](crowd.auth)
        assert pool.submit(again.token).result(10) == first.result(10)
    assert crowd.calls == 1


@matrix("An auth object is copied or pickled while a renewal is up", "it waits for that renewal, or logs in for itself")
def test_a_pickle_that_is_made_in_mid_flight_holds_no_flight() -> None:
    auth = FyatuAuth("A1B2C3D4E5F6G7H8", "your_secret_key_here", base_url="http://127.0.0.1:9/x")
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(auth.token)
        frozen = pickle.dumps(auth)
        assert isinstance(asked.exception(20), AuthError)
    assert b"Flight" not in frozen
    assert pickle.loads(frozen)._source.shared is auth._source.shared


@matrix("Async flows of one object in ten threads, each with an event loop of its own", "one token call")
@pytest.mark.parametrize("loop", ["asyncio", "trio"])
def test_ten_threads_with_ten_loops_make_one_token_call(loop: str, crowd: Crowd) -> None:
    async def ask() -> int:
        async with crowd.async_client("httpx") as client:
            return int((await client.get(API)).status_code)

    with ThreadPoolExecutor(10) as pool:
        asked = [pool.submit(lambda: anyio.run(ask, backend=loop)) for _ in range(10)]
        assert {each.result(20) for each in asked} == {200}
    assert crowd.calls == 1


@matrix("asyncio in debug mode", "no complaint of it: nothing is done from the wrong thread")
def test_asyncios_debug_mode_has_no_complaint(crowd: Crowd, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> list[int]:
        asyncio.get_running_loop().slow_callback_duration = 30.0  # A busy machine is not what is looked for.
        async with crowd.async_client("httpx") as client:
            return [each.status_code for each in await asyncio.gather(*[client.get(API) for _ in range(20)])]

    assert set(asyncio.run(main(), debug=True)) == {200}
    assert [each for each in caplog.records if each.name == "asyncio" and each.levelno > 10] == []
