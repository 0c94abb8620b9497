"""Whoever ends while a renewal is up, by cancellation, signal or exception: nobody hangs, and no renewal is lost."""

from __future__ import annotations

import asyncio
import ctypes
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from auth_plugins import AuthError
from auth_plugins.testing import CLIENT_KINDS, settle

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.concurrency.conftest import Crowd
    from tests.conftest import World

API = "https://api.example/api/v3/x"
ASYNC_KINDS = [kind for kind in CLIENT_KINDS if "-" in kind]


def matrix(case: str, outcome: str) -> pytest.MarkDecorator:
    return pytest.mark.matrix(group="Many at once", case=case, outcome=outcome)


@matrix("The task that started a renewal is cancelled", "the renewal comes home, and serves the next: one token call")
@pytest.mark.parametrize("kind", ASYNC_KINDS)
def test_a_leader_that_is_cancelled_leaves_its_renewal_to_the_next(kind: str, crowd: Crowd) -> None:
    crowd.hold()

    async def main() -> int:
        async with crowd.async_client(kind) as client:
            with anyio.move_on_after(0.03) as scope:
                await client.get(API)
            assert scope.cancelled_caught
            crowd.gate.set()
            return int((await client.get(API)).status_code)

    assert anyio.run(main, backend=kind.partition("-")[2]) == 200
    assert crowd.calls == 1


@matrix("Half of a hundred waiting tasks are cancelled", "the other half is served: one token call")
@pytest.mark.parametrize("kind", ASYNC_KINDS)
def test_half_of_the_waiters_are_cancelled_and_the_others_are_served(kind: str, crowd: Crowd) -> None:
    crowd.hold()
    served: list[int] = []
    left: list[int] = []

    async def wait(client: Any, patience: float) -> None:
        with anyio.move_on_after(patience) as scope:
            served.append((await client.get(API)).status_code)
        left.extend([1] * scope.cancelled_caught)
        if len(left) == 50:
            crowd.gate.set()

    async def main() -> None:
        async with crowd.async_client(kind) as client, anyio.create_task_group() as tasks:
            for number in range(100):
                tasks.start_soon(wait, client, 0.03 if number % 2 else 30)

    anyio.run(main, backend=kind.partition("-")[2])
    assert served == [200] * 50
    assert crowd.calls == 1


@matrix("The event loop is closed while its tasks wait, and another is opened", "the next loop uses what came")
@pytest.mark.parametrize("kind", [kind for kind in ASYNC_KINDS if "asyncio" in kind])
def test_a_loop_is_closed_over_its_waiters_and_another_one_goes_on(kind: str, crowd: Crowd) -> None:
    crowd.hold()

    async def ask() -> int:
        async with crowd.async_client(kind) as client:
            return int((await client.get(API)).status_code)

    async def leave() -> None:
        tasks = [asyncio.create_task(ask()) for _ in range(5)]
        await asyncio.sleep(0.03)
        for task in tasks:
            task.cancel()

    asyncio.run(leave())
    crowd.gate.set()
    assert asyncio.run(ask()) == 200
    assert crowd.calls == 1


FATAL = [SystemExit, KeyboardInterrupt, asyncio.CancelledError, MemoryError]


@matrix("The thread of a renewal ends by an exception that nobody catches", "all waiters are told; the next one renews")
@pytest.mark.parametrize("fatal", FATAL)
@pytest.mark.parametrize("kind", CLIENT_KINDS)
def test_a_renewal_that_dies_is_told_to_all_and_the_next_one_lives(
    kind: str, fatal: type[BaseException], make_crowd: Callable[..., Crowd]
) -> None:
    def die() -> None:
        raise fatal("with the secret your_secret_key_here in its text")

    crowd = make_crowd(0.02)
    crowd.during = die
    with crowd.client(kind) as client:
        with pytest.raises((AuthError, ExceptionGroup)) as caught:
            client.send_many(3, "GET", API)
        told = caught.value.exceptions if isinstance(caught.value, ExceptionGroup) else [caught.value]
        for each in told:
            assert isinstance(each, AuthError)
            assert fatal.__name__ in str(each)
            assert "your_secret_key_here" not in str(each)
        crowd.during = lambda: None
        assert client.send("GET", API).status == 200
    assert crowd.calls == 2


def kill(thread: int | None, by: type[BaseException]) -> None:
    assert ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread or 0), ctypes.py_object(by)) == 1


@matrix("A thread that started a renewal is killed from outside", "the others get the token it waited for")
@pytest.mark.parametrize("by", [SystemExit, KeyboardInterrupt])
def test_a_leading_thread_that_is_killed_takes_nobody_along(by: type[BaseException], crowd: Crowd) -> None:
    ended: list[type[BaseException]] = []

    def lead() -> None:
        try:
            crowd.auth.token()
        except BaseException as error:
            ended.append(type(error))

    calling = threading.Event()

    def held() -> None:
        calling.set()
        crowd.gate.wait(20)

    crowd.during = held
    leader = threading.Thread(target=lead)
    leader.start()
    # Not before: what is sent to a thread that is just starting another one CPython may give to that one.
    assert calling.wait(10)
    with ThreadPoolExecutor(5) as pool:
        tokens = [pool.submit(crowd.auth.token) for _ in range(5)]
        kill(leader.ident, by)
        crowd.gate.set()
        assert len({each.result(10).access_token for each in tokens}) == 1
    leader.join(10)
    assert ended == [by]
    assert crowd.calls == 1


@matrix("The thread of a renewal is killed from outside", "all waiters are told, none hangs; the next one renews")
def test_a_renewing_thread_that_is_killed_leaves_nobody_waiting(crowd: Crowd) -> None:
    crowd.during = lambda: kill(threading.get_ident(), SystemExit)
    with ThreadPoolExecutor(5) as pool:
        asked = [pool.submit(crowd.auth.token) for _ in range(5)]
        told = [each.exception(10) for each in asked]
    assert {type(each) for each in told} == {AuthError}
    crowd.during = lambda: None
    assert crowd.auth.token().access_token
    assert crowd.calls == 2


INTERRUPTED = """
import _thread, signal, sys, threading, time
from auth_plugins import FyatuAuth
{imports}
signal.signal(signal.SIGINT, signal.default_int_handler)  # Whoever runs the tests may have it ignored.
auth = FyatuAuth("A1B2C3D4E5F6G7H8", "your_secret_key_here", base_url={url!r})
def interrupt():
    while auth._source.shared.flight is None: time.sleep(0.001)
    time.sleep(0.05)
    _thread.interrupt_main()
threading.Thread(target=interrupt).start()
try:
    ask()
except KeyboardInterrupt:
    print("interrupted", ask(), flush=True)
"""
ASK = {
    "requests": "import requests\ndef ask(): return requests.get({url!r} + '/x', auth=auth, timeout=20).status_code",
    "httpx": "import httpx\ndef ask(): return httpx.get({url!r} + '/x', auth=auth, timeout=20).status_code",
}


@matrix("Control-C while the main thread waits for a renewal", "it ends the wait; the next request uses what came")
@pytest.mark.parametrize("library", ASK)
def test_control_c_ends_the_wait_and_not_the_renewal(library: str, one_world: World) -> None:
    one_world.fyatu.latency = 0.6
    program = INTERRUPTED.format(imports=ASK[library].format(url=one_world.url), url=one_world.url)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30)
    assert (done.stdout.strip(), done.stderr, done.returncode) == ("interrupted 200", "", 0)
    assert one_world.token_calls == 1


@matrix("A listener (on_event) that raises", "is logged, and disturbs neither renewal nor request")
@pytest.mark.parametrize("kind", CLIENT_KINDS)
def test_a_listener_that_raises_disturbs_nobody(kind: str, make_crowd: Callable[..., Crowd]) -> None:
    def listener(event: object) -> None:
        raise RuntimeError("a bug")

    crowd = make_crowd(0.0, on_event=listener)
    with crowd.client(kind) as client:
        assert client.send("GET", API).status == 200
    settle(crowd.auth)
    assert crowd.calls == 1
