"""What can go wrong, split by whose turn it is.

    AuthError
    |- CredentialsRejected       yours: wrong or inactive credentials
    |- LoginRequired             yours: the refresh token is dead and there is nothing to log in with
    |- TokenEndpointUnavailable  theirs: refused, time-out, 5xx, 429
    |- InvalidTokenResponse      nobody's: the answer contradicts the provider's own documentation
    |- ConfigurationError        yours: a setting of this machine, found before anything was sent
    `- StoreError                the place where tokens are kept failed

What a door raises is also its library's own exception; see `auth_plugins.clients.errors`.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar, Self

__all__ = [
    "AuthError",
    "ConfigurationError",
    "CredentialsRejected",
    "InvalidTokenResponse",
    "LoginRequired",
    "StoreError",
    "TokenEndpointUnavailable",
]


class AuthError(Exception):
    """A token could not be had.

    Its text, its attributes and its pickle hold no secret, and it carries no other exception: the
    ones an HTTP library raises keep the request, and with it the credentials, in their frames.
    """

    code: ClassVar[str] = "auth_error"
    """The kind of the error, short and stable: for dashboards and for `match`."""
    default_hint: ClassVar[str] = "Look at provider_code and provider_message."
    remembered: bool = False
    """Whether no call was made for it: it is the failure of an earlier call, and `retry_after` is what is left."""
    from_intermediary: bool = False
    """Whether the answer was not the provider's: no credentials are sent after it."""

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        status: int | None = None,
        provider_code: str | None = None,
        provider_message: str | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint or self.default_hint
        """What to do now, in one sentence."""
        self.status = status
        """The HTTP status of the token endpoint's answer, where there was one."""
        self.provider_code = provider_code
        """The provider's own code, literally."""
        self.provider_message = provider_message
        """The provider's own words, shortened, and with every secret of the request struck out."""
        self.request_id = request_id
        """The provider's name for the call: its support will ask for it."""
        self.retry_after = retry_after
        """Seconds until the next call: what the provider asked for; for a failure that is remembered, what is left."""

    def details(self) -> dict[str, Any]:
        """Give the keyword arguments that make this error again."""
        names = ("hint", "status", "provider_code", "provider_message", "request_id", "retry_after")
        return {name: getattr(self, name) for name in names}

    def clone(self) -> Self:
        """Make the same error without a traceback: one failure may be raised in many threads."""
        made = type(self)(self.message, **self.details())
        made.from_intermediary, made.remembered = self.from_intermediary, self.remembered
        return made

    def __str__(self) -> str:
        said = ": ".join(part for part in (self.provider_code, self.provider_message) if part)
        call = f" (request {self.request_id})" if self.request_id else ""
        return f"{self.message}{f' [{said}]' if said else ''}{call}{self._next_call()}. {self.hint}"

    def _next_call(self) -> str:
        if not self.retry_after:
            return ""
        seconds = math.ceil(min(self.retry_after, 1e9))
        if not self.remembered:
            return f" (retry after {seconds} s)"
        return f" (remembered; the next call is in {seconds} s; `auth.invalidate()` tries now)"

    def __reduce__(self) -> tuple[Any, ...]:
        return (_rebuild, (type(self), self.message, self.details(), self.remembered))


def _rebuild(kind: type[AuthError], message: str, details: dict[str, Any], remembered: bool = False) -> AuthError:
    made = kind(message, **details)
    made.remembered = remembered
    return made


class CredentialsRejected(AuthError):
    """The provider does not accept the credentials.

    Remembered: until a cool-down ends the next requests fail at once, without a call.
    """

    code = "credentials_rejected"
    default_hint = "Check the credentials, and that they belong to this base_url."


class LoginRequired(AuthError):
    """The token cannot be renewed any more, and there is nothing to log in with.

    Remembered, as `CredentialsRejected` is.
    """

    code = "login_required"
    default_hint = "Log in again and make a new auth object from the new tokens."


class TokenEndpointUnavailable(AuthError):
    """The token endpoint could not be reached, did not answer in time, or asked to be left alone.

    Remembered for as long as it asked; otherwise for a moment, from the second failure in a row on.
    """

    code = "token_endpoint_unavailable"
    default_hint = "Try again later."


class InvalidTokenResponse(AuthError):
    """The token endpoint's answer contradicts the provider's documentation.

    Remembered, as `TokenEndpointUnavailable` is.
    """

    code = "invalid_token_response"
    default_hint = "Check base_url; if it is right, the provider changed its API or is out of order."


class ConfigurationError(AuthError):
    """A setting of this machine keeps a token call from being sent: a CA file, a proxy URL, a missing package.

    Not remembered: nothing was sent, so that the next request may try again at once, and waiting would not help.
    """

    code = "configuration_error"
    default_hint = "Correct the setting that the message names."


class StoreError(AuthError):
    """The file, key-ring or server that keeps the tokens failed."""

    code = "store_error"
    default_hint = "Look at the store: its place, its permissions, its connection."
