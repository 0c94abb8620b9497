"""Tokens that no login can replace are put back where the store has lost them, before another process needs them."""

from __future__ import annotations

import gc
import itertools
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import pytest
import requests

from auth_plugins import OAuth2ClientCredentialsAuth, OAuth2RefreshTokenAuth, RedisStore
from auth_plugins.engine import put_back, shared_state
from auth_plugins.simulators import OAuth2Simulator
from auth_plugins.testing import FakeClock, RequestsAdapter, settle

if TYPE_CHECKING:
    from tests.conftest import RedisServer

_numbers = itertools.count()
SECRET = "7Fjfp0ZBr1KtDRbnfVdmIw"
NAME = "auth_plugins store check"


class Counted(RedisStore):
    """A store that counts the looks at its epoch, and that of the tokens."""

    looks = loads = 0

    def epoch(self) -> tuple[str, float]:
        self.looks += 1
        return super().epoch()

    def load_all(self, keys: Iterable[str]) -> Any:
        self.loads += 1
        return super().load_all(keys)


class Room:
    """Sessions in one store, and the server that they are of."""

    def __init__(self, server: RedisServer) -> None:
        self.prefix, self.clock = f"test-put-back-{next(_numbers)}:", FakeClock()
        self.control: Any = server.client()
        self.store = Counted.from_url(server.url, prefix=self.prefix, settle_time=0.0)
        self.provider = OAuth2Simulator("an_id", SECRET, rotate=True, lifetime=3600)
        self.provider.end_family = True
        session = requests.Session()
        session.mount("https://", RequestsAdapter(self.provider, self.clock))
        self.url = f"https://issuer.example{self.provider.base_path}/token"
        self.options: dict[str, Any] = {"store": self.store, "clock": self.clock, "token_client": session}

    def auth(self) -> OAuth2RefreshTokenAuth:
        first = self.provider.consent()
        return OAuth2RefreshTokenAuth(self.url, "an_id", first, client_secret=SECRET, **self.options)

    def records(self) -> list[bytes]:
        return [key for key in self.control.scan_iter(f"{self.prefix}*}}") if self.control.hexists(key, "token")]

    def empty(self) -> None:
        self.control.delete(*self.control.scan_iter(f"{self.prefix}*"))


@pytest.fixture
def room(redis_servers: dict[str, RedisServer], monkeypatch: pytest.MonkeyPatch) -> Iterator[Room]:
    monkeypatch.setattr(put_back, "_PAUSES", (0.01, 0.02))
    watch = put_back._Watch()
    monkeypatch.setattr(put_back, "_watch", watch)
    made = Room(redis_servers["valkey"])
    yield made
    for each in (watch, put_back._watch):
        each._new.clear()
        each._watched = WeakKeyDictionary()
    until(lambda: not (watch._runs or put_back._watch._runs))
    made.store._client.close()
    made.store._client.connection_pool.disconnect()
    made.control.close()


def until(what: Callable[[], object], patience: float = 10.0) -> None:
    ends = time.monotonic() + patience
    while not what():
        assert time.monotonic() < ends
        time.sleep(0.005)


def watchers() -> int:
    return sum(each.name == NAME for each in threading.enumerate())


def test_all_sessions_of_a_store_are_put_back_by_one_thread(room: Room) -> None:
    before = watchers()
    auths = [room.auth() for _ in range(20)]
    tokens = [auth.token() for auth in auths]
    assert watchers() <= before + 1
    room.empty()
    until(lambda: len(room.records()) == 20)
    assert [auth.token() for auth in auths] == tokens
    assert room.provider.ledger.count("refresh") == 20


def test_while_nothing_is_lost_a_look_is_one_command_for_all_sessions(room: Room) -> None:
    auths = [room.auth() for _ in range(20)]
    for auth in auths:
        auth.token()
        settle(auth)
    until(lambda: len(put_back._watch._watched) == 20)
    looks = room.store.looks
    until(lambda: room.store.looks > looks + 1)  # The first one looks at all tokens: the store is new to it.
    loads, looks = room.store.loads, room.store.looks
    until(lambda: room.store.looks > looks + 5)
    assert room.store.loads == loads


def test_an_older_token_is_replaced_and_a_newer_one_stays(room: Room) -> None:
    auth = room.auth()
    first = auth.token()
    (key,) = room.records()
    older = room.control.dump(key)
    room.clock.advance(3601)
    second = auth.token()
    newer = int(room.control.hget(key, "saved"))
    room.control.restore(key, 0, older, replace=True)
    room.control.delete(f"{room.prefix}epoch")
    until(lambda: int(room.control.hget(key, "saved")) == newer)
    assert first != second
    room.control.hset(key, "saved", newer + 2)
    room.control.delete(f"{room.prefix}epoch")
    looks = room.store.looks
    until(lambda: room.store.looks > looks + 2)
    assert int(room.control.hget(key, "saved")) == newer + 2


def test_a_session_that_is_over_is_not_put_back(room: Room) -> None:
    auth, other = room.auth(), room.auth()
    auth.token()
    other.token()
    auth.logout()
    room.empty()
    until(lambda: len(room.records()) == 1)
    looks = room.store.looks
    until(lambda: room.store.looks > looks + 2)
    assert len(room.records()) == 1


def test_a_token_that_a_login_replaces_needs_no_looks(room: Room) -> None:
    OAuth2ClientCredentialsAuth(room.url, "an_id", SECRET, **room.options).token()
    assert put_back._watch.all() == []


def test_the_thread_ends_with_the_last_session(room: Room) -> None:
    auth = room.auth()
    auth.token()
    settle(auth)
    until(lambda: len(put_back._watch._watched) == 1)
    assert put_back._watch._runs
    del auth
    until(lambda: forget() or not put_back._watch._runs)
    again = room.auth()
    again.token()
    assert put_back._watch._runs


def forget() -> bool:
    """Drop the shared states that are kept for the next auth object; return False."""
    shared_state._recent._latest.clear()
    shared_state._recent._held.clear()
    gc.collect()
    return False


def test_a_store_that_fails_is_looked_at_again(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    auth = room.auth()
    auth.token()
    (key,) = room.records()
    real, failures = room.store._records.load_all, itertools.count()

    def failing(*arguments: Any) -> Any:
        if next(failures) < 3:
            raise OSError("away")
        return real(*arguments)

    monkeypatch.setattr(room.store._records, "load_all", failing)
    room.empty()
    until(lambda: room.records() == [key])
    assert next(failures) > 3


def test_a_forked_child_starts_its_own_thread_at_its_next_renewal(room: Room) -> None:
    auth = room.auth()
    auth.token()
    put_back._after_fork()
    assert not put_back._watch._runs
    assert [known() for known, _ in put_back._watch.all()] == [auth._source.shared]
    room.clock.advance(3601)
    auth.token()
    assert put_back._watch._runs
