"""The life of a token as data: its age, what can still be done with it, and so what to do now.

Everything that decides whether to use, renew or give up stands in `LIFECYCLE`; the documentation's
diagram is drawn from it. This file knows neither who asks, nor who waits, nor what time it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType

from .errors import AuthError, CredentialsRejected, TokenEndpointUnavailable
from .token import Token
from .wire import Purpose

__all__ = ["LIFECYCLE", "Age", "Means", "Step", "Verb", "age_of", "grant_sequence", "means_of", "worth_trying"]


class Age(Enum):
    """How old a token is, as far as anybody needs to know."""

    EMPTY = "nothing usable"
    FRESH = "before the renewal window"
    DUE = "in the window, still valid"
    EXPIRED = "past its end, refreshable"
    DEAD = "not refreshable any more"
    REJECTED = "this very token got a 401"


class Means(Enum):
    """What the provider can do for a token just now."""

    NOTHING = "nothing"
    LOGIN = "log in"
    REFRESH = "refresh"
    BOTH = "refresh, or log in"


class Verb(Enum):
    """What becomes of the request that asked."""

    USE = "use the token"
    BESIDE = "use the token; one renewal runs beside"
    WAIT = "everybody waits for one renewal"
    GIVE_UP = "LoginRequired"


@dataclass(frozen=True, slots=True)
class Step:
    """What to do now, and by which grants, in the order in which they are tried."""

    verb: Verb
    grants: tuple[Purpose, ...] = ()


_BY_MEANS: Mapping[Means, tuple[Purpose, ...]] = {
    Means.NOTHING: (),
    Means.LOGIN: (Purpose.LOGIN,),
    Means.REFRESH: (Purpose.REFRESH,),
    Means.BOTH: (Purpose.REFRESH, Purpose.LOGIN),
}


def _table() -> Iterator[tuple[tuple[Age, Means], Step]]:
    for means, grants in _BY_MEANS.items():
        # A token that nothing can renew is used to its end, and only then is its owner told.
        wait = Step(Verb.WAIT, grants) if grants else Step(Verb.GIVE_UP)
        yield (Age.FRESH, means), Step(Verb.USE)
        yield (Age.DUE, means), Step(Verb.BESIDE, grants) if grants else Step(Verb.USE)
        yield (Age.REJECTED, means), wait
        if Purpose.REFRESH in grants:
            yield (Age.EXPIRED, means), wait
        else:
            yield (Age.EMPTY, means), wait
            yield (Age.DEAD, means), wait


LIFECYCLE: Mapping[tuple[Age, Means], Step] = MappingProxyType(dict(_table()))
"""Age x means -> step. What is not in it cannot be: a dead token is not refreshable."""


def age_of(token: Token | None, now: float, due_at: float, *, rejected: bool = False) -> Age:
    """Tell the age of `token` at `now`, given when its renewal window begins."""
    if token is None:
        return Age.EMPTY
    if rejected:
        return Age.REJECTED
    if now < token.expires_at:
        return Age.FRESH if now < due_at else Age.DUE
    return Age.EXPIRED if token.refreshable(now) else Age.DEAD


def means_of(token: Token | None, now: float, *, can_login: bool, rejected: bool = False) -> Means:
    """Tell what can be done for `token` at `now` by a provider that can or cannot log in."""
    # With nothing to log in with, even a rejected token's own renewal is worth the one try.
    refresh = token is not None and token.refreshable(now, rejected=rejected and can_login)
    if can_login:
        return Means.BOTH if refresh else Means.LOGIN
    return Means.REFRESH if refresh else Means.NOTHING


def grant_sequence(tries: int, grants: tuple[Purpose, ...]) -> tuple[Purpose, ...]:
    """Give the grants of one renewal, in order: a login may be repeated, a refresh never.

    A refresh whose answer was lost may have used its refresh token up; a login costs nothing but itself.
    """
    if Purpose.LOGIN not in grants:
        return grants[:tries]
    return (grants + (Purpose.LOGIN,) * tries)[: max(tries, len(grants))]


def worth_trying(grant: Purpose, last: Purpose | None, failure: AuthError, *, needed: bool) -> bool:
    """Whether `grant` is worth a call after `last` failed with `failure`; `needed`: somebody waits for its token.

    A login follows a refresh that failed for any reason (Fyatu's own strategy); but while a token is valid, not where
    the endpoint asked for time. A login is repeated only if it may not have arrived. Nothing follows a refusal, nor
    an answer that was not the provider's: it says nothing about the refresh token, and no password must follow it.
    """
    if isinstance(failure, CredentialsRejected) or failure.from_intermediary:
        return False
    if failure.retry_after:
        return needed and last is not grant
    return last is not grant or isinstance(failure, TokenEndpointUnavailable)
