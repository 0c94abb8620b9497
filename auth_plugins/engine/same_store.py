"""Which store objects are one store: `FileStore("tokens")`, made anew in each task, is always the same folder."""

from __future__ import annotations

import inspect
from collections.abc import Hashable
from weakref import WeakValueDictionary

from ..stores.store import Store

__all__ = ["SameStores", "identity_of"]


def identity_of(store: Store) -> Hashable | None:
    """Return what a store says that it is (see `Store`); `None`: it is the same as no other object."""
    # Found without `__getattr__`: a store that wraps another one is not that one.
    if inspect.getattr_static(store, "identity", None) is None:
        return None
    identity: Hashable | None = store.identity  # type: ignore[attr-defined]
    return identity


class SameStores:
    """Knows one object for each store, for as long as that object lives. Not to be used by two threads at once."""

    def __init__(self) -> None:
        self._first: WeakValueDictionary[Hashable, Store] = WeakValueDictionary()

    def one_for(self, store: Store, identity: Hashable | None) -> Store:
        """Return the first object of the same type and identity; where there is none, `store` itself."""
        if identity is None:
            return store
        try:
            return self._first.setdefault((type(store), identity), store)
        except TypeError:  # It cannot be hashed, or no weak reference to the store can be made.
            return store
