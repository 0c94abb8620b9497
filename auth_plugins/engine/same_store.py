"""Finds store objects that are the same store, such as a `FileStore("tokens")` that each task creates."""

from __future__ import annotations

import inspect
from collections.abc import Hashable
from weakref import WeakValueDictionary

from ..stores.store import Store

__all__ = ["SameStores", "identity_of"]


def identity_of(store: Store) -> Hashable | None:
    """Return the `identity` of a store (see `Store`); `None`: the store is the same as no other object."""
    # Looked up without `__getattr__`: a store that wraps another store does not have its identity.
    if inspect.getattr_static(store, "identity", None) is None:
        return None
    identity: Hashable | None = store.identity  # type: ignore[attr-defined]
    return identity


class SameStores:
    """Maps each store to its first object, for as long as that object lives. Not thread-safe."""

    def __init__(self) -> None:
        self._first: WeakValueDictionary[Hashable, Store] = WeakValueDictionary()

    def one_for(self, store: Store, identity: Hashable | None) -> Store:
        """Return the first living object of the same type and identity, or else `store` itself."""
        if identity is None:
            return store
        try:
            return self._first.setdefault((type(store), identity), store)
        except TypeError:  # The identity is not hashable, or the store does not support weak references.
            return store
