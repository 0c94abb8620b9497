"""What a place for tokens promises."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol, runtime_checkable

from ..core.errors import StoreError
from ..core.token import Token

__all__ = ["LockLost", "Store"]


class LockLost(StoreError):
    """A save came too late: the lock ran out, and another holder has had it since."""


@runtime_checkable
class Store(Protocol):
    """Where tokens live, and so how far one is shared; it brings the lock of its own reach.

    A renewal is always: load, lock, load again (somebody may have renewed), call, save, publish, unlock; but a peer's
    token that is good is taken without the lock. Only the thread that renews ever calls these methods: no request
    does, no event loop, and no constructor of an auth object.
    Everything may be called from any thread. Whatever fails raises `StoreError`, and nothing else.

    What becomes of a renewal whose store fails:

    - Tokens that do not rotate are renewed all the same, for this process alone, and `SAVE_FAILED` is told.
    - A token that rotates is not: a refresh token that two use ends the session. `StoreError` it is, for those who
      have no valid token left; and one is never used up before the store has just shown that it can write.
    - A token that could not be saved is used, and saved again: one that rotates under its lock, at once and until the
      lease ends; and later, unless another process has saved one in its place.
    - A store that has a predecessor of this process's token, or none, gets this process's token at its next renewal.
    - When the provider refuses a refresh, the store is read once more, and a token that somebody else saved meanwhile
      is taken over.
    - A refresh token that the user supplied is saved before it is used, and deleted again if that fails: nothing is
      left of a token that no server has accepted.

    A store may drop a token before its end to stay small, but not one that is `irreplaceable`: that ends a session.

    Two members are optional:

    - `identity`, any value that can be hashed. Stores of one type with equal identities are one store: the auth objects
      of a process that use them share one token, one renewal, and what is remembered of failures. It covers
      where the tokens are and every setting, since the first of the objects does the work for all. Its value is kept
      in memory: digests stand for secrets in it. A subclass says it anew, or `None`: it is the same as no other object,
      as a store without this member.
    - `lock_timeout`, the seconds that `lock` waits. An auth object whose policy has a longer `deadline` is refused.
    """

    @property
    def salt(self) -> bytes:
        """16 to 64 random bytes, the same for all who share the store: every key in it is a digest keyed by them."""

    @property
    def lease(self) -> float:
        """Seconds after which a lock ends though nobody gave it back; `inf` where it ends with its holder."""

    def load(self, key: str) -> Token | None:
        """Give the token last saved under `key`; `None` if there is none, or it serves for nothing any more."""

    def save(self, key: str, token: Token) -> None:
        """Keep `token` until its `useful_until`, in place of what was there. When this returns, it is kept.

        Fails where the thread had the lock of `key`, lost it, and somebody else has had it since.
        """

    def delete(self, key: str) -> None:
        """Forget what is kept under `key`, if anything is."""

    def lock(self, key: str) -> AbstractContextManager[None]:
        """Keep all others who share the store from renewing under `key`. Waits for them, a bounded time.

        Only entering fails: the work is done by the time one leaves, and a lock that cannot be given back ends by
        itself.
        """
