"""An OAuth 2.0 authorization server with one client, and an API behind it (RFC 6749, RFC 6750)."""

from __future__ import annotations

import base64
import binascii
import secrets
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Literal
from urllib.parse import parse_qs, unquote_plus

from .ledger import Endpoint
from .simulator import Simulator
from .wire import SimRequest, SimResponse, json_response

ClientAuth = Literal["client_secret_basic", "client_secret_post", "none"]

_FORM = "application/x-www-form-urlencoded"
_ENDPOINTS: dict[str, Endpoint] = {"client_credentials": "login", "refresh_token": "refresh"}
_CODES = {401: "invalid_token", 403: "insufficient_scope", 429: "slow_down"}


@dataclass(slots=True)
class _Refresh:
    family: str
    scopes: tuple[str, ...]
    used_at: float | None = None

    @property
    def used(self) -> bool:
        return self.used_at is not None


class OAuth2Simulator(Simulator):
    """The token endpoint is at `base_path` + "/token"; tokens are opaque.

    Its knobs, in addition to those of every simulator:

    Attributes:
        lifetime: How long new access tokens live, in seconds.
        issue_refresh_token: A client credentials grant returns a refresh token (4.4.3: it SHOULD NOT).
        rotate: A refresh returns a new refresh token, and the old one is refused from then on.
        end_family: The reuse of a rotated refresh token revokes all refresh tokens of the same grant
            (RFC 9700, section 4.14.2).
        grace: For so many seconds after its first use, a rotated refresh token is accepted again.
        client_auth: The ways of authentication that the client may use (2.3); "none" makes it public.
        scopes: The scopes that may be requested, and that are granted if no scope is requested.
        required: Form fields and their values that a call must contain, such as an audience.
        omit: Members that are missing from a successful answer, such as "expires_in".
        error: The token endpoint refuses every call with this code (5.2).
    """

    def __init__(
        self,
        client_id: str = "s6BhdRkqt3",
        client_secret: str = "7Fjfp0ZBr1KtDRbnfVdmIw",  # noqa: S107 - the RFC's own example
        *,
        scopes: tuple[str, ...] = ("read", "write"),
        lifetime: float = 3600,
        issue_refresh_token: bool = False,
        rotate: bool = False,
        base_path: str = "/oauth2",
    ) -> None:
        super().__init__(client_secret, base_path)
        self.client_id = client_id
        self.scopes = scopes
        self.lifetime = lifetime
        self.issue_refresh_token = issue_refresh_token
        self.rotate = rotate
        self.end_family = False
        self.grace = 0.0
        self.client_auth: frozenset[ClientAuth] = frozenset({"client_secret_basic", "client_secret_post"})
        self.required: dict[str, str] = {}
        self.omit: frozenset[str] = frozenset()
        self.error: str | None = None
        self._refresh_tokens: dict[str, _Refresh] = {}

    def consent(self, *scopes: str) -> str:
        """Return a refresh token, as after a user's consent to a grant that is not simulated."""
        return self._new_refresh_token(secrets.token_hex(4), scopes or self.scopes)

    def revoke_refresh_tokens(self) -> None:
        """Revoke all refresh tokens, as when the user withdraws consent."""
        self._refresh_tokens.clear()

    def endpoint_of(self, request: SimRequest) -> Endpoint:
        """Return the endpoint of a POST by its grant type. An unknown type is a login; other requests are "api"."""
        if request.method == "POST" and request.path == f"{self.base_path}/token":
            return _ENDPOINTS.get(_form(request).get("grant_type", [""])[0], "login")
        return "api"

    def identify(self, token: str) -> str | None:
        """Return the beginning of the token's digest if this simulator issued the token."""
        token_id = _digest(token)
        return token_id if token_id in self._issued else None

    def refuse(self, status: int) -> SimResponse:
        """Return an error of RFC 6749, section 5.2; a 401 has the challenge of RFC 6750, section 3."""
        answer = {"error": _CODES.get(status, "temporarily_unavailable" if status >= 500 else "invalid_request")}
        headers = {"content-type": "application/json"}
        if status == 401:
            headers["www-authenticate"] = f'Bearer realm="simulator", error="{answer["error"]}"'
        return SimResponse(status, headers, json_response(status, answer).body)

    def answer_token_call(self, endpoint: Endpoint, request: SimRequest) -> SimResponse:
        """Return the answer of the token endpoint, which authenticates the client and then checks the grant."""
        form = _form(request)
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if self.error is not None:
            return _error(self.error, basic="authorization" in request.headers)
        if kind != _FORM or any(len(values) > 1 for name, values in form.items() if name != "resource"):
            return _error("invalid_request")
        fields = {name: values[0] for name, values in form.items()}
        refusal = self._refuse_client(request, fields)
        if refusal is not None:
            return refusal
        if any(fields.get(name) != value for name, value in self.required.items()):
            return _error("invalid_request")
        match fields.get("grant_type"):
            case "client_credentials":
                return self._client_credentials(fields)
            case "refresh_token":
                return self._refresh(fields)
            case None:
                return _error("invalid_request")
            case _:
                return _error("unsupported_grant_type")

    def _refuse_client(self, request: SimRequest, fields: dict[str, str]) -> SimResponse | None:
        header = request.headers.get("authorization")
        if header is not None and "client_secret" in fields:
            return _error("invalid_request")  # 2.3: not more than one method in each request
        way: ClientAuth
        if header is not None:
            way, given = "client_secret_basic", _basic(header)
        elif "client_secret" in fields:
            way, given = "client_secret_post", (fields.get("client_id", ""), fields["client_secret"])
        else:
            way, given = "none", (fields.get("client_id", ""), self._secret)
        if way not in self.client_auth or given != (self.client_id, self._secret):
            return _error("invalid_client", basic=header is not None)
        return None

    def _client_credentials(self, fields: dict[str, str]) -> SimResponse:
        if self.client_auth == {"none"}:
            return _error("unauthorized_client")  # 4.4: only confidential clients
        scopes = tuple(fields["scope"].split(" ")) if "scope" in fields else self.scopes
        if not set(scopes) <= set(self.scopes):
            return _error("invalid_scope")
        family = secrets.token_hex(4)
        return self._grant(scopes, self._new_refresh_token(family, scopes) if self.issue_refresh_token else None)

    def _refresh(self, fields: dict[str, str]) -> SimResponse:
        if "refresh_token" not in fields:
            return _error("invalid_request")
        known = self._refresh_tokens.get(_digest(fields["refresh_token"]))
        used = known is not None and known.used_at is not None and self.server_time >= known.used_at + self.grace
        if known is not None and used and self.end_family:
            for digest in [key for key, each in self._refresh_tokens.items() if each.family == known.family]:
                del self._refresh_tokens[digest]
        if known is None or used:
            return _error("invalid_grant")
        scopes = tuple(fields["scope"].split(" ")) if "scope" in fields else known.scopes
        if not set(scopes) <= set(known.scopes):
            return _error("invalid_scope")
        if self.rotate and known.used_at is None:
            known.used_at = self.server_time
        # Section 6: the new refresh token has the scope of the old one, even if this access token has less.
        return self._grant(scopes, self._new_refresh_token(known.family, known.scopes) if self.rotate else None)

    def _grant(self, scopes: tuple[str, ...], refresh_token: str | None) -> SimResponse:
        # A slash, a plus and an equals sign show a missing encoding.
        access_token = f"at/{secrets.token_hex(16)}+a=="
        self.issue(_digest(access_token), self.lifetime)
        answer: dict[str, Any] = {
            "access_token": access_token,
            "token_type": "bearer",
            "expires_in": int(self.lifetime) if self.lifetime == int(self.lifetime) else self.lifetime,
            "scope": " ".join(scopes),
        }
        answer |= {} if refresh_token is None else {"refresh_token": refresh_token}
        return _answer(200, {name: value for name, value in answer.items() if name not in self.omit})

    def _new_refresh_token(self, family: str, scopes: tuple[str, ...]) -> str:
        token = f"rt/{secrets.token_hex(16)} +=="  # A blank is allowed (A.17).
        self._refresh_tokens[_digest(token)] = _Refresh(family, scopes)
        return token


def _form(request: SimRequest) -> dict[str, list[str]]:
    return parse_qs(request.body.decode("utf-8", "replace"), keep_blank_values=True)


def _basic(header: str) -> tuple[str, ...] | None:
    """Return the id and the secret, decoded as in section 2.3.1; `None` if the header contains something else."""
    scheme, _, value = header.partition(" ")
    try:
        pair = base64.b64decode(value, validate=True).decode("ascii")
    except (binascii.Error, ValueError):
        return None
    return tuple(map(unquote_plus, pair.split(":"))) if scheme.lower() == "basic" else None


def _digest(token: str) -> str:
    return sha256(token.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _error(code: str, *, basic: bool = False) -> SimResponse:
    """Return a refusal: 400, or 401 with a challenge if the client sent an Authorization header (5.2)."""
    answer = {"error": code, "error_description": f"The request was refused: {code.replace('_', ' ')}"}
    if code == "invalid_client" and basic:
        return _answer(401, answer, {"www-authenticate": 'Basic realm="simulator"'})
    return _answer(400, answer)


def _answer(status: int, answer: dict[str, Any], headers: dict[str, str] | None = None) -> SimResponse:
    plain = json_response(status, answer)
    never_kept = {"cache-control": "no-store", "pragma": "no-cache"}
    return SimResponse(status, {**plain.headers, **never_kept, **(headers or {})}, plain.body)
