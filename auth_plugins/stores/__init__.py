"""Where tokens live. Each store brings the lock of its own reach; see `Store` for what it promises."""

from .file import FileStore
from .key_ring import KeyringStore
from .memory import MemoryStore
from .redis import RedisStore
from .store import Store

__all__ = ["PROCESS_STORE", "FileStore", "KeyringStore", "MemoryStore", "RedisStore", "Store"]

PROCESS_STORE = MemoryStore()
"""What every auth object uses unless told otherwise."""
