"""Finds out whether an object belongs to httpx or to httpx2."""

from __future__ import annotations

import sys
from types import ModuleType

__all__ = ["library_of"]


def library_of(kind: type) -> ModuleType:
    """Find the library whose request this is, or is derived from: httpx and httpx2 share no classes."""
    for ancestor in kind.__mro__:
        root = ancestor.__module__.partition(".")[0]
        if root in ("httpx", "httpx2"):
            return sys.modules[root]
    raise TypeError("request must be an httpx.Request or an httpx2.Request")
