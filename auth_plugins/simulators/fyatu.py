"""The token endpoints of Fyatu: token, refresh, revoke.

As documented at docs.fyatu.com/v3/api-reference/auth. Generation "v3.20" (docs.fyatu.com/v3.20/api-reference/auth)
has businesses instead of apps, requests for scopes, and fewer error codes.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Sequence
from typing import Any, Literal

from . import signing
from .ledger import Endpoint
from .simulator import Simulator, iso
from .wire import SimRequest, SimResponse, json_object, json_response

Generation = Literal["v3", "v3.20"]
AppType = Literal["collection", "issuing"]
ErrorPlace = Literal["error.code", "code", "error"]

_BUSINESS = "N1S0W3Q8P0V1E5M6Q4R3D8Z9"
_CARDS = ("cards:write", "cards:read", "cardholders:write", "cardholders:read")
_SCOPES = {
    "collection": ("collect:write", "collect:read", "payout:write", "payout:read"),
    "issuing": ("esim:write", "esim:read", *_CARDS),
    "v3.20": (*_CARDS, "programs:read", "account:read", "webhooks:read", "webhooks:write"),
}
_ENDPOINTS: dict[str, Endpoint] = {"token": "login", "refresh": "refresh", "revoke": "revoke"}
_ERRORS = {
    "VALIDATION_ERROR": (400, "Missing or invalid request parameters"),
    "AUTH_INVALID_CREDENTIALS": (401, "App not found or secret key mismatch"),
    "AUTH_APP_INACTIVE": (401, "App is suspended or archived"),
    "AUTH_BUSINESS_INACTIVE": (401, "Business is suspended or archived"),
    "AUTH_TOKEN_MISSING": (401, "No Authorization header provided"),
    "AUTH_TOKEN_INVALID": (401, "Token is malformed, expired or revoked"),
    "AUTH_TOKEN_REFRESH_FAILED": (401, "Token too old (>5 min after expiry) or invalid"),
    "AUTH_VERSION_MISMATCH": (401, "Token was issued for another API version"),
    "INSUFFICIENT_BALANCE": (402, "Insufficient balance"),
    "AUTH_SCOPE_DENIED": (403, "Token lacks the scope for this call"),
    "RESOURCE_NOT_FOUND": (404, "Resource not found"),
    "DUPLICATE_REFERENCE": (409, "Reference was used before"),
    "RATE_LIMIT_EXCEEDED": (429, "Too many requests"),
    "INTERNAL_ERROR": (500, "Internal error"),
    "SERVICE_UNAVAILABLE": (503, "Service temporarily unavailable"),
}
_CODE_OF_STATUS = {status: code for code, (status, _) in _ERRORS.items()} | {401: "AUTH_TOKEN_INVALID"}


class FyatuSimulator(Simulator):
    """A simulator of Fyatu.

    Its knobs, in addition to those of every simulator:

    Attributes:
        lifetime: How long new tokens live, in seconds; fractions are honoured.
        refresh_grace: How long after its end a token can still be refreshed.
        inactive: The app (in v3.20 the business) is suspended: every login is refused.
        drop_scopes: A refresh keeps only the first half of the scopes, like an old bug of Fyatu.
        omit: Keys that are missing from the `data` of an answer with a token, such as "expiresIn".
        error_place: Where in an error's body its code stands; the documentation does not say.
    """

    def __init__(
        self,
        app_id: str = "A1B2C3D4E5F6G7H8",
        secret_key: str = "your_secret_key_here",  # noqa: S107 - as the documentation has it
        *,
        app_type: AppType = "collection",
        scopes: Sequence[str] | None = None,
        lifetime: float = 86400,
        refresh_grace: float = 300,
        base_path: str | None = None,
        generation: Generation = "v3",
    ) -> None:
        super().__init__(secret_key, f"/api/{generation}" if base_path is None else base_path)
        self.app_id = app_id
        self.app_type = app_type
        self.generation = generation
        usual = _SCOPES[app_type if generation == "v3" else generation]
        self.scopes = tuple(usual if scopes is None else scopes)
        self.lifetime = lifetime
        self.refresh_grace = refresh_grace
        self.inactive = False
        self.drop_scopes = False
        self.omit: frozenset[str] = frozenset()
        self.error_place: ErrorPlace = "error.code"

    def endpoint_of(self, request: SimRequest) -> Endpoint:
        """Return the endpoint of a POST to one of the three paths below /auth; "api" for other requests."""
        folder, _, name = request.path.rpartition("/")
        if request.method == "POST" and folder == f"{self.base_path}/auth":
            return _ENDPOINTS.get(name, "api")
        return "api"

    def identify(self, token: str) -> str | None:
        """Return the `jti` of a token that this simulator signed and issued."""
        jti = (signing.read(token) or {}).get("jti")
        return jti if isinstance(jti, str) and jti in self._issued else None

    def refuse(self, status: int) -> SimResponse:
        """Return the error that Fyatu sends with a status, with the most common code of that status."""
        return self._error(_CODE_OF_STATUS.get(status, "INTERNAL_ERROR"), status)

    def refuse_bearer(self, request: SimRequest) -> SimResponse:
        """Return the error for a missing or invalid token. Malformed, expired and revoked tokens have the same code."""
        if not request.headers.get("authorization", "").strip():
            return self._error("AUTH_TOKEN_MISSING")
        if self.generation == "v3.20" and self._is_of_v3(request.bearer):
            return self._error("AUTH_VERSION_MISMATCH")
        return self._error("AUTH_TOKEN_INVALID")

    def answer_token_call(self, endpoint: Endpoint, request: SimRequest) -> SimResponse:
        """Return the answer of /auth/token, /auth/refresh or /auth/revoke."""
        match endpoint:
            case "login":
                return self._login(request)
            case "refresh":
                return self._refresh(request)
            case _:
                return self._revoke(request)

    def _login(self, request: SimRequest) -> SimResponse:
        fields = self._login_fields(request)
        if fields is None:
            return self._error("VALIDATION_ERROR")
        app_id, secret, scopes = fields
        if (app_id, secret) != (self.app_id, self._secret):
            return self._error("AUTH_INVALID_CREDENTIALS")
        if self.inactive:
            return self._error("AUTH_APP_INACTIVE" if self.generation == "v3" else "AUTH_BUSINESS_INACTIVE")
        return self._grant("Token generated successfully", scopes)

    def _login_fields(self, request: SimRequest) -> tuple[str, str, list[str]] | None:
        """Return the id, the secret and the scopes of a login; `None` if it violates the documented schema."""
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            return None
        body = json_object(request.body) or {}
        app_id, secret = body.get("appId" if self.generation == "v3" else "businessId"), body.get("secretKey")
        # In v3 the scopes depend on the app's type, and requested scopes are ignored.
        scopes = body.get("scopes", list(self.scopes)) if self.generation == "v3.20" else list(self.scopes)
        if body.get("grantType") != "client_credentials":
            return None
        if not (isinstance(app_id, str) and len(app_id) >= 8):
            return None
        if not (isinstance(secret, str) and len(secret) >= 16):
            return None
        if not (isinstance(scopes, list) and all(scope in self.scopes for scope in scopes)):
            return None
        return app_id, secret, scopes

    def _refresh(self, request: SimRequest) -> SimResponse:
        token = self.issued(request)
        if token is None or token.revoked:
            return self.refuse_bearer(request)
        if self.server_time > token.end + self.refresh_grace:
            too_old = "AUTH_TOKEN_REFRESH_FAILED" if self.generation == "v3" else "AUTH_TOKEN_INVALID"
            return self._error(too_old)
        scopes = (signing.read(request.bearer or "") or {})["scopes"]
        kept = scopes[: len(scopes) // 2] if self.drop_scopes else scopes
        return self._grant("Token refreshed successfully", kept)

    def _revoke(self, request: SimRequest) -> SimResponse:
        token = self.issued(request)
        if token is None or token.revoked or self.server_time >= token.end:
            return self.refuse_bearer(request)
        token.revoked = True
        data = {"revoked": True} if self.generation == "v3" else None
        return self._success("Token revoked successfully", data)

    def _grant(self, message: str, scopes: list[str]) -> SimResponse:
        # The token and its answer have the same id, as in the documentation's examples.
        name = secrets.token_hex(8)
        self.issue(f"jwt_{name}", self.lifetime)
        issued_at = int(self.server_time)
        expires_at = issued_at + math.ceil(self.lifetime)
        claims: dict[str, Any] = {"sub": self.app_id}
        claims |= {"bus": _BUSINESS, "type": self.app_type} if self.generation == "v3" else {"ver": "3.20"}
        claims |= {"scopes": scopes, "iat": issued_at, "exp": expires_at, "jti": f"jwt_{name}"}
        data: dict[str, Any] = {
            "accessToken": signing.sign(claims),
            "tokenType": "Bearer",
            "expiresIn": int(self.lifetime) if self.lifetime == int(self.lifetime) else self.lifetime,
            "expiresAt": iso(expires_at),
        }
        data |= {"appType": self.app_type} if self.generation == "v3" else {}
        data["scopes"] = scopes
        return self._success(message, {key: data[key] for key in data if key not in self.omit}, name)

    def _success(self, message: str, data: dict[str, Any] | None, request_id: str | None = None) -> SimResponse:
        envelope: dict[str, Any] = {"success": True, "status": 200, "message": message}
        envelope |= {} if data is None else {"data": data}
        return json_response(200, {**envelope, "meta": self.meta(request_id)})

    def _error(self, code: str, status: int | None = None) -> SimResponse:
        usual_status, message = _ERRORS[code]
        status = status or usual_status
        where: dict[ErrorPlace, dict[str, Any]] = {
            "error.code": {"error": {"code": code}},
            "code": {"code": code},
            "error": {"error": code},
        }
        envelope = {"success": False, "status": status, "message": message, **where[self.error_place]}
        return json_response(status, {**envelope, "meta": self.meta()})

    def _is_of_v3(self, token: str | None) -> bool:
        claims = signing.read(token or "")
        return claims is not None and "ver" not in claims
