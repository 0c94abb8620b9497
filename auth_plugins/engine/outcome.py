"""Saves and publishes the token that a renewal has found or obtained, and saves it again after a failure."""

from __future__ import annotations

import math
import random
import time
from dataclasses import replace

from ..core.errors import StoreError
from ..core.events import EventKind
from ..core.token import LONG_AGO, Token
from ..stores.store import LockLost
from . import exit_guard
from .context import Context
from .irreplaceable import remove_unproven
from .shared_state import SharedState
from .snapshot import Snapshot
from .store_entry import StoreEntry, Superseded
from .unsaved import UnsavedToken

__all__ = ["Outcome", "is_older", "next_number", "pick_current"]

_PAUSES = (0.05, 0.5)
"""The first and the longest pause between two tries to save a token, in seconds."""
_LONGEST = 60.0
"""Seconds for which saving is repeated where a lock has no lease."""


def pick_current(
    context: Context, shared: SharedState, stored: Token | None, number: int | None = None
) -> Token | None:
    """Return the stored token, since a renewal saves there first. No clock shows which of two tokens is newer.

    But ours, if the store has none, or one that came before ours (it was set back), or did not take ours and still has
    what it had then. `number` is that of the stored token.
    """
    ours = shared.snapshot.token
    if ours is None or stored == ours:
        return stored
    if stored is None:  # A number without a token: the session was ended since. A token that was given begins it anew.
        return None if number is not None and number > shared.number > 0 else ours
    if is_older(shared, stored, number):
        return ours
    if shared.unsaved is not None and not context.provider.rotates:
        return max(ours, stored, key=lambda token: token.expires_at)  # Both are good.
    return stored


def is_older(shared: SharedState, stored: Token, number: int | None) -> bool:
    """Whether `stored` came before the token of this process: by their numbers, or else by what this process knows."""
    if number is not None and number != shared.number:
        return number < shared.number
    return shared.succeeded(stored) or (shared.unsaved is not None and stored == shared.unsaved.stored_before)


def next_number(shared: SharedState, place: StoreEntry) -> int:
    """Return the number of what comes next: that of the lock, and above those of all tokens before."""
    return max(place.lock_numbers()[0], max(shared.number, place.number or 0) + 1)


class Outcome:
    """The end of a renewal."""

    def __init__(self, context: Context, shared: SharedState, place: StoreEntry) -> None:
        self.context, self.shared, self.place = context, shared, place

    def snapshot_of(self, token: Token, due_at: float, *, unproven: bool = False) -> Snapshot:
        """Make the snapshot of `token`."""
        provider, clock = self.context.provider, self.context.clock
        return Snapshot.of(token, provider, clock, due_at, owner=self.shared.key, unproven=unproven)

    def window_opens_at(self, token: Token | None) -> float:
        """Draw when the renewal window of `token` begins."""
        jitter_fraction = random.random()  # noqa: S311 - spreads a fleet's renewals, guards nothing
        return self.context.policy.due_at(token, jitter_fraction) if token is not None else 0.0

    def adopt(self, token: Token, due_at: float) -> Snapshot:
        """Take over the token of another process, which is the one in the store."""
        snapshot = self.publish(token, due_at, number=self.place.number)
        self.context.notify(EventKind.ADOPTED, token)
        return snapshot

    def made(self, token: Token, kind: EventKind, *, unproven: bool) -> Snapshot:
        """Save and publish a token that the provider has just issued.

        One that rotates is saved first; any other can be issued again, so requests need not wait for the store.
        """
        due_at, number = self.window_opens_at(token), next_number(self.shared, self.place)
        if self.context.provider.rotates:
            failure = self.save(token, number)
            snapshot = self.publish(token, due_at, failure, unproven=unproven, number=number)
        else:
            before = self.shared.unsaved
            snapshot = self.publish(token, due_at, unproven=unproven, number=number)
            self.shared.unsaved = before
            failure = self.save(token, number)
            if failure is not None:
                snapshot = self._remember(failure)
        if isinstance(failure, Superseded):
            snapshot = self.adopt_stored() or snapshot
        self.context.notify(kind, token)
        return snapshot

    def adopt_stored(self) -> Snapshot | None:
        """Take over the newer token that kept another one out of the store."""
        newer = self.place.kept
        return None if newer is None else self.adopt(newer, self.window_opens_at(newer))

    def reject_stored(self, token: Token | None) -> None:
        """Treat the stored token as rejected, and use it in place of ours where the two differ."""
        shared = self.shared
        with shared.lock:
            shared.distrust, shared.rejected, shared.rejected_by_server = False, token, False
            if token is not None and token != shared.snapshot.token:
                shared.snapshot = self.snapshot_of(token, LONG_AGO).until(LONG_AGO)
                shared.number = self.place.number or 0

    def mark_refresh_used(self, token: Token) -> None:
        """Mark the refresh token as used, so that it is not tried again."""
        spent = replace(token, refreshable_until=LONG_AGO)
        if self.context.clock() < spent.useful_until:
            self.save(spent, max(self.shared.number, self.place.number or 0))
        else:
            remove_unproven(token, self.place)
        with self.shared.lock:
            if self.shared.snapshot.token == token:
                self.shared.snapshot = replace(self.shared.snapshot, token=spent)

    def saved_by_now(self, snapshot: Snapshot) -> Snapshot:
        """Save what could not be saved before, or what the store has lost."""
        if snapshot.token is None:
            return snapshot
        number = self.shared.number
        if not self.context.provider.rotates:  # Both are good: ours was chosen, though the other one may be newer.
            number = self.shared.number = max(number, self.place.number or 0)
        failure = self.save(snapshot.token, number)
        if isinstance(failure, Superseded):
            return self.adopt_stored() or snapshot
        return self._remember(failure) if failure is not None else self._all_is_well()

    def save(self, token: Token, number: int) -> StoreError | None:
        """Save `token` under its number; return the failure, once it is recorded in the shared state."""
        try:
            self.place.save(token, number)
        except Superseded as newer:
            self.shared.unsaved = None
            return newer.clone()
        except StoreError as error:
            failure = error.clone()
        else:
            self.shared.unsaved = None
            return None
        self.shared.unsaved = UnsavedToken(self.place.kept, self.place.permit())
        # The provider may have used the old refresh token up: dropping the new one would end the session.
        self.context.notify(EventKind.SAVE_FAILED, token, failure)
        return failure

    def publish(
        self,
        token: Token,
        due_at: float,
        failure: StoreError | None = None,
        *,
        unproven: bool = False,
        number: int | None = None,
    ) -> Snapshot:
        """Let requests use `token` from now on."""
        snapshot = self.snapshot_of(token, due_at, unproven=unproven)
        with self.shared.lock:
            snapshot = snapshot.watch() if self.shared.unauthorized.is_on else snapshot
            self.shared.replace(snapshot)
            self.shared.number = self.shared.number if number is None else number
            self.shared.failure = None
            if self.shared.rejects(token):
                self.shared.rejected = None  # The provider gave the very same one again, so it is to be tried again.
            if failure is None:
                self.shared.unsaved = None
            else:
                self.shared.record_failure(failure, self.context.policy, self.context.clock)
        self.context.published(snapshot)
        return snapshot

    def keep_saving(self, unsaved: UnsavedToken, lease: float) -> None:
        """Save the token of this process again and again, under the lock, until it is saved or the lease has ended.

        It ends early if a logout of this process needs the lock, and by `exit_timeout` once the program ends.
        """
        with self.shared.lock:
            token, number = self.shared.snapshot.token, self.shared.number
        pause, is_ending = _PAUSES[0], False
        ends = time.monotonic() + min(lease, _LONGEST)  # Real time: the lease is the server's.
        while token is not None and time.monotonic() < ends and unsaved.attempts.pause(pause):
            pause = min(2 * pause, _PAUSES[1])
            if not self._still(unsaved, token):
                return
            if not is_ending and exit_guard.is_ending():
                is_ending, ends = True, min(ends, time.monotonic() + self.context.policy.exit_timeout)
            if self._attempt(unsaved, token, number):
                return

    def _attempt(self, unsaved: UnsavedToken, token: Token, number: int) -> bool:
        """Try to save the token; return False if it has to be tried again."""
        try:
            if self._is_replaced(token):
                raise Superseded("Another process has saved a token")
            self.place.save(token, number)
        except LockLost as lost:
            if isinstance(lost, Superseded) and self._still(unsaved, token):
                self.shared.unsaved = None
                self.adopt_stored()
            return True
        except StoreError as error:
            unsaved.attempts.failed(error.clone())
            return False
        with self.shared.lock:
            if self.shared.unsaved is unsaved:
                self.shared.unsaved = None
                self._all_is_well()
        return True

    def _is_replaced(self, token: Token) -> bool:
        """Whether a store without numbers has a token that is newer: it was saved without the lock."""
        if self.place.number is not None:
            return False  # The store itself sees it.
        stored = self.place.load()
        if stored is None or stored == token:
            return False
        return not is_older(self.shared, stored, None)

    def _still(self, unsaved: UnsavedToken, token: Token) -> bool:
        with self.shared.lock:
            return self.shared.unsaved is unsaved and self.shared.snapshot.token == token

    def _all_is_well(self) -> Snapshot:
        with self.shared.lock:
            snapshot = self.shared.snapshot
            self.shared.failure = None
            ends = math.inf if snapshot.token is None else snapshot.token.expires_at
            self.shared.snapshot = snapshot = (
                snapshot if self.shared.rejects(snapshot.token) else snapshot.until(min(snapshot.window_opens_at, ends))
            )
        return snapshot

    def _remember(self, failure: StoreError) -> Snapshot:
        with self.shared.lock:
            self.shared.record_failure(failure, self.context.policy, self.context.clock)
            return self.shared.snapshot
