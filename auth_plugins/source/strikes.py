"""Renewals on a 401 that did not help, and the pause that they earn: the fault is then not the token's."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..core.policy import RefreshPolicy
from ..core.token import LONG_AGO, Token

__all__ = ["NO_STRIKES", "Strikes"]


@dataclass(frozen=True, slots=True)
class Strikes:
    """How many there were in a row. A token that was fetched on a 401 and got a 401 counts once, whoever reports it."""

    count: int = 0
    token: Token | None = None
    """The latest that did not help."""
    until: float = LONG_AGO
    """By the steady clock: no token is renewed on a 401 before this."""

    def with_one_for(self, token: Token | None, policy: RefreshPolicy, tick: float) -> Strikes:
        """Count a token that did not help."""
        if token is None or token is self.token:
            return self
        count = self.count + 1
        return Strikes(count, token, tick + policy.rejection.delay(count))

    def excusing(self, token: Token | None) -> Strikes:
        """Do not count the next 401 for a token whose first request got no answer.

        This holds for one token in a row: an API that breaks off every replay would otherwise cause a renewal for each
        request.
        """
        return replace(self, token=token) if self.token is None else self


NO_STRIKES = Strikes()
"""None yet; and again none once a renewal on a 401 has helped."""
