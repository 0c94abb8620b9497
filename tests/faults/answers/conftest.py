"""A token endpoint that answers what it is told, in the shape of each provider, before an API that takes any token."""

from __future__ import annotations

import base64
import itertools
import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from auth_plugins import (
    AuthError,
    FyatuAuth,
    JWTPlusAuth,
    MarketigerAuth,
    OAuth2ClientCredentialsAuth,
    RefreshPolicy,
    TokenAuth,
    VaultAuth,
)
from auth_plugins.core import fingerprint
from auth_plugins.simulators import SimRequest, SimResponse
from auth_plugins.testing import CLIENT_KINDS, AnyClient

if TYPE_CHECKING:
    from tests.conftest import World
    from tests.faults.conftest import Told

SECRET, JSON = "your_secret_key_here", {"content-type": "application/json"}
JWTPLUS: Any = {"ip": "127.0.0.1", "user_agent": "test", "subject": "s", "audience": "a"}
AUTHS: dict[str, Callable[..., TokenAuth]] = {
    "fyatu": lambda url, **more: FyatuAuth("an_app_id", SECRET, base_url=url, **more),
    "oauth2": lambda url, **more: OAuth2ClientCredentialsAuth(f"{url}/token", "a_client", SECRET, **more),
    "vault": lambda url, **more: VaultAuth(7, base_url=url, email="a@b.example", password=SECRET, **more),
    "marketiger": lambda url, **more: MarketigerAuth("a@b.example", SECRET, base_url=url, **more),
    "jwtplus": lambda url, **more: JWTPlusAuth("0" * 26, SECRET, base_url=url, **JWTPLUS, **more),
}
NAMES = {"fyatu": "accessToken", "marketiger": "accessToken", "jwtplus": "auth_token"}
_numbers = itertools.count()


def _jwt(**claims: Any) -> str:
    parts = (base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in ({}, claims))
    return ".".join((*parts, "c2ln"))


@dataclass
class Room:
    world: World
    provider: str
    told: Told

    def __post_init__(self) -> None:
        self.answer, self.asked, self.base_path = SimResponse(500, {}), list[str](), ""
        self.url = self.world.server.mount(f"/answers/{next(_numbers)}", self, clock=self.world.clock)  # type: ignore[arg-type]
        options = {"store": self.world.store, "clock": self.world.clock, "policy": RefreshPolicy(tries=1, jitter=0.0)}
        self.auth = AUTHS[self.provider](self.url, **options)

    def handle(self, request: SimRequest, _now: float) -> SimResponse:
        self.asked.append(request.path)
        return SimResponse(200, {}, b"the API") if request.path == "/x" else self.answer

    def good(self, **changes: Any) -> dict[str, Any]:
        """Give the provider's answer with a token; `access` is the token, whatever its name; `...` leaves out."""
        now = int(self.world.clock())
        moments = {"iat": now, "nbf": now, "exp": now + 3600}
        body: dict[str, Any] = {"access": _jwt(**moments)}
        if self.provider == "jwtplus":
            body |= {"refresh_token": _jwt(**{**moments, "nbf": now + 3000})}
        elif self.provider != "marketiger":
            of_fyatu = self.provider == "fyatu"
            body |= {("tokenType" if of_fyatu else "token_type"): "Bearer"}
            body |= {("expiresIn" if of_fyatu else "expires_in"): 3600}
        for name, value in changes.items():
            # Fyatu writes the common names in its own way.
            known = {"token_type": "tokenType", "expires_in": "expiresIn"} if self.provider == "fyatu" else {}
            body[known.get(name, name)] = value
        body[NAMES.get(self.provider, "access_token")] = body.pop("access")
        body = {name: value for name, value in body.items() if value is not ...}
        return {"success": True, "data": body} if self.provider in ("fyatu", "marketiger") else body

    def says(self, body: Any, status: int = 200, **headers: str) -> None:
        """Answer every token call with this."""
        written = body if isinstance(body, bytes) else json.dumps(body).encode()
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        self.answer = SimResponse(status, {**JSON, **fields}, b"" if status == 204 else written)

    jwt = staticmethod(_jwt)

    def client(self) -> AbstractContextManager[AnyClient]:
        return self.world.client(self.auth)

    def fails(self, code: str) -> Any:
        """Check that a request ends in this error after one token call, that nothing is kept, and that all heals."""
        with self.client() as client:
            with pytest.raises(AuthError) as caught:
                client.send("GET", f"{self.url}/x")
            self.told(caught, code, self.world.kind)
            assert len(self.asked) == 1
            shared = self.auth._source.shared
            assert shared.snapshot.token is None
            assert shared.store.load(fingerprint(self.auth._provider, shared.store.salt)) is None
            self.says(self.good())
            self.world.clock.advance(2000)
            self.says(self.good())
            assert client.send("GET", f"{self.url}/x").status == 200
        return caught.value

    def survives(self) -> Any:
        """Check that a request is sent with the token; give the token."""
        with self.client() as client:
            reply = client.send("GET", f"{self.url}/x")
        token = self.auth._source.shared.snapshot.token
        assert token is not None
        assert reply.status == 200
        assert reply.sent["authorization"].endswith(token.access_token)
        assert len(self.asked) == 2
        return token


@pytest.fixture
def make_room(make_world: Any, told: Told) -> Callable[[str, str], Room]:
    return lambda provider, kind: Room(make_world(kind), provider, told)


@pytest.fixture(params=[*CLIENT_KINDS, "oauth2", "vault", "marketiger", "jwtplus"])
def room(request: pytest.FixtureRequest, make_room: Callable[[str, str], Room]) -> Room:
    """Fyatu, for every kind of client; and every other provider, for one."""
    if request.param in CLIENT_KINDS:
        return make_room("fyatu", request.param)
    return make_room(request.param, "requests")


@pytest.fixture(params=[*CLIENT_KINDS, "oauth2", "vault"])
def typed_room(request: pytest.FixtureRequest, make_room: Callable[[str, str], Room]) -> Room:
    """Likewise, of those whose answers have a type and a lifetime."""
    if request.param in CLIENT_KINDS:
        return make_room("fyatu", request.param)
    return make_room(request.param, "requests")
