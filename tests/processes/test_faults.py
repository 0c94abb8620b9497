"""Redis stopped, full or hanging, a holder killed or frozen: who goes on, who is told, what is shared afterwards."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from auth_plugins import FileStore, RedisStore, Store, Token
from auth_plugins.core import Provider, fingerprint
from auth_plugins.providers.fyatu import FyatuContract
from auth_plugins.providers.marketiger import MarketigerContract
from auth_plugins.simulators import FyatuSimulator, MarketigerSimulator

if TYPE_CHECKING:
    from tests.conftest import RedisServer
    from tests.processes.conftest import Fleet, Worker

LEASE = 1.5
TIMEOUTS = "socket_timeout=0.1&socket_connect_timeout=0.1"
LIFETIME = 3600.0
SLACK = 3.0
"""Seconds for a machine that has other things to do."""
TO_WINDOW = LIFETIME - 100.0
"""Seconds from a token's issue to a moment in which it is to be renewed, and still good."""


class Stopped:
    def begin(self, server: RedisServer) -> None:
        server.stop()

    def end(self, server: RedisServer) -> None:
        server.start()


class Full:
    def begin(self, server: RedisServer) -> None:
        self._set(server, 1)

    def end(self, server: RedisServer) -> None:
        self._set(server, 0)

    def _set(self, server: RedisServer, limit: int) -> None:
        with server.client() as client:
            client.config_set("maxmemory-policy", "noeviction")
            client.config_set("maxmemory", limit)


class Hanging:
    """It takes connections, and lets everybody wait."""

    def begin(self, server: RedisServer) -> None:
        server.process.send_signal(signal.SIGSTOP)

    def end(self, server: RedisServer) -> None:
        server.process.send_signal(signal.SIGCONT)


FAULTS = {"stopped": Stopped, "full": Full, "hanging": Hanging}


@pytest.fixture
def fleet(make_fleet: Callable[[dict[str, Any]], Fleet], redis_server: RedisServer) -> Fleet:
    return make_fleet({"url": f"{redis_server.url}?{TIMEOUTS}", "lease": LEASE, "settle_time": 0.0})


@pytest.fixture(params=list(FAULTS))
def fault(request: pytest.FixtureRequest, redis_server: RedisServer) -> Any:
    made = FAULTS[request.param]()
    yield made
    redis_server.process.send_signal(signal.SIGCONT)


def serve(fleet: Fleet, door: str) -> None:
    policy = {"early_backoff": 0.05, "deadline": LEASE * 0.8, "jitter": 0.0}
    if door == "fyatu":
        fleet.serve(door, FyatuSimulator(lifetime=LIFETIME), **policy)
    else:
        simulator = MarketigerSimulator(lifetime=LIFETIME)
        simulator.reuse_detection = True
        fleet.serve(door, simulator, **policy)


def kept(fleet: Fleet, store: Store) -> Token | None:
    contract: Provider = FyatuContract("A1B2C3D4E5F6G7H8", "your_secret_key_here", fleet.url)
    if fleet.door == "marketiger":
        contract = MarketigerContract("user@example.com", "your_password_here", fleet.url)
    return store.load(fingerprint(contract, store.salt))


def in_redis(fleet: Fleet, server: RedisServer) -> str | None:
    """The access token that a newcomer finds."""
    token = kept(fleet, RedisStore.from_url(server.url, clock=fleet.clock))
    return None if token is None else token.access_token


def begin_renewal(fleet: Fleet, worker: Worker) -> None:
    """Let a process begin a renewal, and come back while the provider's answer is on its way."""
    calls = fleet.simulator.ledger.token_calls
    fleet.simulator.latency = 0.6
    assert worker.do("ask") == "200"
    fleet.until(lambda: fleet.simulator.ledger.token_calls > calls)
    fleet.simulator.latency = 0.0


def pause() -> None:
    time.sleep(0.06)  # The policy's pause after a failed early renewal, by the machine's own clock.


@pytest.mark.slow
class TestWithoutRedis:
    def test_a_token_that_does_not_rotate_is_renewed_by_each_process_and_shared_again_afterwards(
        self, fleet: Fleet, redis_server: RedisServer, fault: Any
    ) -> None:
        serve(fleet, "fyatu")
        fleet.start(3)
        assert fleet.together("get") == ["200"] * 3
        fault.begin(redis_server)
        assert fleet.together("get") == ["200"] * 3
        fleet.clock.advance(LIFETIME)
        assert fleet.together("get") == ["200"] * 3
        assert all("save_failed" in events for events in fleet.together("events"))
        assert fleet.simulator.ledger.token_calls == 1 + 3
        fault.end(redis_server)
        pause()
        assert fleet.together("get") == ["200"] * 3
        held = fleet.together("token")
        assert in_redis(fleet, redis_server) in held
        fleet.clock.advance(TO_WINDOW)
        assert fleet.together("get") == ["200"] * 3
        assert fleet.together("get") == ["200"] * 3
        assert set(fleet.together("token")) == {in_redis(fleet, redis_server)}
        assert fleet.simulator.ledger.token_calls == 1 + 3 + 1

    def test_a_token_that_rotates_is_used_to_its_end_and_then_is_an_error_until_redis_is_back(
        self, fleet: Fleet, redis_server: RedisServer, fault: Any
    ) -> None:
        serve(fleet, "marketiger")
        fleet.start(3)
        assert fleet.together("get") == ["200"] * 3
        fault.begin(redis_server)
        fleet.clock.advance(TO_WINDOW)
        for _ in range(3):
            assert fleet.together("get") == ["200"] * 3
            pause()
        fleet.clock.advance(LIFETIME - TO_WINDOW)
        assert {outcome.partition(":")[0] for outcome in fleet.together("get")} == {"store_error"}
        assert fleet.calls() == [("login", 200)]
        fault.end(redis_server)
        assert fleet.together("get") == ["200"] * 3
        assert fleet.calls() == [("login", 200), ("refresh", 200)]
        assert set(fleet.together("token")) == {in_redis(fleet, redis_server)}

    @pytest.mark.parametrize(
        ("fault", "door"),
        [("stopped", "fyatu"), ("stopped", "marketiger"), ("full", "fyatu"), ("hanging", "marketiger")],
        indirect=["fault"],
    )
    def test_a_token_that_came_in_the_middle_of_it_is_used_and_saved_and_shared_afterwards(
        self, fleet: Fleet, redis_server: RedisServer, fault: Any, door: str
    ) -> None:
        serve(fleet, door)
        one, other = fleet.start(2)
        assert fleet.together("get") == ["200"] * 2
        (old,) = set(fleet.together("token"))
        fleet.clock.advance(TO_WINDOW)
        begin_renewal(fleet, one)
        fault.begin(redis_server)
        one.do("settle")
        new = one.do("token")
        assert new != old
        # A full server refuses only the first write of a script. Here that renews the lease, so the save may succeed.
        assert "save_failed" in one.do("events") or in_redis(fleet, redis_server) == new
        assert one.do("get") == "200"
        fault.end(redis_server)
        pause()
        assert one.do("get") == "200"
        assert in_redis(fleet, redis_server) == new
        assert other.do("get") == "200"
        assert other.do("get") == "200"
        assert other.do("token") == new
        assert fleet.calls() == [("login", 200), ("refresh", 200)]


@pytest.mark.slow
class TestAHolder:
    @pytest.mark.parametrize("door", ["fyatu", "marketiger"])
    def test_that_was_frozen_past_its_lease_puts_no_older_token_in_place_of_a_newer_one(
        self, fleet: Fleet, redis_server: RedisServer, door: str
    ) -> None:
        serve(fleet, door)
        frozen, other = fleet.start(2)
        assert fleet.together("get") == ["200"] * 2
        fleet.clock.advance(TO_WINDOW)
        frozen.do("events")
        begin_renewal(fleet, frozen)
        frozen.signal(signal.SIGSTOP)
        assert other.do("get") == "200"
        newer = other.do("token")
        assert in_redis(fleet, redis_server) == newer
        frozen.signal(signal.SIGCONT)
        frozen.do("settle")
        assert "adopted" in frozen.do(
            "events"
        )  # Its save was refused, and the newer token came along with the refusal.
        assert in_redis(fleet, redis_server) == newer
        assert frozen.do("get") == "200"
        pause()
        assert frozen.do("get") == "200"
        assert frozen.do("token") == in_redis(fleet, redis_server) == newer

    @pytest.mark.parametrize("store", ["file", "redis"])
    def test_that_was_killed_during_its_call_keeps_the_others_for_a_lease_or_in_files_for_no_time(
        self, make_fleet: Callable[[dict[str, Any]], Fleet], redis_server: RedisServer, tmp_path: Path, store: str
    ) -> None:
        place: dict[str, Any] = (
            {"url": f"{redis_server.url}?{TIMEOUTS}", "lease": LEASE, "settle_time": 0.0}
            if store == "redis"
            else {"path": str(tmp_path / "tokens")}
        )
        fleet = make_fleet(place)
        serve(fleet, "fyatu")
        killed, other = fleet.start(2)
        assert fleet.together("get") == ["200"] * 2
        fleet.clock.advance(TO_WINDOW)
        begin_renewal(fleet, killed)
        fleet.workers.remove(killed)
        killed.kill()
        assert other.do("lock") < (LEASE if store == "redis" else 0.0) + SLACK
        assert other.do("get") == "200"
        if store == "file":
            assert kept(fleet, FileStore(place["path"], clock=fleet.clock)) is not None


@pytest.mark.slow
def test_seven_who_wait_for_a_lock_ask_redis_in_pauses_that_grow_to_half_a_second(
    fleet: Fleet, redis_server: RedisServer
) -> None:
    serve(fleet, "fyatu")
    holder, *waiters = fleet.start(8, lease=10.0)
    with redis_server.client() as client:
        client.config_resetstat()
        holder.tell("hold", 1.0)
        assert holder.hear() == "held"
        began = time.monotonic()
        for waiter in waiters:
            waiter.tell("lock")
        waited = [waiter.hear() for waiter in waiters]
        holder.hear()
        took = time.monotonic() - began
        scripts = client.info("commandstats")["cmdstat_eval"]["calls"]
    looks, at, pause = 1, 0.0, 0.01
    while at < took:
        looks, at, pause = looks + 1, at + pause / 2, min(pause * 1.5, 0.5)  # Each at its shortest, by the dice.
    assert max(waited) <= took
    # The holder takes the lock and gives it back; each of the others looks, and gives it back; all try their commands.
    assert 8 + 2 + 7 * 3 < scripts <= 8 + 2 + 7 * (looks + 1)
    assert looks < 15 + 4 * took
