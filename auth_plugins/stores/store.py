"""The protocol that every token store implements."""

from __future__ import annotations

import inspect
from contextlib import AbstractContextManager
from typing import Protocol, runtime_checkable

from ..core.errors import StoreError
from ..core.token import Token

__all__ = ["LockLost", "Store", "check_store"]


class LockLost(StoreError):
    """The lock expired before the token was saved, and another holder has acquired it since."""


@runtime_checkable
class Store(Protocol):
    """Keeps tokens, and locks their renewal, for all threads, processes or machines that share it.

    A renewal takes these steps: load, lock, load again (another holder may have renewed), call the token endpoint,
    save, publish, unlock. A valid token that a peer has saved is used without the lock. Only the thread that renews
    calls these methods. Requests, event loops and the constructors of auth objects never do.
    Every method may be called from any thread. A failure raises `StoreError`, and no other exception.

    What a renewal does when the store fails:

    - Tokens that do not rotate are renewed all the same, for this process alone. The event `SAVE_FAILED` reports it.
    - A token that rotates is not renewed, because a refresh token that is used twice ends the session. Requests
      without a valid token raise `StoreError`. A refresh token is used only after the store has just shown that it
      can write.
    - A token that could not be saved is used, and saved again later, unless another process has saved a token in its
      place. If it rotates, it is first saved again under its lock, at once and until the lease ends.
    - A store that holds no token, or a predecessor of this process's token, gets this process's token at its next
      renewal; a `RedisStore` within a second after it may have lost something.
    - When the provider refuses a refresh, the store is read once more. A token that a peer has saved meanwhile is used.
    - A refresh token that the user supplied is saved before it is used, and deleted again if the refresh fails: the
      store keeps no token that no server has accepted.

    A store may drop a token before it expires, to stay small, but not an `irreplaceable` token: that ends a session.
    Nor does a clock of this machine end such a token: it may be wrong.

    Two members are optional:

    - `identity`: a hashable value. Stores of the same type with equal identities are the same store: the auth objects
      of a process that use them share one token, one renewal and the remembered failures. The identity must cover
      the location of the tokens and every setting, because the first of these stores does the work for all of them.
      It is kept in memory, so use digests in place of secrets. A subclass must define its own, or `None`. With `None`,
      or without this member, a store is the same as no other object.
    - `lock_timeout`: how long `lock` waits, in seconds. An auth object refuses a policy with a longer `deadline`.
    """

    @property
    def salt(self) -> bytes:
        """16 to 64 random bytes, the same for everything that shares the store. They key the digests used as keys."""

    @property
    def lease(self) -> float:
        """Seconds after which a lock expires without a release; `inf` if it ends only with its holder."""

    def load(self, key: str) -> Token | None:
        """Return the token last saved under `key`, or `None` if there is none that `is_useful`."""

    def save(self, key: str, token: Token) -> None:
        """Keep `token` until its `useful_until`, and replace the previous token. When this returns, it is saved.

        Raises:
            StoreError: also if the lock of `key`, which this thread held, expired and another holder has acquired it.
        """

    def delete(self, key: str) -> None:
        """Delete the token saved under `key`, if there is a token."""

    def lock(self, key: str) -> AbstractContextManager[None]:
        """Return a context manager that excludes all other renewals under `key`. Entering waits for a bounded time.

        Only entering raises. Leaving does not, even if the lock cannot be released: the work is done by then, and
        the lock ends by itself.
        """


_PROMISED = tuple(name for name in vars(Store) if not name.startswith("_"))


def check_store(store: object) -> None:
    """Accept `None` or an object with all members of `Store`.

    Raises:
        TypeError: a member is missing, or is a coroutine function.
    """
    # Not `isinstance`: before Python 3.12 it reads the object's properties, and reading `salt` may need I/O.
    if store is None:
        return
    found = [inspect.getattr_static(store, name, None) for name in _PROMISED]
    if any(each is None for each in found):
        raise TypeError("store must be a Store")
    if any(map(inspect.iscoroutinefunction, found)):
        raise TypeError("store must be a Store whose methods are ordinary functions, and not coroutine functions")
