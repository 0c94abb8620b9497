"""The back-off between renewals on a 401, while the API answers 401 to new tokens as well."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..core.policy import RefreshPolicy
from ..core.token import LONG_AGO, Token

__all__ = ["NO_BACKOFF", "UnauthorizedBackoff"]


@dataclass(frozen=True, slots=True)
class UnauthorizedBackoff:
    """Consecutive renewals on a 401 that did not help. Each token counts once, however many requests report it."""

    count: int = 0
    token: Token | None = None
    """The last token that did not help."""
    until: float = LONG_AGO
    """No token is renewed on a 401 before this time, by the monotonic clock."""

    def failed(self, token: Token | None, policy: RefreshPolicy, monotonic: float) -> UnauthorizedBackoff:
        """Count a token that did not help."""
        if token is None or token is self.token:
            return self
        count = self.count + 1
        return UnauthorizedBackoff(count, token, monotonic + policy.unauthorized_backoff.delay(count))

    def excusing(self, token: Token | None) -> UnauthorizedBackoff:
        """Do not count the next 401 for a token whose first request got no answer.

        This holds for one token in a row: an API that breaks off every replay would otherwise cause a renewal for each
        request.
        """
        return replace(self, token=token) if self.token is None else self


NO_BACKOFF = UnauthorizedBackoff()
"""The initial state, and the state after a renewal on a 401 that has helped."""
