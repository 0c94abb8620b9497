"""A store as one renewal uses it: every failure is a `StoreError`, and nothing waits longer than it needs to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from ..core.errors import AuthError, StoreError
from ..core.token import Token
from ..stores.store import Store

__all__ = ["LOCKED_OUT", "GuardedStore"]

T = TypeVar("T")

LOCKED_OUT = StoreError(
    "Another thread, process or another machine has had the lock of this token all the time, and has saved no token",
    hint="Try again later. The lock of a machine that died ends with its lease.",
)
"""What is raised to those who wait for a renewal that waits for the lock."""


class GuardedStore:
    """A store by the members of `Store`. What else it may have (`lock_if`, `permit`, `retire`) is used if it is there.

    Those three are promises of this package's own stores; see `RedisStore`.
    """

    __slots__ = ("_store",)

    def __init__(self, store: Store) -> None:
        self._store = store

    @property
    def salt(self) -> bytes:
        """Return the salt of the store."""
        return _guarded(lambda: self._store.salt)

    @property
    def lease(self) -> float:
        """Return the lease of the store."""
        return self._store.lease

    def load(self, key: str) -> Token | None:
        """Load as the store does."""
        return _guarded(lambda: self._store.load(key))

    def save(self, key: str, token: Token) -> None:
        """Save as the store does."""
        _guarded(lambda: self._store.save(key, token))

    def delete(self, key: str) -> None:
        """Delete as the store does."""
        _guarded(lambda: self._store.delete(key))

    def retire(self, key: str) -> None:
        """Let the record end within a day, where the store can."""
        retire = getattr(self._store, "retire", None)
        if retire is not None:
            _guarded(lambda: retire(key))

    def permit(self, key: str) -> object:
        """Keep the lock for a token that could not be saved, where the store can; return what continues it."""
        permit = getattr(self._store, "permit", None)
        return None if permit is None else permit(key)

    @contextmanager
    def lock(self, key: str) -> Iterator[None]:
        """Lock as the store does."""
        with self.lock_if(key, lambda: True):
            yield

    @contextmanager
    def lock_if(self, key: str, needed: Callable[[], bool], permit: object = None) -> Iterator[bool]:
        """Yield True with the lock; or False without it, as soon as it is not `needed`, if the store sees it."""
        lock_if = getattr(self._store, "lock_if", None)
        lock = self._store.lock(key) if lock_if is None else lock_if(key, needed, permit)
        got = _guarded(lock.__enter__)
        try:
            yield got is not False
        finally:
            lock.__exit__(None, None, None)


def _guarded(call: Callable[[], T]) -> T:
    try:
        return call()
    except AuthError:
        raise
    except Exception as error:  # Its text and its frames may hold the token.
        what = type(error).__name__
    raise StoreError(f"The store failed ({what})")
