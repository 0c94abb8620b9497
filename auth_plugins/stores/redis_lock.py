"""The lock of a token in Redis: a lease with a number, and the record that comes along with every answer."""

from __future__ import annotations

import logging
import random
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from ..core.errors import StoreError
from .redis_errors import as_store_error, reason_of
from .redis_scripts import ACQUIRE, CHECK, RELEASE

__all__ = ["Held", "Locks"]

_log = logging.getLogger("auth_plugins")
_PAUSES = (0.01, 0.5)
"""The first and the longest pause between two looks at a lock that another holder has, in seconds."""


@dataclass(slots=True, eq=False)
class Held:
    """A lock as its holder knows it."""

    name: str
    """Of the hash with the token."""
    holder: str = field(default_factory=lambda: secrets.token_hex(16))
    number: int = 0
    seen: int = 0
    """The number of the lock of another holder that was waited for."""
    lost: int = 0
    """The same, if the server had forgotten that lock when it gave this one: its holder's call may be under way."""
    kept: bool = False
    """Whether it is not given back: what was to be saved under it has not been saved."""


class OfThisThread(threading.local):
    """What a thread has of locks, by the keys of their tokens."""

    def __init__(self) -> None:
        self.held: dict[str, Held] = {}
        self.seen: dict[str, tuple[bytes | None, int]] = {}
        """Records, with their numbers, that came along with a lock or with its refusal."""


class Locks:
    """Takes and gives back locks by one client."""

    def __init__(self, client: Any, lease_ms: int, timeout: float, scratch: str) -> None:
        self._client, self._lease_ms, self._timeout = client, lease_ms, timeout
        self._scratch: str | None = scratch
        self.mine = OfThisThread()

    @contextmanager
    def hold(self, key: str, name: str, needed: Callable[[], bool], permit: object) -> Iterator[bool]:
        """Hold the lock of the token in the hash `name`; see `RedisStore.lock_if`."""
        held = Held(name, permit.holder) if isinstance(permit, Held) else Held(name)

        def is_needed(*record: *tuple[bytes | None, int]) -> bool:
            self.mine.seen[key] = record
            return held.number > 0 or needed()

        got, held.kept = True, permit is not None  # Until the lock is continued, its end is not ours to hasten.
        try:
            got = self.wait_for(held, is_needed)
            held.kept = False
            if got:
                self.mine.held[key] = held
            yield got
        finally:
            self.mine.held.pop(key, None)
            self.mine.seen.pop(key, None)
            if got:  # Also where the answer was lost, and it is not known whether the lock is ours.
                self.give_back(held)

    def wait_for(self, held: Held, needed: Callable[[bytes | None, int], bool]) -> bool:
        """Take the lock; or return False as soon as it is not `needed`, given the record of the token and its number.

        Raises:
            StoreError: another holder has had it for too long, or Redis failed.
        """
        self._check()
        ends, pause = time.monotonic() + self._timeout, _PAUSES[0]
        seen: object = self
        while True:
            record = self._acquire(held)
            if (held.number or record != seen) and not needed(*record):
                return False
            if held.number:
                return True
            seen = record
            if time.monotonic() + pause > ends:
                raise StoreError(
                    f"Another process or another machine has had the lock of this token for {self._timeout:g} seconds",
                    hint="Try again later. The lock of a machine that died ends with its lease.",
                )
            time.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - keeps waiters apart, guards nothing
            pause = min(pause * 1.5, _PAUSES[1])

    def give_back(self, held: Held) -> None:
        """Release the lock, unless it is kept. A failure is logged: the lock then ends with its lease."""
        if held.kept:
            return
        try:
            self._client.eval(RELEASE, 2, held.name, f"{held.name}:lock", held.holder)
        except Exception as error:
            _log.warning("A lock in Redis could not be given back (%s); it ends with its lease", reason_of(error))

    def _acquire(self, held: Held) -> tuple[bytes | None, int]:
        arguments = (held.name, f"{held.name}:lock", held.holder, self._lease_ms)
        number, last, saved, record = as_store_error(lambda: self._client.eval(ACQUIRE, 2, *arguments))
        held.number = int(number)
        if held.number:
            held.lost = held.seen if int(last) < held.seen else 0
        else:
            held.seen = max(held.seen, int(last))
        return record.encode() if isinstance(record, str) else record, int(saved)

    def _check(self) -> None:
        """Try all commands once: what this user may not do must not show after a refresh token was used."""
        scratch = self._scratch
        if scratch is not None:
            as_store_error(lambda: self._client.eval(CHECK, 2, scratch, f"{scratch}:lock"))
            self._scratch = None
