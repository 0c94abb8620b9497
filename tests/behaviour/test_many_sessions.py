"""More users than any cache has room for, with objects made anew for each request: no session is lost."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from auth_plugins import (
    FileStore,
    LoginRequired,
    MemoryStore,
    OAuth2RefreshTokenAuth,
    Store,
    Token,
    TokenEndpointUnavailable,
)
from auth_plugins.engine import recent
from auth_plugins.simulators import OAuth2Simulator
from auth_plugins.stores.redis import RedisStore
from auth_plugins.testing import FakeClock, mock_transport

if TYPE_CHECKING:
    from tests.conftest import RedisServer

URL = "https://issuer.example"


class Users:
    """An authorization server that ends a session when a used refresh token comes again, and its users."""

    def __init__(self, count: int, store: Store | None = None, *, rotate: bool = True) -> None:
        self.clock, self.server = FakeClock(), OAuth2Simulator("an_id", rotate=rotate)
        self.server.client_auth, self.server.end_family = frozenset({"none"}), True
        self.client = httpx.Client(transport=mock_transport(self.server, self.clock))
        self.firsts = [self.server.consent() for _ in range(count)]
        self.store = MemoryStore(clock=self.clock) if store is None else store

    def request(self, first: str) -> str:
        """Make an object, use it once, and drop it."""
        auth: Any = OAuth2RefreshTokenAuth(
            f"{URL}{self.server.base_path}/token",
            "an_id",
            first,
            token_client=self.client,
            clock=self.clock,
            store=self.store,
        )
        return str(auth.token().access_token)

    def all(self) -> set[str]:
        return {self.request(first) for first in self.firsts}

    def calls(self) -> list[int]:
        return [call.status for call in self.server.ledger.calls("refresh")]


@pytest.fixture
def few_slots(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recent, "KEPT", 8)


@pytest.mark.usefixtures("few_slots")
def test_no_session_is_lost_whose_refresh_token_the_server_has_replaced() -> None:
    users = Users(60, MemoryStore(maxsize=10, clock=FakeClock()))
    first = users.all()
    assert users.all() == first
    users.clock.advance(3600)
    assert users.all().isdisjoint(first)
    assert users.calls() == [200] * 120


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_no_session_of_20_000_users_is_lost_in_the_store_of_the_defaults() -> None:
    users = Users(20_000)
    first = users.all()
    assert users.all() == first
    assert users.calls() == [200] * 20_000


@pytest.mark.usefixtures("few_slots")
def test_made_up_refresh_tokens_throw_no_user_out() -> None:
    users = Users(20, MemoryStore(maxsize=10, clock=FakeClock()))
    before = users.all()
    for number in range(200):
        with pytest.raises(LoginRequired):
            users.request(f"made-up-{number}")
    assert users.all() == before
    assert len(users.store) == 20  # type: ignore[arg-type]


@pytest.mark.usefixtures("few_slots")
def test_where_the_server_replaces_no_refresh_token_the_store_stays_as_small_as_it_was_made() -> None:
    users = Users(60, MemoryStore(maxsize=10, clock=FakeClock()), rotate=False)
    users.all()
    assert len(users.store) == 10  # type: ignore[arg-type]
    assert len(users.all()) == 60
    assert set(users.calls()) == {200}


@pytest.mark.usefixtures("few_slots")
def test_a_session_that_the_server_has_ended_makes_room_again() -> None:
    users = Users(20, MemoryStore(maxsize=10, clock=FakeClock()))
    users.all()
    users.clock.advance(3600)
    users.server.revoke_refresh_tokens()
    for first in users.firsts:
        with pytest.raises(LoginRequired):
            users.request(first)
    assert len(users.store) == 10  # type: ignore[arg-type]


@pytest.mark.usefixtures("few_slots")
def test_a_session_is_kept_while_its_renewal_fails_for_any_other_reason() -> None:
    users = Users(20, MemoryStore(maxsize=10, clock=FakeClock()))
    users.all()
    users.clock.advance(3600)
    users.server.outage = "unavailable"
    for first in users.firsts:
        with pytest.raises(TokenEndpointUnavailable):
            users.request(first)
    users.server.outage = None
    users.clock.advance(60)
    assert len(users.all()) == 20


def test_a_store_that_is_full_says_once_what_that_costs_and_what_to_do(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "auth_plugins"):
        Users(30, MemoryStore(maxsize=10, clock=FakeClock()), rotate=False).all()
    (said,) = (record.getMessage() for record in caplog.records)
    assert "maxsize of 10 tokens" in said
    assert "MemoryStore(maxsize=" in said


def test_sessions_that_outgrow_a_store_are_kept_and_it_says_once_what_to_do(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "auth_plugins"):
        Users(60, MemoryStore(maxsize=10, clock=FakeClock())).all()
    (said,) = (record.getMessage() for record in caplog.records)
    assert "tokens that no login can replace" in said
    assert "FileStore or a RedisStore" in said


class TestARefusedFirstRefreshToken:
    """It is saved before it is used, to show that the store can write; then nothing is left of it."""

    def _refuse(self, store: Store, *, outage: bool = False) -> None:
        users = Users(0, store)
        users.server.outage = "unavailable" if outage else None
        for number in range(5):
            with pytest.raises(TokenEndpointUnavailable if outage else LoginRequired):
                users.request(f"made-up-{number}")

    @pytest.mark.parametrize("outage", [False, True], ids=["refused", "no answer"])
    def test_leaves_no_file(self, tmp_path: Path, outage: bool) -> None:
        self._refuse(FileStore(tmp_path / "t", clock=FakeClock()), outage=outage)
        assert os.listdir(tmp_path / "t") == ["salt"]

    def test_leaves_no_token_in_redis(self, redis_servers: dict[str, RedisServer], tmp_path: Path) -> None:
        prefix = f"{tmp_path.name}:"
        self._refuse(RedisStore.from_url(redis_servers["redis"].url, prefix=prefix, clock=FakeClock()))
        with redis_servers["redis"].client() as client:
            left = [name for name in client.keys(f"{prefix}*") if b"salt" not in name]
            assert [name for name in left if client.hexists(name, "token")] == []

    def test_leaves_a_token_alone_that_another_process_saved_after_the_lock_ran_out(self) -> None:
        now = FakeClock()()
        theirs = Token(access_token="theirs", issued_at=0.0, expires_at=now - 1, refreshable_until=now + 1e6)

        class LockLost(MemoryStore):
            def save(self, key: str, token: Token) -> None:
                super().save(key, theirs)

        store = LockLost(clock=FakeClock())
        with pytest.raises(LoginRequired):
            Users(0, store).request("made-up")
        assert list(store._kept.values()) == [theirs]

    def test_leaves_a_token_alone_that_was_there_before(self) -> None:
        store = MemoryStore(clock=FakeClock())
        users = Users(1, store)
        (first,) = users.all()
        users.clock.advance(3600)
        users.server.outage = "unavailable"
        with pytest.raises(TokenEndpointUnavailable):
            users.request(users.firsts[0])
        users.server.outage = None
        users.clock.advance(60)
        assert users.all() != {first}
        assert users.calls() == [200, 503, 200]


def test_what_only_this_process_has_is_not_taken_back_where_the_store_was_emptied() -> None:
    users = Users(1, MemoryStore(clock=FakeClock()))
    users.all()
    users.clock.advance(3600)
    users.server.outage = "unavailable"
    users.store._kept.clear()  # type: ignore[attr-defined]
    with pytest.raises(TokenEndpointUnavailable):
        users.request(users.firsts[0])
    assert len(users.store) == 1  # type: ignore[arg-type]
