"""What an author of a provider writes: a frozen dataclass that answers these questions, and does nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

from .answers import Answer, ErrorInfo
from .token import Token
from .wire import TokenRequest, TokenResponse

__all__ = ["Provider", "bearer"]


@runtime_checkable
class Provider(Protocol):
    """One provider's contract, for one set of credentials: pure, a frozen dataclass, secrets `repr=False`.

    It never does I/O, never reads a clock, never keeps anything. Its fields are its identity: objects whose
    fields are equal share one token, and a field that differs, a secret too, means another one; a field that has
    another `role` says so in its metadata.
    """

    @property
    def name(self) -> str:
        """The provider's name, for events and messages."""

    @property
    def base_url(self) -> str:
        """The URL whose origin gets the token, unless `origins=` adds others."""

    @property
    def can_login(self) -> bool:
        """Whether there are credentials to log in with."""

    @property
    def rotates(self) -> bool:
        """Whether a renewal uses up what it renews, so that two at once end the session.

        Such a token is never renewed while the store that shares it is out of order.
        """

    def initial_token(self) -> Token | None:
        """Give the token that the user brought along, if any: it is where one begins, until there is a newer one."""

    def login(self) -> TokenRequest:
        """Make the call that brings a token for the credentials; never called unless `can_login`."""

    def refresh(self, token: Token, now: float) -> TokenRequest:
        """Make the call that renews `token`; never called unless the token says that it is refreshable."""

    def revoke(self, token: Token) -> TokenRequest | None:
        """Make the call that ends `token`; `None` if the provider has none."""

    def read(self, answer: Answer, now: float) -> Token:
        """Read the answer to a login or a refresh that was sent at `now`.

        Called for 2xx and 4xx except 407, 408, 425, 429 and 451, which are handled before.

        Raises:
            CredentialsRejected: a login was refused, in the provider's own words.
            LoginRequired: a refresh was refused, in the provider's own words, or brought less than the token it renews.
            TokenEndpointUnavailable, InvalidTokenResponse: anything else, see `Answer.unrecognized`. A 2xx alone is
                not success: there must be a token.
        """

    def error_info(self, response: TokenResponse) -> ErrorInfo:
        """Find the provider's own words in any error answer; never raises."""

    def headers(self, token: Token) -> Mapping[str, str]:
        """Give the headers that carry `token` on a request."""


def bearer(token: Token) -> dict[str, str]:
    """Carry a token as RFC 6750, section 2.1, has it."""
    return {"Authorization": f"Bearer {token.access_token}"}
