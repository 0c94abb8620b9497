"""The token endpoint of Vault: `password_email` and `refresh_token`.

As documented at api.vault.ist/v3.0/docs/refresh_token, /docs/sign-in and /reference/gettoken. Behaviour that
those pages do not specify is a knob.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Literal

from . import signing
from .ledger import Endpoint
from .simulator import Simulator
from .wire import SimRequest, SimResponse, json_object, json_response

_DEAD = "Refresh token has expired or is invalid."
_MISSING = "Missing refresh token."
_BAD_LOGIN = "We couldn't sign you in. Check your email and password."
_LOCKED = "Your account is locked. Please contact support."
_STATUSES = {status.value: status.name for status in HTTPStatus}


@dataclass(slots=True)
class _Family:
    """The refresh tokens that descend from the same login."""

    refreshes: int = 0
    ended: bool = False


@dataclass(slots=True)
class _Refresh:
    family: _Family
    end: float
    used: bool = False


class VaultSimulator(Simulator):
    """A simulator of Vault, for one user of one partner. Its access tokens are JWTs.

    Its knobs, in addition to those of every simulator:

    Attributes:
        lifetime: How long new access tokens live, in seconds; fractions are honoured.
        refresh_lifetime: How long new refresh tokens live, in seconds.
        rotate_refresh_tokens: Whether a refresh returns a new refresh token, after which the old one is refused;
            "sometimes" is every second refresh after a login.
        reuse_detection: The reuse of a rotated refresh token revokes all refresh tokens of the same login.
        omit_expires_in: Answers have no `expires_in`.
        second_factor: Members that the body of a login must also contain. Without them there is a 202 and no token.
        lockout: The number of consecutive refused logins that lock the account, until `unlock()`.
        error_shape: The shape of refusals: "oauth2" has `error`, "unauthorized" has `status`. By default each is
            as documented: the latter for logins.
        refusal_status: The status of refusals, which is not documented. By default 401 for logins, else 400.
    """

    def __init__(
        self,
        partner_id: int = 1042,
        email: str = "user@example.com",
        password: str = "Correct-horse-7",  # noqa: S107 - made up
        *,
        lifetime: float = 3600,
        refresh_lifetime: float = 30 * 86_400,
        token_path: str = "/v1/auth/token",  # noqa: S107 - a path
        base_path: str = "",
    ) -> None:
        super().__init__(password, base_path)
        self.partner_id = partner_id
        self.email = email
        self.token_path = token_path
        self.lifetime = lifetime
        self.refresh_lifetime = refresh_lifetime
        self.rotate_refresh_tokens: Literal["always", "never", "sometimes"] = "always"
        self.reuse_detection = False
        self.omit_expires_in = False
        self.second_factor: Mapping[str, str] = {}
        self.lockout = 5
        self.error_shape: Literal["oauth2", "unauthorized"] | None = None
        self.refusal_status: Literal[400, 401] | None = None
        self._refused_logins = 0
        self._refresh_tokens: dict[str, _Refresh] = {}

    @property
    def locked(self) -> bool:
        """Whether the account is locked."""
        return self._refused_logins >= self.lockout

    def unlock(self) -> None:
        """Unlock the account, as Vault's support does."""
        self._refused_logins = 0

    def session(self, now: float) -> tuple[str, str]:
        """Return the access and the refresh token of a new login at the true time `now`, without a call."""
        with self._lock:
            self._time = now + self.skew
            answer = self._tokens(self._new_refresh_token(_Family()))
        return answer["access_token"], answer["refresh_token"]

    def endpoint_of(self, request: SimRequest) -> Endpoint:
        """Return the endpoint of a POST by its `grantType`. An unknown type is a login; other requests are "api"."""
        if request.method == "POST" and request.path == f"{self.base_path}{self.token_path}":
            return "refresh" if request.headers.get("granttype") == "refresh_token" else "login"
        return "api"

    def identify(self, token: str) -> str | None:
        """Return the `jti` of a token that this simulator signed and issued."""
        jti = (signing.read(token) or {}).get("jti")
        return jti if isinstance(jti, str) and jti in self._issued else None

    def refuse(self, status: int) -> SimResponse:
        """Return an error of the API, in the shape of a refused login."""
        return _unauthorized(status, _STATUSES.get(status, "ERROR"), "The request was refused.")

    def answer_token_call(self, endpoint: Endpoint, request: SimRequest) -> SimResponse:
        """Return the answer of the token endpoint, which checks the headers and then the body."""
        body = json_object(request.body)
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        partner_id = request.headers.get("partnerid", "")
        if body is None or kind != "application/json":
            return self._refusal("invalid_request", "Malformed request.")
        if not (partner_id.isascii() and partner_id.isdigit() and len(partner_id) <= 10):
            return self._refusal("invalid_request", "Missing partner ID.")
        known = int(partner_id) == self.partner_id
        match request.headers.get("granttype"):
            case "password_email":
                return self._login(body, known_partner=known)
            case "refresh_token":
                return self._refresh(body, known_partner=known)
            case _:
                return self._refusal("invalid_request", "Missing grant type.")

    def _login(self, body: dict[str, Any], *, known_partner: bool) -> SimResponse:
        if not all(isinstance(body.get(name), str) and body[name] for name in ("email", "password")):
            return self._refusal("invalid_request", "Missing email or password.")
        if self.locked:
            return self._refusal("UNAUTHORIZED", _LOCKED)
        right = known_partner and (body["email"], body["password"]) == (self.email, self._secret)
        if right and not self.second_factor.keys() <= body.keys():
            return json_response(202, {"message": "A confirmation code has been sent."})
        if not right or any(body[name] != value for name, value in self.second_factor.items()):
            self._refused_logins += 1
            return self._refusal("UNAUTHORIZED", _BAD_LOGIN)
        self._refused_logins = 0
        answer = self._tokens(self._new_refresh_token(_Family()))
        return json_response(200, {**answer, "user_id": f"usr:{self.email}"})

    def _refresh(self, body: dict[str, Any], *, known_partner: bool) -> SimResponse:
        presented = body.get("refreshToken")
        if not isinstance(presented, str) or not presented:
            return self._refusal("invalid_request", _MISSING)
        known = self._refresh_tokens.get(presented) if known_partner else None
        if known is None:
            return self._refusal("invalid_grant", _DEAD)
        if known.used and self.reuse_detection:
            known.family.ended = True
        if known.used or known.family.ended or self.server_time >= known.end:
            return self._refusal("invalid_grant", _DEAD)
        known.family.refreshes += 1
        every = {"always": 1, "sometimes": 2, "never": 0}[self.rotate_refresh_tokens]
        known.used = bool(every) and known.family.refreshes % every == 0
        return json_response(200, self._tokens(self._new_refresh_token(known.family) if known.used else None))

    def _tokens(self, refresh_token: str | None) -> dict[str, Any]:
        name = secrets.token_hex(8)
        self.issue(name, self.lifetime)
        issued_at = int(self.server_time)
        claims = {"sub": self.email, "iat": issued_at, "exp": int(self.server_time + self.lifetime), "jti": name}
        lifetime = int(self.lifetime) if self.lifetime == int(self.lifetime) else self.lifetime
        answer: dict[str, Any] = {"access_token": signing.sign(claims), "token_type": "Bearer"}
        answer |= {} if refresh_token is None else {"refresh_token": refresh_token}
        return answer if self.omit_expires_in else {**answer, "expires_in": lifetime}

    def _new_refresh_token(self, family: _Family) -> str:
        token = secrets.token_urlsafe(32)
        self._refresh_tokens[token] = _Refresh(family, self.server_time + self.refresh_lifetime)
        return token

    def _refusal(self, code: str, message: str) -> SimResponse:
        bad_login = code == "UNAUTHORIZED"
        status = self.refusal_status or (401 if bad_login else 400)
        if (self.error_shape or ("unauthorized" if bad_login else "oauth2")) == "unauthorized":
            return _unauthorized(status, "UNAUTHORIZED", message)
        return json_response(status, {"error": "invalid_grant" if bad_login else code, "error_description": message})


def _unauthorized(status: int, name: str, message: str) -> SimResponse:
    return json_response(status, {"status": name, "message": message, "traceId": "TraceId unavailable", "errors": []})
