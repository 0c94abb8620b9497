"""The epoch of a Redis server: it changes when the server may have lost what it was given."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from auth_plugins import RedisStore, StoreError

if TYPE_CHECKING:
    from tests.conftest import RedisServer

_numbers = itertools.count()
SETTLE = 5.0


@pytest.fixture
def prefix() -> str:
    return f"test-epoch-{next(_numbers)}:"


@pytest.fixture(params=["redis", "valkey"])
def server(request: pytest.FixtureRequest, redis_servers: dict[str, RedisServer]) -> RedisServer:
    return redis_servers[request.param]


@pytest.fixture
def client(server: RedisServer) -> Iterator[Any]:
    with server.client() as made:
        yield made


@pytest.fixture
def store(server: RedisServer, prefix: str) -> RedisStore:
    return RedisStore.from_url(server.url, prefix=prefix)


def test_is_the_same_for_all_processes_and_only_its_rest_gets_less(
    server: RedisServer, store: RedisStore, prefix: str
) -> None:
    epoch, left = store.epoch()
    assert SETTLE - 1.0 < left <= SETTLE
    time.sleep(0.01)
    same, less = RedisStore.from_url(server.url, prefix=prefix).epoch()
    assert same == epoch
    assert less < left


def test_settles_after_its_time(store: RedisStore, client: Any, prefix: str) -> None:
    epoch, _ = store.epoch()
    began = int(client.hget(f"{prefix}epoch", "since"))
    client.hset(f"{prefix}epoch", "since", began - 4_000_000)
    assert 0.0 < store.epoch()[1] <= 1.0
    client.hset(f"{prefix}epoch", "since", began - 5_000_000)
    assert store.epoch()[1] == 0.0
    assert store.epoch()[0] != epoch, "the ID has the time of its beginning"


@pytest.mark.parametrize(
    "what",
    [
        pytest.param(lambda client, key: client.delete(key), id="it is emptied"),
        pytest.param(lambda client, key: client.hset(key, "run", "ab" * 20), id="another process has written it"),
        pytest.param(lambda client, key: client.hset(key, "since", "9" * 16), id="its clock was set back"),
        pytest.param(lambda client, key: client.hset(key, "since", "no number"), id="it is damaged"),
    ],
)
def test_begins_anew(what: Any, store: RedisStore, client: Any, prefix: str) -> None:
    epoch, _ = store.epoch()
    client.hset(f"{prefix}epoch", "since", int(client.hget(f"{prefix}epoch", "since")) - 9_000_000)
    settled, left = store.epoch()
    assert left == 0.0
    what(client, f"{prefix}epoch")
    began, left = store.epoch()
    assert began not in (epoch, settled)
    assert left > SETTLE - 1.0


# redis-py 5.0 leaves the socket of a server that has stopped to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_begins_anew_when_the_server_is_restarted_with_its_data(redis_server: RedisServer) -> None:
    before = RedisStore.from_url(redis_server.url).epoch()
    redis_server.stop()
    redis_server.start()
    after = RedisStore.from_url(redis_server.url).epoch()
    assert before[0] != after[0]
    assert after[1] > SETTLE - 1.0


def test_can_be_read_from_a_client_that_decodes_answers(store: RedisStore, server: RedisServer, prefix: str) -> None:
    decoding = f"{server.url}?decode_responses=true"
    assert RedisStore.from_url(decoding, prefix=prefix).epoch()[0] == store.epoch()[0]


def test_a_user_who_may_not_read_it_is_refused_before_any_refresh_token_is_used(redis_server: RedisServer) -> None:
    with redis_server.client() as admin:
        admin.execute_command("ACL", "SETUSER", "app", "on", ">secret", "~*", "+@all", "-info")
    store = RedisStore.from_url(redis_server.url.replace("unix://", "unix://app:secret@"))
    with pytest.raises(StoreError, match="NOPERM"), store.lock("key"):
        pytest.fail("a command is missing")


@pytest.mark.parametrize(("settle_time", "lease"), [(60.0, 60.0), (5.0, 4.0)])
def test_the_time_to_settle_is_shorter_than_the_lease(server: RedisServer, settle_time: float, lease: float) -> None:
    with pytest.raises(ValueError, match="settle_time must be shorter than the lease"):
        RedisStore.from_url(server.url, settle_time=settle_time, lease=lease)


def test_stores_with_different_times_are_different_stores(server: RedisServer) -> None:
    stores = [RedisStore.from_url(server.url, settle_time=each) for each in (1.0, 1.0, 2.0)]
    assert stores[0].identity == stores[1].identity != stores[2].identity
