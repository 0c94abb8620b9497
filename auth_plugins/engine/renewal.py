"""The job of a renewal, run in one thread: load, lock, load again, call, save, publish, unlock."""

from __future__ import annotations

import math
import random
from contextlib import ExitStack, suppress
from dataclasses import replace

from ..core.decision import Need, TokenState, call_sequence, need_of, purposes_for, state_of, worth_trying
from ..core.errors import (
    AuthError,
    CredentialsRejected,
    LoginRequired,
    StoreError,
)
from ..core.events import EventKind
from ..core.token import Token
from ..core.wire import Purpose
from .context import Context
from .exit_guard import WITH_LEASE
from .failed_refresh import grace_of, keep_retry_after, left_untouched, mark_lost, name_lost
from .holding import go_on_saving, wait_for_attempt, wait_for_lost_holder, wait_until_settled
from .irreplaceable import remove_unproven
from .limiter import call_permit
from .locking import LOCKED_OUT, GuardedStore
from .no_store import NoStore
from .outcome import is_older, pick_current
from .put_back import watch
from .shared_state import SharedState
from .snapshot import Snapshot
from .store_entry import InStore, Superseded
from .token_calls import TokenCalls
from .token_transport import TokenTransport
from .unsaved import SaveAttempts

__all__ = ["check_store", "renew", "wait_until_valid"]


def renew(context: Context, shared: SharedState, transport: TokenTransport) -> Snapshot:
    """Obtain a token that replaces the current one, publish it and return it.

    Raises:
        AuthError: no token could be obtained; nothing was changed.
    """
    store = GuardedStore(shared.store)
    watch(shared, context.provider)
    try:
        wait_for_attempt(context, shared)
        place = InStore(store, context.provider, shared)
        found = _Renewal(context, shared, transport, place, place.load()).without_lock()
        return _under_lock(context, shared, transport, store, place) if found is None else found
    except StoreError as failed:
        failure = failed.clone()
    if context.provider.rotates:
        raise failure
    kept = shared.snapshot.token if shared.unsaved is None else shared.unsaved.stored_before
    return _Renewal(context, shared, transport, NoStore(failure, kept), None).run()


def _under_lock(
    context: Context, shared: SharedState, transport: TokenTransport, store: GuardedStore, place: InStore
) -> Snapshot:
    found = list[Snapshot]()

    def needed() -> bool:
        snapshot = _Renewal(context, shared, transport, place, place.load()).without_lock()
        found.extend([] if snapshot is None else [snapshot])
        return snapshot is None

    unsaved, attempts = shared.unsaved, SaveAttempts()
    with ExitStack() as held:
        held.callback(attempts.end)
        context.waiting(LOCKED_OUT)
        locked = held.enter_context(store.lock_if(place.key, needed, None if unsaved is None else unsaved.permit))
        context.waiting(None)
        if not locked:
            return found[-1]
        if math.isfinite(store.lease):
            context.hold_exit(WITH_LEASE)
        try:
            wait_for_lost_holder(context, shared, place)
            wait_until_settled(context, store, needed)
            try:
                return _Renewal(context, shared, transport, place, place.load()).run()
            except Superseded:  # The store has a newer token than the one that was to be renewed: that is renewed.
                return _Renewal(context, shared, transport, place, place.load()).run()
        finally:
            go_on_saving(context, shared, place, attempts, held, store.lease)


def check_store(context: Context, shared: SharedState, transport: TokenTransport, failure: AuthError) -> Snapshot:
    """Adopt a token that another process has renewed while this one, after `failure`, makes no calls.

    Renew at once if the refused secret has been replaced meanwhile.

    Raises:
        AuthError: `failure`, if there is nothing.
    """
    try:
        place = InStore(shared.store, context.provider, shared)
        found = _Renewal(context, shared, transport, place, place.load()).without_lock()
        retried = found is None and isinstance(failure, CredentialsRejected) and place.proofs.changed()
    except StoreError:
        found, retried = None, False
    if retried:
        return _renew_again(context, shared, transport)
    if found is None:
        raise failure
    return found


def _renew_again(context: Context, shared: SharedState, transport: TokenTransport) -> Snapshot:
    try:
        return renew(context, shared, transport)
    except AuthError as error:
        again = error.clone()
    with shared.lock:  # The flight of a store check records no failure.
        shared.record_failure(again, context.policy, context.clock)
    raise again


def wait_until_valid(context: Context, shared: SharedState) -> Snapshot:
    """Wait until the `valid_from` of the current token, and return it: it was used too early."""
    snapshot = shared.snapshot
    if snapshot.token is not None:
        context.clock.sleep(max(0.0, snapshot.token.valid_from - snapshot.now(context.clock)))
    return snapshot


class _Renewal(TokenCalls):
    def without_lock(self) -> Snapshot | None:
        """Adopt a valid token of another process: the lock may be a dead holder's, and outlast every waiter."""
        if self.shared.distrust or self.shared.unsaved is not None:
            return None
        peers = self._if_a_good_peers(self.stored, self.shared.snapshot.token, self.context.clock())
        return None if peers is None else self.adopt(peers, self.window_opens_at(peers))

    def run(self) -> Snapshot:
        token, clock = pick_current(self.context, self.shared, self.stored, self.place.number), self.context.clock
        ours = self._with_newest_refresh_token(token)
        known = token == ours.token
        if self.shared.distrust:
            self.reject_stored(token)
        now = ours.now(clock) if known else clock()
        due_at = ours.window_opens_at if known else self.window_opens_at(token)
        rejected, can_login = self.shared.rejects(token), self.context.provider.can_login
        state = state_of(token, now, due_at, rejected=rejected)
        purposes = purposes_for(token, now, can_login=can_login, rejected=rejected)
        need = need_of(state, purposes)
        if need is Need.NOTHING and token is not None:
            if not known:
                return self.adopt(token, due_at)
            is_kept = self.shared.unsaved is None and self.stored == token
            return ours if is_kept else self.saved_by_now(ours)
        if not purposes:
            raise name_lost(LoginRequired("The token ended and cannot be renewed"), token)
        policy = self.context.policy
        with call_permit(self.context.provider, policy.max_concurrent_calls, policy.deadline, clock) as left:
            needed, ends = need is Need.RENEWAL_NOW, clock.monotonic() + left
            obtained, purpose = self._call_in_turn(purposes, token, now, ends, needed=needed)
        if purpose is None:
            return self.adopt(obtained, self.window_opens_at(obtained))
        kind = EventKind.LOGGED_IN if purpose is Purpose.LOGIN else EventKind.REFRESHED
        return self.made(obtained, kind, unproven=state is TokenState.REJECTED and self.shared.rejected_by_server)

    def _with_newest_refresh_token(self, token: Token | None) -> Snapshot:
        """Take over the refresh token of `token` if its access token is ours: another variant was renewed."""
        shared = self.shared
        with shared.lock:
            ours = shared.snapshot.token
            if token is not None and ours is not None and token.access_token == ours.access_token and token != ours:
                shared.snapshot = replace(shared.snapshot, token=token)
                shared.number = max(shared.number, self.place.number or 0)
            return shared.snapshot

    def _call_in_turn(
        self, purposes: tuple[Purpose, ...], token: Token | None, now: float, ends: float, *, needed: bool
    ) -> tuple[Token, Purpose | None]:
        """Try the calls in order. Return `(token, purpose)`, or `(a peer's token, None)`."""
        failure: AuthError | None = None
        last: Purpose | None = None
        clock, grace = self.context.clock, grace_of(self.context.provider)
        until = min(ends, clock.monotonic() + grace) if grace else ends
        for purpose in call_sequence(self.context.policy.tries, purposes, repeats_refresh=grace > 0.0):
            if failure is not None and (
                clock.monotonic() >= until or not worth_trying(purpose, last, failure, needed=needed)
            ):
                break
            if last is purpose:
                clock.sleep(random.uniform(0.05, 0.3))  # noqa: S311
            last = purpose
            refreshed = token if purpose is Purpose.REFRESH else None
            try:
                return self.call(refreshed, now, ends), purpose
            except AuthError as error:
                failure = keep_retry_after(error.clone(), failure)
            peers = self._peers_token(refreshed, now) if refreshed is not None else None
            if peers is not None:
                return peers, None
            if isinstance(failure, StoreError):
                break
            if refreshed is not None:
                failure = name_lost(failure, refreshed)
                token = self._after_failed_refresh(refreshed, failure)
        assert failure is not None  # noqa: S101 - narrows a type: the first call is always made
        raise failure

    def _after_failed_refresh(self, refreshed: Token, failure: AuthError) -> Token:
        """Put the store in order after `refreshed`, which was saved before the call, could not be renewed.

        Return it, marked if the answer was lost.
        """
        tried, rotates = mark_lost(self.shared, refreshed, failure), self.context.provider.rotates
        if refreshed.refresh_once and not left_untouched(failure):
            self.mark_refresh_used(tried)
        elif rotates and self.stored is None and refreshed == self.context.provider.initial_token():
            remove_unproven(refreshed, self.place)
        else:
            with suppress(StoreError):
                if rotates and not tried.answer_lost:
                    self.save_before_call(tried)  # Without the mark: there was an answer.
                if isinstance(failure, (CredentialsRejected, LoginRequired)):
                    self.place.retire()  # It ends within a day. Not at once: the access token may be valid yet.
        return tried

    def _peers_token(self, refused: Token, now: float) -> Token | None:
        """Return the token of a process that has renewed meanwhile without the lock, or whose lock expired."""
        try:
            return self._if_a_good_peers(self.place.load(), refused, now)
        except StoreError:
            return None

    def _if_a_good_peers(self, stored: Token | None, ours: Token | None, now: float) -> Token | None:
        if stored is None or self.shared.rejects(stored) or now >= stored.expires_at:
            return None
        if is_older(self.shared, stored, self.place.number):
            return None
        return None if ours is not None and stored.access_token == ours.access_token else stored
