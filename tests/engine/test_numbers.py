"""Which stores are used by the numbers of their tokens."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import redis

from auth_plugins import FileStore, MemoryStore, RedisStore, Token
from auth_plugins.engine.locking import GuardedStore, _replaces


class Audited(RedisStore):
    """A store that has changed what saving means."""

    def save(self, key: str, token: Token) -> None:
        """Save what it likes."""


class Wrapper:
    """A store that passes on what it does not know, and has its own methods for the rest."""

    def __init__(self, store: RedisStore) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def load(self, key: str) -> Token | None: ...
    def save(self, key: str, token: Token) -> None: ...
    def delete(self, key: str) -> None: ...


def test_numbers_bypass_no_method_that_a_subclass_or_a_wrapper_has_changed() -> None:
    client = redis.Redis(connection_pool=redis.BlockingConnectionPool())  # type: ignore[no-untyped-call]
    store = RedisStore(client)
    used = [
        GuardedStore(each)._numbered is not None for each in (store, Audited(client), Wrapper(store), MemoryStore())
    ]
    assert used == [True, False, False, False]


def test_a_token_is_put_back_only_where_numbers_show_which_one_is_newer() -> None:
    client = redis.Redis(connection_pool=redis.BlockingConnectionPool())  # type: ignore[no-untyped-call]
    stores = (RedisStore(client), Audited(client), Wrapper(RedisStore(client)), MemoryStore())
    assert [GuardedStore(each).has_epochs for each in stores] == [True, False, False, False]
    assert GuardedStore(stores[2]).epoch() == (None, 0.0)


class Noted(FileStore):
    """A store that has changed what a lock is."""

    @contextmanager
    def lock(self, key: str) -> Iterator[None]:
        with super().lock(key):
            yield


def test_the_early_end_of_a_wait_bypasses_no_lock_that_a_subclass_has_changed(tmp_path: Path) -> None:
    noted, kept = Noted(tmp_path / "tokens"), FileStore(tmp_path / "others")
    assert [_replaces(each, lock_if="lock") for each in (noted, kept, MemoryStore())] == [False, True, False]
