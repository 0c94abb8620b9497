"""Which stores are used by the numbers of their tokens."""

from __future__ import annotations

from typing import Any

import redis

from auth_plugins import MemoryStore, RedisStore, Token
from auth_plugins.engine.locking import GuardedStore


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
