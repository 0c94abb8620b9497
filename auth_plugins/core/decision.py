"""What a request does about its token, decided by pure functions: no lock, no clock, no I/O.

The state of a token (`state_of`) and the purposes of the token calls that could replace it (`purposes_for`) say what a
request needs (`need_of`). `decide` then says what the request does, given what is in flight and which back-offs hold.
The engine gathers these facts under its lock, calls `decide`, and acts. The table and the picture in the documentation
are made by calling these functions.
"""

from __future__ import annotations

from enum import Enum

from .errors import AuthError, CredentialsRejected, InvalidTokenResponse, TokenEndpointUnavailable
from .token import Token
from .wire import Purpose

__all__ = [
    "Action",
    "InFlight",
    "Need",
    "TokenState",
    "call_sequence",
    "decide",
    "is_lost",
    "need_of",
    "purposes_for",
    "state_of",
    "worth_trying",
]


class TokenState(Enum):
    """The state of a token."""

    EMPTY = "no token"
    FRESH = "before the renewal window"
    DUE = "in the window, still valid"
    EXPIRED = "past its end, refreshable"
    DEAD = "past its end, not refreshable"
    REJECTED = "answered with a 401"


class Need(Enum):
    """What a request needs before it is sent."""

    NOTHING = "nothing"
    RENEWAL_SOON = "a renewal in the background"
    RENEWAL_NOW = "a new token"


class InFlight(Enum):
    """What is under way for the credentials."""

    NOTHING = "nothing"
    RENEWAL = "a renewal"
    WAIT = "a store check, or a wait for valid_from"
    CALLBACK = "on_event, called by this thread"


class Action(Enum):
    """What the request does."""

    USE = "use the token"
    RENEW_IN_BACKGROUND = "start a renewal, use the token"
    RENEW = "start a renewal, wait for it"
    JOIN = "wait for what is in flight"
    CHECK_STORE = "load the store's token, wait for that"
    FAIL = "raise the remembered error"


def state_of(token: Token | None, now: float, window_opens_at: float, *, rejected: bool = False) -> TokenState:
    """Return the state of `token` at `now`; its renewal window opens at `window_opens_at` (both epoch seconds)."""
    if token is None:
        return TokenState.EMPTY
    if rejected:
        return TokenState.REJECTED
    if now < token.expires_at:
        return TokenState.FRESH if now < window_opens_at else TokenState.DUE
    return TokenState.EXPIRED if token.refreshable(now) else TokenState.DEAD


def purposes_for(token: Token | None, now: float, *, can_login: bool, rejected: bool = False) -> tuple[Purpose, ...]:
    """Return the purposes of the token calls that could replace `token` at `now`, in the order in which to try them."""
    # With nothing to log in with, even a rejected token's own renewal is worth the one try.
    refreshable = token is not None and token.refreshable(now, rejected=rejected and can_login)
    return ((Purpose.REFRESH,) if refreshable else ()) + ((Purpose.LOGIN,) if can_login else ())


def need_of(state: TokenState, purposes: tuple[Purpose, ...]) -> Need:
    """Return what a request needs whose token is in `state`. A token that nothing can renew is used to its end."""
    if state is TokenState.FRESH or (state is TokenState.DUE and not purposes):
        return Need.NOTHING
    return Need.RENEWAL_SOON if state is TokenState.DUE else Need.RENEWAL_NOW


def decide(
    need: Need, in_flight: InFlight, *, single_shot: bool, early_backoff: bool, backoff: bool, store_check_due: bool
) -> Action:
    """Return what one request does.

    Args:
        need: what it needs.
        in_flight: what is under way for its credentials.
        single_shot: it can be sent only once, so it waits for a renewal that other requests leave to the background.
        early_backoff: a renewal in the background failed a short time ago.
        backoff: no token call may be made now.
        store_check_due: no request has looked into the store for a while.
    """
    soon = need is Need.RENEWAL_SOON
    waits = not soon or single_shot
    if need is Need.NOTHING or (soon and early_backoff and in_flight in (InFlight.NOTHING, InFlight.CALLBACK)):
        return Action.USE
    if in_flight is InFlight.RENEWAL or (in_flight is InFlight.WAIT and soon):
        return Action.JOIN if waits else Action.USE
    if in_flight is InFlight.CALLBACK:
        return Action.JOIN  # A listener asks, and the token ended as it arrived. The next one would, too.
    if backoff and not soon:
        # The store may know better than this process: a peer may have renewed.
        return Action.CHECK_STORE if store_check_due and in_flight is InFlight.NOTHING else Action.FAIL
    return Action.RENEW if waits else Action.RENEW_IN_BACKGROUND


def call_sequence(tries: int, purposes: tuple[Purpose, ...], *, repeats_refresh: bool = False) -> tuple[Purpose, ...]:
    """Return the purposes of the token calls of one renewal, in order. A login may be repeated; a refresh may not.

    A refresh whose answer was lost may have used its refresh token up; a repeated login does no harm. With
    `repeats_refresh`, the server is known to answer a repeated refresh for some time.
    """
    if Purpose.LOGIN not in purposes:
        return (purposes * tries if repeats_refresh else purposes)[:tries]
    return (purposes + (Purpose.LOGIN,) * tries)[: max(tries, len(purposes))]


def worth_trying(purpose: Purpose, last: Purpose | None, failure: AuthError, *, needed: bool) -> bool:
    """Whether a call for `purpose` is made after one for `last` failed with `failure`; `needed`: a request waits.

    A login follows a refresh that failed for any reason (Fyatu's own strategy); but while a token is valid, not where
    the endpoint asked for time. A login is repeated only if it may not have arrived. Nothing follows a refusal, nor an
    answer that was not the provider's: it says nothing about the refresh token, and no password must follow it.
    """
    if isinstance(failure, CredentialsRejected) or failure.from_intermediary:
        return False
    if failure.retry_after:
        return needed and last is not purpose
    if last is purpose is Purpose.REFRESH:
        return is_lost(failure)
    return last is not purpose or isinstance(failure, TokenEndpointUnavailable)


def is_lost(failure: AuthError) -> bool:
    """Whether the answer to a call may have been lost, though the endpoint may have carried the call out.

    That is so without any answer, unless the connection failed; after a 5xx, which a gateway sends as well if it does
    not wait for the endpoint any more; and after a 2xx that holds no token.
    """
    if failure.unsent or not isinstance(failure, (TokenEndpointUnavailable, InvalidTokenResponse)):
        return False
    return failure.status is None or failure.status < 400 or failure.status >= 500
