"""The entry of a session in a store: one record, whichever access tokens are kept in it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auth_plugins import FileStore, MemoryStore, Store, StoreError, Token
from auth_plugins.engine.store_entry import InStore
from auth_plugins.providers.oauth2 import OAuth2Contract
from auth_plugins.stores.record import encode
from auth_plugins.testing import FakeClock

THEN = 1_800_000_000.0
READ = OAuth2Contract("https://login.example/token", "https://api.example", "client", "secret", "first", scope="read")
WRITE, ADMIN = (replace(READ, scope=scope) for scope in ("write", "admin"))
FOR_ITSELF = replace(READ, refresh_token=None)


def token(name: str, refresh_token: str | None = "newest", lifetime: float = 3600.0, **more: Any) -> Token:
    kept: dict[str, Any] = {"refresh_token": refresh_token, "refreshable_until": THEN + 1e9, **more}
    return Token(access_token=name, issued_at=THEN, expires_at=THEN + lifetime, **kept)


class Counting(MemoryStore):
    """A store that counts what it is asked for."""

    def __init__(self) -> None:
        super().__init__(clock=FakeClock(THEN))
        self.asked: list[str] = []

    def load(self, key: str) -> Token | None:
        self.asked.append("load")
        return super().load(key)

    def save(self, key: str, token: Token) -> None:
        self.asked.append("save")
        super().save(key, token)


@pytest.fixture(params=["memory", "file"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    clock = FakeClock(THEN)
    return MemoryStore(clock=clock) if request.param == "memory" else FileStore(tmp_path / "t", clock=clock)


def load(store: Store, contract: OAuth2Contract = READ) -> Token | None:
    return InStore(store, contract).load()


def save(store: Store, contract: OAuth2Contract, saved: Token) -> None:
    """Do as a renewal does: load, then save."""
    entry = InStore(store, contract)
    entry.load()
    entry.save(saved)


class TestOneVariant:
    def test_is_given_as_it_was_saved(self, store: Store) -> None:
        for contract in (READ, FOR_ITSELF):
            kept = token("at", extra={"app_type": "x"}, scopes=("read",))
            save(store, contract, kept)
            assert load(store, contract) == kept

    def test_costs_the_store_no_more_than_a_token_that_is_not_shared(self) -> None:
        store = Counting()
        save(store, READ, token("at"))
        load(store)
        assert store.asked == ["load", "save", "load"]

    def test_leaves_no_mark_of_ours_in_the_token(self, store: Store) -> None:
        save(store, READ, token("at"))
        found = load(store)
        assert found is not None
        assert dict(found.extra) == {}

    def test_is_nothing_where_nothing_was_saved(self, store: Store) -> None:
        assert load(store) is None


class TestSeveralVariants:
    def test_have_each_its_access_token_and_together_the_newest_refresh_token(self, store: Store) -> None:
        for turn, contract in enumerate((READ, WRITE, ADMIN, READ, ADMIN)):
            save(store, contract, token(f"{contract.scope}-{turn}", f"r{turn}", scopes=(str(contract.scope),)))
        for contract, name in ((READ, "read-3"), (WRITE, "write-1"), (ADMIN, "admin-4")):
            found = load(store, contract)
            assert found is not None
            assert (found.access_token, found.refresh_token) == (name, "r4")
            assert found.scopes == (contract.scope,)

    def test_a_new_one_begins_with_the_newest_refresh_token_behind_an_access_token_that_has_ended(
        self, store: Store
    ) -> None:
        save(store, READ, token("at", "newest", refresh_once=True, refreshable_from=THEN + 5))
        found = load(store, WRITE)
        assert found is not None
        assert (found.access_token, found.refresh_token, found.scopes) == ("", "newest", ("write",))
        assert found.expires_at <= THEN
        assert (found.refreshable_from, found.refreshable_until, found.refresh_once) == (THEN + 5, THEN + 1e9, True)

    def test_one_that_saves_before_it_has_an_access_token_takes_nothing_from_the_others(self, store: Store) -> None:
        save(store, READ, token("at"))
        begun = load(store, WRITE)
        assert begun is not None
        save(store, WRITE, begun)
        found = load(store)
        assert found == token("at")
        assert load(store, WRITE) == begun

    def test_one_for_another_origin_gets_no_access_token_of_the_first(self, store: Store) -> None:
        save(store, READ, token("at"))
        other = load(store, replace(READ, base_url="https://other.example"))
        assert other is not None
        assert other.access_token == ""

    def test_keep_what_a_provider_said_of_each(self, store: Store) -> None:
        save(store, READ, token("one", extra={"user": "1"}))
        save(store, WRITE, token("two", extra={"user": "2", "auth_plugins.variant.x": "forged"}))
        for contract, extra in ((READ, {"user": "1"}), (WRITE, {"user": "2"})):
            found = load(store, contract)
            assert found is not None
            assert dict(found.extra) == extra

    def test_drop_what_has_ended(self, store: Store) -> None:
        save(store, READ, token("short", lifetime=60.0))
        save(store, WRITE, replace(token("long"), issued_at=THEN + 60))
        found = load(store)
        assert found is not None
        assert found.access_token == ""

    def test_are_all_forgotten_together(self, store: Store) -> None:
        save(store, READ, token("one"))
        save(store, WRITE, token("two"))
        InStore(store, ADMIN).delete()
        save(store, ADMIN, token("three"))
        for contract in (READ, WRITE):
            found = load(store, contract)
            assert found is not None
            assert found.access_token == ""

    def test_a_hundred_of_them_never_cost_the_newest_refresh_token(self, store: Store) -> None:
        for number in range(100):
            kept = token(f"{number}-" + "x" * 2000, f"r{number}", lifetime=3600.0 + number)
            save(store, replace(READ, scope=f"scope-{number}"), kept)
        first, last = load(store, replace(READ, scope="scope-0")), load(store, replace(READ, scope="scope-98"))
        assert first is not None
        assert last is not None
        assert (first.access_token, first.refresh_token) == ("", "r99")
        assert (last.access_token[:3], last.refresh_token) == ("98-", "r99")
        raw = store.load(InStore(store, READ).key)
        assert raw is not None
        assert len(encode("key", raw)) < 100_000

    def test_show_no_token_of_each_other(self, store: Store) -> None:
        save(store, READ, token("s3cret-of-read"))
        save(store, WRITE, token("two"))
        raw = store.load(InStore(store, READ).key)
        assert raw is not None
        assert "s3cret" not in repr(raw)


class TestWhatIsDamaged:
    @pytest.mark.parametrize("record", ["", "garbage", "\ud800", "{}", "0" * 100])
    def test_in_another_variants_token_costs_that_token_alone(self, record: str) -> None:
        store = MemoryStore(clock=FakeClock(THEN))
        save(store, READ, token("one"))
        save(store, WRITE, token("two"))
        key = InStore(store, READ).key
        raw = store.load(key)
        assert raw is not None
        store.save(key, replace(raw, extra={n: record if n.count(".") == 2 else v for n, v in raw.extra.items()}))
        one, two = load(store), load(store, WRITE)
        assert one is not None
        assert (one.access_token, one.refresh_token, two) == ("", "newest", token("two"))

    def test_a_token_of_one_variant_is_never_read_as_anothers(self) -> None:
        store = MemoryStore(clock=FakeClock(THEN))
        save(store, READ, token("one"))
        save(store, WRITE, token("two"))
        key = InStore(store, READ).key
        raw = store.load(key)
        assert raw is not None
        (record,) = [value for name, value in raw.extra.items() if name.count(".") == 2]
        admins = f"auth_plugins.variant.{InStore(store, ADMIN)._variant}"
        store.save(key, replace(raw, extra={**raw.extra, admins: record}))
        found = load(store, ADMIN)
        assert found is not None
        assert found.access_token == ""

    def test_a_record_that_names_no_variant_gives_its_refresh_token_and_no_access_token(self) -> None:
        store = MemoryStore(clock=FakeClock(THEN))
        store.save(InStore(store, READ).key, token("whose?"))
        found = load(store)
        assert found is not None
        assert (found.access_token, found.refresh_token) == ("", "newest")


def test_a_save_that_fails_leaves_what_was_known() -> None:
    store = MemoryStore(clock=FakeClock(THEN))
    save(store, READ, token("one"))
    entry = InStore(store, READ)
    entry.load()

    def full(*_: object) -> None:
        raise StoreError("The disk is full")

    store.save = full  # type: ignore[assignment, method-assign]
    with pytest.raises(StoreError):
        entry.save(token("two"))
    assert entry.kept == token("one")


contracts = st.sampled_from([READ, WRITE, ADMIN, replace(READ, base_url="https://other.example")])


@given(st.lists(contracts, max_size=12))
def test_in_whatever_order_they_are_renewed_each_finds_its_own_token_and_the_newest_refresh_token(
    order: list[OAuth2Contract],
) -> None:
    store, newest = MemoryStore(clock=FakeClock(THEN)), dict[OAuth2Contract, str]()
    for turn, contract in enumerate(order):
        newest[contract] = f"at{turn}"
        save(store, contract, token(f"at{turn}", f"r{turn}"))
        for each in (READ, WRITE, ADMIN):
            found = load(store, each)
            assert found is not None
            assert (found.access_token, found.refresh_token) == (newest.get(each, ""), f"r{turn}")
