"""What carries a token call: the one thing the source asks of an HTTP library."""

from __future__ import annotations

from typing import Protocol

from ..core.policy import RefreshPolicy
from ..core.wire import TokenRequest, TokenResponse

__all__ = ["TokenTransport"]


class TokenTransport(Protocol):
    """A way to a token endpoint, apart from the user's own client."""

    def send(self, request: TokenRequest, policy: RefreshPolicy) -> TokenResponse:
        """POST once, follow no redirect, and read the whole answer within the policy's limits.

        Raises:
            TokenEndpointUnavailable: there was no whole answer. It carries no exception of the library: those
                hold the request in their frames, and with it the credentials.
            InvalidTokenResponse: the answer was larger than the policy allows.
        """
