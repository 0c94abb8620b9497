"""Waits of a renewal around its lock: for an unsaved token, or a lost holder; keeps the lock until a token is saved."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import replace
from functools import partial

from ..core.errors import StoreError
from .context import Context
from .locking import LOCKED_OUT, UNSETTLED, GuardedStore
from .outcome import Outcome
from .put_back import needs_looks
from .shared_state import SharedState
from .store_entry import InStore
from .unsaved import SaveAttempts

__all__ = ["go_on_saving", "wait_for_attempt", "wait_for_lost_holder", "wait_until_settled"]

_PAUSES = (0.1, 0.5)
"""The shortest and the longest pause between two looks at the record, in seconds."""


def wait_for_attempt(context: Context, shared: SharedState) -> None:
    """Let the thread that saves an unsaved token try at once, and wait: it has the lock until the token is saved.

    Raises:
        StoreError: the store does not take the token yet.
    """
    if shared.unsaved is None:
        return
    context.waiting(LOCKED_OUT)
    failure = shared.unsaved.attempts.next_failure(context.policy.deadline)
    context.waiting(None)
    if failure is not None:
        raise failure


def wait_for_lost_holder(context: Context, shared: SharedState, place: InStore) -> None:
    """Wait for the token of a holder whose lock the store has lost, for as long as its call may last.

    The store was emptied or set back while this process waited for that lock. The token of this process may be the one
    that the holder's call uses.
    """
    _, lost = place.lock_numbers()
    if not lost:
        return
    place.load()
    with shared.lock:
        ours, number = shared.snapshot.token, shared.number
    if ours is not None and number > 0 and number > (place.number or 0):
        with suppress(StoreError):
            place.save(ours, number)
    ends = time.monotonic() + context.policy.deadline  # Real time: the other holder is another process.
    while (place.number or 0) < lost and time.monotonic() < ends:
        time.sleep(random.uniform(*_PAUSES))  # noqa: S311 - guards nothing
        place.load()


def wait_until_settled(context: Context, store: GuardedStore, needed: Callable[[], bool]) -> None:
    """Wait while the store may have lost a newer token that another process is about to put back.

    Called under the lock, before a refresh token is used that no login can replace. It ends early if the renewal is not
    `needed` any more.

    Raises:
        StoreError: the store fails, or has lost something again, and with it the lock.
    """
    if not needs_looks(context.provider):
        return
    began, left = store.epoch()
    while left > 0.0 and needed():
        context.waiting(UNSETTLED)
        time.sleep(min(left, random.uniform(*_PAUSES)))  # noqa: S311 - guards nothing
        epoch, left = store.epoch()
        if epoch != began:
            raise UNSETTLED.clone()
    context.waiting(None)


def go_on_saving(
    context: Context, shared: SharedState, place: InStore, attempts: SaveAttempts, held: ExitStack, lease: float
) -> None:
    """Keep the lock while there is a token that the store has not taken, also if the renewal failed before its save."""
    with shared.lock:
        unsaved = shared.unsaved
        permit = None if unsaved is None else place.permit()
        if unsaved is None or not (context.provider.rotates or permit is not None):
            return
        shared.unsaved = unsaved = replace(unsaved, permit=permit, attempts=attempts)
    saving = partial(Outcome(context, shared, place).keep_saving, unsaved, lease)
    held.callback(lambda: saving() if attempts.claim() else None)
    work = held.pop_all()
    attempts.begin(work.close)
    context.afterwards(work)
