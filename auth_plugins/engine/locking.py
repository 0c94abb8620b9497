"""A store as one renewal uses it: every failure is a `StoreError`, and nothing waits longer than it needs to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from ..core.errors import AuthError, StoreError
from ..core.token import Token
from ..stores.store import Store

__all__ = ["LOCKED_OUT", "UNSETTLED", "GuardedStore"]

T = TypeVar("T")

LOCKED_OUT = StoreError(
    "Another thread, process or another machine has had the lock of this token all the time, and has saved no token",
    hint="Try again later. The lock of a machine that died ends with its lease.",
)
"""The error of requests that wait for a renewal that waits for the lock."""

UNSETTLED = StoreError(
    "The store was started, failed over or emptied a moment ago: other processes may put back newer tokens",
    hint="Try again in a few seconds.",
)
"""The error of requests that wait while no refresh token may be used."""


class GuardedStore:
    """A store by the members of `Store`. What else it may have is used if it is there; see `RedisStore`.

    That is `epoch`, `lock_if`, `permit`, `retire`; and of a store that numbers its tokens `load_numbered`,
    `save_numbered`, `delete_numbered` and `lock_numbers`.
    """

    __slots__ = ("_numbered", "_store")

    def __init__(self, store: Store) -> None:
        self._store = store
        self._numbered: Any = store if _has_numbers(store) else None

    @property
    def salt(self) -> bytes:
        """Return the salt of the store."""
        return _guarded(lambda: self._store.salt)

    @property
    def lease(self) -> float:
        """Return the lease of the store."""
        return self._store.lease

    @property
    def has_epochs(self) -> bool:
        """Whether the store shows when it may have lost something, and which of two tokens is the newer one."""
        return self._numbered is not None and hasattr(self._store, "epoch")

    def epoch(self) -> tuple[object, float]:
        """Return the epoch, and the seconds for which no refresh token may be used; see `RedisStore.epoch`."""
        found: tuple[object, float] = _guarded(self._numbered.epoch) if self.has_epochs else (None, 0.0)
        return found

    def load_all(self, keys: list[str]) -> list[tuple[Token | None, int]]:
        """Load tokens with their numbers; only if the store has epochs."""
        found: list[tuple[Token | None, int]] = _guarded(lambda: self._numbered.load_all(keys))
        return found

    def put_back(self, tokens: list[tuple[str, Token, int]]) -> None:
        """Save tokens by their keys and numbers where the store has older ones or none; only if it has epochs."""
        _guarded(lambda: self._numbered.put_back(tokens))

    def load(self, key: str) -> tuple[Token | None, int | None]:
        """Load as the store does; return the token's number as well, `None` if the store has no numbers."""
        if self._numbered is None:
            return _guarded(lambda: self._store.load(key)), None
        found: tuple[Token | None, int] = _guarded(lambda: self._numbered.load_numbered(key))
        return found

    def save(
        self, key: str, token: Token, number: int, *, before_call: bool = False
    ) -> tuple[Token | None, int] | None:
        """Save as the store does; return the newer token that is there instead, if the store sees it."""
        newer: tuple[Token | None, int] | None = None
        if self._numbered is None:
            _guarded(lambda: self._store.save(key, token))
        else:
            newer = _guarded(lambda: self._numbered.save_numbered(key, token, number, before_call=before_call))
        return newer

    def lock_numbers(self, key: str) -> tuple[int, int]:
        """Return the number of the lock, and that of a lock that was waited for and lost; 0 without a lock."""
        numbers: tuple[int, int] = (0, 0) if self._numbered is None else self._numbered.lock_numbers(key)
        return numbers

    def delete(self, key: str, number: int, *, ends: bool) -> None:
        """Delete as the store does, unless there is a token with a higher number; `ends`: the session is over."""
        if self._numbered is None:
            _guarded(lambda: self._store.delete(key))
        elif not _guarded(lambda: self._numbered.delete_numbered(key, number, ends=ends)):
            raise StoreError("Another process has saved a newer token")

    def retire(self, key: str) -> None:
        """Let the record end within a day, if the store can."""
        retire = getattr(self._store, "retire", None)
        if retire is not None:
            _guarded(lambda: retire(key))

    def permit(self, key: str) -> object:
        """Keep the lock for a token that could not be saved, where the store can; return what continues it."""
        permit = getattr(self._store, "permit", None)
        return None if permit is None else permit(key)

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


def _has_numbers(store: Store) -> bool:
    """Whether the store numbers its tokens; not a subclass or a wrapper of one that has changed the other methods."""
    classes = type(store).__mro__
    for name in ("load", "save", "delete"):
        owner: type = next((each for each in classes if name in vars(each)), object)
        if f"{name}_numbered" not in vars(owner):
            return False
    return True


def _guarded(call: Callable[[], T]) -> T:
    try:
        return call()
    except AuthError:
        raise
    except Exception as error:  # Its text and its frames may hold the token.
        what = type(error).__name__
    raise StoreError(f"The store failed ({what})")
