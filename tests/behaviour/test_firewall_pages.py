"""A firewall's page in the place of the token endpoint's answer, for every provider and every client."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from auth_plugins import (
    AuthError,
    FyatuAuth,
    FyatuBusinessAuth,
    JWTPlusAuth,
    MarketigerAuth,
    MemoryStore,
    OAuth2ClientCredentialsAuth,
    OAuth2RefreshTokenAuth,
    TokenAuth,
    VaultAuth,
)
from auth_plugins.simulators import (
    FyatuSimulator,
    JWTPlusSimulator,
    MarketigerSimulator,
    OAuth2Simulator,
    SimRequest,
    SimResponse,
    Simulator,
    VaultSimulator,
)
from auth_plugins.testing import CLIENT_KINDS, FakeClock, mock_transport, open_client, settle

HOST = "https://api.example"
PAGE = SimResponse(403, {"content-type": "text/html"}, b"<!DOCTYPE html><title>Blocked</title>")
SECRET = "a-secret-of-16-characters"


def by_jwtplus(server: Any, **options: Any) -> TokenAuth:
    who: dict[str, Any] = {"ip": "192.0.2.1", "user_agent": "tests", "subject": "me", "audience": "web"}
    return JWTPlusAuth(server.app_id, SECRET, base_url=HOST, **who, **options)


def by_vault(server: Any, **options: Any) -> TokenAuth:
    return VaultAuth(server.partner_id, base_url=HOST, email=server.email, password=SECRET, **options)


def by_user(server: Any, **options: Any) -> TokenAuth:
    given = server.consent()
    return OAuth2RefreshTokenAuth(f"{HOST}/token", server.client_id, given, client_secret=SECRET, **options)


PROVIDERS: dict[str, tuple[Callable[[], Simulator], Callable[..., TokenAuth]]] = {
    "fyatu": (
        lambda: FyatuSimulator(secret_key=SECRET, base_path=""),
        lambda server, **options: FyatuAuth(server.app_id, SECRET, base_url=HOST, **options),
    ),
    "fyatu-business": (
        lambda: FyatuSimulator(secret_key=SECRET, base_path="", generation="v3.20"),
        lambda server, **options: FyatuBusinessAuth(server.app_id, SECRET, base_url=HOST, **options),
    ),
    "vault": (lambda: VaultSimulator(password=SECRET), by_vault),
    "jwtplus": (lambda: JWTPlusSimulator(app_key=SECRET, refresh_notbefore=60), by_jwtplus),
    "marketiger": (
        lambda: MarketigerSimulator(password=SECRET, base_path=""),
        lambda server, **options: MarketigerAuth(server.email, SECRET, base_url=HOST, **options),
    ),
    "oauth2-client": (
        lambda: OAuth2Simulator(client_secret=SECRET, base_path=""),
        lambda server, **options: OAuth2ClientCredentialsAuth(f"{HOST}/token", server.client_id, SECRET, **options),
    ),
    "oauth2-user": (lambda: OAuth2Simulator(client_secret=SECRET, base_path="", rotate=True), by_user),
}


class World:
    """A provider behind a firewall that can be switched on, and one client of its API."""

    def __init__(self, name: str, kind: str) -> None:
        make_server, make_auth = PROVIDERS[name]
        self.clock, self.server, self.kind = FakeClock(), make_server(), kind
        self.is_blocking = False
        self.blocked: list[str] = []
        inner = self.server.handle

        def handle(request: SimRequest, now: float) -> SimResponse:
            endpoint = self.server.endpoint_of(request)
            if not self.is_blocking or endpoint == "api":
                return inner(request, now)
            self.blocked.append(endpoint)
            return PAGE

        self.server.handle = handle  # type: ignore[method-assign]
        self.auth = make_auth(
            self.server,
            token_client=httpx.Client(transport=mock_transport(self.server, self.clock)),
            store=MemoryStore(clock=self.clock),
            clock=self.clock,
        )

    def get(self) -> int:
        with open_client(self.kind, self.auth, simulator=self.server, clock=self.clock) as client:
            status = client.send("GET", f"{HOST}/things").status
        settle(self.auth)
        return status

    def go_to(self, before_the_end: float) -> None:
        self.clock.advance(self.auth.token().expires_at - self.clock() - before_the_end)


@pytest.fixture(params=CLIENT_KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.parametrize("name", PROVIDERS)
def test_one_page_in_the_renewal_window_fails_no_request_and_no_login_follows_it(name: str, kind: str) -> None:
    world = World(name, kind)
    assert world.get() == 200
    world.go_to(60)
    world.is_blocking = True
    assert world.get() == 200
    world.is_blocking = False
    for _ in range(24):
        world.clock.advance(5)
        assert world.get() == 200
    assert world.blocked == (["login"] if name == "oauth2-client" else ["refresh"])  # It has no refresh token.


@pytest.mark.parametrize("name", PROVIDERS)
def test_without_a_valid_token_requests_work_within_eight_seconds_of_the_pages_end(name: str, kind: str) -> None:
    world = World(name, kind)
    assert world.get() == 200
    world.go_to(-1)
    world.is_blocking = True
    for _ in range(20):
        with pytest.raises(AuthError, match="an HTML page"):
            world.get()
        world.clock.advance(1)
    world.is_blocking = False
    world.clock.advance(8)
    assert world.get() == 200
    # JWTPlus cannot renew a session whose auth token has ended: signing is the only call.
    assert set(world.blocked) == ({"login"} if name in ("oauth2-client", "jwtplus") else {"refresh"})
