"""What an author of a provider writes: a frozen dataclass that answers these questions, and does nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from .token import Token
from .wire import TokenRequest, TokenResponse

__all__ = ["Provider", "Said", "bearer"]


@dataclass(frozen=True, slots=True)
class Said:
    """The provider's own words in an error answer, as far as there are any."""

    code: str | None = None
    message: str | None = None
    request_id: str | None = None


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

    def given(self) -> Token | None:
        """Give the token that the user brought along, if any: it is where one begins, until there is a newer one."""

    def login(self) -> TokenRequest:
        """Make the call that brings a token for the credentials; never called unless `can_login`."""

    def refresh(self, token: Token, now: float) -> TokenRequest:
        """Make the call that renews `token`; never called unless the token says that it is refreshable."""

    def revoke(self, token: Token) -> TokenRequest | None:
        """Make the call that ends `token`; `None` if the provider has none."""

    def read(self, request: TokenRequest, response: TokenResponse, now: float) -> Token:
        """Read the answer to a login or a refresh that was sent at `now`.

        Called with 2xx and 4xx answers but 408, 425 and 429; the others are read by nobody.

        Raises:
            CredentialsRejected: a login was refused.
            LoginRequired: a refresh was refused, or brought less than the token it renews.
            InvalidTokenResponse: anything else. A 2xx alone is not success: there must be a token.
        """

    def said(self, response: TokenResponse) -> Said:
        """Find the provider's own words in any error answer; never raises."""

    def headers(self, token: Token) -> Mapping[str, str]:
        """Give the headers that carry `token` on a request."""


def bearer(token: Token) -> dict[str, str]:
    """Carry a token as RFC 6750, section 2.1, has it."""
    return {"Authorization": f"Bearer {token.access_token}"}
