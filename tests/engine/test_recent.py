"""What a process remembers of credentials is forgotten for its age, and not for the number of others."""

from __future__ import annotations

import collections
import gc
import json
import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from auth_plugins import AuthError, CredentialsRejected, FyatuAuth, MemoryStore, StoreError, Token, VaultAuth
from auth_plugins.engine import recent
from auth_plugins.engine import shared_state as slots
from auth_plugins.engine.recent import Recent
from auth_plugins.simulators import FyatuSimulator
from auth_plugins.testing import FakeClock, mock_transport

APP = ("A1B2C3D4E5F6G7H8", "your_secret_key_here")
LONG = 30.0


class Accounts:
    """Many accounts of Vault with wrong passwords, and an object made for each request."""

    def __init__(self) -> None:
        self.clock, self.store, self.calls = FakeClock(), MemoryStore(), collections.Counter[str]()
        self.client = httpx.Client(transport=httpx.MockTransport(self._refuse))

    def _refuse(self, request: httpx.Request) -> httpx.Response:
        self.calls[json.loads(request.content)["email"]] += 1
        return httpx.Response(401, json={"status": "UNAUTHORIZED", "message": "no", "errors": []})

    def request(self, number: int) -> None:
        options: Any = {"token_client": self.client, "clock": self.clock, "store": self.store}
        email = f"u{number}@example.com"
        with pytest.raises(CredentialsRejected):
            VaultAuth(7, base_url="https://vault.example", email=email, password="Wrong-1", **options).token()


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> int:
    """So few slots are kept that remember nothing."""
    monkeypatch.setattr(recent, "KEPT", 8)
    monkeypatch.setattr(slots, "_recent", Recent[slots.SharedState]())
    return 8


def test_each_refused_account_is_asked_once_in_its_cool_down_however_many_there_are(few: int) -> None:
    accounts = Accounts()
    for _ in range(3):
        for number in range(4 * few):
            accounts.request(number)
        accounts.clock.advance(250)
    assert set(accounts.calls.values()) == {1}


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_each_of_20_000_refused_accounts_is_asked_once_in_its_cool_down() -> None:
    accounts = Accounts()
    for _ in range(2):
        for number in range(20_000):
            accounts.request(number)
    assert (len(accounts.calls), set(accounts.calls.values())) == (20_000, {1})


def test_a_pause_doubles_though_thousands_of_others_came_between(few: int) -> None:
    accounts = Accounts()
    accounts.request(0)
    accounts.clock.advance(901)
    for number in range(1, 4 * few):
        accounts.request(number)
    accounts.request(0)  # The second refusal: 30 minutes.
    accounts.clock.advance(1000)
    accounts.request(0)
    assert accounts.calls["u0@example.com"] == 2


def test_accounts_whose_pauses_are_long_over_take_no_memory(few: int) -> None:
    accounts = Accounts()
    for number in range(10 * few):
        accounts.request(number)
    gc.collect()
    assert len(slots._recent) == 10 * few
    accounts.clock.advance(2000)
    made = []
    for number in range(10 * few):
        options: Any = {"token_client": accounts.client, "clock": accounts.clock, "store": accounts.store}
        made.append(FyatuAuth(APP[0], f"secret-number-{number:06}", **options))
    assert len(slots._recent) == few


class Full(MemoryStore):
    full = False

    def save(self, key: str, token: Token) -> None:
        if self.full:
            raise StoreError("The disk is full")
        super().save(key, token)


@dataclass
class Fyatu:
    """Objects made anew for each request, with one store."""

    clock: FakeClock
    server: FyatuSimulator
    store: Full

    def auth(self, number: int = 0) -> FyatuAuth:
        client = httpx.Client(transport=mock_transport(self.server, self.clock))
        secret = APP[1] if number == 0 else f"{APP[1]}{number}"
        return FyatuAuth(APP[0], secret, token_client=client, clock=self.clock, store=self.store)

    def others(self, count: int) -> None:
        for number in range(1, count):
            self.auth(number)
        gc.collect()


@pytest.fixture
def fyatu() -> Fyatu:
    return Fyatu(FakeClock(), FyatuSimulator(), Full())


@pytest.mark.usefixtures("few")
def test_a_token_that_the_store_did_not_take_is_not_forgotten(fyatu: Fyatu) -> None:
    fyatu.store.full = True
    token = fyatu.auth().token()
    fyatu.others(100)
    assert fyatu.auth().token() == token
    assert fyatu.server.ledger.token_calls == 1


@pytest.mark.usefixtures("few")
def test_invalidate_is_not_forgotten_though_the_object_is_gone(fyatu: Fyatu) -> None:
    token = fyatu.auth().token()
    fyatu.auth().invalidate()
    fyatu.others(100)
    assert fyatu.auth().token() != token


@pytest.mark.usefixtures("few")
def test_invalidate_before_the_first_look_into_the_store_is_not_forgotten(fyatu: Fyatu) -> None:
    token = fyatu.auth().token()
    fyatu.others(100)
    fyatu.auth().invalidate()
    fyatu.others(100)
    assert fyatu.auth().token() != token


@pytest.mark.usefixtures("few")
def test_the_pause_after_renewals_on_a_401_that_did_not_help_is_not_forgotten(fyatu: Fyatu) -> None:
    def requests() -> None:
        with httpx.Client(transport=httpx.MockTransport(lambda _: httpx.Response(401))) as api:
            assert api.get("https://api.fyatu.com/x", auth=fyatu.auth()).status_code == 401

    requests()
    calls = fyatu.server.ledger.token_calls
    fyatu.others(100)
    requests()
    assert fyatu.server.ledger.token_calls == calls


@pytest.mark.usefixtures("few")
def test_a_failure_is_remembered_of_credentials_that_were_not_among_the_latest_when_it_came(fyatu: Fyatu) -> None:
    auth = fyatu.auth(5)
    fyatu.others(100)
    with pytest.raises(CredentialsRejected):
        auth.token()
    del auth
    fyatu.others(100)
    with suppress(AuthError):
        fyatu.auth(5).token()
    assert fyatu.server.ledger.token_calls == 1


@dataclass
class Thing:
    matters: bool = False


class TestRecent:
    @given(st.lists(st.tuples(st.integers(0, 40), st.booleans()), max_size=200))
    def test_what_matters_is_held_and_of_the_rest_the_latest(self, uses: list[tuple[int, bool]]) -> None:
        kept, things = Recent[Thing](), collections.defaultdict[int, Thing](Thing)
        for number, matters in uses:
            things[number].matters = matters
            kept.use(bytes([number]), things[number])
        assert all(bytes([number]) in kept for number, thing in things.items() if thing.matters)
        latest = list(dict.fromkeys(number for number, _ in reversed(uses)))[: recent.KEPT]
        assert all(bytes([number]) in kept for number in latest)

    def test_a_use_waits_for_no_other_use_and_is_not_forgotten(self) -> None:
        kept = Recent[Any]()

        class Slow:
            @property
            def matters(self) -> bool:
                if waited:
                    return True
                other = threading.Thread(target=kept.use, args=(b"another", Thing(matters=True)))
                other.start()
                other.join(LONG)
                waited.append(other.is_alive())
                return True

        waited: list[bool] = []
        kept.use(b"slow", Slow())
        for number in range(recent.KEPT):
            kept.use(number.to_bytes(2, "big"), Thing())
        assert waited == [False]
        assert b"another" in kept
        assert b"slow" in kept
