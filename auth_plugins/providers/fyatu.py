"""Fyatu, API v3 (https://docs.fyatu.com/v3/api-reference/auth/token, .../refresh, .../revoke).

An access token can be exchanged for a new one until five minutes after its end. After that a login is required.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Unpack

from ..auth import Options, TokenAuth
from ..core import (
    MAX_LIFETIME,
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
    as_timestamp,
    bearer,
    check_secret,
    check_text,
    check_url,
    is_token,
    json_object,
    jwt_claims,
    role,
)

__all__ = ["FyatuAuth", "FyatuBusinessAuth", "FyatuContract"]

REFRESH_GRACE = 300.0
"""Seconds after the end of a token in which it can still be refreshed."""
STATED_LIFETIME = 86_400.0
"""Seconds. The documented lifetime, for an answer that does not state one."""


@dataclass(frozen=True, slots=True)
class FyatuContract:
    """The contract of Fyatu's token endpoints, for one app (v3) or one business (v3.20)."""

    account: str
    secret_key: str = field(repr=False)
    base_url: str = "https://api.fyatu.com/api/v3"
    account_field: str = "appId"
    """The name of `account` in a login: `appId` in v3, `businessId` in v3.20."""
    scopes: tuple[str, ...] | None = field(default=None, metadata=role("variant", key=sorted))
    """The scopes to ask for (v3.20 only); `None`: all scopes of the account."""

    name = "fyatu"
    can_login = True
    rotates = False

    def initial_token(self) -> Token | None:
        """Return `None`: the first token comes from a login."""
        return None

    def login(self) -> TokenRequest:
        """Return the call that exchanges the account's id and secret key for a token."""
        body: dict[str, Any] = {
            self.account_field: self.account,
            "secretKey": self.secret_key,
            "grantType": "client_credentials",
        }
        if self.scopes is not None:
            body["scopes"] = list(self.scopes)
        return TokenRequest.json(Purpose.LOGIN, f"{self.base_url}/auth/token", body, secrets=(self.secret_key,))

    def refresh(self, token: Token, now: float) -> TokenRequest:
        """Return the call that exchanges `token` for a new one: the token is the credential, and there is no body."""
        return self._with(token, Purpose.REFRESH, "refresh")

    def revoke(self, token: Token) -> TokenRequest:
        """Return the call that revokes `token`."""
        return self._with(token, Purpose.REVOKE, "revoke")

    def _with(self, token: Token, grant: Purpose, path: str) -> TokenRequest:
        return TokenRequest.json(
            grant,
            f"{self.base_url}/auth/{path}",
            headers=bearer(token),
            token=token,
            secrets=(token.access_token, self.secret_key),
        )

    def read(self, answer: Answer, now: float) -> Token:
        """Return the token in `data` of a success, or raise the error that a refusal stands for."""
        refused = answer.json.get("success") is False
        if answer.status >= 400 or refused:
            raise self._refused(answer) if refused or _is_fyatus(answer) else answer.unrecognized(hint=_NO_ENDPOINT)
        data = as_mapping(answer.json.get("data"))
        access_token, kind = data.get("accessToken"), data.get("tokenType", "Bearer")
        if not is_token(access_token) or not isinstance(kind, str) or kind.lower() != "bearer":
            raise answer.unrecognized(hint=_NO_ENDPOINT)
        token = _token(access_token, data, answer.error_info.request_id, now)
        before = answer.request.token
        if before is not None and set(token.scopes) < set(before.scopes):
            # Until April 2026 a refresh lost the scopes (Fyatu's changelog). A login restores them.
            raise answer.error(LoginRequired, "The refresh lost scopes")
        return token

    def _refused(self, answer: Answer) -> AuthError:
        code = answer.error_info.code or ""
        if answer.status in (404, 405) and not _CODE.fullmatch(code):
            return answer.unrecognized(hint=_NO_ENDPOINT)
        if code in _SERVER_ERROR_CODES:
            return answer.error(TokenEndpointUnavailable, "Fyatu could not answer")
        if answer.request.purpose is Purpose.REFRESH:
            return answer.error(LoginRequired, "Fyatu did not refresh the token")
        return answer.error(CredentialsRejected, "Fyatu did not accept the credentials", hint=_HINTS.get(code))

    def error_info(self, response: TokenResponse) -> ErrorInfo:
        """Return code, message and request id. The place of the code in v3 is not documented, so several are read."""
        answer = json_object(response)
        error, meta = answer.get("error"), as_mapping(answer.get("meta"))
        nested = as_mapping(error)
        return ErrorInfo(
            code=as_text(nested.get("code")) or as_text(answer.get("code")) or as_text(error),
            message=as_text(nested.get("detail")) or as_text(nested.get("message")) or as_text(answer.get("message")),
            request_id=as_text(meta.get("requestId")),
        )

    def headers(self, token: Token) -> Mapping[str, str]:
        """Return the header `Authorization: Bearer`."""
        return bearer(token)


def _is_fyatus(answer: Answer) -> bool:
    """Whether a refusal without `success` has a code that Fyatu documents: the shape of its errors has changed."""
    code = answer.error_info.code or ""
    return code in (*_SERVER_ERROR_CODES, *_OTHERS) or (code.startswith("AUTH_") and _CODE.fullmatch(code) is not None)


_CODE = re.compile("[A-Z][A-Z0-9_]*")
_SERVER_ERROR_CODES = ("INTERNAL_ERROR", "RATE_LIMIT_EXCEEDED")
_OTHERS = ("API_KEY_INVALID", "INSUFFICIENT_SCOPE", "RESOURCE_NOT_FOUND", "VALIDATION_ERROR")
_NO_ENDPOINT = "Check base_url; if it is right, Fyatu changed its API or is out of order."
_HINTS = {
    "VALIDATION_ERROR": "Fyatu found the credentials malformed: compare them with the dashboard.",
    "AUTH_INVALID_CREDENTIALS": "Check the id and the secret key: Business Console, App, Settings, API Keys.",
    "AUTH_APP_INACTIVE": "The app is suspended or archived: activate it in the Business Console.",
    "AUTH_BUSINESS_INACTIVE": "The business is not active: see the Business Console.",
    "AUTH_VERSION_MISMATCH": "These credentials are of another API version than base_url.",
}


def _token(access_token: str, data: Mapping[str, Any], request_id: str | None, now: float) -> Token:
    expires_at = now + _lifetime(access_token, data, now)
    extra = {"app_type": as_text(data.get("appType")), "request_id": request_id}
    scopes = data.get("scopes")
    return Token(
        access_token=access_token,
        issued_at=now,
        expires_at=expires_at,
        refreshable_until=expires_at + REFRESH_GRACE,
        scopes=tuple(str(scope) for scope in scopes) if isinstance(scopes, list) else (),
        extra={name: value for name, value in extra.items() if value is not None},
    )


def _lifetime(access_token: str, data: Mapping[str, Any], now: float) -> float:
    """Return the lifetime in seconds: `expiresIn`, which depends on no clock, else by `expiresAt` or `exp`."""
    lifetime = as_number(data.get("expiresIn"))
    if lifetime is None:
        end = as_timestamp(data.get("expiresAt"))
        if end is None:
            end = as_number(jwt_claims(access_token).get("exp"))
        lifetime = STATED_LIFETIME if end is None else end - now
    return min(max(lifetime, 0.0), MAX_LIFETIME)


class FyatuAuth(TokenAuth):
    """Fyatu API v3: `session.auth = FyatuAuth(app_id, secret_key)`.

    Args:
        app_id: the app's id, 8 characters or more.
        secret_key: the app's secret key, 16 characters or more, as a `Secret`.
        base_url: where the API is; the token goes to its origin and to no other.
        options: see `auth_plugins.auth.Options`.

    Raises:
        TypeError: an argument is of a wrong type.
        ValueError: an argument is out of range. Neither text shows a value.
    """

    kind = "fyatu"
    env_prefix = "FYATU_"

    def __init__(
        self,
        app_id: str,
        secret_key: Secret,
        *,
        base_url: str = "https://api.fyatu.com/api/v3",
        **options: Unpack[Options],
    ) -> None:
        check_text("app_id", app_id, at_least=8)
        secret = check_secret("secret_key", secret_key, at_least=16)
        url = check_url("base_url", base_url, allow_http=True)
        super().__init__(FyatuContract(app_id, secret, url), **options)


class FyatuBusinessAuth(TokenAuth):
    """Fyatu API v3.20 with access tokens: the credentials of a business, and the scopes to ask for.

    Fyatu's newest pages of v3.20 describe static keys instead. They need no renewal: send them in a plain header.

    Args:
        business_id: the business's id.
        secret_key: its secret key (`sk_biz_...`), 16 characters or more, as a `Secret`.
        scopes: the scopes to ask for; `None`: all scopes of the business.
        base_url: where the API is; the token goes to its origin and to no other.
        options: see `auth_plugins.auth.Options`.

    Raises:
        TypeError: an argument is of a wrong type.
        ValueError: an argument is out of range. Neither text shows a value.
    """

    kind = "fyatu-business"
    env_prefix = "FYATU_"

    def __init__(
        self,
        business_id: str,
        secret_key: Secret,
        *,
        scopes: Iterable[str] | None = None,
        base_url: str = "https://api.fyatu.com/api/v3.20",
        **options: Unpack[Options],
    ) -> None:
        check_text("business_id", business_id, at_least=8)
        secret = check_secret("secret_key", secret_key, at_least=16)
        url = check_url("base_url", base_url, allow_http=True)
        if isinstance(scopes, (str, bytes)) or not (scopes is None or isinstance(scopes, Iterable)):
            raise TypeError("scopes must be an iterable of str")
        # Sorted, because the scopes are part of the store's key: their order must be the same in all processes.
        wanted = None if scopes is None else tuple(sorted({check_text("scopes", scope) for scope in scopes}))
        super().__init__(FyatuContract(business_id, secret, url, "businessId", wanted), **options)
