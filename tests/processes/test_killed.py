"""Processes that are killed (SIGKILL) at whatever moment: the others find a whole token, and go on."""

from __future__ import annotations

import logging
import random
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from auth_plugins import FileStore, RedisStore, Store
from auth_plugins.core import fingerprint
from auth_plugins.providers.marketiger import MarketigerContract
from auth_plugins.simulators import MarketigerSimulator

if TYPE_CHECKING:
    from tests.conftest import RedisServer
    from tests.processes.conftest import Fleet

KILLS, SALVO = 200, 8
LEASE = 1.5
SLACK = 10.0
"""Seconds for a machine that has other things to do."""
ALWAYS_DUE = {"window": 1e9, "window_share": 1.0, "early_backoff": 0.001, "deadline": LEASE * 0.6}


@pytest.fixture
def in_files(make_fleet: Callable[[dict[str, Any]], Fleet], tmp_path: Path) -> tuple[Fleet, Store]:
    return make_fleet({"path": str(tmp_path / "tokens")}), FileStore(tmp_path / "tokens")


@pytest.fixture
def in_redis(
    make_fleet: Callable[[dict[str, Any]], Fleet], tmp_path: Path, redis_servers: dict[str, RedisServer]
) -> tuple[Fleet, Store]:
    url = f"{redis_servers['redis'].url}?socket_timeout=0.25&socket_connect_timeout=0.25"
    place = {"url": url, "prefix": f"{tmp_path.name}:"}
    fleet = make_fleet({**place, "lease": LEASE, "settle_time": 0.0})
    return fleet, RedisStore.from_url(place["url"], prefix=place["prefix"])


def serve(fleet: Fleet) -> MarketigerSimulator:
    simulator = MarketigerSimulator()
    simulator.reuse_detection = True
    fleet.serve("marketiger", simulator, **ALWAYS_DUE)
    return simulator


def kept(fleet: Fleet, store: Store) -> str | None:
    """The access token that a newcomer finds."""
    contract = MarketigerContract("user@example.com", "your_password_here", fleet.url)
    token = store.load(fingerprint(contract, store.salt))
    return None if token is None else token.access_token


def kill_at_random(fleet: Fleet, store: Store, rest: float, within: float, caplog: pytest.LogCaptureFixture) -> None:
    simulator, seed = serve(fleet), secrets.randbits(32)
    dice = random.Random(seed)
    print("seed:", seed)
    for worker in fleet.start(10):
        worker.tell("toil", rest)
    fleet.until(lambda: simulator.ledger.count("refresh") > 0)
    for _ in range(KILLS // SALVO):
        for _ in range(SALVO):
            time.sleep(dice.random() * 0.02)
            fleet.workers.pop(dice.randrange(len(fleet.workers))).kill()
            found = kept(fleet, store)
            assert found is not None
            assert simulator.identify(found) is not None, "what is kept was never issued"
        calls, killed = simulator.ledger.token_calls, time.monotonic()
        # One call may have been under way; the next one is of a process that went on.
        fleet.until(lambda: simulator.ledger.token_calls > calls + 1)  # noqa: B023
        assert time.monotonic() - killed < within + SLACK
        for worker in fleet.start(SALVO):
            worker.tell("toil", rest)
    outcomes = fleet.together("stop")
    assert {outcome for each in outcomes for outcome in each} == {"200"}, "there was a valid token all the time"
    api = simulator.ledger.calls("api")
    assert all(call.token_id is not None for call in api), "a token was used that was never issued"
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []
    # An answer that was on its way to a process that was killed is lost, and with it the session; nothing else is.
    refused = sum(status != 200 for _, status in fleet.calls("refresh"))
    logins = fleet.calls("login")
    assert set(logins) == {("login", 200)}
    assert len(logins) - 1 <= refused <= KILLS


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_two_hundred_kills_leave_files_whole_and_the_others_at_work(
    in_files: tuple[Fleet, Store], caplog: pytest.LogCaptureFixture
) -> None:
    fleet, store = in_files
    kill_at_random(fleet, store, 0.02, 0.0, caplog)


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_two_hundred_kills_leave_redis_whole_and_the_others_at_work_within_a_lease(
    in_redis: tuple[Fleet, Store], caplog: pytest.LogCaptureFixture
) -> None:
    fleet, store = in_redis
    kill_at_random(fleet, store, 0.3, LEASE, caplog)
