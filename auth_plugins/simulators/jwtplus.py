"""The server of JWTPlus 1.1: sign, renew, verify, logout, with what its documentation does not say of them.

Made after measurements of the real server, in both of its builds. Beside it, at the same origin, is an API: every
path that is not below /app.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any, Literal

from .jwtplus_bodies import Build, error, fields_of
from .jwtplus_keys import SigningKey, ulid
from .ledger import Endpoint
from .simulator import Issued, Simulator
from .wire import SimRequest, SimResponse, json_object, json_response

Algorithm = Literal["ES256", "ES384", "ES512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512"]

_ENDPOINTS: dict[str, Endpoint] = {"sign": "login", "renew": "refresh", "logout": "revoke", "verify": "verify"}
_FIELDS = {
    "login": ("sub", "aud", "ip", "useragent"),
    "refresh": ("refresh_token", "ip", "useragent"),
    "revoke": ("token",),
    "verify": ("token",),
}
_NOT_FOUND = SimResponse(404, {"content-type": "text/plain"}, b"404 page not found")
_ULID = re.compile("[0-9A-HJKMNP-TV-Z]{26}", re.IGNORECASE | re.ASCII)  # Crockford's base32 has no I, L, O, U.
_COLUMN = 65_535
"""Bytes in which the database keeps a token."""
_NO_SESSION = {"message": "invalid refresh token"}


@dataclass(slots=True)
class _Session:
    """A row of the server's table. All times are whole seconds of its clock."""

    jid: str
    key_id: str
    claims: dict[str, Any] = field(repr=False)
    """What the body of its sign call had."""
    starts: float
    renewable_from: int
    ends: int
    """Of the refresh token."""
    deleted_at: float | None = None


class JWTPlusSimulator(Simulator):
    """JWTPlus's side of the wire, for one app. It never answers 401 or 429 by itself; the API beside it does.

    Its knobs, beside those of every simulator (the lifetimes may be shorter than the real server's minute):

    Attributes:
        token_expire: How long new auth tokens live, in whole seconds.
        token_notbefore: After how many seconds an auth token begins to be valid.
        refresh_notbefore: After how many seconds a session can be renewed.
        refresh_expire: How long refresh tokens live.
        algorithm: What the next key signs with; `rotate_pki` makes one.
        build: "rel", the released one, answers bodies that are no JSON, or of wrong types, with an empty 200.
        no_active_key: The app has no key: sign and renew answer 500.
        fork_within: For so many seconds after a renewal the same refresh token renews once more, and the session
            forks, as it does where two calls come at the same time.
        strict: The API asks /verify: it rejects a token in the second in which it was signed, and one whose session
            was renewed or ended. Else it looks at the signature and the end, and at revocations.
    """

    def __init__(
        self,
        app_id: str = "01JMC6TCM1CH7NWG0E8A5SQTHA",
        app_key: str = "an+app/key" * 12 + "12345678",
        *,
        token_expire: int = 3600,
        refresh_notbefore: int = 3000,
        refresh_expire: int = 7200,
        token_notbefore: int = 0,
        app_name: str = "app_1",
        base_path: str = "",
    ) -> None:
        super().__init__(app_key, base_path)
        self.app_id = app_id
        self.app_name = app_name
        self.token_expire = token_expire
        self.token_notbefore = token_notbefore
        self.refresh_notbefore = refresh_notbefore
        self.refresh_expire = refresh_expire
        self.algorithm: Algorithm = "ES256"
        self.build: Build = "std"
        self.no_active_key = False
        self.fork_within = 0.0
        self.strict = False
        self._key: SigningKey | None = None
        self._sessions: dict[str, _Session] = {}
        self._auth_tokens: dict[str, str] = {}
        self._refresh_tokens: dict[str, str] = {}

    def rotate_pki(self) -> None:
        """Sign with a new key from now on. Auth tokens live on, but no session there is can be renewed again."""
        with self._lock:
            self._key = SigningKey(self.algorithm)

    def endpoint_of(self, request: SimRequest) -> Endpoint:
        """By the last name of a path below /app; all else there counts as "verify", and is not found."""
        if request.path in (f"{self.base_path}/ping", f"{self.base_path}/health"):
            return "verify"
        if not request.path.startswith(f"{self.base_path}/app/"):
            return "api"
        name = request.path.rstrip("/").rpartition("/")[2]
        return _ENDPOINTS.get(name, "verify")

    def identify(self, token: str) -> str | None:
        """The `jid` under which this auth token was signed."""
        return self._auth_tokens.get(_digest(token))

    def issued(self, request: SimRequest) -> Issued | None:
        """The record of the auth token that a request carries, unless the API asks /verify and hears no."""
        found = super().issued(request)
        return None if self.strict and not self._verified(request.bearer or "") else found

    def refuse(self, status: int) -> SimResponse:
        """An error in JWTPlus's own shape."""
        return json_response(status, {"message": "error"})

    def answer_token_call(self, endpoint: Endpoint, request: SimRequest) -> SimResponse:
        """Do what the endpoint does; all its JSON says in which letters it is written."""
        answer = self._answer(endpoint, request)
        if answer.headers.get("content-type") != "application/json":
            return answer
        return replace(answer, headers={**answer.headers, "content-type": "application/json; charset=utf-8"})

    def _answer(self, endpoint: Endpoint, request: SimRequest) -> SimResponse:
        """Look at the path, then at the key, then at the body, and do what the endpoint does."""
        if request.path.endswith("/ping"):
            return SimResponse(200, {"content-type": "text/plain; charset=utf-8"}, b"pong")
        if request.path.endswith("/health"):
            return json_response(200, {"message": "ok"})
        app_id, _, name = request.path.removeprefix(f"{self.base_path}/app/").partition("/")
        if name.endswith("/"):
            return SimResponse(307, {"location": request.path.rstrip("/")})
        if name not in _ENDPOINTS or request.method != "POST":
            return _NOT_FOUND
        if not _ULID.fullmatch(app_id):
            return json_response(403, {"errors": "invalid app id"})
        # The whole of the header is the key.
        if (app_id.upper(), request.headers.get("authorization")) != (self.app_id.upper(), self._secret):
            return json_response(403, {"errors": "invalid app key or id"})
        fields = fields_of(request.body, _FIELDS[endpoint], self.build)
        if isinstance(fields, SimResponse):
            return fields
        return self._done(endpoint, fields)

    def _done(self, endpoint: Endpoint, fields: dict[str, Any]) -> SimResponse:
        match endpoint:
            case "login":
                return self._sign(fields)
            case "refresh":
                return self._renew(fields)
            case "revoke":
                return self._logout(fields["token"])
            case _:
                return json_response(200, {"verified": self._verified(fields["token"])})

    def _token_id(self, request: SimRequest) -> str | None:
        if self.endpoint_of(request) == "api":
            return super()._token_id(request)
        body = json_object(request.body) or {}
        refresh_token, token = (str(body.get(name)) for name in ("refresh_token", "token"))
        return self._refresh_tokens.get(_digest(refresh_token)) or self.identify(token)

    def _sign(self, fields: dict[str, Any]) -> SimResponse:
        if self.no_active_key or _too_long(fields):
            return error()
        return self._new_session({name: _through_float(value) for name, value in fields.items()})

    def _renew(self, fields: dict[str, Any]) -> SimResponse:
        now = int(self.server_time)
        known = self._sessions.get(self._refresh_tokens.get(_digest(fields["refresh_token"]), ""))
        if known is None or not self._is_there(known) or known.ends <= now or known.renewable_from >= now:
            return json_response(404, _NO_SESSION)
        if self.no_active_key or known.key_id != self._active_key().key_id or _too_long(fields):
            return error()
        known.deleted_at = self.server_time if known.deleted_at is None else known.deleted_at
        if self.server_time >= self._issued[known.jid].end or known.starts > now:
            key = self._active_key()
            empty = {"auth_token": "", "key_id": key.key_id, "public_key": key.public_key, "refresh_token": ""}
            return json_response(200, empty)
        return self._new_session(known.claims)

    def _is_there(self, session: _Session) -> bool:
        if self._issued[session.jid].revoked:
            return False
        return session.deleted_at is None or self.server_time - session.deleted_at < self.fork_within

    def _logout(self, token: str) -> SimResponse:
        session = self._sessions.get(self.identify(token) or "")
        if session is not None:
            session.deleted_at = float("-inf")
        return json_response(200, {"status": "ok"})

    def _verified(self, token: str) -> bool:
        session = self._sessions.get(self.identify(token) or "")
        if session is None or session.deleted_at is not None:
            return False
        issued = self._issued[session.jid]
        return not issued.revoked and session.starts < int(self.server_time) and self.server_time < issued.end

    def _active_key(self) -> SigningKey:
        if self._key is None:
            self._key = SigningKey(self.algorithm)
        return self._key

    def _new_session(self, said: dict[str, Any]) -> SimResponse:
        now, jid, key = int(self.server_time), ulid(), self._active_key()
        # What the body says goes over what the server would.
        times = {"iat": now, "nbf": now + self.token_notbefore, "exp": now + self.token_expire}
        auth = {"jid": jid, "iss": self.app_name, **times, **said}
        opens, ends = now + self.refresh_notbefore, now + self.refresh_expire
        renewal = {"jid": jid, "iss": self.app_name, "type": "refresh", "iat": now, "nbf": opens, "exp": ends}
        auth_token, refresh_token = key.sign(auth), key.sign(renewal)
        if len(auth_token) > _COLUMN:
            return error()
        session = _Session(jid, key.key_id, said, _time(auth["nbf"], now), opens, ends)
        self._sessions[jid] = session
        self.issue_until(jid, _time(auth["exp"], now + self.token_expire))
        self._auth_tokens[_digest(auth_token)] = self._refresh_tokens[_digest(refresh_token)] = jid
        answer = {"auth_token": auth_token, "key_id": key.key_id, "public_key": key.public_key}
        return json_response(200, {**answer, "refresh_token": refresh_token})


def _too_long(fields: dict[str, Any]) -> bool:
    """Whether a value does not fit into its column."""
    return len(fields["ip"]) > 24 or len(fields["useragent"]) > 255


def _through_float(value: Any) -> Any:
    """A number as the server keeps it; lists and objects likewise."""
    if isinstance(value, dict):
        return {name: _through_float(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_through_float(item) for item in value]
    return int(float(value)) if isinstance(value, int) and not isinstance(value, bool) else value


def _time(claim: object, otherwise: float) -> float:
    return float(claim) if isinstance(claim, (int, float)) else otherwise


def _digest(token: str) -> str:
    return sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
