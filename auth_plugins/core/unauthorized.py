"""What a 401 means: a dead token, which a renewal replaces, or an endpoint that refuses good tokens.

The rule is pure: the engine reports what it saw, and asks before it renews a token on a 401. Times are the monotonic
clock's, in seconds. The facts that the rule rests on, and the bound on token calls, are in
docs/explanation/adr/0004-unhelpful-renewals-pause.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from hashlib import blake2s

from .policy import RefreshPolicy
from .token import LONG_AGO, Token

__all__ = ["NO_BACKOFF", "Standing", "UnauthorizedBackoff", "endpoint_of"]

_ENDPOINTS = 128
"""How many accepting endpoints are kept."""
_LONGEST = 200
"""Characters of an endpoint. Of a longer one, a digest stands for the rest."""
_STEADY = 8
"""Times in a row that an endpoint has accepted a token, from which on it draws on the reserve of the budget."""
_SETTLED = 30.0
"""Seconds after the pause of an endpoint after which its refusals are forgotten."""
_UNCONFIRMED = 3
"""Immediate renewals in a row whose tokens no endpoint accepted; twice as many for a steady endpoint."""
_BUDGET, _RESERVE, _EARNED = 12.0, 4.0, 0.2
"""Renewals: at most, kept for steady endpoints, and earned back each second."""
_RESUMES, _MOST_RESUMED = 60.0, 6
"""A back-off that follows another one within this many seconds goes on counting, up to this many failures."""


@dataclass(frozen=True, slots=True)
class Standing:
    """An endpoint that has accepted a token."""

    streak: int = 1
    """Times in a row that it accepted a token, `_STEADY` at most; 0 after a 401."""
    accepts: bool = True
    """Whether it has refused no new token since it accepted one."""
    refusals: int = 0
    """How often it refused a new token though it had accepted one, without a steady time between."""
    not_before: float = LONG_AGO
    """The time before which a 401 of this endpoint is not believed."""

    @property
    def is_steady(self) -> bool:
        """Whether it has accepted a token several times in a row."""
        return self.streak >= _STEADY

    def accepting(self) -> Standing:
        """Return the standing after one more accepted token: the same object if nothing changes."""
        if self.is_steady:
            return self
        streak = self.streak + 1
        return Standing(streak) if streak >= _STEADY else replace(self, streak=streak, accepts=True)

    def renewed(self) -> Standing:
        """Return the standing after a 401 that is believed."""
        return replace(self, streak=0)

    def refusing(self, policy: RefreshPolicy, now: float) -> Standing:
        """Return the standing after a new token was refused: its 401s are not believed for a pause that doubles."""
        refusals = 1 if now >= self.not_before + _SETTLED else self.refusals + 1
        return Standing(0, False, refusals, now + policy.unauthorized_backoff.delay(refusals))


@dataclass(frozen=True, slots=True)
class UnauthorizedBackoff:
    """What is known of renewals on a 401 that did not help, and of the endpoints that accepted a token meanwhile."""

    failures: int = 0
    """Renewals in a row that did not help; each token counts once. 0: no back-off."""
    token: Token | None = None
    """The latest token that did not help, or that got no answer (`excusing`)."""
    until: float = LONG_AGO
    """No token is renewed on a 401 before this, except for endpoints that accepted one."""
    endpoints: Mapping[str, Standing] = field(default_factory=dict, repr=False)
    """The endpoints that accepted a token during a back-off; at most `_ENDPOINTS`."""
    unconfirmed: int = 0
    """Immediate renewals in a row whose tokens no endpoint has accepted yet."""
    budget: float = _BUDGET
    budget_at: float = LONG_AGO
    """The renewals that are left, as counted at that time."""
    before: int = 0
    ended_at: float = LONG_AGO
    """The failures of the back-off that ended last, and when it ended."""

    @property
    def is_on(self) -> bool:
        """Whether renewals on a 401 back off."""
        return self.failures > 0

    def rejected(self, endpoint: str, policy: RefreshPolicy, now: float) -> tuple[bool, UnauthorizedBackoff]:
        """Judge a 401 for the current token: return whether to renew it, and what is known from now on."""
        known = self.at(policy, now)
        if not known.is_on:
            if known.budget >= 1.0 + _RESERVE:
                return True, replace(known, budget=known.budget - 1.0)
            return False, known._failing(None, policy, now)
        standing = known.endpoints.get(endpoint)
        if standing is not None and known._believes(standing, now):
            return True, replace(
                known,
                endpoints=known._with(endpoint, standing.renewed()),
                budget=known.budget - 1.0,
                unconfirmed=known.unconfirmed + 1,
            )
        if now < known.until:
            return False, known
        failures = known.failures
        if standing is not None and standing.accepts:
            failures = max(failures, min(failures + 1, _MOST_RESUMED))  # Too often for its budget, whatever it brings.
        return True, replace(known, failures=failures, until=now + policy.unauthorized_backoff.delay(failures))

    def reported(self, policy: RefreshPolicy, now: float) -> tuple[bool, UnauthorizedBackoff]:
        """Judge a report that the current token is dead, from a client whose other answers are not seen."""
        known = self.at(policy, now)
        if known.budget < 1.0 + _RESERVE:
            return False, known
        return True, replace(known, budget=known.budget - 1.0)

    def failed(
        self, token: Token | None, policy: RefreshPolicy, now: float, *, refused_by: str | None = None
    ) -> UnauthorizedBackoff:
        """Learn of a 401 for a token that was fetched on a 401.

        Args:
            token: counts once, however many requests report it.
            policy: its `rejection` is the pause.
            now: the monotonic time.
            refused_by: the endpoint, if the request was a replay. It accepts tokens no longer.
        """
        known = self.at(policy, now).refused(refused_by, policy, now)
        return known if token is None or token is self.token else known._failing(token, policy, now)

    def refused(self, endpoint: str | None, policy: RefreshPolicy, now: float) -> UnauthorizedBackoff:
        """Learn that an endpoint answered a replay, whose token was new to it, with a 401."""
        standing = self.endpoints.get(endpoint) if endpoint is not None else None
        if endpoint is None or standing is None:
            return self
        return replace(self, endpoints=self._with(endpoint, standing.refusing(policy, now)))

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
            policy: its `rejection` says how long a back-off lasts.
            now: the monotonic time.
            replay: the request was sent again after a 401. If its endpoint was subject to the back-off, the renewal
                helped, and the back-off ends.
            current: the request carried the current token.
        """
        if not self.is_on or now >= self._ends_at(policy):
            return self.at(policy, now)._ended(now) if self.is_on or ((replay or current) and self.token) else self
        standing = self.endpoints.get(endpoint)
        if replay and (standing is None or not standing.accepts):
            return self._ended(now)
        renewed = Standing() if standing is None else standing.accepting()
        if renewed is standing and not (current and self.unconfirmed):
            return self
        return replace(self, endpoints=self._with(endpoint, renewed), unconfirmed=0 if current else self.unconfirmed)

    def at(self, policy: RefreshPolicy, now: float) -> UnauthorizedBackoff:
        """Return what is known at `now`: the budget grows, and a back-off ends without 401s in the longest pause."""
        earned = max(0.0, now - self.budget_at) * _EARNED
        known = replace(self, budget=min(_BUDGET, self.budget + earned), budget_at=now)
        return known._ended(now) if self.is_on and now >= self._ends_at(policy) else known

    def _ends_at(self, policy: RefreshPolicy) -> float:
        return self.until + policy.unauthorized_backoff.cap

    def _ended(self, now: float) -> UnauthorizedBackoff:
        known = replace(self, failures=0, token=None, until=LONG_AGO, unconfirmed=0)
        return replace(known, before=self.failures, ended_at=now) if self.is_on else known

    def _failing(self, token: Token | None, policy: RefreshPolicy, now: float) -> UnauthorizedBackoff:
        failures = self.failures
        if not self.is_on and now < self.ended_at + _RESUMES:
            failures = min(self.before, _MOST_RESUMED - 1)
        until = now + policy.unauthorized_backoff.delay(failures + 1)
        return replace(self, failures=failures + 1, token=token, until=max(self.until, until))

    def _believes(self, standing: Standing, now: float) -> bool:
        """Whether a 401 from an endpoint that accepted a token is about the token."""
        if not standing.accepts or now < standing.not_before:
            return False
        if standing.is_steady:
            return self.unconfirmed < 2 * _UNCONFIRMED and self.budget >= 1.0
        return self.unconfirmed < _UNCONFIRMED and self.budget >= 1.0 + _RESERVE

    def _with(self, endpoint: str, standing: Standing) -> Mapping[str, Standing]:
        """Return the accepting endpoints with this one as the latest. The oldest that is not steady makes room."""
        found = {name: each for name, each in self.endpoints.items() if name != endpoint}
        if len(found) >= _ENDPOINTS:
            del found[next((name for name, each in found.items() if not each.is_steady), next(iter(found)))]
        found[endpoint] = standing
        return found


NO_BACKOFF = UnauthorizedBackoff()
"""The initial state."""


def endpoint_of(method: str | None, url: str) -> str:
    """Return the name of an endpoint: method, origin and path, without user, query and fragment."""
    scheme, _, rest = url.partition("#")[0].partition("?")[0].partition("://")
    authority, slash, path = rest.partition("/")
    name = f"{method or 'GET'} {scheme}://{authority.rpartition('@')[2]}{slash}{path}"
    if len(name) <= _LONGEST:
        return name
    digest = blake2s(name.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
    return f"{name[:_LONGEST]}...{digest}"
