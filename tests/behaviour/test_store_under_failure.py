"""A shared store that fails, is set back or is emptied while sessions are renewed that end if a token is used twice."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import requests

from auth_plugins import AuthError, MarketigerAuth, MemoryStore, RefreshPolicy, StoreError, Token
from auth_plugins.engine.lineage import is_predecessor, with_predecessor
from auth_plugins.simulators import MarketigerSimulator
from auth_plugins.testing import FakeClock, RequestsAdapter, settle


class Shared:
    """A store that fails for as long as it is told to, with what one process sees of it kept in `MemoryStore`."""

    lease = 60.0

    def __init__(self, kept: MemoryStore) -> None:
        self.kept, self.fails, self.failed = kept, False, threading.Event()
        self.before_save: Callable[[Token], None] = lambda token: None

    @property
    def salt(self) -> bytes:
        return self.kept.salt

    def load(self, key: str) -> Token | None:
        return self.kept.load(key)

    def save(self, key: str, token: Token) -> None:
        self.before_save(token)
        if self.fails:
            self.failed.set()
            raise KeyError("a store may raise what it likes")
        self.kept.save(key, token)

    def delete(self, key: str) -> None:
        self.kept.delete(key)

    @contextmanager
    def lock(self, key: str) -> Iterator[None]:
        with self.kept.lock(key):
            yield


class Fleet:
    """Processes that share nothing but a store, for a session that ends if a refresh token is used twice."""

    def __init__(self) -> None:
        self.simulator, self.clock = MarketigerSimulator(), FakeClock()
        self.simulator.reuse_detection = True
        self.kept = MemoryStore(clock=self.clock)
        self.initial_token = self.auth(
            Shared(MemoryStore()), email="user@example.com", password="your_password_here"
        ).token()

    def auth(self, store: Shared, **credentials: Any) -> MarketigerAuth:
        session = requests.Session()
        session.mount("https://", RequestsAdapter(self.simulator, self.clock))
        if not credentials:
            pair = self.initial_token
            credentials = {"access_token": pair.access_token, "refresh_token": pair.refresh_token}
        policy = RefreshPolicy(jitter=0.0)
        return MarketigerAuth(**credentials, store=store, policy=policy, token_client=session, clock=self.clock)

    def process(self) -> tuple[Shared, MarketigerAuth]:
        store = Shared(self.kept)
        return store, self.auth(store)

    def renewed(self, auth: MarketigerAuth) -> Token:
        """Let the access tokens end, and return the next one."""
        self.clock.advance(3600.0)
        return auth.token()

    @property
    def refused(self) -> int:
        return sum(call.status >= 400 for call in self.simulator.ledger.calls("refresh"))


def test_a_save_that_failed_is_repeated_until_it_is_done_and_peers_wait_for_it() -> None:
    fleet = Fleet()
    (store, one), (_, other) = fleet.process(), fleet.process()
    first = one.token()
    store.before_save = lambda token: setattr(store, "fails", token.access_token != first.access_token)
    new = fleet.renewed(one)  # It is used at once, though it is not saved.
    assert store.failed.wait(30.0)
    store.before_save, store.fails = lambda token: None, False
    assert other.token() == new
    settle(one)
    assert fleet.refused == 0


def test_a_logout_ends_the_saving_and_leaves_nothing_behind() -> None:
    fleet = Fleet()
    store, one = fleet.process()
    first = one.token()
    store.before_save = lambda token: setattr(store, "fails", token.access_token != first.access_token)
    fleet.renewed(one)
    one.logout()
    assert len(fleet.kept) == 0


def test_a_store_that_was_set_back_gets_the_newer_token_back() -> None:
    fleet = Fleet()
    (_, one), (_, other) = fleet.process(), fleet.process()
    fleet.renewed(one)
    (key,) = fleet.kept._kept
    older = fleet.kept.load(key)
    assert older is not None
    fleet.renewed(one)
    fleet.kept.save(key, older)  # A backup, or a replica that had not seen the last save.
    newest = fleet.renewed(one)
    assert other.token() == newest
    assert newest != older
    assert fleet.refused == 0


def test_a_store_that_was_emptied_gets_the_token_back_at_the_next_renewal() -> None:
    fleet = Fleet()
    (_, one), (_, other) = fleet.process(), fleet.process()
    fleet.renewed(one)
    for key in list(fleet.kept._kept):
        fleet.kept.delete(key)
    newest = fleet.renewed(one)
    assert other.token() == newest
    assert fleet.refused == 0


def test_a_store_that_raises_what_it_likes_is_a_store_error() -> None:
    fleet = Fleet()
    store, one = fleet.process()
    one.token()
    store.fails = True
    with pytest.raises(StoreError, match="KeyError"):
        fleet.renewed(one)
    assert issubclass(StoreError, AuthError)


class TestLineage:
    def token(self, name: str) -> Token:
        return Token(access_token=name, refresh_token=f"r-{name}", issued_at=0.0, expires_at=1.0)

    def test_knows_the_last_128_predecessors_in_a_kilobyte(self) -> None:
        known, names = b"", [str(number) for number in range(200)]
        for before, after in itertools.pairwise(names):
            known = with_predecessor(known, self.token(before), self.token(after))
        assert len(known) == 1024
        assert [is_predecessor(known, self.token(name)) for name in names] == [False] * 71 + [True] * 128 + [False]

    def test_forgets_a_token_that_is_the_newest_again(self) -> None:
        known = with_predecessor(b"", self.token("a"), self.token("b"))
        known = with_predecessor(known, self.token("b"), self.token("a"))
        assert is_predecessor(known, self.token("b"))
        assert not is_predecessor(known, self.token("a"))
