"""Where tokens live. Each store brings the lock of its own reach; see `Store` for what it promises.

The stores of more than one process stand in modules of their own (`file`, `key_ring`, `redis`): few programs need them.
"""

from .memory import MemoryStore
from .store import Store

__all__ = ["PROCESS_STORE", "MemoryStore", "Store"]

PROCESS_STORE = MemoryStore(lock_timeout=86_400.0)
"""What every auth object uses by default. Its lock may be waited for as long as the longest `deadline` of a policy."""
