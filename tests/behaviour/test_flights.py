"""A renewal under way, without a renewal: whoever waits gets what it brought, and waits no longer than it may."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from types import ModuleType
from typing import Any

import anyio
import pytest
import trio

from auth_plugins import AuthError, CredentialsRejected, TokenEndpointUnavailable
from auth_plugins.engine.flight import Flight
from auth_plugins.engine.snapshot import NO_TOKEN, Snapshot

LIVE, OLD = Snapshot(window_opens_at=1.0), Snapshot(window_opens_at=2.0)


def _sync(flight: Flight, timeout: float, instead: Snapshot | None) -> Snapshot:
    return flight.wait(timeout, instead)


def _on(backend: str) -> Any:
    def wait(flight: Flight, timeout: float, instead: Snapshot | None) -> Snapshot:
        return anyio.run(flight.wait_async, timeout, instead, backend=backend)

    return wait


WAYS = pytest.mark.parametrize("wait", [_sync, _on("asyncio"), _on("trio")], ids=["thread", "asyncio", "trio"])


def landed(*outcomes: Snapshot | AuthError) -> Flight:
    flight = Flight(0.0)
    for outcome in outcomes:
        flight.notify_waiters(outcome)
    return flight


@WAYS
def test_what_it_brought_is_given(wait: Any) -> None:
    assert wait(landed(LIVE), 5.0, None) is LIVE
    assert wait(landed(LIVE), 5.0, OLD) is LIVE


@WAYS
def test_who_comes_when_the_outcome_is_known_waits_until_it_was_told(wait: Any) -> None:
    flight = Flight(0.0)
    told = threading.Event()

    def tell() -> None:
        flight.set_outcome(LIVE)
        concluded.set()
        time.sleep(0.05)
        told.set()
        flight.notify_waiters(LIVE)

    concluded, teller = threading.Event(), threading.Thread(target=tell)
    teller.start()
    assert concluded.wait(30.0)
    assert wait(flight, 30.0, None) is LIVE
    assert told.is_set()
    teller.join()


@WAYS
def test_who_has_to_tell_it_does_not_wait_for_himself(wait: Any) -> None:
    flight = Flight(0.0)
    flight.set_outcome(LIVE)
    assert wait(flight, 0.02, None) is LIVE
    assert not flight.wait_done(0.0)


@WAYS
def test_only_the_first_outcome_counts(wait: Any) -> None:
    assert wait(landed(LIVE, OLD, AuthError("It failed")), 5.0, None) is LIVE


@WAYS
def test_a_failure_is_raised_as_a_copy_or_something_is_used_instead(wait: Any) -> None:
    failure = CredentialsRejected("It failed", status=400)
    with pytest.raises(CredentialsRejected) as caught:
        wait(landed(failure), 5.0, None)
    assert caught.value is not failure
    assert caught.value.status == 400
    assert wait(landed(failure), 5.0, OLD) is OLD


@WAYS
def test_who_is_out_of_time_says_so_or_uses_something_instead(wait: Any) -> None:
    with pytest.raises(TokenEndpointUnavailable, match=r"did not end within 0\.02 seconds"):
        wait(Flight(0.0), 0.02, None)
    assert wait(Flight(0.0), 0.02, OLD) is OLD


@WAYS
def test_who_waits_is_woken_by_another_thread(wait: Any) -> None:
    flight = Flight(0.0)
    lands = threading.Timer(0.05, flight.notify_waiters, [LIVE])
    began = time.monotonic()
    lands.start()
    assert wait(flight, 30.0, None) is LIVE
    assert time.monotonic() - began < 20
    lands.join()


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_all_who_wait_in_one_loop_share_one_bell(backend: str) -> None:
    flight, found = Flight(0.0), []

    async def one() -> None:
        found.append(await flight.wait_async(30.0))

    async def main() -> None:
        async with anyio.create_task_group() as group:
            for _ in range(10):
                group.start_soon(one)
            await anyio.sleep(0.02)
            assert len(flight._bells) == 1
            flight.notify_waiters(LIVE)

    anyio.run(main, backend=backend)
    assert found == [LIVE] * 10


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_loop_that_has_ended_does_not_keep_the_others_waiting(backend: str) -> None:
    flight = Flight(0.0)
    for _ in range(2):
        with pytest.raises(TokenEndpointUnavailable):
            anyio.run(flight.wait_async, 0.01, backend=backend)
    assert len(flight._bells) == 2

    async def main() -> Snapshot:
        asyncio.get_running_loop().call_later(0.02, flight.notify_waiters, LIVE)
        return await flight.wait_async(30.0)

    assert asyncio.run(main()) is LIVE
    assert NO_TOKEN.token is None


class OfAnotherMake:
    """A loop that cannot be woken, for a reason of its own."""

    def ring(self) -> None:
        raise OSError("the loop's pipe is gone")


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_loop_that_cannot_be_woken_does_not_keep_later_waiters_asleep(backend: str) -> None:
    flight = Flight(0.0)
    broken: Any = OfAnotherMake()
    flight._bells["another make"] = broken
    lands = threading.Timer(0.05, flight.notify_waiters, [LIVE])
    lands.start()
    began = time.monotonic()
    assert anyio.run(flight.wait_async, 30.0, backend=backend) is LIVE
    assert time.monotonic() - began < 20
    lands.join()


def test_a_task_of_asyncio_does_not_look_at_a_trio_that_is_partly_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "trio", ModuleType("trio"))
    flight = Flight(0.0)

    async def main() -> Snapshot:
        asyncio.get_running_loop().call_later(0.01, flight.notify_waiters, LIVE)
        return await flight.wait_async(30.0)

    assert asyncio.run(main()) is LIVE
    with pytest.raises(RuntimeError, match="no running event loop"):
        _trio_or_loop_of_none()


def _trio_or_loop_of_none() -> None:
    with pytest.raises(StopIteration):
        Flight(0.0).wait_async(0.01).send(None)


def test_a_trio_that_is_a_guest_of_asyncio_waits_as_trio() -> None:
    flight, found = Flight(0.0), []

    async def guest() -> None:
        found.append(await flight.wait_async(30.0))

    async def main() -> None:
        loop = asyncio.get_running_loop()
        over = loop.create_future()
        trio.lowlevel.start_guest_run(
            guest, run_sync_soon_threadsafe=loop.call_soon_threadsafe, done_callback=over.set_result
        )
        loop.call_later(0.05, flight.notify_waiters, LIVE)
        (await over).unwrap()

    asyncio.run(main())
    assert found == [LIVE]
    assert [type(bell).__name__ for bell in flight._bells.values()] == ["_TrioBell"]
