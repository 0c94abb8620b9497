"""Two providers with odd endpoints, written with the public API alone, and their simulators."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Unpack

from auth_plugins import TokenAuth
from auth_plugins.auth import Options
from auth_plugins.core import (
    LONG_AGO,
    Answer,
    CredentialsRejected,
    ErrorInfo,
    LoginRequired,
    Purpose,
    Token,
    TokenRequest,
    TokenResponse,
    as_number,
    as_text,
    is_token,
    json_object,
    json_value,
)
from auth_plugins.simulators import Endpoint, SimRequest, SimResponse, Simulator, json_response

KEY = "the-marked-key"
DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class ZephyrContract:
    """Answers with `["ok", token, seconds]` or `["no", code]`, always 200; no refresh; a scheme of its own."""

    client: str
    key: str = field(repr=False)
    base_url: str

    name = "zephyr"
    can_login = True
    rotates = False

    def initial_token(self) -> Token | None:
        return None

    def login(self) -> TokenRequest:
        form = f"{self.client}:{self.key}".encode()
        return TokenRequest(Purpose.LOGIN, f"{self.base_url}/pass", {"X-Kind": "login"}, form, secrets=(self.key,))

    def refresh(self, token: Token, now: float) -> TokenRequest:
        raise AssertionError("there is no refresh")

    def revoke(self, token: Token) -> TokenRequest | None:
        return None

    def read(self, answer: Answer, now: float) -> Token:
        match answer.json_value:
            case ["ok", access_token, lifetime] if is_token(access_token) and as_number(lifetime) is not None:
                return Token(access_token=access_token, issued_at=now, expires_at=now + lifetime)
            case ["no", *_]:
                raise answer.error(CredentialsRejected, "Zephyr did not accept the key")
            case _:
                raise answer.unrecognized()

    def error_info(self, response: TokenResponse) -> ErrorInfo:
        match json_value(response):
            case ["no", code]:
                return ErrorInfo(code=as_text(code))
            case _:
                return ErrorInfo()

    def headers(self, token: Token) -> Mapping[str, str]:
        return {"Authorization": f"Zephyr {token.access_token}"}


class ZephyrSimulator(Simulator):
    def __init__(self) -> None:
        super().__init__(KEY, "/z")

    def endpoint_of(self, request: SimRequest) -> Endpoint:
        return "login" if request.path == "/z/pass" else "api"

    def answer_token_call(self, endpoint: Endpoint, request: SimRequest) -> SimResponse:
        if request.body != f"me:{self.secret}".encode():
            return self.array("no", "BAD_KEY")
        token = secrets.token_hex(16)
        self.issue(token, 600)
        return self.array("ok", token, 600)

    def identify(self, token: str) -> str | None:
        return token

    def token_of(self, request: SimRequest) -> str | None:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        return token if scheme == "Zephyr" else None

    def refuse(self, status: int) -> SimResponse:
        return replace(self.array("no", str(status)), status=status)

    def array(self, *content: object) -> SimResponse:
        return SimResponse(200, {"content-type": "application/json"}, json.dumps(content).encode())


def zephyr(simulator: ZephyrSimulator, base_url: str, **options: Unpack[Options]) -> TokenAuth:
    return TokenAuth(ZephyrContract("me", KEY, base_url), **options)


def wrong_zephyr(simulator: ZephyrSimulator, base_url: str, **options: Unpack[Options]) -> TokenAuth:
    return TokenAuth(ZephyrContract("me", "another-key", base_url), **options)


@dataclass(frozen=True, slots=True)
class HarborContract:
    """Renews a session by its token, until an end that no renewal moves; the token travels as `X-Auth`."""

    key: str = field(repr=False)
    base_url: str

    name = "harbor"
    can_login = True
    rotates = True

    def initial_token(self) -> Token | None:
        return None

    def login(self) -> TokenRequest:
        return TokenRequest.json(Purpose.LOGIN, f"{self.base_url}/open", {"key": self.key}, secrets=(self.key,))

    def refresh(self, token: Token, now: float) -> TokenRequest:
        own = {"X-Auth": token.access_token}
        return TokenRequest(Purpose.REFRESH, f"{self.base_url}/extend", own, b"", token, (token.access_token, self.key))

    def revoke(self, token: Token) -> TokenRequest | None:
        return None

    def read(self, answer: Answer, now: float) -> Token:
        if answer.error_info.code is not None:
            kind = LoginRequired if answer.request.purpose is Purpose.REFRESH else CredentialsRejected
            raise answer.error(kind, "Harbor refused")
        access_token, lifetime = answer.json.get("jwt"), as_number(answer.json.get("lives"))
        session = as_number(answer.json.get("session"))
        if answer.status >= 400 or not is_token(access_token) or lifetime is None or session is None:
            raise answer.unrecognized()
        before = answer.request.token
        until = now + session if before is None else before.refreshable_until
        return Token(
            access_token=access_token,
            issued_at=now,
            expires_at=min(now + lifetime, until),
            refreshable_until=until if now < until else LONG_AGO,
        )

    def error_info(self, response: TokenResponse) -> ErrorInfo:
        return ErrorInfo(code=as_text(json_object(response).get("problem")))

    def headers(self, token: Token) -> Mapping[str, str]:
        return {"X-Auth": token.access_token}


class HarborSimulator(Simulator):
    def __init__(self) -> None:
        super().__init__(KEY, "/h")
        self.ends: dict[str, float] = {}

    def endpoint_of(self, request: SimRequest) -> Endpoint:
        if request.path == "/h/open":
            return "login"
        return "refresh" if request.path == "/h/extend" else "api"

    def answer_token_call(self, endpoint: Endpoint, request: SimRequest) -> SimResponse:
        old, now = self.token_of(request), self.server_time
        if endpoint == "login":
            if json.loads(request.body).get("key") != self.secret:
                return json_response(401, {"problem": "bad key"})
            end = now + DAY
        else:
            known = self.issued(request)
            end = self.ends.get(old or "", 0.0)
            if known is None or known.revoked or now >= end:
                return json_response(401, {"problem": "over"})
        token = f"{secrets.token_hex(8)}.{secrets.token_hex(8)}.{secrets.token_hex(8)}"
        self.ends[token] = end
        self.issue_until(token, min(now + 900, end))
        return json_response(200, {"jwt": token, "lives": 900, "session": end - now})

    def identify(self, token: str) -> str | None:
        return token

    def token_of(self, request: SimRequest) -> str | None:
        return request.headers.get("x-auth")

    def refuse(self, status: int) -> SimResponse:
        return json_response(status, {"problem": str(status)})


def harbor(simulator: HarborSimulator, base_url: str, **options: Unpack[Options]) -> TokenAuth:
    return TokenAuth(HarborContract(KEY, base_url), **options)


def wrong_harbor(simulator: HarborSimulator, base_url: str, **options: Unpack[Options]) -> TokenAuth:
    return TokenAuth(HarborContract("another-key", base_url), **options)
