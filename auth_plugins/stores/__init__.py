"""Token stores. See `Store` for what each of them guarantees.

The stores that processes can share are not imported here (see `file`, `keyring`, `redis`): few programs need them.
"""

from .memory import MemoryStore
from .store import Store

__all__ = ["PROCESS_STORE", "MemoryStore", "Store"]

PROCESS_STORE = MemoryStore(lock_timeout=86_400.0)
"""The default store of every auth object. Its `lock_timeout` is the longest `deadline` that a policy may have."""
