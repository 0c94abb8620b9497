"""An answer that is not the provider's: no credentials are judged by it, and none are sent after it."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import httpx
import pytest

from auth_plugins import (
    CredentialsRejected,
    InvalidTokenResponse,
    LoginRequired,
    MemoryStore,
    OAuth2ClientCredentialsAuth,
    OAuth2RefreshTokenAuth,
    TokenEndpointUnavailable,
    VaultAuth,
)
from auth_plugins.simulators import VaultSimulator
from auth_plugins.testing import FakeClock, mock_transport, settle

ROOT = Path(__file__).parents[2]
PAGE = b"<!DOCTYPE html><title>Blocked</title>"


class Blocked:
    """A Vault behind a firewall that can be switched on; it blocks POSTs."""

    def __init__(self) -> None:
        self.clock, self.server = FakeClock(), VaultSimulator()
        self.status: int | None = None
        self.blocked: list[bytes] = []
        inner = mock_transport(self.server, self.clock)

        def handler(request: httpx.Request) -> httpx.Response:
            if self.status is not None and request.method == "POST":
                self.blocked.append(request.content)
                return httpx.Response(self.status, headers={"content-type": "text/html"}, content=PAGE)
            return inner.handle_request(request)

        self.transport = httpx.MockTransport(handler)
        self.auth = VaultAuth(
            self.server.partner_id,
            base_url="https://vault.example",
            email=self.server.email,
            password=self.server.secret,
            token_client=httpx.Client(transport=self.transport),
            store=MemoryStore(clock=self.clock),
            clock=self.clock,
        )

    def get(self) -> int:
        with httpx.Client(transport=self.transport, auth=self.auth) as client:
            return client.get("https://vault.example/x").status_code


@pytest.mark.parametrize("status", [302, 400, 401, 403, 404, 407, 451, 495, 511])
def test_one_page_in_the_renewal_window_fails_no_request(status: int) -> None:
    world = Blocked()
    end = world.auth.token().expires_at
    world.clock.advance(end - world.clock() - 60)
    world.status = status
    assert world.get() == 200
    settle(world.auth)
    world.status = None
    for _ in range(30):
        world.clock.advance(4)
        assert world.get() == 200
        settle(world.auth)
    assert not any(b"password" in body for body in world.blocked)


@pytest.mark.parametrize("status", [400, 401, 403, 407, 451])
def test_without_a_valid_token_requests_go_on_within_eight_seconds_and_no_password_is_sent(status: int) -> None:
    world = Blocked()
    world.clock.advance(world.auth.token().expires_at - world.clock() + 1)
    world.status = status
    for _ in range(40):
        with pytest.raises(TokenEndpointUnavailable, match=f"HTTP {status}"):
            world.get()
        world.clock.advance(1)
    world.status = None
    world.clock.advance(8)
    assert world.get() == 200
    assert world.blocked
    assert not any(b"password" in body for body in world.blocked)
    assert len(world.server.ledger.calls("login")) == 1


def oauth2(status: int, body: bytes, *, user: bool, **headers: str) -> Any:
    answer = httpx.MockTransport(lambda _: httpx.Response(status, headers=headers, content=body))
    options: dict[str, Any] = {"token_client": httpx.Client(transport=answer), "store": MemoryStore()}
    if user:
        return OAuth2RefreshTokenAuth("https://login.example/token", "cid", "rt-1", **options)
    return OAuth2ClientCredentialsAuth("https://login.example/token", "cid", "secret", **options)


def test_a_page_is_named_with_its_status_and_endpoint() -> None:
    with pytest.raises(TokenEndpointUnavailable) as caught:
        oauth2(403, PAGE, user=False).token()
    assert "an HTML page (HTTP 403 from https://login.example/token)" in str(caught.value)
    for word in ("proxy", "firewall", "User-Agent", "token_url"):
        assert word in caught.value.hint
    assert "base_url" not in str(caught.value)


def test_a_gateways_json_is_named() -> None:
    with pytest.raises(TokenEndpointUnavailable, match="JSON that is not the provider's"):
        oauth2(403, b'{"message": "Forbidden"}', user=False).token()


def test_a_page_with_200_is_named() -> None:
    with pytest.raises(InvalidTokenResponse, match="an HTML page") as caught:
        oauth2(200, PAGE, user=False).token()
    assert caught.value.from_intermediary


def test_an_empty_400_to_a_refresh_is_a_dead_refresh_token() -> None:
    with pytest.raises(LoginRequired):
        oauth2(400, b"", user=True).token()


def test_an_empty_403_to_a_login_names_both_causes() -> None:
    with pytest.raises(CredentialsRejected) as caught:
        oauth2(403, b"", user=False).token()
    assert "client_secret" in caught.value.hint
    assert "firewall" in caught.value.hint


@pytest.mark.parametrize("code", ["access_denied", "Unauthorized", "custom_code"])
def test_a_code_of_the_servers_own_is_a_refusal(code: str) -> None:
    with pytest.raises(CredentialsRejected):
        oauth2(401, f'{{"error": "{code}"}}'.encode(), user=False).token()


def test_oktas_shape_is_a_refusal() -> None:
    with pytest.raises(CredentialsRejected, match="invalid_client"):
        oauth2(401, b'{"errorCode": "invalid_client", "errorSummary": "No."}', user=False).token()


@pytest.mark.parametrize("body", [b'{"error": "Forbidden"}', b'{"error": "Access has been disallowed"}'])
def test_a_gateways_title_is_no_code(body: bytes) -> None:
    with pytest.raises(TokenEndpointUnavailable):
        oauth2(403, body, user=False).token()


def test_the_table_in_the_docs_is_what_the_contracts_say() -> None:
    spec = importlib.util.spec_from_file_location("refusals", ROOT / "docs" / "_ext" / "refusals.py")
    assert spec is not None
    assert spec.loader is not None
    refusals = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(refusals)
    assert refusals.PAGE.read_text("utf-8") == refusals.page()
