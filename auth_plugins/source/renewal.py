"""What one renewal does, in the one thread that does it: lock, load again, call, save, publish, unlock."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, replace

from ..core.answers import unserved
from ..core.errors import AuthError, CredentialsRejected, InvalidTokenResponse, LoginRequired, StoreError
from ..core.events import EventKind
from ..core.lifecycle import LIFECYCLE, Age, Verb, age_of, grants_within, means_of, worth_trying
from ..core.policy import RefreshPolicy
from ..core.provider import Provider
from ..core.token import Token
from ..core.wire import Grant, TokenRequest
from .channel import Channel
from .clock import Clock
from .live import NOTHING, Live
from .slot import Slot
from .teller import Teller

__all__ = ["Terms", "end", "renew", "ripen"]


@dataclass(frozen=True, slots=True)
class Terms:
    """What one auth object brings to the slot it shares."""

    provider: Provider
    policy: RefreshPolicy
    clock: Clock
    tell: Teller


def renew(terms: Terms, slot: Slot, channel: Channel) -> Live:
    """Bring a token that is better than the one at hand, publish it and give it.

    Raises:
        AuthError: none could be had; nothing was changed.
    """
    with slot.store.lock(slot.key):
        ours = slot.live
        token = _newest(slot)
        known = token == ours.token
        now = ours.now(terms.clock) if known else terms.clock()
        due_at = ours.window_at if known else _due_at(terms, token)
        rejected = slot.rejects(token)
        age = age_of(token, now, due_at, rejected=rejected)
        means = means_of(token, now, can_login=terms.provider.can_login, rejected=rejected)
        step = LIFECYCLE[age, means]
        if step.verb is Verb.GIVE_UP:
            raise LoginRequired("The token ended and cannot be renewed")
        if step.verb is Verb.USE and token is not None:
            if known:
                return ours
            terms.tell(EventKind.ADOPTED, token)
            return _publish(terms, slot, token, due_at, unproven=False)
        brought, grant = _call_in_turn(terms, slot, channel, step.grants, token, now)
        _save(terms, slot, brought)
        unproven = age is Age.REJECTED and slot.rejected_by_server
        live = _publish(terms, slot, brought, _due_at(terms, brought), unproven=unproven)
        terms.tell(EventKind.LOGGED_IN if grant is Grant.LOGIN else EventKind.REFRESHED, brought)
        return live


def ripen(terms: Terms, slot: Slot, channel: Channel) -> Live:  # noqa: ARG001 - a job like the others
    """Wait until the token at hand is accepted, and give it: it was issued a moment ago and used too early."""
    live = slot.live
    if live.token is not None:
        terms.clock.sleep(max(0.0, live.token.valid_from - live.now(terms.clock)))
    return live


def end(terms: Terms, slot: Slot, channel: Channel) -> Live:
    """Forget the token everywhere, then tell the provider, if it wants to know.

    Raises:
        TokenEndpointUnavailable: the provider could not be told; the token is forgotten all the same.
    """
    with slot.store.lock(slot.key):
        token = _newest(slot)
        slot.store.delete(slot.key)
        with slot.lock:
            slot.live, slot.rejected, slot.trouble = NOTHING, token, None
        request = terms.provider.revoke(token) if token is not None else None
        if request is not None:
            sent = terms.clock()
            response = channel.send(request, terms.policy)
            error = unserved(request, response, terms.provider.said(response), sent)
            if error is not None:
                raise error
        terms.tell(EventKind.LOGGED_OUT)
    return NOTHING


def _newest(slot: Slot) -> Token | None:
    """Give what the store has, for whoever renews saves it there. No clock can tell which of two tokens is newer."""
    stored, ours = slot.store.load(slot.key), slot.live.token
    return ours if stored is None or slot.unsaved else stored


def _due_at(terms: Terms, token: Token | None) -> float:
    luck = random.random()  # noqa: S311 - spreads a fleet's renewals, guards nothing
    return terms.policy.due_at(token, luck) if token is not None else 0.0


def _call_in_turn(
    terms: Terms, slot: Slot, channel: Channel, grants: tuple[Grant, ...], token: Token | None, now: float
) -> tuple[Token, Grant]:
    failure: AuthError | None = None
    last: Grant | None = None
    started = terms.clock.tick()
    for grant in grants_within(terms.policy.tries, grants):
        if not worth_trying(grant, last, failure) or terms.clock.tick() - started > terms.policy.deadline:
            break
        if last is grant:
            terms.clock.sleep(random.uniform(0.05, 0.3))  # noqa: S311
        last = grant
        if grant is Grant.REFRESH and token is not None:
            request = terms.provider.refresh(token, now)
        else:
            request = terms.provider.login()
        try:
            return _call(terms, channel, request), grant
        except AuthError as error:
            failure = error.fresh()
        if token is not None and request.grant is Grant.REFRESH and not isinstance(failure, CredentialsRejected):
            _spend(terms, slot, token)
    raise failure or LoginRequired("The token cannot be renewed")


def _spend(terms: Terms, slot: Slot, token: Token) -> None:
    """Write down that a renewal that is tried once has been tried."""
    if not token.refresh_once:
        return
    spent = replace(token, refreshable_until=-math.inf)
    _save(terms, slot, spent)
    with slot.lock:
        if slot.live.token == token:
            slot.live = replace(slot.live, token=spent)


def _call(terms: Terms, channel: Channel, request: TokenRequest) -> Token:
    sent = terms.clock()
    response = channel.send(request, terms.policy)
    error = unserved(request, response, terms.provider.said(response), sent)
    if error is not None:
        raise error
    try:
        return terms.provider.read(request, response, sent)
    except AuthError:
        raise
    except Exception as bug:  # A contract that trips over an answer has been given one it was not told of.
        tripped = type(bug).__name__
    raise InvalidTokenResponse(f"The answer could not be read ({tripped})", status=response.status)


def _save(terms: Terms, slot: Slot, token: Token) -> None:
    try:
        slot.store.save(slot.key, token)
        slot.unsaved = False
    except StoreError as error:
        slot.unsaved = True
        # The provider may have used the old refresh token up: dropping the new one would end the session.
        terms.tell(EventKind.SAVE_FAILED, token, error.fresh())


def _publish(terms: Terms, slot: Slot, token: Token, due_at: float, *, unproven: bool) -> Live:
    live = Live.of(token, terms.provider, terms.clock, due_at, unproven=unproven)
    with slot.lock:
        slot.live = live
        slot.trouble = None
    return live
