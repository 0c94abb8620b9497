"""What must hold of any answer of a token endpoint, whatever it is: for the fuzzer, and for the tests."""

from __future__ import annotations

import json
import math
import pickle
import re
from typing import Any

from auth_plugins.core import Answer, AuthError, Purpose, RefreshPolicy, Token, TokenRequest, TokenResponse
from auth_plugins.core.answers import MAX_LIFETIME
from auth_plugins.core.statuses import error_for_status
from auth_plugins.providers.fyatu import FyatuContract
from auth_plugins.providers.jwtplus.contract import JWTPlusContract
from auth_plugins.providers.marketiger import MarketigerContract
from auth_plugins.providers.oauth2 import OAuth2Contract
from auth_plugins.providers.vault import VaultContract

NOW = 1_800_000_000.0
SECRET = "marked-secret-of-the-app"
URL = "https://api.example"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJpYXQiOjE4MDAwMDAwMDAsIm5iZiI6MTgwMDAwMDAwMCwiZXhwIjoxODAwMDAzNjAwfQ.c2ln"
CONTRACTS: dict[str, Any] = {
    "fyatu": FyatuContract("A1B2C3D4E5F6G7H8", SECRET, URL),
    "vault": VaultContract(1042, URL, "user@example.com", SECRET),
    "jwtplus": JWTPlusContract("01JMC6TCM1CH7NWG0E8A5SQTHA", SECRET, URL, "192.0.2.1", "tests", "me", "web-app"),
    "marketiger": MarketigerContract("user@example.com", SECRET, URL),
    "oauth2-basic": OAuth2Contract(f"{URL}/token", URL, "s6BhdRkqt3", SECRET),
    "oauth2-post": OAuth2Contract(f"{URL}/token", URL, "s6BhdRkqt3", SECRET, client_auth="client_secret_post"),
    "oauth2-user": OAuth2Contract(f"{URL}/token", URL, "s6BhdRkqt3", SECRET, refresh_token=SECRET),
}
"""Every way to read an answer; the only secret of each is `SECRET`."""
GOOD: tuple[dict[str, Any], ...] = (
    {"success": True, "data": {"accessToken": JWT, "refreshToken": JWT, "tokenType": "Bearer", "expiresIn": 3600}},
    {"success": True, "data": {"accessToken": "at", "expiresAt": "2027-01-15T09:00:00+00:00", "scopes": ["a", "b"]}},
    {"access_token": "at", "token_type": "bearer", "expires_in": 3600, "refresh_token": "rt", "scope": "a b"},
    {"auth_token": JWT, "refresh_token": JWT, "key_id": "k", "public_key": "p"},
    {"success": False, "status": 401, "error": {"code": "AUTH_INVALID_CREDENTIALS", "type": 2, "message": SECRET}},
    {"error": "invalid_grant", "error_description": SECRET, "errors": [{"error_field": "sub", "error_message": "no"}]},
    {"status": "UNAUTHORIZED", "message": "no", "errors": ["one", "two"], "traceId": "t", "meta": {"requestId": "r"}},
)
"""Answers as the providers' pages have them: to begin with, and to change."""


def requests_of(contract: Any) -> tuple[TokenRequest, ...]:
    """Give a login and a refresh; the token that is renewed holds the secret as well."""
    token = Token(
        access_token=SECRET, refresh_token=SECRET, issued_at=NOW - 60, expires_at=NOW, refreshable_until=math.inf
    )
    return (contract.login(), contract.refresh(token, NOW))


def judge(contract: Any, request: TokenRequest, response: TokenResponse) -> None:
    """Read an answer as a renewal does, and hold what comes of it to the promises.

    Raises:
        AssertionError: a promise is broken. Anything else that is raised is one, too.
    """
    said = contract.error_info(response)
    answer = Answer(request, response, said, NOW, NOW + 1)
    assert all(each is None or isinstance(each, str) for each in (said.code, said.message, said.request_id))
    error = error_for_status(answer)
    if error is None:
        try:
            token = contract.read(answer, NOW)
        except AuthError as refused:
            error = refused
        else:
            judge_token(contract, token)
    if error is not None:
        judge_error(error)


def judge_token(contract: Any, token: Token) -> None:
    """A token fits into a header, ends some day, and can be used for all that a token is used for."""
    assert re.fullmatch(r"[!-~]+", token.access_token)
    assert token.refresh_token is None or token.refresh_token
    assert math.isfinite(token.issued_at)
    assert token.expires_at - NOW <= MAX_LIFETIME
    assert not any(math.isnan(each) for each in (token.expires_at, token.refreshable_from, token.refreshable_until))
    assert not math.isnan(RefreshPolicy().due_at(token, 0.5))
    assert all(isinstance(each, str) for each in (*token.scopes, *token.extra, *token.extra.values()))
    for value in contract.headers(token).values():
        assert value.isascii()
        assert value.isprintable()
    for request in (contract.refresh(token, NOW), contract.revoke(token)):
        assert request is None or request.purpose in (Purpose.REFRESH, Purpose.REVOKE)
    assert pickle.loads(pickle.dumps(token)) == token


def judge_error(error: AuthError) -> None:
    """An error is short, can be printed and pickled, and shows no secret."""
    shown = f"{error} {error!r} {vars(error)}"
    assert SECRET not in shown
    for words, most in ((error.provider_code, 80), (error.provider_message, 300), (error.request_id, 80)):
        assert words is None or (0 < len(words) <= most and words.isprintable())
    assert error.retry_after is None or (math.isfinite(error.retry_after) and error.retry_after >= 0)
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


def seeds() -> list[bytes]:
    """Give bodies to begin with."""
    good = [json.dumps(each).encode() for each in GOOD]
    return [
        *good,
        *(body[: len(body) // 2] for body in good),
        b"",
        b"null",
        b"[" * 5000,
        b"\xff\xfe{}",
        b"<html></html>",
    ]
