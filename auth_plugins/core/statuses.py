"""The HTTP statuses that mean the same for every provider and are never passed to `Provider.read`."""

from __future__ import annotations

from .answers import Answer, retry_after
from .errors import AuthError, InvalidTokenResponse, TokenEndpointUnavailable

__all__ = ["error_for_status"]

_RETRYABLE = {408: "gave up waiting for the call", 425: "was called too early", 429: "was called too often"}
"""Retryable 4xx statuses that intermediaries send, too (RFC 9110, section 15.5.9; RFC 8470, 5.2; RFC 6585, 4)."""

_INTERMEDIARY = {
    407: ("A proxy before the token endpoint requires credentials", "Put them into the proxy's URL."),
    451: ("The token endpoint is blocked for legal reasons", "Ask who runs the network, or the provider."),
}
"""4xx statuses that are never about the credentials of a token call (RFC 9110, section 15.5.8; RFC 7725)."""


def error_for_status(answer: Answer) -> AuthError | None:
    """Return the error for a status that means the same for every provider, or `None`.

    These are retryable failures (408, 425, 429, 5xx), intermediaries (407, 451, 511) and statuses that a token endpoint
    does not send (1xx, 3xx).
    """
    status = answer.status
    if status in _INTERMEDIARY:
        what, hint = _INTERMEDIARY[status]
        blocked = answer.error(TokenEndpointUnavailable, what, hint=hint)
        blocked.from_intermediary = True
        return blocked
    if status in _RETRYABLE or status >= 500:
        what = f"The token endpoint {_RETRYABLE.get(status, 'failed')}"
        asked = retry_after(answer.response, answer.sent_at)
        failed = answer.error(TokenEndpointUnavailable, what, retry_after=asked)
        failed.from_intermediary = status == 511  # RFC 6585, section 6: an origin server never sends it.
        return failed
    if not 200 <= status < 300 and not 400 <= status < 500:
        hint = "Check the endpoint's URL: a token call is never redirected, since it carries credentials."
        moved = answer.error(InvalidTokenResponse, "The answer is not from a token endpoint", hint=hint)
        moved.from_intermediary = True
        return moved
    return None
