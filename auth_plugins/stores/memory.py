"""Tokens of one process: what every auth object uses unless told otherwise."""

from __future__ import annotations

import math
import os
import secrets
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from cachetools import TLRUCache

from ..core.checks import check_count, check_seconds
from ..core.errors import StoreError
from ..core.token import Token

__all__ = ["MemoryStore"]


class MemoryStore:
    """A bounded, thread-safe cache in which each token has its own end: the moment it can no longer be renewed.

    Args:
        maxsize: how many tokens, at most; the least recently used goes first.
        clock: what tells the time, in seconds since the epoch.
        lock_timeout: seconds to wait for another renewal of the same token.

    Raises:
        TypeError: `maxsize` is not an int, or `clock` cannot be called.
        ValueError: `maxsize` is less than 1, or `lock_timeout` is not above zero.
    """

    def __init__(
        self, *, maxsize: int = 4096, clock: Callable[[], float] = time.time, lock_timeout: float = 60.0
    ) -> None:
        self._maxsize = check_count("maxsize", maxsize)
        self._lock_timeout = min(check_seconds("lock_timeout", lock_timeout, above_zero=True), threading.TIMEOUT_MAX)
        if not callable(clock):
            raise TypeError("clock must be callable")
        self._clock = clock
        self._salt = secrets.token_bytes(32)
        self._now = 0.0
        self._tokens: TLRUCache[str, Token] = TLRUCache(self._maxsize, ttu=_useful_until, timer=self._timer)
        self._guard = threading.Lock()
        self._fresh_locks()
        _stores.add(self)

    def _fresh_locks(self) -> None:
        self._locks: weakref.WeakValueDictionary[str, threading.Lock] = weakref.WeakValueDictionary()

    @property
    def salt(self) -> bytes:
        """Random, made with the store: its keys mean nothing anywhere else."""
        return self._salt

    @property
    def lease(self) -> float:
        """For ever: a thread gives its lock back."""
        return math.inf

    def _timer(self) -> float:
        return self._now

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        now = self._clock()  # Somebody else's code, which may take its time: not under the lock.
        with self._guard:
            self._now = now
            yield

    def load(self, key: str) -> Token | None:
        """Give the token kept under `key`, if it still serves for anything."""
        with self._guarded():
            token: Token | None = self._tokens.get(key)
            return token

    def save(self, key: str, token: Token) -> None:
        """Keep `token`, and if need be drop what was used least recently."""
        with self._guarded():
            self._tokens.pop(key, None)  # cachetools before 7.2 keeps the old one if the new one is past its end.
            self._tokens[key] = token

    def delete(self, key: str) -> None:
        """Forget what is kept under `key`."""
        with self._guarded():
            self._tokens.pop(key, None)

    @contextmanager
    def lock(self, key: str) -> Iterator[None]:
        """Keep the other threads of this process from renewing under `key`."""
        with self._guard:
            lock = self._locks.setdefault(key, threading.Lock())
        if not lock.acquire(timeout=self._lock_timeout):
            raise StoreError("Another renewal of the same token did not end", hint="Try again later.")
        try:
            yield
        finally:
            lock.release()

    def __len__(self) -> int:
        with self._guarded():
            return len(self._tokens)

    def __repr__(self) -> str:
        return f"MemoryStore(maxsize={self._maxsize})"

    def __getstate__(self) -> dict[str, object]:
        # Tokens stay in the process they were issued to: a copy begins empty.
        return {"maxsize": self._maxsize, "clock": self._clock, "lock_timeout": self._lock_timeout}

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__init__(**state)  # type: ignore[misc]


def _useful_until(_key: str, token: Token, _now: float) -> float:
    return token.useful_until


_stores: weakref.WeakSet[MemoryStore] = weakref.WeakSet()


_one_fork = threading.Lock()
_at_the_fork: list[MemoryStore] = []


def _before_fork() -> None:
    # A cache that another thread is just changing would stay half-changed in the child for ever.
    _one_fork.acquire()
    _at_the_fork[:] = _stores
    for store in _at_the_fork:
        store._guard.acquire()


def _after_fork_in_parent() -> None:
    for store in _at_the_fork:
        store._guard.release()
    _at_the_fork.clear()
    _one_fork.release()


def _after_fork_in_child() -> None:
    for store in _at_the_fork:
        store._fresh_locks()  # Whoever held them does not exist here.
    _after_fork_in_parent()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child)
