"""Marketiger 3D, API v2 (https://docs.marketiger3d.com, the pages Login, RefreshToken and Error handling).

A pair of access token and refresh token can be renewed for twelve hours, and each renewal returns a new pair. After
that a login is required.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Unpack

from ..auth import Options, TokenAuth
from ..core import (
    LONG_AGO,
    MAX_LIFETIME,
    MAX_TOKEN_LENGTH,
    Answer,
    AuthError,
    CredentialsRejected,
    ErrorInfo,
    LoginRequired,
    Purpose,
    Secret,
    Token,
    TokenEndpointUnavailable,
    TokenRequest,
    TokenResponse,
    as_mapping,
    as_number,
    as_text,
    bearer,
    check_json_text,
    check_seconds,
    check_secret,
    check_text,
    check_url,
    is_token,
    json_object,
    jwt_claims,
    role,
)

__all__ = ["MarketigerAuth", "MarketigerContract"]

REFRESH_LIFETIME = 43_200.0
"""Seconds. The documented lifetime of a refresh token: "Refresh tokens expire after 12 hours"."""
ASSUMED_LIFETIME = 900.0
"""Seconds. The lifetime of an access token without usable `exp`; the documentation does not state one."""
_TYPES = {
    "0": "NOT_FOUND",
    "1": "OPERATION_FAILED",
    "2": "AUTHENTICATION",
    "3": "INCORRECT_PARAMETERS",
    "4": "NO_PERMISSION",
    "5": "INCORRECT_PROJECT",
}


@dataclass(frozen=True, slots=True)
class MarketigerContract:
    """The contract of Marketiger's token endpoints, for a user, a pair of tokens, or both."""

    email: str | None = field(default=None, repr=False, metadata=role("session"))
    password: str | None = field(default=None, repr=False)
    base_url: str = field(default="https://devapi.marketiger3d.com/v2", metadata=role("server"))
    access_token: str | None = field(default=None, repr=False)
    """The first access token, together with `refresh_token`; `None`: the first token comes from a login."""
    refresh_token: str | None = field(default=None, repr=False)
    assumed_lifetime: float = field(default=ASSUMED_LIFETIME, metadata=role("tuning"))
    """Seconds. The lifetime of an access token that does not state when it expires."""

    name = "marketiger"
    rotates = True

    @property
    def can_login(self) -> bool:
        """Whether an e-mail address and a password were given."""
        return self.email is not None and self.password is not None

    def initial_token(self) -> Token | None:
        """Return the pair that the user supplied, or `None`. An access token without `exp` is renewed at once."""
        if self.access_token is None or self.refresh_token is None:
            return None
        claims = jwt_claims(self.access_token)
        issued_at, expires_at = as_number(claims.get("iat")), as_number(claims.get("exp"))
        return Token(
            access_token=self.access_token,
            issued_at=LONG_AGO if issued_at is None else issued_at,
            expires_at=LONG_AGO if expires_at is None else expires_at,
            refresh_token=self.refresh_token,
            # The age of the refresh token is unknown, so it is always tried.
            refreshable_until=math.inf,
        )

    def login(self) -> TokenRequest:
        """Return the call that exchanges e-mail address and password for a pair of tokens."""
        body = {"email": self.email, "password": self.password}
        return self._call(Purpose.LOGIN, "Login", body, None, self.password)

    def refresh(self, token: Token, now: float) -> TokenRequest:
        """Return the call that exchanges a pair of tokens for a new one. The access token may have expired."""
        body = {"accessToken": token.access_token, "refreshToken": token.refresh_token}
        return self._call(Purpose.REFRESH, "RefreshToken", body, token, *body.values())

    def revoke(self, token: Token) -> TokenRequest | None:
        """Return `None`: no revocation endpoint is documented."""
        return None

    def _call(
        self, grant: Purpose, path: str, body: Mapping[str, str | None], token: Token | None, *secrets: str | None
    ) -> TokenRequest:
        url = f"{self.base_url}/Auth/{path}"
        return TokenRequest.json(grant, url, body, token=token, secrets=filter(None, secrets))

    def read(self, answer: Answer, now: float) -> Token:
        """Return the token in `data` of a success, or raise the error that a refusal stands for."""
        if answer.status >= 400 or answer.json.get("success") is False:
            raise _refused(answer)
        data, before = as_mapping(answer.json.get("data")), answer.request.token
        access_token, refresh_token = data.get("accessToken"), data.get("refreshToken")
        if not is_token(access_token):
            raise answer.unrecognized(hint=_NO_ENDPOINT)
        refreshable_until = now + REFRESH_LIFETIME
        if not isinstance(refresh_token, str) or not refresh_token:
            # A login may omit the refresh token. If a refresh omits it, the old one may be valid until its own end.
            refresh_token = None if before is None else before.refresh_token
            refreshable_until = LONG_AGO if before is None else before.refreshable_until
        return Token(
            access_token=access_token,
            issued_at=now,
            expires_at=now + self._lifetime(access_token, now),
            refresh_token=refresh_token,
            refreshable_until=refreshable_until,
        )

    def _lifetime(self, access_token: str, now: float) -> float:
        """Return the lifetime in seconds: `exp - iat`, which depends on no clock, else `exp - now`, else the assumed.

        A value that is not positive is ignored: a new token cannot have expired, so a clock must be wrong.
        """
        claims = jwt_claims(access_token)
        end, begin = as_number(claims.get("exp")), as_number(claims.get("iat"))
        said = [] if end is None else [end - now] if begin is None else [end - begin, end - now]
        return min(next((each for each in said if each > 0), self.assumed_lifetime), MAX_LIFETIME)

    def error_info(self, response: TokenResponse) -> ErrorInfo:
        """Return the error's type as code, and its message. A numeric type is translated to its name."""
        error = as_mapping(json_object(response).get("error"))
        kind = as_text(error.get("type"))
        return ErrorInfo(code=_TYPES.get(kind or "", kind), message=as_text(error.get("message")))

    def headers(self, token: Token) -> Mapping[str, str]:
        """Return the header `Authorization: Bearer`."""
        return bearer(token)


def _refused(answer: Answer) -> AuthError:
    code = answer.error_info.code
    if answer.json.get("success") is not False and code not in _TYPES.values():
        return answer.unrecognized(hint=_NO_ENDPOINT)
    if answer.status in (404, 405) and code is None:
        return answer.unrecognized(hint=_NO_ENDPOINT)
    if code == "OPERATION_FAILED" or answer.status == 424:
        return answer.error(TokenEndpointUnavailable, "Marketiger could not answer")
    if answer.request.purpose is Purpose.REFRESH:
        return answer.error(LoginRequired, "Marketiger did not refresh the token")
    hint = _HINTS.get(code or "")
    return answer.error(CredentialsRejected, "Marketiger did not accept the credentials", hint=hint)


_NO_ENDPOINT = "Check base_url; if it is right, Marketiger changed its API or is out of order."
_HINTS = {
    "AUTHENTICATION": "Check email and password, and that the account is one of this base_url.",
    "INCORRECT_PARAMETERS": "Marketiger found email or password malformed: check both.",
    "NO_PERMISSION": "The account may not use the API: ask Marketiger or the manager of your projects.",
}


class MarketigerAuth(TokenAuth):
    """Marketiger 3D, API v2: `session.auth = MarketigerAuth(email, password)`.

    The first token comes from a login, or from a pair of tokens that the user supplies. With the pair alone, a new
    login is required (`LoginRequired`) when the refresh token expires, at most twelve hours after the last renewal.

    Args:
        email: the account's e-mail address, without blanks.
        password: the account's password, as a `Secret`; blanks are allowed. `email` and `password` go together.
        base_url: where the API is; the token goes to its origin and to no other.
        access_token: the newest access token, as a `Secret`; a function is called now. `access_token` and
            `refresh_token` go together.
        refresh_token: the refresh token that came with it, likewise.
        assumed_lifetime: seconds, for access tokens that do not state when they expire. If it is too long, a 401
            leads to a renewal.
        options: see `auth_plugins.auth.Options`.

    Raises:
        TypeError: an argument is of a wrong type.
        ValueError: an argument is out of range or missing. Neither text shows a value.
    """

    kind = "marketiger"
    env_prefix = "MARKETIGER_"

    def __init__(
        self,
        email: str | None = None,
        password: Secret | None = None,
        *,
        base_url: str = "https://devapi.marketiger3d.com/v2",
        access_token: Secret | None = None,
        refresh_token: Secret | None = None,
        assumed_lifetime: float = ASSUMED_LIFETIME,
        **options: Unpack[Options],
    ) -> None:
        login = _both("email", email, "password", password)
        pair = _both("access_token", access_token, "refresh_token", refresh_token)
        if not login and not pair:
            raise ValueError("email and password are missing, and so are access_token and refresh_token")
        if login:
            check_json_text("email", email, blanks=False)
        secret = check_secret("password", password, check_json_text) if login else None
        access, renewal = _pair(access_token, refresh_token) if pair else (None, None)
        url = check_url("base_url", base_url, allow_http=True)
        assumed = check_seconds("assumed_lifetime", assumed_lifetime, above_zero=True)
        contract = MarketigerContract(email, secret, url, access, renewal, assumed)
        super().__init__(contract, **options)


def _pair(access_token: object, refresh_token: object) -> tuple[str, str]:
    size = MAX_TOKEN_LENGTH
    access = check_secret("access_token", access_token, check_text, at_once=True, at_most=size)
    limits = {"blanks": False, "at_most": size}
    return access, check_secret("refresh_token", refresh_token, check_json_text, at_once=True, **limits)


def _both(one: str, first: object, other: str, second: object) -> bool:
    """Return whether both arguments are given.

    Raises:
        ValueError: only one of them is given.
    """
    if (first is None) != (second is None):
        missing, there = (one, other) if first is None else (other, one)
        raise ValueError(f"{missing} is missing: it is needed together with {there}")
    return first is not None
