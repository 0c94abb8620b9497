"""What becomes of a token that a renewal has found or made: it is saved, published, and saved again if it must be."""

from __future__ import annotations

import math
import random
import threading
import time
from dataclasses import replace

from ..core.errors import StoreError
from ..core.events import EventKind
from ..core.token import LONG_AGO, Token
from ..stores.store import LockLost
from .live import Live
from .place import Place
from .session import remove_unproven
from .slot import Slot, Unsaved
from .terms import Terms

__all__ = ["Outcome", "newest"]

_PAUSES = (0.05, 0.5)
"""The first and the longest pause between two tries to save a token, in seconds."""
_AT_THE_END = 10.0
"""The same, once the interpreter ends: without the save a session may be lost."""
_LONGEST = 60.0
"""Seconds for which saving is repeated where a lock has no lease."""


def newest(terms: Terms, slot: Slot, stored: Token | None) -> Token | None:
    """Return what the store has, since a renewal saves there first. No clock can tell which of two tokens is newer.

    But ours, if the store has none, or one that came before ours (it was set back), or did not take ours and still has
    what it had then.
    """
    ours = slot.live.token
    if ours is None or stored == ours:
        return stored
    if stored is None or slot.succeeded(stored) or (slot.unsaved is not None and stored == slot.unsaved.before):
        return ours
    if slot.unsaved is not None and not terms.provider.rotates:
        return max(ours, stored, key=lambda token: token.expires_at)  # Both are good.
    return stored


class Outcome:
    """The end of a renewal."""

    def __init__(self, terms: Terms, slot: Slot, place: Place) -> None:
        self.terms, self.slot, self.place = terms, slot, place

    def live_of(self, token: Token, due_at: float, *, unproven: bool = False) -> Live:
        """Make the snapshot of `token`."""
        provider, clock = self.terms.provider, self.terms.clock
        watched = self.slot.unauthorized_backoff.is_on
        return Live.of(token, provider, clock, due_at, owner=self.slot.key, unproven=unproven, watched=watched)

    def due_at(self, token: Token | None) -> float:
        """Draw when the renewal window of `token` begins."""
        jitter_fraction = random.random()  # noqa: S311 - spreads a fleet's renewals, guards nothing
        return self.terms.policy.due_at(token, jitter_fraction) if token is not None else 0.0

    def adopt(self, token: Token, due_at: float) -> Live:
        """Take over a peer's token."""
        live = self.publish(token, due_at)
        self.terms.tell(EventKind.ADOPTED, token)
        return live

    def made(self, token: Token, kind: EventKind, *, unproven: bool) -> Live:
        """Save and publish a token that the provider has just issued.

        One that rotates is saved first; any other can be issued again, so requests need not wait for the store.
        """
        due_at = self.due_at(token)
        if self.terms.provider.rotates:
            failure = self.save(token)
            live = self.publish(token, due_at, failure, unproven=unproven)
        else:
            before = self.slot.unsaved
            live = self.publish(token, due_at, unproven=unproven)
            self.slot.unsaved = before
            failure = self.save(token)
            if failure is not None:
                live = self._remember(failure)
        self.terms.tell(kind, token)
        return live

    def drop(self, token: Token | None) -> None:
        """Treat the stored token as rejected, and use it in place of ours where the two differ."""
        slot = self.slot
        with slot.lock:
            slot.distrust, slot.rejected, slot.rejected_by_server = False, token, False
            if token is not None and token != slot.live.token:
                slot.live = self.live_of(token, LONG_AGO).until(LONG_AGO)

    def spend(self, token: Token) -> None:
        """Mark the refresh token as used, so that it is not tried again."""
        spent = replace(token, refreshable_until=LONG_AGO)
        if self.terms.clock() < spent.useful_until:
            self.save(spent)
        else:
            remove_unproven(token, self.place)
        with self.slot.lock:
            if self.slot.live.token == token:
                self.slot.live = replace(self.slot.live, token=spent)

    def saved_by_now(self, live: Live) -> Live:
        """Save what could not be saved before, or what the store has lost."""
        if live.token is None:
            return live
        failure = self.save(live.token)
        return self._remember(failure) if failure is not None else self._all_is_well()

    def save(self, token: Token) -> StoreError | None:
        """Save `token`; return the failure, once it is written down in the slot."""
        try:
            self.place.save(token)
        except StoreError as error:
            failure = error.clone()
        else:
            self.slot.unsaved = None
            return None
        self.slot.unsaved = Unsaved(self.place.kept, self.place.permit())
        # The provider may have used the old refresh token up: dropping the new one would end the session.
        self.terms.tell(EventKind.SAVE_FAILED, token, failure)
        return failure

    def publish(
        self, token: Token, due_at: float, failure: StoreError | None = None, *, unproven: bool = False
    ) -> Live:
        """Let requests use `token` from now on."""
        live = self.live_of(token, due_at, unproven=unproven)
        with self.slot.lock:
            if self.slot.unauthorized_backoff.is_on:
                live = live.watch()  # It may have begun a moment ago.
            self.slot.replace(live)
            self.slot.trouble = None
            if self.slot.rejects(token):
                self.slot.rejected = None  # The provider gave the very same one again, so it is to be tried again.
            if failure is None:
                self.slot.unsaved = None
            else:
                self.slot.remember(failure, self.terms.policy, self.terms.clock)
        self.terms.published(live)
        return live

    def keep_saving(self, unsaved: Unsaved, lease: float) -> None:
        """Save the token of this renewal again and again, under the lock, until it is saved or the lease has ended.

        It ends early if another renewal or a logout of this process needs the lock, and soon at the interpreter's end.
        """
        token, pause, is_ending = self.slot.live.token, _PAUSES[0], False
        ends = time.monotonic() + min(lease, _LONGEST)  # Real time: the lease is the server's.
        while token is not None and time.monotonic() < ends:
            unsaved.wanted.wait(pause)
            pause = min(2 * pause, _PAUSES[1])
            if not self._still(unsaved, token):
                return
            if not (is_ending or threading.main_thread().is_alive()):
                is_ending, ends = True, min(ends, time.monotonic() + _AT_THE_END)
            try:
                self.place.save(token)
            except LockLost:
                return
            except StoreError:
                continue
            with self.slot.lock:
                if self.slot.unsaved is unsaved:
                    self.slot.unsaved = None
                    self._all_is_well()
            return

    def _still(self, unsaved: Unsaved, token: Token) -> bool:
        with self.slot.lock:
            return self.slot.unsaved is unsaved and not unsaved.wanted.is_set() and self.slot.live.token == token

    def _all_is_well(self) -> Live:
        with self.slot.lock:
            live = self.slot.live
            self.slot.trouble = None
            ends = math.inf if live.token is None else live.token.expires_at
            self.slot.live = live = live if self.slot.rejects(live.token) else live.until(min(live.window_at, ends))
        return live

    def _remember(self, failure: StoreError) -> Live:
        with self.slot.lock:
            self.slot.remember(failure, self.terms.policy, self.terms.clock)
            return self.slot.live
