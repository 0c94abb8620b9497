"""The contract of Vault's token endpoint. Partner id and grant type are headers."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ...core import (
    LONG_AGO,
    MAX_LIFETIME,
    NO_EXTRA,
    Answer,
    AuthError,
    CredentialsRejected,
    ErrorInfo,
    InvalidTokenResponse,
    LoginRequired,
    Purpose,
    Token,
    TokenRequest,
    TokenResponse,
    as_number,
    as_text,
    bearer,
    is_token,
    json_object,
    jwt_claims,
    role,
)

__all__ = ["ASSUMED_LIFETIME", "RESERVED_FIELDS", "VaultContract"]

ASSUMED_LIFETIME = 3600.0
"""Seconds, for an answer without `expires_in`. The documentation's text says 24 hours, its example one hour."""
CODE_LIFETIME = 300.0
"""Seconds for which a confirmation code is valid (docs/forgot-password). Until then no login asks for another code."""
UNCLEAR_PAUSE = 300.0
"""Seconds without a login after a login was answered by JSON in an undocumented shape."""
_CODE = re.compile("[a-z]+(_[a-z]+)*|[A-Z]+(_[A-Z]+)+")
RESERVED_FIELDS = ("email", "password", "refreshToken")
_REFUSALS = ("invalid_grant", "invalid_request", "UNAUTHORIZED")


@dataclass(frozen=True, slots=True)
class VaultContract:
    """The contract of Vault's token endpoint, for one user of one partner."""

    partner_id: int = field(metadata=role("session"))
    base_url: str = field(metadata=role("server"))
    email: str | None = field(default=None, metadata=role("session"))
    password: str | None = field(default=None, repr=False)
    refresh_token: str | None = field(default=None, repr=False)
    access_token: str | None = field(default=None, repr=False)
    """The access token that the user supplied, if any."""
    token_path: str = "/v1/auth/token"  # noqa: S105 - a path
    extra_body: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    """Further members of the body of a login."""
    assumed_lifetime: float = field(default=ASSUMED_LIFETIME, metadata=role("tuning"))
    """Seconds, for an answer without `expires_in`."""

    name = "vault"
    rotates = True  # Refresh tokens may rotate: the documentation leaves it open.

    @property
    def can_login(self) -> bool:
        """Whether an email and a password were given."""
        return self.email is not None and self.password is not None

    def initial_token(self) -> Token | None:
        """Return the tokens that the user supplied, or `None`. A refresh token alone is renewed at once.

        An access token without `exp` is used until a 401, because its age is unknown.
        """
        if self.refresh_token is None and self.access_token is None:
            return None
        issued_at, expires_at = _life(self.access_token)
        return Token(
            access_token=self.access_token or "",
            issued_at=issued_at,
            expires_at=expires_at,
            refresh_token=self.refresh_token,
            refreshable_until=LONG_AGO if self.refresh_token is None else math.inf,
        )

    def login(self) -> TokenRequest:
        """Return the call that exchanges email and password for a token (`password_email`)."""
        body = {"email": self.email, "password": self.password, **dict(self.extra_body)}
        secrets = [self.password, *(value for _, value in self.extra_body)]
        return self._call(Purpose.LOGIN, "password_email", body, secrets)

    def refresh(self, token: Token, now: float) -> TokenRequest:
        """Return the call that exchanges the refresh token for a new token (`refresh_token`)."""
        secrets = [token.refresh_token, token.access_token]
        return self._call(Purpose.REFRESH, "refresh_token", {"refreshToken": token.refresh_token}, secrets, token)

    def revoke(self, token: Token) -> TokenRequest | None:
        """Return `None`: Vault has no revocation endpoint."""
        return None

    def _call(
        self, grant: Purpose, kind: str, body: Mapping[str, Any], secrets: list[str | None], token: Token | None = None
    ) -> TokenRequest:
        headers, url = {"partnerId": str(self.partner_id), "grantType": kind}, f"{self.base_url}{self.token_path}"
        return TokenRequest.json(grant, url, body, headers=headers, token=token, secrets=filter(None, secrets))

    def read(self, answer: Answer, now: float) -> Token:
        """Return the token in a successful answer, or raise the error that a refusal stands for."""
        fields, before = answer.json, answer.request.token
        access_token, kind = fields.get("access_token"), fields.get("token_type", "Bearer")
        if answer.status >= 400 or (not access_token and _is_vaults(answer)):
            raise _refused(answer)
        if not is_token(access_token) or not isinstance(kind, str) or kind.lower() != "bearer":
            raise _without_token(answer)
        lifetime = as_number(fields.get("expires_in"))
        assumed = self.assumed_lifetime if lifetime is None else lifetime
        expires_at = now + min(max(assumed, 0.0), MAX_LIFETIME)
        # A new refresh token is returned "if applicable", the user's id after a login only. The old ones stay valid.
        refresh_token, extra = (None, NO_EXTRA) if before is None else (before.refresh_token, before.extra)
        user_id, newer = as_text(fields.get("user_id")), fields.get("refresh_token")
        if is_token(newer):
            refresh_token = newer
        return Token(
            access_token=access_token,
            issued_at=now,
            expires_at=expires_at,
            refresh_token=refresh_token,
            # No end of refresh tokens is stated, so they are always tried.
            refreshable_until=LONG_AGO if refresh_token is None else math.inf,
            extra=extra if user_id is None else {**extra, "user_id": user_id},
        )

    def error_info(self, response: TokenResponse) -> ErrorInfo:
        """Return code, message and request id from either of the two shapes of Vault's errors."""
        answer = json_object(response)
        listed, trace = answer.get("errors"), as_text(answer.get("traceId"))
        words = [as_text(answer.get("error_description")) or as_text(answer.get("message"))]
        words += [each for each in listed if isinstance(each, str)] if isinstance(listed, list) else []
        if trace is None or "unavailable" in trace.lower():
            trace = as_text(response.headers.get("x-request-id"))
        code = as_text(answer.get("error")) or as_text(answer.get("status"))
        return ErrorInfo(code, "; ".join(filter(None, words)) or None, trace)

    def headers(self, token: Token) -> Mapping[str, str]:
        """Return the header `Authorization: Bearer`. The partner's id is sent with token calls only."""
        return bearer(token)


def _is_vaults(answer: Answer) -> bool:
    """Whether a refusal has one of the shapes that Vault documents: a code in `error`, or `traceId`, or `errorId`."""
    if answer.error_info.code in _REFUSALS or not {"traceId", "errorId"}.isdisjoint(answer.json):
        return True
    # "Forbidden" and "Not Found", which gateways send, do not match.
    return _CODE.fullmatch(as_text(answer.json.get("error")) or "") is not None


def _refused(answer: Answer) -> AuthError:
    code = answer.error_info.code
    if not _is_vaults(answer):
        # Vault may have sent an undocumented JSON refusal, and count the login.
        by_vault = answer.request.purpose is Purpose.LOGIN and answer.json
        return answer.unrecognized(hint=_NO_ENDPOINT, retry_after=UNCLEAR_PAUSE if by_vault else None)
    if answer.status in (404, 405) and code not in _REFUSALS:
        return answer.unrecognized(hint=_NO_ENDPOINT)
    if answer.request.purpose is Purpose.REFRESH:
        return answer.error(LoginRequired, "Vault did not refresh the token")
    hint = _HINT_MISSING_MEMBER if code == "invalid_request" else _HINT_COMPARE
    return answer.error(CredentialsRejected, "Vault did not accept the login", hint=hint)


def _without_token(answer: Answer) -> AuthError:
    if answer.status == 202 and answer.request.purpose is Purpose.LOGIN:
        what = "The answer holds no token"
        return answer.error(InvalidTokenResponse, what, hint=_SECOND_FACTOR, retry_after=CODE_LIFETIME)
    return answer.unrecognized(hint=_NO_ENDPOINT)


_NO_ENDPOINT = "Check base_url and token_path: Vault has had its token endpoint below /reg as well."
_HINT_COMPARE = "Check email, password and partner_id, but do not try often: Vault locks accounts."
_HINT_MISSING_MEMBER = "Vault requires another member in the body: a second factor may need one in extra_body."
_SECOND_FACTOR = "Vault asks for a second factor: log in where you can enter the code, and pass the refresh_token."


def _life(access_token: str | None) -> tuple[float, float]:
    if access_token is None:
        return LONG_AGO, LONG_AGO
    claims = jwt_claims(access_token)
    issued_at, expires_at = as_number(claims.get("iat")), as_number(claims.get("exp"))
    if expires_at is None:
        return LONG_AGO, math.inf
    if issued_at is None or issued_at > expires_at:
        issued_at = expires_at - ASSUMED_LIFETIME
    return issued_at, expires_at
