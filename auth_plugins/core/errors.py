"""The exceptions, by who has to act.

    AuthError
    |- CredentialsRejected       yours: wrong or inactive credentials
    |- LoginRequired             yours: the refresh token is dead and there is nothing to log in with
    |- TokenEndpointUnavailable  theirs: refused, time-out, 5xx, 429
    |- InvalidTokenResponse      theirs: the answer contradicts the provider's own documentation
    |- ConfigurationError        yours: a setting of this machine, found before anything was sent
    `- StoreError                yours: the store that keeps the tokens failed

An adapter of an HTTP library raises errors that are also that library's exceptions; see `auth_plugins.clients.errors`.
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
    """No token could be obtained.

    The text, the attributes and the pickle of an error contain no secret. An error has no cause or context, because
    an HTTP library's exception keeps the request, and with it the credentials, in its frames.
    """

    code: ClassVar[str] = "auth_error"
    """The kind of the error, short and stable: for dashboards and for `match`."""
    default_hint: ClassVar[str] = "Look at provider_code and provider_message."
    remembered: bool = False
    """Whether no call was made for it: it is the failure of an earlier call, and `retry_after` is what is left."""
    from_intermediary: bool = False
    """Whether an intermediary sent the answer. No login follows such an error."""
    unsent: bool = False
    """Whether the call certainly did not reach the token endpoint: the connection failed."""

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
        """The provider's message, shortened, with `***` in place of every secret of the request."""
        self.request_id = request_id
        """The provider's id of the call, which its support will ask for."""
        self.retry_after = retry_after
        """Seconds until the next call, as the provider asked; for a remembered failure, the seconds that remain."""

    def details(self) -> dict[str, Any]:
        """Return the keyword arguments from which an equal error can be made."""
        names = ("hint", "status", "provider_code", "provider_message", "request_id", "retry_after")
        return {name: getattr(self, name) for name in names}

    def clone(self) -> Self:
        """Return an equal error without a traceback: the same failure may be raised in many threads."""
        made = type(self)(self.message, **self.details())
        made.from_intermediary, made.remembered, made.unsent = self.from_intermediary, self.remembered, self.unsent
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

    The failure is remembered: until `RefreshPolicy.credentials_backoff` ends, requests without a valid
    token fail at once, without a token call.
    """

    code = "credentials_rejected"
    default_hint = "Check the credentials, and that they belong to this endpoint."


class LoginRequired(AuthError):
    """The token cannot be renewed any more, and there are no credentials to log in with.

    The failure is remembered, as `CredentialsRejected` is.
    """

    code = "login_required"
    default_hint = "Log in again and make a new auth object from the new tokens."


class TokenEndpointUnavailable(AuthError):
    """The token endpoint could not be reached, did not answer in time, or asked for a pause.

    The failure is remembered for the time that the endpoint asked for; without such a time for
    `RefreshPolicy.outage_backoff`, from the second failure in a row on.
    """

    code = "token_endpoint_unavailable"
    default_hint = "Try again later."


class InvalidTokenResponse(AuthError):
    """The token endpoint's answer contradicts the provider's documentation.

    The failure is remembered, as `TokenEndpointUnavailable` is.
    """

    code = "invalid_token_response"
    default_hint = "Check the endpoint's URL; if it is right, the provider changed its API or is out of order."


class ConfigurationError(AuthError):
    """A setting of this machine prevents a token call: a CA file, a proxy URL, a missing package.

    The failure is not remembered: nothing was sent, so the next request may try again at once.
    """

    code = "configuration_error"
    default_hint = "Correct the setting that the message names."


class StoreError(AuthError):
    """The file, key-ring or server that keeps the tokens failed."""

    code = "store_error"
    default_hint = "Look at the store: its place, its permissions, its connection."
