"""The interface of a provider: a frozen dataclass that describes token calls and reads their answers, without I/O."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

from .answers import Answer, ErrorInfo
from .token import Token
from .wire import TokenRequest, TokenResponse

__all__ = ["Provider", "bearer"]


@runtime_checkable
class Provider(Protocol):
    """The contract of one provider for one set of credentials: a frozen dataclass, whose secrets are `repr=False`.

    Its methods are pure: they do no I/O, read no clock and keep no state. The fields are the contract's identity:
    contracts with equal fields share a token, and a different value in any field, a secret too, means another token. A
    field whose `role` is not `credential` states the role in its metadata (see `role`).

    A contract may also have an attribute `refresh_grace`: the seconds for which the server answers a repeated refresh
    with the same refresh token.
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
        """Whether a renewal uses up the refresh token, so that two renewals with the same one may end the session.

        Such a token is never renewed while its store fails.
        """

    def initial_token(self) -> Token | None:
        """Return the token that the user supplied, or `None`. It is used until the store has a newer one."""

    def login(self) -> TokenRequest:
        """Return the call that exchanges the credentials for a token. Called only if `can_login`."""

    def refresh(self, token: Token, now: float) -> TokenRequest:
        """Return the call that renews `token`. Called only while `token.refreshable(now)`."""

    def revoke(self, token: Token) -> TokenRequest | None:
        """Return the call that revokes `token`, or `None` if the provider has no such call. Called by a logout."""

    def read(self, answer: Answer, now: float) -> Token:
        """Return the token in the answer to a login or a refresh that was sent at `now` (seconds since the epoch).

        Called for 2xx and 4xx except 407, 408, 425, 429 and 451, which are handled before.

        Raises:
            CredentialsRejected: the answer is the provider's documented refusal of a login.
            LoginRequired: the answer is the provider's documented refusal of a refresh, or the new token can do less
                than the renewed one, such as a token that lost scopes.
            TokenEndpointUnavailable, InvalidTokenResponse: the answer is anything else, see `Answer.unrecognized`. A
                2xx without a token is not a success.
        """

    def error_info(self, response: TokenResponse) -> ErrorInfo:
        """Return the provider's error code, message and request id in any answer. Never raises."""

    def headers(self, token: Token) -> Mapping[str, str]:
        """Return the headers that carry `token` on a request."""


def bearer(token: Token) -> dict[str, str]:
    """Return the `Authorization: Bearer` header of RFC 6750, section 2.1."""
    return {"Authorization": f"Bearer {token.access_token}"}
