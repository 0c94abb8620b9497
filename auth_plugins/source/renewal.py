"""What one renewal does, in the one thread that does it: load, lock, load again, call, save, publish, unlock."""

from __future__ import annotations

import random
from dataclasses import replace

from ..core.errors import (
    AuthError,
    CredentialsRejected,
    InvalidTokenResponse,
    LoginRequired,
    StoreError,
    TokenEndpointUnavailable,
)
from ..core.events import EventKind
from ..core.lifecycle import LIFECYCLE, Age, Step, Verb, age_of, grants_within, means_of, worth_trying
from ..core.token import LONG_AGO, Token
from ..core.wire import Grant, TokenRequest
from .channel import Channel
from .live import Live
from .place import InStore, Nowhere, Place
from .session import leave_after, with_worth
from .slot import Slot, Unsaved
from .terms import Terms
from .turns import turn

__all__ = ["look", "newest", "renew", "ripen"]


def renew(terms: Terms, slot: Slot, channel: Channel) -> Live:
    """Bring a token that is better than the one at hand, publish it and give it.

    Raises:
        AuthError: none could be had; nothing was changed.
    """
    try:
        place = InStore(slot.store, terms.provider)
        found = _Renewal(terms, slot, channel, place, place.load()).without_lock()
        if found is not None:
            return found
        with slot.store.lock(place.key):
            return _Renewal(terms, slot, channel, place, place.load()).run()
    except StoreError as failed:
        failure = failed.fresh()
    if terms.provider.rotates:
        raise failure
    kept = slot.live.token if slot.unsaved is None else slot.unsaved.before
    return _Renewal(terms, slot, channel, Nowhere(failure, kept), None).run()


def look(terms: Terms, slot: Slot, channel: Channel, failure: AuthError) -> Live:
    """Take over what a peer has renewed while this process, after `failure`, makes no calls.

    Raises:
        AuthError: `failure`, if there is nothing.
    """
    try:
        place = InStore(slot.store, terms.provider)
        found = _Renewal(terms, slot, channel, place, place.load()).without_lock()
    except StoreError:
        found = None
    if found is None:
        raise failure
    return found


def ripen(terms: Terms, slot: Slot) -> Live:
    """Wait until the token at hand is accepted, and give it: it was issued a moment ago and used too early."""
    live = slot.live
    if live.token is not None:
        terms.clock.sleep(max(0.0, live.token.valid_from - live.now(terms.clock)))
    return live


def newest(terms: Terms, slot: Slot, stored: Token | None) -> Token | None:
    """Give what the store has, for whoever renews saves it there. No clock can tell which of two tokens is newer.

    But ours, if the store did not take it and has still what it had then.
    """
    ours = slot.live.token
    if stored is None or (slot.unsaved is not None and stored == slot.unsaved.before):
        return ours
    if slot.unsaved is not None and ours is not None and not terms.provider.rotates:
        return max(ours, stored, key=lambda token: token.expires_at)  # Both are good.
    return stored


class _Renewal:
    def __init__(self, terms: Terms, slot: Slot, channel: Channel, place: Place, stored: Token | None) -> None:
        self.terms, self.slot, self.channel, self.place, self.stored = terms, slot, channel, place, stored

    def without_lock(self) -> Live | None:
        """Take over a peer's good token: the lock may be a dead holder's, and last longer than anybody waits."""
        if self.slot.distrust or self.slot.unsaved is not None:
            return None
        peers = self._if_a_good_peers(self.stored, self.slot.live.token, self.terms.clock())
        return None if peers is None else self._adopt(peers, self._due_at(peers))

    def run(self) -> Live:
        token, clock = newest(self.terms, self.slot, self.stored), self.terms.clock
        ours = self._with_newest_refresh_token(token)
        known = token == ours.token
        if self.slot.distrust:
            self._drop(token)
        now = ours.now(clock) if known else clock()
        due_at = ours.window_at if known else self._due_at(token)
        age = age_of(token, now, due_at, rejected=self.slot.rejects(token))
        step = self._step(age, token, now)
        if step.verb is Verb.GIVE_UP:
            raise LoginRequired("The token ended and cannot be renewed")
        if step.verb is Verb.USE and token is not None:
            return self._saved_by_now(ours) if known else self._adopt(token, due_at)
        policy = self.terms.policy
        with turn(self.terms.provider, policy.calls_at_once, policy.deadline, clock) as left:
            brought, grant = self._call_in_turn(step, token, now, clock.tick() + left)
        if grant is None:
            return self._adopt(brought, self._due_at(brought))
        live = self._publish(
            brought,
            self._due_at(brought),
            self._save(brought),
            unproven=age is Age.REJECTED and self.slot.rejected_by_server,
        )
        self.terms.tell(EventKind.LOGGED_IN if grant is Grant.LOGIN else EventKind.REFRESHED, brought)
        return live

    def _with_newest_refresh_token(self, token: Token | None) -> Live:
        """Take over the refresh token of `token` if its access token is at hand: another variant was renewed."""
        slot = self.slot
        with slot.lock:
            ours = slot.live.token
            if token is not None and ours is not None and token.access_token == ours.access_token and token != ours:
                slot.live = replace(slot.live, token=token)
            return slot.live

    def _drop(self, token: Token | None) -> None:
        """Take what the store has for rejected; and where another one was given to begin with, for what is at hand."""
        slot = self.slot
        with slot.lock:
            slot.distrust, slot.rejected, slot.rejected_by_server = False, token, False
            if token is not None and token != slot.live.token:
                slot.live = self._live(token, LONG_AGO).until(LONG_AGO)

    def _live(self, token: Token, due_at: float, *, unproven: bool = False) -> Live:
        provider, clock = self.terms.provider, self.terms.clock
        watched = self.slot.unauthorized_backoff.is_on
        return Live.of(token, provider, clock, due_at, owner=self.slot.key, unproven=unproven, watched=watched)

    def _step(self, age: Age, token: Token | None, now: float) -> Step:
        can_login, rejected = self.terms.provider.can_login, self.slot.rejects(token)
        return LIFECYCLE[age, means_of(token, now, can_login=can_login, rejected=rejected)]

    def _due_at(self, token: Token | None) -> float:
        luck = random.random()  # noqa: S311 - spreads a fleet's renewals, guards nothing
        return self.terms.policy.due_at(token, luck) if token is not None else 0.0

    def _call_in_turn(self, step: Step, token: Token | None, now: float, ends: float) -> tuple[Token, Grant | None]:
        """Give what the first grant brought that brought something, or, without a grant, somebody else's token."""
        failure: AuthError | None = None
        last: Grant | None = None
        needed = step.verb is Verb.WAIT
        for grant in grants_within(self.terms.policy.tries, step.grants):
            if failure is not None and (
                self.terms.clock.tick() >= ends or not worth_trying(grant, last, failure, needed=needed)
            ):
                break
            if last is grant:
                self.terms.clock.sleep(random.uniform(0.05, 0.3))  # noqa: S311
            last = grant
            refreshed = token if grant is Grant.REFRESH else None
            try:
                return self._call(self._request(refreshed, now), ends), grant
            except AuthError as error:
                failure = _still_asking(error.fresh(), failure)
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
        if refreshed.refresh_once and not isinstance(failure, CredentialsRejected):
            self._spend(refreshed, failure)
        elif self.terms.provider.rotates:
            unknown = self.stored is None and refreshed == self.terms.provider.given()
            leave_after(failure, refreshed, self.place, unknown=unknown)

    def _request(self, refreshed: Token | None, now: float) -> TokenRequest:
        if refreshed is None:
            return self.terms.provider.login()
        if self.terms.provider.rotates:
            # A store that does not even take the old one would not take the new one.
            self.place.save(with_worth(refreshed, self.terms.provider))
        return self.terms.provider.refresh(refreshed, now)

    def _call(self, request: TokenRequest, ends: float) -> Token:
        sent, left = self.terms.clock(), max(ends - self.terms.clock.tick(), 0.001)
        response = self.terms.ask(request, self.channel, left)
        try:
            return with_worth(self.terms.provider.read(request, response, sent), self.terms.provider)
        except AuthError:
            raise
        except Exception as bug:  # A contract that trips over an answer has been given one it was not told of.
            tripped = type(bug).__name__
        raise InvalidTokenResponse(f"The answer could not be read ({tripped})", status=response.status)

    def _peers_token(self, refused: Token, now: float) -> Token | None:
        """Look whether somebody who did not respect the lock, or whose lock ran out, has renewed meanwhile."""
        try:
            return self._if_a_good_peers(self.place.load(), refused, now)
        except StoreError:
            return None

    def _if_a_good_peers(self, stored: Token | None, ours: Token | None, now: float) -> Token | None:
        if stored is None or self.slot.rejects(stored) or now >= stored.expires_at:
            return None
        return None if ours is not None and stored.access_token == ours.access_token else stored

    def _spend(self, token: Token, failure: AuthError) -> None:
        """Write down that a renewal that is tried once has been tried."""
        spent = replace(token, refreshable_until=LONG_AGO)
        if self.terms.clock() < spent.useful_until:
            self._save(spent)
        else:
            leave_after(failure, token, self.place, unknown=True)
        with self.slot.lock:
            if self.slot.live.token == token:
                self.slot.live = replace(self.slot.live, token=spent)

    def _adopt(self, token: Token, due_at: float) -> Live:
        live = self._publish(token, due_at, None)
        self.terms.tell(EventKind.ADOPTED, token)
        return live

    def _saved_by_now(self, live: Live) -> Live:
        """Save what could not be saved before."""
        if self.slot.unsaved is None or live.token is None:
            return live
        failure = self._save(live.token)
        with self.slot.lock:
            if failure is None:
                self.slot.trouble = None
                self.slot.live = live = live.until(min(live.window_at, live.token.expires_at))
            else:
                self.slot.remember(failure, self.terms.policy, self.terms.clock)
        return live

    def _save(self, token: Token) -> StoreError | None:
        try:
            self.place.save(token)
        except StoreError as error:
            failure = error.fresh()
        else:
            self.slot.unsaved = None
            return None
        self.slot.unsaved = Unsaved(self.place.kept)
        # The provider may have used the old refresh token up: dropping the new one would end the session.
        self.terms.tell(EventKind.SAVE_FAILED, token, failure)
        return failure

    def _publish(self, token: Token, due_at: float, failure: StoreError | None, *, unproven: bool = False) -> Live:
        live = self._live(token, due_at, unproven=unproven)
        with self.slot.lock:
            if self.slot.unauthorized_backoff.is_on and not live.watched:
                live = live.watch()  # The back-off began a moment ago.
            self.slot.live, self.slot.trouble = live, None
            if self.slot.rejects(token):
                self.slot.rejected = None  # The provider gave the very same one again, so it is to be tried again.
            if failure is None:
                self.slot.unsaved = None
            else:
                self.slot.remember(failure, self.terms.policy, self.terms.clock)
        return live


def _still_asking(failure: AuthError, before: AuthError | None) -> AuthError:
    """Let a failure ask for the time for which the one before it asked, in the same renewal."""
    asked = before.retry_after if before is not None else None
    if asked and isinstance(failure, (TokenEndpointUnavailable, InvalidTokenResponse)):
        failure.retry_after = max(asked, failure.retry_after or 0.0)
    return failure
