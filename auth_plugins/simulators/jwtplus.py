"""The server of JWTPlus 1.1: the calls below /app, /ping and /health, including undocumented behaviour.

The behaviour was measured on both builds of the real server. The paths that are not below /app are an API at the same
origin.
"""

from __future__ import annotations

import re
from dataclasses import replace
from hashlib import sha256
from typing import Any, Literal

from .jwtplus_bodies import Build, claims_of, error, fields_of, too_long
from .jwtplus_keys import SigningKey, key_type, ulid
from .jwtplus_sessions import COLUMN, Session
from .ledger import Endpoint
from .simulator import Issued, Simulator
from .wire import SimRequest, SimResponse, json_object, json_response

Algorithm = Literal["ES256", "ES384", "ES512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512"]

_ENDPOINTS: dict[str, Endpoint] = {"sign": "login", "renew": "refresh", "logout": "revoke", "verify": "verify"}
_FIELDS = {
    "sign": ("sub", "aud", "ip", "useragent"),
    "renew": ("refresh_token", "ip", "useragent"),
    "logout": ("token",),
    "verify": ("token",),
    "get-session": ("sub",),
}
_CALLS = {"POST": tuple(_FIELDS), "GET": ("", "pub-keys")}
_NOT_FOUND = SimResponse(404, {"content-type": "text/plain"}, b"404 page not found")
_ULID = re.compile("[0-9A-HJKMNP-TV-Z]{26}", re.IGNORECASE | re.ASCII)  # Crockford's base32 has no I, L, O, U.
_PUBLIC = {
    "/ping": SimResponse(200, {"content-type": "text/plain; charset=utf-8"}, b"pong"),
    "/health": json_response(200, {"message": "ok"}),
}
_NO_SESSION = {"message": "invalid refresh token"}
_SERVER_CLAIMS = ("jid", "iss", "iat", "nbf", "exp")
_ROTATION_PERIOD = 31_536_000
"""Seconds that a key signs for."""


class JWTPlusSimulator(Simulator):
    """A simulator of JWTPlus, for one app. By itself it never answers 401 or 429, which its API does.

    Its knobs, in addition to those of every simulator (the lifetimes may be shorter than the real server's minute):

    Attributes:
        token_expire: How long new auth tokens live, in whole seconds.
        token_notbefore: After how many seconds an auth token begins to be valid.
        refresh_notbefore: After how many seconds a session can be renewed.
        refresh_expire: How long refresh tokens live.
        algorithm: What the next key signs with; `rotate_pki` makes one.
        build: The released build "rel" answers an empty 200 to bodies that are not JSON or have wrong types.
        no_active_key: The app has no key: sign and renew answer 500.
        fork_within: Seconds after a renewal in which the same refresh token can renew again and the session forks, as
            it does with two simultaneous calls.
        strict: The API calls /verify: it rejects a token in the second in which it was signed, and tokens of renewed
            or ended sessions. Otherwise it checks the signature, the end and revocations.
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
        self._keys: list[SigningKey] = []
        self._sessions: dict[str, Session] = {}
        self._auth_tokens: dict[str, str] = {}
        self._refresh_tokens: dict[str, str] = {}

    def rotate_pki(self) -> None:
        """Sign with a new key from now on. Auth tokens stay valid, but existing sessions cannot be renewed."""
        with self._lock:
            self._keys.append(SigningKey(self.algorithm))

    def endpoint_of(self, request: SimRequest) -> Endpoint:
        """Return the endpoint by the last part of a path below /app. Unknown paths count as "verify", and get a 404."""
        if request.path in (f"{self.base_path}/ping", f"{self.base_path}/health"):
            return "verify"
        if not request.path.startswith(f"{self.base_path}/app/"):
            return "api"
        name = request.path.rstrip("/").rpartition("/")[2]
        return _ENDPOINTS.get(name, "verify")

    def identify(self, token: str) -> str | None:
        """Return the `jid` of an auth token."""
        return self._auth_tokens.get(_digest(token))

    def issued(self, request: SimRequest) -> Issued | None:
        """Return the record of the auth token in a request; `None` if `strict` is on and /verify rejects the token."""
        found = super().issued(request)
        return None if self.strict and not self._verified(request.bearer or "") else found

    def refuse(self, status: int) -> SimResponse:
        """Return an error in the shape of JWTPlus."""
        return json_response(status, {"message": "error"})

    def answer_token_call(self, endpoint: Endpoint, request: SimRequest) -> SimResponse:
        """Return the answer of the endpoint, with a charset in the content type of JSON."""
        answer = self._answer(request)
        if answer.headers.get("content-type") != "application/json":
            return answer
        return replace(answer, headers={**answer.headers, "content-type": "application/json; charset=utf-8"})

    def _answer(self, request: SimRequest) -> SimResponse:
        """Check the path, the key and the body, in this order, and return the answer of the call."""
        public = _PUBLIC.get(request.path.removeprefix(self.base_path))
        if public is not None and request.method == "GET":
            return public
        app_id, _, name = request.path.removeprefix(f"{self.base_path}/app/").partition("/")
        if name.rstrip("/") not in _CALLS.get(request.method, ()):
            return _NOT_FOUND
        if request.path.endswith("/"):
            return SimResponse(301 if request.method == "GET" else 307, {"location": request.path.rstrip("/")})
        if not _ULID.fullmatch(app_id):
            return json_response(403, {"errors": "invalid app id"})
        # The whole header is the key.
        if (app_id.upper(), request.headers.get("authorization")) != (self.app_id.upper(), self._secret):
            return json_response(403, {"errors": "invalid app key or id"})
        if request.method == "GET":
            return self._keys_of_app() if name else self._settings()
        fields = fields_of(request.body, _FIELDS[name], self.build)
        if isinstance(fields, SimResponse):
            return fields
        return self._sign(fields, request.body) if name == "sign" else self._done(name, fields)

    def _done(self, name: str, fields: dict[str, str]) -> SimResponse:
        match name:
            case "renew":
                return self._renew(fields)
            case "logout":
                return self._logout(fields["token"])
            case "get-session":
                now = self.server_time
                found = [each for each in self._sessions.values() if each.sub == fields["sub"] and each.is_listed(now)]
                return json_response(200, {"sessions": [each.listed() for each in found] or None})
            case _:
                return json_response(200, {"verified": self._verified(fields["token"])})

    def _settings(self) -> SimResponse:
        app = {
            "id": self.app_id,
            "name": self.app_name,
            "description": "",
            "token_expiry": self.token_expire,
            "token_notbefore": self.token_notbefore,
            "refresh_expiry": self.refresh_expire,
            "refresh_notbefore": self.refresh_notbefore,
            "key_type": key_type(self.algorithm),
            "algo": self.algorithm,
            "rotation_period": _ROTATION_PERIOD,
        }
        return json_response(200, {"app": {**app, "add_time": 0, "update_time": 0, "last_key_rotate": 0}})

    def _keys_of_app(self) -> SimResponse:
        active, ends = self._active_key(), int(self.server_time) + _ROTATION_PERIOD
        return json_response(200, {"keys": [each.listed(ends, is_expired=each is not active) for each in self._keys]})

    def _token_id(self, request: SimRequest) -> str | None:
        if self.endpoint_of(request) == "api":
            return super()._token_id(request)
        body = json_object(request.body) or {}
        refresh_token, token = (str(body.get(name)) for name in ("refresh_token", "token"))
        return self._refresh_tokens.get(_digest(refresh_token)) or self.identify(token)

    def _sign(self, fields: dict[str, str], body: bytes) -> SimResponse:
        claims = claims_of(body)
        if self.no_active_key or claims is None or too_long(fields):
            return error()
        return self._new_session(fields["sub"], fields, claims)

    def _renew(self, fields: dict[str, str]) -> SimResponse:
        now = int(self.server_time)
        known = self._sessions.get(self._refresh_tokens.get(_digest(fields["refresh_token"]), ""))
        if known is None or not self._is_there(known) or known.ends <= now or known.renewable_from >= now:
            return json_response(404, _NO_SESSION)
        if self.no_active_key or known.key_id != self._active_key().key_id or too_long(fields):
            return error()
        known.deleted_at = self.server_time if known.deleted_at is None else known.deleted_at
        if self.server_time >= self._issued[known.jid].end or not known.is_accepted(self.server_time):
            key = self._active_key()
            empty = {"auth_token": "", "key_id": key.key_id, "public_key": key.public_key, "refresh_token": ""}
            return json_response(200, empty)
        # The claims that the server sets are new, even if the body of the sign call had replaced them.
        own = {name: value for name, value in known.claims.items() if name not in _SERVER_CLAIMS}
        return self._new_session(known.sub, fields, own)

    def _is_there(self, session: Session) -> bool:
        if self._issued[session.jid].revoked:
            return False
        return session.deleted_at is None or self.server_time - session.deleted_at < self.fork_within

    def _logout(self, token: str) -> SimResponse:
        session = self._sessions.get(self.identify(token) or "")
        if session is not None:
            session.deleted_at = float("-inf")
        return json_response(200, {"status": "ok"})

    def _verified(self, token: str) -> bool:
        session, now = self._sessions.get(self.identify(token) or ""), self.server_time
        if session is None or not session.is_listed(now) or not session.is_accepted(now):
            return False
        issued = self._issued[session.jid]
        return not issued.revoked and now < issued.end

    def _active_key(self) -> SigningKey:
        if not self._keys:
            self._keys.append(SigningKey(self.algorithm))
        return self._keys[-1]

    def _new_session(self, sub: str, fields: dict[str, str], claims: dict[str, Any]) -> SimResponse:
        now, jid, key = int(self.server_time), ulid(), self._active_key()
        times = {"iat": now, "nbf": now + self.token_notbefore, "exp": now + self.token_expire}
        claims = {"jid": jid, "iss": self.app_name, **times, **claims}
        limits = {"renewable_from": now + self.refresh_notbefore, "ends": now + self.refresh_expire}
        session = Session(jid, key.key_id, claims, sub, fields["ip"], fields["useragent"], **times, **limits)
        auth_token = key.sign(claims)
        refresh_token = key.sign({"iss": self.app_name, **session.refresh_claims})
        if len(auth_token) > COLUMN:
            return error()
        self._sessions[jid] = session
        self.issue_until(jid, session.claimed_end)
        self._auth_tokens[_digest(auth_token)] = self._refresh_tokens[_digest(refresh_token)] = jid
        answer = {"auth_token": auth_token, "key_id": key.key_id, "public_key": key.public_key}
        return json_response(200, {**answer, "refresh_token": refresh_token})


def _digest(token: str) -> str:
    return sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
