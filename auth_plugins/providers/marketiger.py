"""Marketiger 3D, API v2 (https://docs.marketiger3d.com, the pages Login, RefreshToken and Error handling).

A refresh token renews the access token beside it, for twelve hours; then one logs in again. Each renewal brings a new
pair.
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
    check_text,
    check_url,
    is_token,
    json_object,
    jwt_claims,
    role,
)

__all__ = ["MarketigerAuth", "MarketigerContract"]

REFRESH_LIFETIME = 43_200.0
"""Seconds that a refresh token lives, from its issue: "Refresh tokens expire after 12 hours"."""
ASSUMED_LIFETIME = 900.0
"""Seconds. The pages do not say how long an access token lives; this is for one that does not say so either."""
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
    """What Marketiger's token endpoints take and answer, for one user, or for one pair of tokens, or for both."""

    email: str | None = field(default=None, repr=False, metadata=role("session"))
    password: str | None = field(default=None, repr=False)
    base_url: str = field(default="https://devapi.marketiger3d.com/v2", metadata=role("server"))
    access_token: str | None = field(default=None, repr=False)
    """Where to begin, together with `refresh_token`; `None`: by logging in."""
    refresh_token: str | None = field(default=None, repr=False)
    assumed_lifetime: float = field(default=ASSUMED_LIFETIME, metadata=role("tuning"))
    """Seconds, for an access token that does not say when it ends."""

    name = "marketiger"
    rotates = True

    @property
    def can_login(self) -> bool:
        """Whether there are an e-mail address and a password."""
        return self.email is not None and self.password is not None

    def initial_token(self) -> Token | None:
        """Give the pair that was brought along; an access token that does not say when it ends is renewed at once."""
        if self.access_token is None or self.refresh_token is None:
            return None
        claims = jwt_claims(self.access_token)
        issued_at, expires_at = as_number(claims.get("iat")), as_number(claims.get("exp"))
        return Token(
            access_token=self.access_token,
            issued_at=LONG_AGO if issued_at is None else issued_at,
            expires_at=LONG_AGO if expires_at is None else expires_at,
            refresh_token=self.refresh_token,
            # Since when it is there nobody knows: one tries.
            refreshable_until=math.inf,
        )

    def login(self) -> TokenRequest:
        """Exchange e-mail address and password for a pair of tokens."""
        body = {"email": self.email, "password": self.password}
        return self._call(Purpose.LOGIN, "Login", body, None, self.password)

    def refresh(self, token: Token, now: float) -> TokenRequest:
        """Exchange a pair of tokens for a new one; the access token may have ended."""
        body = {"accessToken": token.access_token, "refreshToken": token.refresh_token}
        return self._call(Purpose.REFRESH, "RefreshToken", body, token, *body.values())

    def revoke(self, token: Token) -> TokenRequest | None:
        """Give `None`: no page tells how a token could be ended."""
        return None

    def _call(
        self, grant: Purpose, path: str, body: Mapping[str, str | None], token: Token | None, *secrets: str | None
    ) -> TokenRequest:
        url = f"{self.base_url}/Auth/{path}"
        return TokenRequest.json(grant, url, body, token=token, secrets=filter(None, secrets))

    def read(self, answer: Answer, now: float) -> Token:
        """Read `data` of a success; or return whose fault the refusal is."""
        if answer.status >= 400 or answer.json.get("success") is False:
            raise _refused(answer)
        data, before = as_mapping(answer.json.get("data")), answer.request.token
        access_token, refresh_token = data.get("accessToken"), data.get("refreshToken")
        if not is_token(access_token):
            raise answer.unrecognized(hint=_NO_ENDPOINT)
        refreshable_until = now + REFRESH_LIFETIME
        if not isinstance(refresh_token, str) or not refresh_token:
            # A login may answer without. Where a refresh does, the old one may still be good, to its own end.
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
        """Seconds from `now`: `exp` - `iat`, which no wrong clock can falsify, before `exp`, before the assumed one.

        A new token has not ended: what says so was told by a wrong clock, and is not believed.
        """
        claims = jwt_claims(access_token)
        end, begin = as_number(claims.get("exp")), as_number(claims.get("iat"))
        said = [] if end is None else [end - now] if begin is None else [end - begin, end - now]
        return min(next((each for each in said if each > 0), self.assumed_lifetime), MAX_LIFETIME)

    def error_info(self, response: TokenResponse) -> ErrorInfo:
        """Find type and message; a type that comes as a number is given by its name."""
        error = as_mapping(json_object(response).get("error"))
        kind = as_text(error.get("type"))
        return ErrorInfo(code=_TYPES.get(kind or "", kind), message=as_text(error.get("message")))

    def headers(self, token: Token) -> Mapping[str, str]:
        """Carry the token as `Authorization: Bearer`."""
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
    "NO_PERMISSION": "The account may not use the API: ask Marketiger, or whoever manages your projects there.",
}


class MarketigerAuth(TokenAuth):
    """Marketiger 3D, API v2: `session.auth = MarketigerAuth(email, password)`.

    Begins with a login, or with a pair of tokens that came from one elsewhere. With the pair alone one has to log in
    again (`LoginRequired`) when the refresh token has ended, twelve hours after the last renewal at the latest.

    Args:
        email: of the account; any characters but blanks.
        password: any characters that can be written, blanks too. Both or none.
        base_url: where the API is; the token goes to its origin and to no other.
        access_token: the newest one. Both or none.
        refresh_token: the one that came with it.
        assumed_lifetime: seconds, for access tokens that do not say when they end; a 401 corrects it.
        options: see `auth_plugins.auth.Options`.

    Raises:
        TypeError: an argument is of a wrong type.
        ValueError: an argument is out of range or missing. Neither text shows a value.
    """

    def __init__(
        self,
        email: str | None = None,
        password: str | None = None,
        *,
        base_url: str = "https://devapi.marketiger3d.com/v2",
        access_token: str | None = None,
        refresh_token: str | None = None,
        assumed_lifetime: float = ASSUMED_LIFETIME,
        **options: Unpack[Options],
    ) -> None:
        login = _both("email", email, "password", password)
        pair = _both("access_token", access_token, "refresh_token", refresh_token)
        if not login and not pair:
            raise ValueError("email and password are missing, and so are access_token and refresh_token")
        if login:
            check_json_text("email", email, blanks=False)
            check_json_text("password", password)
        if pair:
            check_text("access_token", access_token, at_most=MAX_TOKEN_LENGTH)
            check_json_text("refresh_token", refresh_token, blanks=False, at_most=MAX_TOKEN_LENGTH)
        url = check_url("base_url", base_url, allow_http=True)
        assumed = check_seconds("assumed_lifetime", assumed_lifetime, above_zero=True)
        contract = MarketigerContract(email, password, url, access_token, refresh_token, assumed)
        super().__init__(contract, **options)


def _both(one: str, first: object, other: str, second: object) -> bool:
    """Whether both arguments are there; they come together or not at all."""
    if (first is None) != (second is None):
        missing, there = (one, other) if first is None else (other, one)
        raise ValueError(f"{missing} is missing: it is needed together with {there}")
    return first is not None
