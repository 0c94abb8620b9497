"""What a place for tokens promises."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol, runtime_checkable

from ..core.token import Token

__all__ = ["Store"]


@runtime_checkable
class Store(Protocol):
    """Where tokens live, and so how far one is shared; it brings the lock of its own reach.

    A renewal is always: lock, load again (somebody may have renewed), call, save, publish, unlock. Only the thread
    that renews ever calls these methods: no request does, and no event loop. Everything may be called from any thread.
    Whatever fails raises `StoreError`, and nothing else.
    """

    @property
    def salt(self) -> bytes:
        """16 to 64 random bytes, the same for all who share the store: every key in it is a digest keyed by them."""

    def load(self, key: str) -> Token | None:
        """Give the token last saved under `key`; `None` if there is none, or it serves for nothing any more."""

    def save(self, key: str, token: Token) -> None:
        """Keep `token` until its `useful_until`, in place of what was there. When this returns, it is kept."""

    def delete(self, key: str) -> None:
        """Forget what is kept under `key`, if anything is."""

    def lock(self, key: str) -> AbstractContextManager[None]:
        """Keep all others who share the store from renewing under `key`. Waits for them, a bounded time."""
