"""The token endpoints of Marketiger 3D, API v2: Auth/Login and Auth/RefreshToken.

As documented at docs.marketiger3d.com (pages Login, RefreshToken, Error handling). Behaviour that
those pages do not specify is a knob.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any, Literal

from . import signing
from .ledger import Endpoint
from .simulator import Simulator
from .wire import SimRequest, SimResponse, json_object, json_response

ErrorType = Literal[
    "NOT_FOUND", "OPERATION_FAILED", "AUTHENTICATION", "INCORRECT_PARAMETERS", "NO_PERMISSION", "INCORRECT_PROJECT"
]

_ENDPOINTS: dict[str, Endpoint] = {"Login": "login", "RefreshToken": "refresh"}
# In the order of their numbers, from 0.
_TYPES: tuple[ErrorType, ...] = (
    "NOT_FOUND",
    "OPERATION_FAILED",
    "AUTHENTICATION",
    "INCORRECT_PARAMETERS",
    "NO_PERMISSION",
    "INCORRECT_PROJECT",
)
_TYPE_OF_STATUS: dict[int, ErrorType] = {
    400: "INCORRECT_PARAMETERS",
    401: "AUTHENTICATION",
    403: "NO_PERMISSION",
    404: "NOT_FOUND",
}
_CHALLENGE = 'Bearer error="invalid_token"'


@dataclass(slots=True)
class _Refresh:
    family: str
    token_id: str
    """The id of the access token that must be sent with this refresh token."""
    end: float
    used: bool = False


class MarketigerSimulator(Simulator):
    """A simulator of Marketiger.

    Its knobs, in addition to those of every simulator:

    Attributes:
        lifetime: How long new access tokens live, in seconds; fractions are honoured.
        refresh_lifetime: How long a refresh token lives, in seconds from its own issue.
        rotate: A refresh returns a new refresh token, and the old one is refused from then on. Otherwise it returns the
            same refresh token, whose end does not change.
        reuse_detection: The reuse of a rotated refresh token revokes all refresh tokens of the same login.
        omit_refresh_token: No answer contains a refresh token; existing ones stay valid.
        opaque_tokens: Access tokens are opaque instead of JWTs.
        omit_claims: Claims that are missing from the JWT, such as "exp".
        numeric_types: `error.type` is a number.
        empty_401: The API's 401 has no body but a WWW-Authenticate header, as a bearer handler of ASP.NET sends it.
        always_200: The token endpoints' errors have status 200; only `success` is false.
    """

    def __init__(
        self,
        email: str = "user@example.com",
        password: str = "your_password_here",  # noqa: S107 - as a documentation has it
        *,
        lifetime: float = 3600,
        refresh_lifetime: float = 43_200,
        base_path: str = "/v2",
    ) -> None:
        super().__init__(password, base_path)
        self.email = email
        self.lifetime = lifetime
        self.refresh_lifetime = refresh_lifetime
        self.rotate = True
        self.reuse_detection = False
        self.omit_refresh_token = False
        self.opaque_tokens = False
        self.omit_claims: frozenset[str] = frozenset()
        self.numeric_types = False
        self.empty_401 = False
        self.always_200 = False
        self._refresh_tokens: dict[str, _Refresh] = {}

    def revoke_refresh_tokens(self) -> None:
        """Revoke all refresh tokens."""
        with self._lock:
            self._refresh_tokens.clear()

    def endpoint_of(self, request: SimRequest) -> Endpoint:
        """Return the endpoint of a POST to one of the two paths below /Auth; "api" for other requests."""
        folder, _, name = request.path.rpartition("/")
        if request.method == "POST" and folder == f"{self.base_path}/Auth":
            return _ENDPOINTS.get(name, "api")
        return "api"

    def identify(self, token: str) -> str | None:
        """Return the beginning of the token's digest if this simulator issued the token."""
        token_id = _digest(token)
        return token_id if token_id in self._issued else None

    def refuse(self, status: int) -> SimResponse:
        """Return an error in Marketiger's envelope, with the documented type of the status."""
        if status == 401 and self.empty_401:
            return SimResponse(401, {"www-authenticate": _CHALLENGE})
        return self._error(status, _TYPE_OF_STATUS.get(status, "OPERATION_FAILED"), "The request was refused")

    def answer_token_call(self, endpoint: Endpoint, request: SimRequest) -> SimResponse:
        """Return the answer of /Auth/Login or /Auth/RefreshToken."""
        answer = self._login(request) if endpoint == "login" else self._refresh(request)
        return replace(answer, status=200) if self.always_200 else answer

    def _login(self, request: SimRequest) -> SimResponse:
        email, password = _fields(request, "email", "password")
        if email is None or password is None:
            return self._error(400, "INCORRECT_PARAMETERS", "Incorrect parameters.")
        if (email, password) != (self.email, self._secret):
            return self._error(400, "AUTHENTICATION", "Username or Password are incorrect.")
        return self._grant(secrets.token_hex(4), None)

    def _refresh(self, request: SimRequest) -> SimResponse:
        access_token, refresh_token = _fields(request, "accessToken", "refreshToken")
        if access_token is None or refresh_token is None:
            return self._error(400, "INCORRECT_PARAMETERS", "Incorrect parameters.")
        known = self._refresh_tokens.get(_digest(refresh_token))
        if known is not None and known.used and self.reuse_detection:
            for digest in [key for key, each in self._refresh_tokens.items() if each.family == known.family]:
                del self._refresh_tokens[digest]
        fits = known is not None and not known.used and known.token_id == self.identify(access_token)
        if known is None or not fits or self.server_time >= known.end:
            return self._error(401, "AUTHENTICATION", "Invalid or expired refresh token")
        return self._grant(known.family, (refresh_token, known))

    def _grant(self, family: str, old: tuple[str, _Refresh] | None) -> SimResponse:
        access_token = self._new_access_token()
        token_id = _digest(access_token)
        self.issue(token_id, self.lifetime)
        data = {"accessToken": access_token}
        if old is not None and (self.omit_refresh_token or not self.rotate):
            old[1].token_id = token_id
            data |= {} if self.omit_refresh_token else {"refreshToken": old[0]}
        elif not self.omit_refresh_token:
            if old is not None:
                old[1].used = True
            # With a slash, a plus and equals signs, like tokens from .NET.
            data["refreshToken"] = f"{secrets.token_hex(16)}/+=="
            record = _Refresh(family, token_id, self.server_time + self.refresh_lifetime)
            self._refresh_tokens[_digest(data["refreshToken"])] = record
        return json_response(200, {"success": True, "data": data})

    def _new_access_token(self) -> str:
        name = secrets.token_hex(16)
        if self.opaque_tokens:
            return f"opaque-{name}"
        issued_at = int(self.server_time)
        claims: dict[str, Any] = {"sub": "1", "jti": name, "iat": issued_at, "exp": issued_at + self.lifetime}
        return signing.sign({claim: value for claim, value in claims.items() if claim not in self.omit_claims})

    def _error(self, status: int, kind: ErrorType, message: str) -> SimResponse:
        written = _TYPES.index(kind) if self.numeric_types else kind
        return json_response(status, {"success": False, "error": {"type": written, "message": message}})


def _fields(request: SimRequest, *names: str) -> list[str | None]:
    """Return the fields of a JSON body; `None` for each that is missing, empty or not a string."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    body = json_object(request.body) if kind == "application/json" else None
    values = [(body or {}).get(name) for name in names]
    return [value if isinstance(value, str) and value else None for value in values]


def _digest(token: str) -> str:
    return sha256(token.encode("utf-8", "surrogatepass")).hexdigest()[:16]
