"""What a failed refresh says about the refresh token.

If its answer was lost, the server may have replaced the refresh token, and only the answer has the new one. The token
that is refreshed is saved with a mark before the call, so that the mark outlives this process, and without it if the
answer was not lost. A later `LoginRequired` then names the cause.
"""

from __future__ import annotations

from dataclasses import replace

from ..core.decision import is_lost
from ..core.errors import (
    AuthError,
    ConfigurationError,
    CredentialsRejected,
    InvalidTokenResponse,
    LoginRequired,
    TokenEndpointUnavailable,
)
from ..core.provider import Provider
from ..core.token import Token
from .shared_state import SharedState

__all__ = ["grace_of", "keep_retry_after", "left_untouched", "mark_lost", "marked", "name_lost"]

_CAUSE = "the answer to an earlier refresh was lost, and may have held the next refresh token"


def marked(token: Token) -> Token:
    """Return the same token with the mark."""
    return replace(token, answer_lost=True)


def mark_lost(shared: SharedState, refreshed: Token, failure: AuthError) -> Token:
    """Return the token whose refresh failed. It is marked, as is the current token, if the answer was lost."""
    if not is_lost(failure):
        return refreshed
    with shared.lock:
        if shared.snapshot.token == refreshed:
            shared.snapshot = replace(shared.snapshot, token=marked(refreshed))
    return marked(refreshed)


def name_lost(failure: AuthError, token: Token | None) -> AuthError:
    """Return `failure`; if a login is required and the answer to a refresh of `token` was lost, it says so."""
    if not isinstance(failure, LoginRequired) or token is None or not token.answer_lost:
        return failure
    named = LoginRequired(f"{failure.message}: {_CAUSE}", **failure.details())
    named.from_intermediary = failure.from_intermediary
    return named


def grace_of(provider: Provider) -> float:
    """Return for how many seconds the server answers a repeated refresh; 0: it may end the session instead."""
    return float(getattr(provider, "refresh_grace", 0.0))


def left_untouched(failure: AuthError) -> bool:
    """Whether a refresh that failed so cannot have used the refresh token up."""
    return isinstance(failure, (CredentialsRejected, ConfigurationError)) or failure.from_intermediary


def keep_retry_after(failure: AuthError, before: AuthError | None) -> AuthError:
    """Keep the `retry_after` of the failure before, in the same renewal, if it is longer."""
    asked = before.retry_after if before is not None else None
    if asked and isinstance(failure, (TokenEndpointUnavailable, InvalidTokenResponse)):
        failure.retry_after = max(asked, failure.retry_after or 0.0)
    return failure
