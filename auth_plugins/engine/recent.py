"""Keeps shared states alive after their auth objects: those used last, and those that must not be forgotten yet.

No method waits for another thread, as in a `MemoryStore` and for the same reason: a finalizer may run in the middle
of any of them.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from typing import Generic, Protocol, TypeVar

__all__ = ["KEPT", "Recent"]

KEPT = 1024
"""How many shared states are kept that may be forgotten. To forget one of these costs a read from the store."""

_LOOKED_AT = 2
"""How many of the older states are checked again at each use. Each use adds one at most, so their number falls."""


class Memory(Protocol):
    """An object that is kept alive."""

    @property
    def matters(self) -> bool:
        """Whether the object must not be forgotten yet."""


M = TypeVar("M", bound=Memory)


class Recent(Generic[M]):
    """Holds the objects used last, and older objects for as long as they matter.

    The number of the latter is not limited, but each matters for a limited time.
    """

    def __init__(self) -> None:
        self._latest: OrderedDict[bytes, M] = OrderedDict()
        self._held: OrderedDict[bytes, M] = OrderedDict()
        self._used: deque[tuple[bytes, M]] = deque()
        self._guard = threading.Lock()

    def __contains__(self, key: bytes) -> bool:
        return key in self._latest or key in self._held

    def __len__(self) -> int:
        return len(self._latest) + len(self._held)

    def use(self, key: bytes, memory: M) -> None:
        """Hold `memory` from now on. If another thread is in this method, that thread does the work."""
        self._used.append((key, memory))
        while self._used and self._guard.acquire(blocking=False):
            try:
                while self._used:
                    self._hold(*self._used.popleft())
            finally:
                self._guard.release()

    def _hold(self, key: bytes, memory: M) -> None:
        self._held.pop(key, None)
        self._latest[key] = memory
        self._latest.move_to_end(key)
        while len(self._latest) > KEPT:
            oldest, forgotten = self._latest.popitem(last=False)
            if forgotten.matters:
                self._held[oldest] = forgotten
        for _ in range(min(_LOOKED_AT, len(self._held))):
            longest, held = self._held.popitem(last=False)
            if held.matters:
                self._held[longest] = held
