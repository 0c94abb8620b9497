"""Builds a value once for all threads that need it at the same time."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Hashable
from typing import Any

__all__ = ["BuiltOnce"]

_MOST = 16
"""Values kept. A process needs two or three; a test that changes its environment leaves some behind."""


class BuiltOnce:
    """A small cache. While one thread builds a value, the others that ask for it wait, and then share it."""

    def __init__(self) -> None:
        self._built: dict[Hashable, tuple[Hashable, Any]] = {}
        self._lock, self._process = threading.Lock(), os.getpid()

    def get(self, key: Hashable, version: Hashable, build: Callable[[], Any]) -> Any:
        """Return the value of `key`; build it if there is none, or if it was built for another `version`.

        What `build` raises is raised, and nothing is kept.
        """
        found = self._built.get(key)
        if found is not None and found[0] == version:
            return found[1]
        with self._lock_of_this_process():
            found = self._built.get(key)
            if found is not None and found[0] == version:
                return found[1]
            value = build()
            if len(self._built) >= _MOST:
                self._built.clear()
            self._built[key] = (version, value)
            return value

    def _lock_of_this_process(self) -> threading.Lock:
        # A thread of the parent that held the lock at a fork does not exist in the child, and never releases it there.
        if self._process != os.getpid():
            self._lock, self._process = threading.Lock(), os.getpid()
        return self._lock
