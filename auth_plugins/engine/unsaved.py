"""A token that the store did not take, and the attempts to save it again."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from ..core.errors import StoreError
from ..core.token import Token

__all__ = ["SaveAttempts", "UnsavedToken"]


def _nothing() -> None: ...


class SaveAttempts:
    """The attempts of one thread to save a token; other threads ask for the outcome of the next one."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._running = self._wanted = self._stopped = self._claimed = False
        self._give_up: Callable[[], None] = _nothing
        self._count = 0
        self._failure: StoreError | None = None

    def begin(self, give_up: Callable[[], None]) -> None:
        """Note that a thread is going to save; `give_up` does what that thread does in the end, without saving."""
        self._running, self._give_up = True, give_up

    def claim(self) -> bool:
        """Return whether the caller is the first one, and so has to save."""
        with self._changed:
            claimed, self._claimed = self._claimed, True
        return not claimed

    def pause(self, seconds: float) -> bool:
        """Wait before the next attempt, but not if one is wanted; return False if there must be none."""
        with self._changed:
            self._changed.wait_for(lambda: self._wanted or self._stopped, seconds)
            self._wanted = False
            return not self._stopped

    def failed(self, failure: StoreError) -> None:
        """Note that an attempt failed."""
        with self._changed:
            self._count, self._failure = self._count + 1, failure
            self._changed.notify_all()

    def end(self) -> None:
        """Note that there are no further attempts, and that the lock is given back."""
        with self._changed:
            self._running = False
            self._changed.notify_all()

    def stop(self) -> None:
        """Allow no further attempt: the token must not be saved any more.

        If saving has not begun, the lock is given back at once: the thread that is to save may be the one that waits
        for the lock, in a listener that logs out on `SAVE_FAILED`.
        """
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        if self.claim():
            self._give_up()

    def next_failure(self, timeout: float) -> StoreError | None:
        """Ask for an attempt now. Return its failure, or after `timeout` the last one; None if saving has ended."""
        with self._changed:
            count, self._wanted = self._count, True
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._running or self._count > count, timeout)
            return self._failure.clone() if self._running and self._failure is not None else None


@dataclass(frozen=True, slots=True)
class UnsavedToken:
    """The store did not take the token of this process."""

    stored_before: Token | None
    """What the store had then, as far as it is known. While it still has that, ours is the newer one."""
    permit: object = field(default=None, compare=False, repr=False)
    """What continues the lock under which it was to be saved; `None`: that lock ends where it was taken."""
    attempts: SaveAttempts = field(default_factory=SaveAttempts, compare=False, repr=False)
