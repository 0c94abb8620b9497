"""What one renewal does, in the one thread that does it: load, lock, load again, call, save, publish, unlock."""

from __future__ import annotations

import random
from contextlib import ExitStack, suppress
from dataclasses import replace

from ..core.errors import (
    AuthError,
    ConfigurationError,
    CredentialsRejected,
    InvalidTokenResponse,
    LoginRequired,
    StoreError,
    TokenEndpointUnavailable,
)
from ..core.events import EventKind
from ..core.lifecycle import LIFECYCLE, Age, Step, Verb, age_of, grant_sequence, means_of, worth_trying
from ..core.token import Token
from ..core.wire import Purpose, TokenRequest
from .context import Context
from .irreplaceable import mark_irreplaceable, remove_unproven
from .limiter import call_permit
from .locking import LOCKED_OUT, GuardedStore
from .outcome import Outcome, pick_current
from .shared_state import SharedState
from .snapshot import Snapshot
from .store_entry import InStore, NoStore, StoreEntry
from .token_transport import TokenTransport

__all__ = ["check_store", "renew", "wait_until_valid"]


def renew(context: Context, shared: SharedState, transport: TokenTransport) -> Snapshot:
    """Bring a token that is better than the one at hand, publish it and give it.

    Raises:
        AuthError: none could be had; nothing was changed.
    """
    store = GuardedStore(shared.store)
    try:
        place = InStore(store, context.provider)
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

    unsaved = shared.unsaved
    with ExitStack() as held:
        context.waiting(LOCKED_OUT)
        locked = held.enter_context(store.lock_if(place.key, needed, None if unsaved is None else unsaved.want()))
        context.waiting(None)
        if not locked:
            return found[-1]
        renewal = _Renewal(context, shared, transport, place, place.load())
        snapshot = renewal.run()
        unsaved = shared.unsaved
        if unsaved is not None and (context.provider.rotates or unsaved.permit is not None):
            held.callback(renewal.keep_saving, unsaved, store.lease)
            context.afterwards(held.pop_all())
    return snapshot


def check_store(context: Context, shared: SharedState, transport: TokenTransport, failure: AuthError) -> Snapshot:
    """Take over what a peer has renewed while this process, after `failure`, makes no calls.

    Raises:
        AuthError: `failure`, if there is nothing.
    """
    try:
        place = InStore(shared.store, context.provider)
        found = _Renewal(context, shared, transport, place, place.load()).without_lock()
    except StoreError:
        found = None
    if found is None:
        raise failure
    return found


def wait_until_valid(context: Context, shared: SharedState) -> Snapshot:
    """Wait until the token at hand is accepted, and give it: it was issued a moment ago and used too early."""
    snapshot = shared.snapshot
    if snapshot.token is not None:
        context.clock.sleep(max(0.0, snapshot.token.valid_from - snapshot.now(context.clock)))
    return snapshot


class _Renewal(Outcome):
    def __init__(
        self, context: Context, shared: SharedState, transport: TokenTransport, place: StoreEntry, stored: Token | None
    ) -> None:
        super().__init__(context, shared, place)
        self.transport, self.stored = transport, stored

    def without_lock(self) -> Snapshot | None:
        """Take over a peer's good token: the lock may be a dead holder's, and last longer than anybody waits."""
        if self.shared.distrust or self.shared.unsaved is not None:
            return None
        peers = self._if_a_good_peers(self.stored, self.shared.snapshot.token, self.context.clock())
        return None if peers is None else self.adopt(peers, self.window_opens_at(peers))

    def run(self) -> Snapshot:
        token, clock = pick_current(self.context, self.shared, self.stored), self.context.clock
        ours = self._with_newest_refresh_token(token)
        known = token == ours.token
        if self.shared.distrust:
            self.reject_stored(token)
        now = ours.now(clock) if known else clock()
        due_at = ours.window_opens_at if known else self.window_opens_at(token)
        age = age_of(token, now, due_at, rejected=self.shared.rejects(token))
        step = self._step(age, token, now)
        if step.verb is Verb.GIVE_UP:
            raise LoginRequired("The token ended and cannot be renewed")
        if step.verb is Verb.USE and token is not None:
            if not known:
                return self.adopt(token, due_at)
            is_kept = self.shared.unsaved is None and self.stored == token
            return ours if is_kept else self.saved_by_now(ours)
        policy = self.context.policy
        with call_permit(self.context.provider, policy.max_concurrent_calls, policy.deadline, clock) as left:
            brought, grant = self._call_in_turn(step, token, now, clock.monotonic() + left)
        if grant is None:
            return self.adopt(brought, self.window_opens_at(brought))
        kind = EventKind.LOGGED_IN if grant is Purpose.LOGIN else EventKind.REFRESHED
        return self.made(brought, kind, unproven=age is Age.REJECTED and self.shared.rejected_by_server)

    def _with_newest_refresh_token(self, token: Token | None) -> Snapshot:
        """Take over the refresh token of `token` if its access token is ours: another variant was renewed."""
        shared = self.shared
        with shared.lock:
            ours = shared.snapshot.token
            if token is not None and ours is not None and token.access_token == ours.access_token and token != ours:
                shared.snapshot = replace(shared.snapshot, token=token)
            return shared.snapshot

    def _step(self, age: Age, token: Token | None, now: float) -> Step:
        can_login, rejected = self.context.provider.can_login, self.shared.rejects(token)
        return LIFECYCLE[age, means_of(token, now, can_login=can_login, rejected=rejected)]

    def _call_in_turn(self, step: Step, token: Token | None, now: float, ends: float) -> tuple[Token, Purpose | None]:
        """Give what the first grant brought that brought something, or, without a grant, somebody else's token."""
        failure: AuthError | None = None
        last: Purpose | None = None
        needed = step.verb is Verb.WAIT
        for grant in grant_sequence(self.context.policy.tries, step.grants):
            if failure is not None and (
                self.context.clock.monotonic() >= ends or not worth_trying(grant, last, failure, needed=needed)
            ):
                break
            if last is grant:
                self.context.clock.sleep(random.uniform(0.05, 0.3))  # noqa: S311
            last = grant
            refreshed = token if grant is Purpose.REFRESH else None
            try:
                return self._call(self._request(refreshed, now), ends), grant
            except AuthError as error:
                failure = _keep_retry_after(error.clone(), failure)
            peers = self._peers_token(refreshed, now) if refreshed is not None else None
            if peers is not None:
                return peers, None
            if isinstance(failure, StoreError):
                break
            if refreshed is not None:
                self._after_failed_refresh(refreshed, failure)
        assert failure is not None  # noqa: S101 - narrows a type: the first grant is always tried
        raise failure

    def _after_failed_refresh(self, refreshed: Token, failure: AuthError) -> None:
        """Put the store in order after `refreshed`, which was saved before the call, could not be renewed."""
        if refreshed.refresh_once and not _left_untouched(failure):
            self.mark_refresh_used(refreshed)
        elif (
            self.context.provider.rotates and self.stored is None and refreshed == self.context.provider.initial_token()
        ):
            remove_unproven(refreshed, self.place)
        elif isinstance(failure, (CredentialsRejected, LoginRequired)):
            with suppress(StoreError):  # The record ends within a day. Not at once: the access token may be valid yet.
                self.place.retire()

    def _request(self, refreshed: Token | None, now: float) -> TokenRequest:
        if refreshed is None:
            return self.context.provider.login()
        if self.context.provider.rotates:
            # A store that does not even take the old one would not take the new one.
            self.place.save(mark_irreplaceable(refreshed, self.context.provider))
        return self.context.provider.refresh(refreshed, now)

    def _call(self, request: TokenRequest, ends: float) -> Token:
        answer = self.context.call_endpoint(request, self.transport, max(ends - self.context.clock.monotonic(), 0.001))
        try:
            return mark_irreplaceable(self.context.provider.read(answer, answer.sent_at), self.context.provider)
        except AuthError:
            raise
        except Exception as bug:  # The provider's page does not say that it may answer so.
            tripped = type(bug).__name__
        raise answer.error(InvalidTokenResponse, f"The answer could not be read ({tripped})")

    def _peers_token(self, refused: Token, now: float) -> Token | None:
        """Look whether somebody who did not respect the lock, or whose lock ran out, has renewed meanwhile."""
        try:
            return self._if_a_good_peers(self.place.load(), refused, now)
        except StoreError:
            return None

    def _if_a_good_peers(self, stored: Token | None, ours: Token | None, now: float) -> Token | None:
        if stored is None or self.shared.rejects(stored) or self.shared.succeeded(stored) or now >= stored.expires_at:
            return None
        return None if ours is not None and stored.access_token == ours.access_token else stored


def _keep_retry_after(failure: AuthError, before: AuthError | None) -> AuthError:
    """Let a failure ask for the time for which the one before it asked, in the same renewal."""
    asked = before.retry_after if before is not None else None
    if asked and isinstance(failure, (TokenEndpointUnavailable, InvalidTokenResponse)):
        failure.retry_after = max(asked, failure.retry_after or 0.0)
    return failure


def _left_untouched(failure: AuthError) -> bool:
    """Whether a refresh that failed so cannot have used the refresh token up."""
    return isinstance(failure, (CredentialsRejected, ConfigurationError)) or failure.from_intermediary
