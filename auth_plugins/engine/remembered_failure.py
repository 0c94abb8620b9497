"""A failed renewal that is remembered: how long no token call is made, and what requests raise meanwhile."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

from ..core.errors import AuthError, CredentialsRejected, InvalidTokenResponse, LoginRequired, TokenEndpointUnavailable
from ..core.policy import RefreshPolicy

__all__ = ["RememberedFailure"]

_STORE_CHECK_INTERVAL = 1.0
"""Seconds between two reads of the store while no token call is allowed."""

_CREDENTIAL_ERRORS = (CredentialsRejected, LoginRequired)
_ENDPOINT_ERRORS = (TokenEndpointUnavailable, InvalidTokenResponse)


@dataclass(frozen=True, slots=True)
class RememberedFailure:
    """A failed renewal that is remembered. All times are by the monotonic clock, in seconds."""

    error: AuthError
    failures: int
    """Consecutive failures with the same cause: the credentials, or the endpoint."""
    no_early_renewal_before: float
    """No renewal starts in the background before this time."""
    no_call_before: float
    """No token call before this time; requests without a valid token fail at once."""
    next_store_check: float
    """When the store is next checked for a token that another process has saved meanwhile."""

    @classmethod
    def of(
        cls, error: AuthError, known: RememberedFailure | None, policy: RefreshPolicy, monotonic: float
    ) -> RememberedFailure:
        """Return the memory of `error`, which follows `known`, with the pauses that the policy provides."""
        failures = known.failures + 1 if known is not None and _side(known.error) is _side(error) else 1
        again = 0.0
        if _side(error) is _CREDENTIAL_ERRORS:
            again = policy.credentials_backoff.delay(failures)
        elif error.retry_after:
            again = min(error.retry_after, policy.retry_after_cap)
        elif _side(error) is _ENDPOINT_ERRORS and failures > 1:
            jitter_fraction = random.random()  # noqa: S311 - spreads a fleet's calls, guards nothing
            again = policy.outage_backoff.delay(failures - 1) * (1.0 - policy.jitter * jitter_fraction)
        early_again = max(again, policy.early_backoff.delay(failures))
        return cls(error, failures, monotonic + early_again, monotonic + again, monotonic + _STORE_CHECK_INTERVAL)

    def store_checked(self, monotonic: float) -> RememberedFailure:
        """Return the same memory after a check of the store."""
        return replace(self, next_store_check=monotonic + _STORE_CHECK_INTERVAL)

    def raised_again(self, monotonic: float) -> AuthError:
        """Return the error for a request for which no call is made. Its `retry_after` is the time left."""
        error = self.error.clone()
        error.retry_after, error.remembered = self.no_call_before - monotonic, True
        return error


def _side(error: AuthError) -> tuple[type[AuthError], ...] | None:
    """Return the errors with the same cause, the credentials or the endpoint; `None` for another cause (a store)."""
    return next((side for side in (_CREDENTIAL_ERRORS, _ENDPOINT_ERRORS) if isinstance(error, side)), None)
