"""What a 401 means: a dead token, which a renewal replaces, or an endpoint that refuses good tokens.

The rule is pure: the engine reports what it saw, and asks before it renews a token on a 401. Times are the monotonic
clock's, in seconds. The facts that the rule rests on, and the bound on token calls, are in
docs/explanation/adr/0004-unhelpful-renewals-pause.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum

from .endpoints import Standing
from .policy import RefreshPolicy
from .token import LONG_AGO, Token

__all__ = ["NO_BACKOFF", "UnauthorizedBackoff", "Verdict"]

_ENDPOINTS = 128
"""The number of accepting endpoints that are kept."""
_UNCONFIRMED = 3
"""Immediate renewals in a row whose tokens no endpoint accepted; twice as many for a steady endpoint."""
_BUDGET, _RESERVE, _EARNED = 8.0, 3.0, 0.2
"""Renewals: at most, kept for steady endpoints, and earned back each second."""
_REFUND = 0.9
"""The part of a renewal's price that is returned if the endpoint that asked for it accepts the new token."""


class Verdict(Enum):
    """What a 401 is about, and what follows."""

    REPLACED = "a token that has been replaced: send the request again with the current one"
    TOO_EARLY = "a token that was not valid yet: send the request again with it after `valid_from`"
    BELIEVED = "the current token: renew it and send the request again"
    NOT_BELIEVED = "the endpoint: return the 401 to the caller"


@dataclass(frozen=True, slots=True)
class UnauthorizedBackoff:
    """What is known of renewals on a 401 that did not help, and of the endpoints that accepted a token meanwhile."""

    failures: int = 0
    """Consecutive renewals on a 401 that did not help. Each token counts once. 0: there is no back-off."""
    token: Token | None = None
    """The last token that did not help, or whose replay got no answer (`excusing`)."""
    until: float = LONG_AGO
    """No token is renewed on a 401 before this time, except for endpoints that have accepted one."""
    endpoints: Mapping[str, Standing] = field(default_factory=dict, repr=False)
    """The endpoints that accepted a token during a back-off; at most `_ENDPOINTS`."""
    unconfirmed: int = 0
    """Immediate renewals in a row whose tokens no endpoint has accepted yet."""
    budget: float = _BUDGET
    """The renewals that were left at `budget_at`."""
    budget_at: float = LONG_AGO
    renewed_for: str | None = field(default=None, repr=False)
    """The endpoint that the last renewal was charged for, until it has refused the new token."""
    refunded: bool = False
    """Whether that endpoint has accepted the new token, and most of the price was returned."""

    @property
    def is_on(self) -> bool:
        """Whether renewals on a 401 back off."""
        return self.failures > 0

    def rejected(self, endpoint: str, policy: RefreshPolicy, now: float) -> tuple[bool, UnauthorizedBackoff]:
        """Judge a 401 for the current token: return whether to renew it, and what is known from now on."""
        known = self.at(policy, now)
        if not known.is_on:
            return (
                (True, known._charged(endpoint)) if known._affords_one else (False, known._failing(None, policy, now))
            )
        standing = known.endpoints.get(endpoint)
        if standing is not None and known._believes(standing, now):
            charged = known._charged(endpoint)
            endpoints = known._with(endpoint, standing.renewed())
            return True, replace(charged, endpoints=endpoints, unconfirmed=known.unconfirmed + 1)
        if now < known.until:
            return False, known
        failures = known.failures + (not known._affords_one)
        until = now + policy.unauthorized_backoff.delay(failures)
        return True, replace(known._charged(endpoint), failures=failures, until=until)

    def reported(self, policy: RefreshPolicy, now: float) -> tuple[bool, UnauthorizedBackoff]:
        """Judge a report that the current token is dead, from a client whose other answers are not seen."""
        known = self.at(policy, now)
        return (True, known._charged(None)) if known._affords_one else (False, known)

    def failed(
        self, token: Token | None, policy: RefreshPolicy, now: float, *, refused_by: str | None = None
    ) -> UnauthorizedBackoff:
        """Learn of a 401 for a token that was fetched on a 401.

        Args:
            token: counts once, however many requests report it.
            policy: its `unauthorized_backoff` is the pause.
            now: the monotonic time.
            refused_by: the endpoint, if the request was a replay. It accepts tokens no longer.
        """
        known = self.at(policy, now).refused(refused_by, policy, now)
        return known if token is None or token is self.token else known._failing(token, policy, now)

    def refused(self, endpoint: str | None, policy: RefreshPolicy, now: float) -> UnauthorizedBackoff:
        """Learn that an endpoint answered a replay, whose token was new to it, with a 401."""
        if endpoint is None:
            return self
        known = self
        if endpoint == self.renewed_for:  # It did not heal, or only some of the nodes behind it did.
            taken = _REFUND if self.refunded else 0.0
            known = replace(self, budget=self.budget - taken, renewed_for=None, refunded=False)
        standing = known.endpoints.get(endpoint)
        return (
            known
            if standing is None
            else replace(known, endpoints=known._with(endpoint, standing.refusing(policy, now)))
        )

    def excusing(self, token: Token | None) -> UnauthorizedBackoff:
        """Do not count the next 401 for a token whose first request got no answer.

        This holds for one token in a row: an API that breaks off every replay would otherwise cause a renewal for each
        request.
        """
        return replace(self, token=token) if self.token is None else self

    def accepted_by(
        self, endpoint: str, policy: RefreshPolicy, now: float, *, replay: bool, current: bool
    ) -> UnauthorizedBackoff:
        """Learn that an endpoint accepted a token: return the same object if nothing changes.

        Args:
            endpoint: see `endpoint_of`.
            policy: its `unauthorized_backoff` says how long a back-off lasts.
            now: the monotonic time.
            replay: the request was sent again after a 401. If its endpoint was subject to the back-off, the renewal
                helped, and the back-off ends, if the budget is not used up.
            current: the request carried the current token.
        """
        known = self._refunding(endpoint) if replay or current else self
        if not known.is_on:
            return replace(known, token=None) if (replay or current) and known.token is not None else known
        if now >= known._ends_at(policy):
            return known._ended()
        standing = known.endpoints.get(endpoint)
        renewed = Standing() if standing is None else standing.accepting()
        if renewed is not standing or (current and known.unconfirmed):
            unconfirmed = 0 if current else known.unconfirmed
            known = replace(known, endpoints=known._with(endpoint, renewed), unconfirmed=unconfirmed)
        helped = replay and (standing is None or not standing.accepts)
        return known._ended() if helped and known.at(policy, now)._affords_one else known

    def at(self, policy: RefreshPolicy, now: float) -> UnauthorizedBackoff:
        """Return what is known at `now`: the budget grows, and a back-off ends without 401s in the longest pause."""
        earned = max(0.0, now - self.budget_at) * _EARNED
        known = replace(self, budget=min(_BUDGET, self.budget + earned), budget_at=now)
        return known._ended() if self.is_on and now >= self._ends_at(policy) else known

    @property
    def _affords_one(self) -> bool:
        """Whether the budget has a renewal left that is not reserved."""
        return self.budget >= 1.0 + _RESERVE

    def _charged(self, endpoint: str | None) -> UnauthorizedBackoff:
        return replace(self, budget=max(0.0, self.budget - 1.0), renewed_for=endpoint, refunded=False)

    def _refunding(self, endpoint: str) -> UnauthorizedBackoff:
        if endpoint != self.renewed_for or self.refunded:
            return self
        return replace(self, budget=self.budget + _REFUND, refunded=True)

    def _ends_at(self, policy: RefreshPolicy) -> float:
        return self.until + policy.unauthorized_backoff.cap

    def _ended(self) -> UnauthorizedBackoff:
        return replace(self, failures=0, token=None, until=LONG_AGO, unconfirmed=0)

    def _failing(self, token: Token | None, policy: RefreshPolicy, now: float) -> UnauthorizedBackoff:
        until = now + policy.unauthorized_backoff.delay(self.failures + 1)
        return replace(self, failures=self.failures + 1, token=token, until=max(self.until, until))

    def _believes(self, standing: Standing, now: float) -> bool:
        """Whether a 401 from an endpoint that accepted a token is about the token."""
        if not standing.accepts or now < standing.not_before:
            return False
        if standing.is_steady:
            return self.unconfirmed < 2 * _UNCONFIRMED and self.budget >= 1.0
        return self.unconfirmed < _UNCONFIRMED and self._affords_one

    def _with(self, endpoint: str, standing: Standing) -> Mapping[str, Standing]:
        """Return the accepting endpoints with this one as the latest. The oldest that is not steady is dropped."""
        found = {name: each for name, each in self.endpoints.items() if name != endpoint}
        if len(found) >= _ENDPOINTS:
            del found[next((name for name, each in found.items() if not each.is_steady), next(iter(found)))]
        found[endpoint] = standing
        return found


NO_BACKOFF = UnauthorizedBackoff()
"""The initial state."""
