"""The salt of a folder: one for all who share it, whatever happens to it, and whoever has which key."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from auth_plugins import FileStore, StoreError

OLD, NEW = Fernet.generate_key(), Fernet.generate_key()
LONG = 30.0


def at_once(stores: list[FileStore]) -> set[bytes]:
    start = threading.Barrier(len(stores))

    def salt(store: FileStore) -> bytes:
        start.wait(LONG)
        return store.salt

    with ThreadPoolExecutor(len(stores)) as pool:
        return set(pool.map(salt, stores))


def test_stores_that_start_at_once_agree_on_one_salt(tmp_path: Path) -> None:
    for number in range(20):
        stores = [FileStore(tmp_path / str(number)) for _ in range(8)]
        assert at_once(stores) == {stores[0].salt}


@pytest.mark.parametrize("key", [None, NEW], ids=["plain", "encrypted"])
def test_stores_that_find_the_salt_unreadable_at_once_agree_on_one(tmp_path: Path, key: bytes | None) -> None:
    stores = [FileStore(tmp_path / "tokens", encryption_key=key) for _ in range(8)]
    before = stores[0].salt
    for _ in range(20):
        (tmp_path / "tokens" / "salt").write_bytes(b"damaged")
        assert at_once(stores) == {stores[0].salt}
        assert stores[0].salt != before


def test_a_key_can_be_dropped_once_it_has_been_replaced(tmp_path: Path) -> None:
    salt = FileStore(tmp_path / "tokens", encryption_key=OLD).salt
    assert FileStore(tmp_path / "tokens", encryption_key=[NEW, OLD]).salt == salt
    assert FileStore(tmp_path / "tokens", encryption_key=NEW).salt == salt
    with pytest.raises(StoreError, match="another key"):
        _ = FileStore(tmp_path / "tokens", encryption_key=OLD).salt


def test_one_that_is_plain_is_an_error_under_a_key_and_read_where_plain_ones_are_allowed(tmp_path: Path) -> None:
    salt = FileStore(tmp_path / "tokens").salt
    with pytest.raises(StoreError, match="not encrypted"):
        _ = FileStore(tmp_path / "tokens", encryption_key=NEW).salt
    assert FileStore(tmp_path / "tokens", encryption_key=[None, NEW]).salt == salt
    assert FileStore(tmp_path / "tokens", encryption_key=[NEW, None]).salt == salt
    assert FileStore(tmp_path / "tokens", encryption_key=NEW).salt == salt
    assert FileStore(tmp_path / "tokens", encryption_key=[None, NEW]).salt == salt
    assert FileStore(tmp_path / "tokens").salt == salt
