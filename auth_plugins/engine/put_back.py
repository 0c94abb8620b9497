"""Puts the tokens of this process back into a store that has lost them, before another process uses an older one.

One thread for the whole process looks at each store a few times a second, by one command. Only when the store shows
that it may have lost something, the thread looks at the tokens there and saves those that are newer. The thread starts
with the first session that no login can replace, in a store that shows this, and ends when there is none any more.
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from weakref import WeakKeyDictionary, ref

from ..core.errors import AuthError
from ..core.provider import Provider
from ..core.token import Token
from .locking import GuardedStore
from .shared_state import SharedState
from .store_entry import InStore

__all__ = ["needs_looks", "watch"]

_PAUSES = (0.25, 0.5)
"""The shortest and the longest pause between two looks, in seconds."""
_dice = random.Random()  # noqa: S311 - spreads a fleet's looks, guards nothing
"""Not the module's own: a program may have seeded that, and a thread must not change what comes next."""
_AT_ONCE = 200
"""How many tokens are looked at, and saved, in one round trip."""


def needs_looks(provider: Provider) -> bool:
    """Whether the use of an older token ends the session: the newest has replaced it, and no login replaces both."""
    return provider.rotates and not provider.can_login


def watch(shared: SharedState, provider: Provider) -> None:
    """Put the token of `shared` back from now on whenever its store has lost it, for as long as `shared` lives."""
    if needs_looks(provider) and GuardedStore(shared.store).has_epochs:
        if _watch.pid != os.getpid():  # A fork without Python's hooks.
            _after_fork()
        _watch.add(shared, provider)


class _Watch:
    def __init__(self, inherited: Iterable[tuple[ref[SharedState], Provider]] = ()) -> None:
        self.pid = os.getpid()
        self._new = deque(inherited)
        self._watched: WeakKeyDictionary[SharedState, Provider] = WeakKeyDictionary()
        """Changed by the thread alone."""
        self._epochs: dict[int, object] = {}
        """Of each store, by its `id`, the epoch in which all its tokens were looked at."""
        # Re-entrant, because the garbage collector may run a finalizer that uses an auth object.
        self._guard = threading.RLock()
        self._runs = False

    def add(self, shared: SharedState, provider: Provider) -> None:
        """Watch `shared`; start the thread if it does not run."""
        if shared in self._watched:
            return
        self._new.append((ref(shared), provider))
        with self._guard:
            if not self._runs:
                # The interpreter ends, or allows no such thread: then there are no looks.
                with suppress(RuntimeError):
                    threading.Thread(target=self._run, name="auth_plugins store check", daemon=True).start()
                    self._runs = True

    def all(self) -> list[tuple[ref[SharedState], Provider]]:
        """Return all that is watched."""
        return [*((ref(shared), provider) for shared, provider in list(self._watched.items())), *self._new]

    def _run(self) -> None:
        while self._has_work():
            self._look()
            time.sleep(_dice.uniform(*_PAUSES))

    def _has_work(self) -> bool:
        with self._guard:
            while self._new:
                known, provider = self._new.popleft()
                shared = known()
                if shared is not None:
                    self._watched[shared] = provider
            self._runs = bool(self._watched)
            return self._runs

    def _look(self) -> None:
        """Look at each store. The looks of a store that fails are repeated, and nothing else."""
        by_store: dict[int, list[tuple[SharedState, Provider]]] = {}
        for shared, provider in list(self._watched.items()):
            by_store.setdefault(id(shared.store), []).append((shared, provider))
        self._epochs = {each: self._epochs[each] for each in by_store if each in self._epochs}
        for each, states in by_store.items():
            with suppress(AuthError):
                epoch, _ = GuardedStore(states[0][0].store).epoch()
                if self._epochs.get(each) != epoch:
                    _put_back(states)
                    self._epochs[each] = epoch


def _put_back(states: list[tuple[SharedState, Provider]]) -> None:
    """Save the tokens of this process that their store does not have, or has older ones of.

    Not those of sessions that are over, as far as the store or this process knows.

    Raises:
        StoreError: the store failed.
    """
    for start in range(0, len(states), _AT_ONCE):
        mine = [each for each in map(_mine, states[start : start + _AT_ONCE]) if each is not None]
        if mine:
            store = GuardedStore(states[start][0].store)
            found = store.load_all([place.key for place, _, _ in mine])
            missing = list[tuple[str, Token, int]]()
            for (place, token, number), known in zip(mine, found, strict=True):
                place.take(*known)
                if known[1] < number:
                    missing.append((place.key, place.record_of(token), number))
            store.put_back(missing)


def _mine(state: tuple[SharedState, Provider]) -> tuple[InStore, Token, int] | None:
    """Return the token that this process has of a session, with its place and number; `None` if it has none to keep."""
    shared, provider = state
    with shared.lock:
        token, number = shared.snapshot.token, shared.number
    if token is None or number <= 0 or not token.irreplaceable:
        return None
    return InStore(shared.store, provider, shared), token, number


_watch = _Watch()


def _after_fork() -> None:
    global _watch
    # The parent's thread does not exist in the child. The next renewal starts another one.
    _watch = _Watch(_watch.all())


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
