"""Where tokens live. Each store brings the lock of its own reach; see `Store` for what it promises."""

from .memory import MemoryStore
from .store import Store

__all__ = ["PROCESS_STORE", "MemoryStore", "Store"]

PROCESS_STORE = MemoryStore()
"""What every auth object uses unless told otherwise."""
