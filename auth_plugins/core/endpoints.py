"""Endpoints of an API: their names, and what is known of those that have accepted a token."""

from __future__ import annotations

from dataclasses import dataclass, replace
from hashlib import blake2s

from .policy import RefreshPolicy
from .token import LONG_AGO

__all__ = ["Standing", "endpoint_of"]

_LONGEST = 200
"""Characters of an endpoint. Of a longer one, a digest stands for the rest."""
_STEADY = 8
"""Times in a row that an endpoint has accepted a token, from which on it draws on the reserve of the budget."""
_SETTLED = 30.0
"""Seconds after the pause of an endpoint after which its refusals are forgotten."""


def endpoint_of(method: str | None, url: str) -> str:
    """Return the name of an endpoint: method, origin and path, without user, query and fragment."""
    scheme, _, rest = url.partition("#")[0].partition("?")[0].partition("://")
    authority, slash, path = rest.partition("/")
    name = f"{method or 'GET'} {scheme}://{authority.rpartition('@')[2]}{slash}{path}"
    if len(name) <= _LONGEST:
        return name
    digest = blake2s(name.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
    return f"{name[:_LONGEST]}...{digest}"


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
