"""Where a renewal finds and leaves the token: its place in the store, or no place at all."""

from __future__ import annotations

from typing import Protocol

from ..core.errors import StoreError
from ..core.token import Token
from .locking import GuardedStore

__all__ = ["InStore", "Nowhere", "Place"]


class Place(Protocol):
    """One key of a store."""

    kept: Token | None
    """What is there, as far as we know."""

    def load(self) -> Token | None:
        """Give what is kept there."""

    def save(self, token: Token) -> None:
        """Keep `token` there, or raise `StoreError`."""

    def retire(self) -> None:
        """Let what is kept there end within a day, where the store can."""

    def permit(self) -> object:
        """Return what continues the lock of the place after a save that failed; `None` if nothing does."""


class InStore:
    """A key, while its lock is held."""

    def __init__(self, store: GuardedStore, key: str) -> None:
        self._store, self._key = store, key
        self.kept: Token | None = None

    def load(self) -> Token | None:
        """Do as the store does."""
        self.kept = self._store.load(self._key)
        return self.kept

    def save(self, token: Token) -> None:
        """Do as the store does."""
        self._store.save(self._key, token)
        self.kept = token

    def retire(self) -> None:
        """Do as the store does."""
        self._store.retire(self._key)

    def permit(self) -> object:
        """Do as the store does."""
        return self._store.permit(self._key)


class Nowhere:
    """What stands in for a store that failed: nothing is to be had from there, and nothing more is kept."""

    def __init__(self, failure: StoreError, kept: Token | None) -> None:
        self._failure, self.kept = failure, kept

    def load(self) -> Token | None:
        """Give nothing."""
        return None

    def save(self, token: Token) -> None:
        """Fail as the store did."""
        raise self._failure.fresh()

    def retire(self) -> None:
        """Do nothing."""

    def permit(self) -> None:
        """Return None."""
