"""A store in the memory of one process: the default store of every auth object.

Except for `lock`, no method waits for another thread. The garbage collector may run a finalizer in the middle of any
method, and that finalizer may use an auth object and so wait for a renewal that calls this very store. Therefore the
tokens are in a plain dictionary, and each step on it is atomic in the interpreter. One thread at a time records
which tokens were used least recently. A thread that finds another thread doing so leaves its key in a queue for it.
"""

from __future__ import annotations

import logging
import math
import os
import secrets
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from ..core.checks import check_count, check_seconds
from ..core.errors import StoreError
from ..core.token import Token
from .ranks import Ranks

__all__ = ["MemoryStore"]

_log = logging.getLogger("auth_plugins")
_SWEEP_AFTER = 600.0
"""Seconds."""


class MemoryStore:
    """A bounded, thread-safe cache. Each token is kept until its `useful_until`, when it can no longer be refreshed.

    An irreplaceable token (`Token.irreplaceable`) is never dropped before that time, since that would end a session.
    It does not count towards `maxsize`.

    Args:
        maxsize: the maximum number of tokens that can be replaced. The least recently used token is dropped first;
            its next use costs a login.
        clock: returns the time, in seconds since the epoch.
        lock_timeout: seconds to wait for another renewal of the same token; not less than the policy's `deadline`.

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
        self._kept: dict[str, Token] = {}
        self._now = 0.0
        self._sweep_above, self._swept_at = 2 * self._maxsize, 0.0
        self._warned: set[str] = set()
        self._fresh_locks()
        self._rank_anew()
        _stores.add(self)

    def _fresh_locks(self) -> None:
        self._locks: dict[str, threading.Lock] = {}
        self._guard = threading.Lock()

    def _rank_anew(self) -> None:
        self._ranks = Ranks(self._maxsize, lambda: self._now)
        self._unranked = deque(self._kept.copy())

    @property
    def salt(self) -> bytes:
        """32 random bytes, generated with the store."""
        return self._salt

    @property
    def lease(self) -> float:
        """Infinity: a lock ends only when its thread releases it."""
        return math.inf

    @property
    def lock_timeout(self) -> float:
        """Seconds to wait for a lock."""
        return self._lock_timeout

    def load(self, key: str) -> Token | None:
        """Return the token saved under `key`, or `None` if the store has no token that can be used or refreshed."""
        token = self._kept.get(key)
        if token is None or token.useful_until <= self._clock():
            return None
        self._rank(key)
        return token

    def save(self, key: str, token: Token) -> None:
        """Keep `token`. Above `maxsize`, drop the least recently used of the tokens that can be replaced."""
        self._kept[key] = token
        self._rank(key)

    def delete(self, key: str) -> None:
        """Delete the token saved under `key`."""
        self._kept.pop(key, None)
        self._rank(key)

    def retire(self, key: str) -> None:
        """Allow the token saved under `key` to be dropped: the provider has declared its session over."""
        token = self._kept.get(key)
        if token is not None and token.irreplaceable:
            self.save(key, replace(token, irreplaceable=False))

    @contextmanager
    def lock(self, key: str) -> Iterator[None]:
        """Exclude the other threads of this process from renewing under `key`.

        Raises:
            StoreError: another thread held the lock for the whole of `lock_timeout`.
        """
        lock = self._acquire(key, self._lock_timeout)
        if lock is None:
            raise StoreError("Another renewal of the same token did not end", hint="Try again later.")
        try:
            yield
        finally:
            self._release(key, lock)

    def _acquire(self, key: str, timeout: float) -> threading.Lock | None:
        ends = time.monotonic() + timeout
        while True:
            lock = self._locks.setdefault(key, threading.Lock())
            if not lock.acquire(timeout=max(0.0, ends - time.monotonic())):
                return None
            if self._locks.get(key) is lock:
                return lock
            lock.release()  # Its last holder has removed it from the table, so another thread may hold a new lock.

    def _release(self, key: str, lock: threading.Lock) -> None:
        # Only the holder of a lock removes it, and only while it is held. In a forked child it may be gone already.
        if self._locks.get(key) is lock:
            del self._locks[key]
        lock.release()

    def _rank(self, key: str) -> None:
        now = self._clock()
        self._unranked.append(key)
        # The queue is checked again after each release: another thread may have added a key just before it.
        while self._unranked and self._guard.acquire(blocking=False):
            try:
                self._now = now
                while self._unranked:
                    self._rank_one(self._unranked.popleft())
                self._sweep()
            except BaseException:  # A Ctrl-C in the middle of it leaves the ranks half-changed.
                self._rank_anew()
                raise
            finally:
                self._guard.release()

    def _rank_one(self, key: str) -> None:
        token, ranks = self._kept.get(key), self._ranks
        if token is not None and ranks.get(key) is token:
            return
        ranks.pop(key, None)  # cachetools before 7.2 keeps the old item if the new item has expired.
        if token is None or token.irreplaceable:
            return
        ranks[key] = token
        for dropped in ranks.dropped:
            self._drop(*dropped)
        if ranks.dropped:
            ranks.dropped.clear()
            self._warn_once(_FULL, self._maxsize)

    def _drop(self, key: str, token: Token) -> None:
        lock = self._acquire(key, 0.0)
        if lock is None:  # The token is being renewed, so it is in use, and its replacement will be.
            return
        try:
            if self._kept.get(key) is token:
                del self._kept[key]
        finally:
            self._release(key, lock)

    def _sweep(self) -> None:
        """Drop expired tokens, every ten minutes and whenever the number of tokens has doubled since the last sweep."""
        if len(self._kept) > self._sweep_above or abs(self._now - self._swept_at) > _SWEEP_AFTER:
            self._swept_at = self._now
            for key, token in self._kept.copy().items():
                if token.useful_until <= self._now:
                    self._drop(key, token)
            self._sweep_above = 2 * max(self._maxsize, len(self._kept))
            sessions = len(self._kept) - len(self._ranks)
            if sessions > self._maxsize:
                self._warn_once(_MANY_SESSIONS, sessions)

    def _warn_once(self, message: str, count: int) -> None:
        if message not in self._warned:
            self._warned.add(message)
            _log.warning(message, count)

    def __len__(self) -> int:
        now = self._clock()
        return sum(now < token.useful_until for token in self._kept.copy().values())

    def __repr__(self) -> str:
        # Without a size the constructor has raised.
        return f"MemoryStore(maxsize={getattr(self, '_maxsize', None)})"

    def __getstate__(self) -> dict[str, object]:
        # Tokens stay in the process that they were issued to: a copy starts empty.
        return {"maxsize": self._maxsize, "clock": self._clock, "lock_timeout": self._lock_timeout}

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__init__(**state)  # type: ignore[misc]


_FULL = (
    "A MemoryStore has reached its maxsize of %d tokens: from now on it drops the least recently used tokens, and each "
    "of them costs a login when it is used again. If more sets of credentials than that are in use, pass the same "
    "store=MemoryStore(maxsize=...), large enough, to all their auth objects."
)
_MANY_SESSIONS = (
    "A MemoryStore keeps %d tokens that no login can replace. They are not dropped before they expire, so they take "
    "memory, and they are lost when this process ends. Use a FileStore or a RedisStore for them, and call logout() "
    "for sessions that are over."
)


_stores: weakref.WeakSet[MemoryStore] = weakref.WeakSet()


def _after_fork() -> None:
    for store in list(_stores):
        # The parent's threads that held a lock, or were changing the ranks, do not exist in the child.
        store._fresh_locks()
        store._rank_anew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
