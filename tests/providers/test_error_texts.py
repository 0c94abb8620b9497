"""Every error of a token call names the endpoint, and the HTTP status if there was one; OAuth 2.0 has no `base_url`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest
import requests
from responses import RequestsMock

from auth_plugins import (
    AuthError,
    MemoryStore,
    OAuth2ClientCredentialsAuth,
    OAuth2RefreshTokenAuth,
    RefreshPolicy,
    TokenEndpointUnavailable,
)
from auth_plugins.testing import FakeClock

TOKEN_URL = "https://login.example/token?tenant=secret-tenant"
SHOWN = "https://login.example"

ANSWERS: dict[str, tuple[int, dict[str, str], bytes]] = {
    "an empty 200": (200, {}, b""),
    "a page": (200, {"Content-Type": "text/html"}, b"<html>hello</html>"),
    "a token of another type": (200, {}, b'{"access_token": "a", "token_type": "mac"}'),
    "a redirect": (302, {"Location": "https://elsewhere.example/"}, b""),
    "invalid_client": (401, {}, b'{"error": "invalid_client"}'),
    "invalid_grant": (400, {}, b'{"error": "invalid_grant"}'),
    "an unknown code": (400, {}, b'{"error": "odd"}'),
    "an empty 403": (403, {}, b""),
    "no such page": (404, {}, b"not found"),
    "a proxy": (407, {}, b""),
    "too many": (429, {"Retry-After": "28"}, b""),
    "a blocked page": (451, {}, b""),
    "a failure": (503, {}, b""),
    "a captive portal": (511, {}, b""),
    "a long answer": (200, {}, b"x" * 5000),
    "an encoding": (200, {"Content-Encoding": "br"}, b"x"),
    "a damaged answer": (200, {"Content-Encoding": "gzip"}, b"x"),
}


def through_httpx(answer: Callable[[], tuple[int, dict[str, str], bytes]]) -> Any:
    class Raw(httpx.BaseTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            status, headers, body = answer()
            return httpx.Response(status, headers=headers, stream=httpx.ByteStream(body))

    return httpx.Client(transport=Raw())


def text_of(make: Any, client: Any, **options: Any) -> str:
    auth = make(
        TOKEN_URL,
        "cid",
        "a_secret_or_token",
        token_client=client,
        store=MemoryStore(),
        policy=RefreshPolicy(max_response_bytes=1000, tries=1),
        **options,
    )
    with pytest.raises(AuthError) as raised:
        auth.token()
    return str(raised.value)


@pytest.mark.parametrize("make", [OAuth2ClientCredentialsAuth, OAuth2RefreshTokenAuth])
@pytest.mark.parametrize("name", ANSWERS)
def test_an_error_names_the_status_and_the_endpoint_and_no_argument_that_the_class_has_not(
    make: Any, name: str
) -> None:
    text = text_of(make, through_httpx(lambda: ANSWERS[name]))
    assert f"HTTP {ANSWERS[name][0]}" in text
    assert SHOWN in text
    assert "base_url" not in text
    assert "secret" not in text.replace("client_secret", "")


@pytest.mark.parametrize("name", ["a long answer", "an encoding", "too many"])
def test_requests_names_them_as_well(name: str) -> None:
    status, headers, body = ANSWERS[name]
    with RequestsMock() as mock, requests.Session() as session:
        mock.add("POST", TOKEN_URL, status=status, headers=headers, body=body, auto_calculate_content_length=True)
        text = text_of(OAuth2ClientCredentialsAuth, session)
    assert f"HTTP {status} from {SHOWN}/token" in text


def test_an_error_without_an_answer_names_the_endpoint() -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadTimeout("no answer")

    text = text_of(OAuth2ClientCredentialsAuth, httpx.Client(transport=httpx.MockTransport(refuse)))
    assert f"The token endpoint at {SHOWN} gave no answer" in text


def test_the_seconds_of_a_429_count_down_while_it_is_remembered() -> None:
    clock = FakeClock()
    auth = OAuth2ClientCredentialsAuth(
        TOKEN_URL,
        "cid",
        "a_secret",
        token_client=through_httpx(lambda: ANSWERS["too many"]),
        store=MemoryStore(clock=clock),
        clock=clock,
        policy=RefreshPolicy(tries=1),
    )
    with pytest.raises(TokenEndpointUnavailable, match=r"\(retry after 28 s\)\. Try again later\.$"):
        auth.token()
    clock.advance(20)
    said = r"\(remembered; the next call is in 8 s; `auth\.invalidate\(\)` tries now\)\. Try again later\.$"
    with pytest.raises(TokenEndpointUnavailable, match=said):
        auth.token()
