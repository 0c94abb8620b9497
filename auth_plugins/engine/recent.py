"""Which slots outlive the auth objects that use them: those used last, and those that remember something that matters.

No call waits for another one, as in a `MemoryStore`, and for the same reason: a finalizer may run in the middle of any.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from typing import Generic, Protocol, TypeVar

__all__ = ["KEPT", "Recent"]

KEPT = 1024
"""How many slots are kept that remember nothing that matters. To forget one of these costs a look into the store."""

_LOOKED_AT = 2
"""How many of those that mattered are looked at again at each use: one can be added, so what is over goes."""


class Memory(Protocol):
    """What is kept alive."""

    @property
    def matters(self) -> bool:
        """Whether it must not be forgotten yet."""


M = TypeVar("M", bound=Memory)


class Recent(Generic[M]):
    """Holds what was used last, and the rest for as long as it matters: that part is bounded by time alone."""

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
        """Hold `memory` from now on. Where another thread is at it already, this is left to that thread."""
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
