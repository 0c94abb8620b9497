"""The interface through which the engine makes token calls with an HTTP library."""

from __future__ import annotations

from typing import Protocol

from ..core.policy import RefreshPolicy
from ..core.wire import TokenRequest, TokenResponse

__all__ = ["TokenTransport"]


class TokenTransport(Protocol):
    """Sends token calls to a token endpoint."""

    def send(self, request: TokenRequest, policy: RefreshPolicy, deadline: float) -> TokenResponse:
        """POST the request once, follow no redirect, and read the whole answer within `deadline` seconds.

        The time-outs of the steps and the limit of the answer's length are those of `policy`. Its own deadline is that
        of a request, of which less may be left.

        No error carries an exception of the library: its frames hold the request, and so the credentials.

        Raises:
            TokenEndpointUnavailable: there was no complete answer.
            InvalidTokenResponse: the answer is larger than the policy allows, or cannot be decoded.
            ConfigurationError: a setting of this machine, such as a proxy, kept the call from being sent.
        """
