"""The world of the providers' tests: a client library in front of a simulated provider, without a network."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import httpx
import httpx2
import pytest
import requests

from auth_plugins import JWTPlusAuth, MemoryStore, RefreshPolicy
from auth_plugins.core import Event
from auth_plugins.simulators import JWTPlusSimulator, SimRequest, Simulator
from auth_plugins.testing import FakeClock, RequestsAdapter, mock_transport, settle

S = TypeVar("S", bound=Simulator)
HTTPX: dict[str, Any] = {"httpx": httpx, "httpx2": httpx2}


@pytest.fixture(params=["requests", *HTTPX])
def library(request: pytest.FixtureRequest) -> str:
    """The name of each client library."""
    return str(request.param)


class World(Generic[S]):
    """A client library in front of a simulated provider and its API, and a clock that stands still."""

    def __init__(self, server: S, home: str, library: str = "requests") -> None:
        self.server, self.home, self.library = server, home, library
        self.clock = FakeClock()
        self.store = MemoryStore(clock=self.clock)
        self.events: list[Event] = []
        self.sleep: Callable[[float], None] = lambda _: None
        """What a delayed answer waits by."""

    def client(self, auth: Any = None, library: str = "") -> Any:
        """Return a new client whose network is the simulator."""
        library = library or self.library
        if library == "requests":
            session = requests.Session()
            session.mount("https://", RequestsAdapter(self.server, self.clock, sleep=self.sleep))
            session.auth = auth
            return session
        kit = HTTPX[library]
        return kit.Client(transport=mock_transport(self.server, self.clock, kit, sleep=self.sleep), auth=auth)

    def options(self, **more: Any) -> dict[str, Any]:
        """Return the options of an auth object in this world, and `more` of them."""
        usual = {"store": self.store, "clock": self.clock, "on_event": self.events.append}
        return {"token_client": self.client(), "policy": RefreshPolicy(jitter=0.0), **usual, **more}

    def get(self, auth: Any, url: str = "") -> Any:
        """Return the API's response."""
        with self.client(auth) as client:
            return client.get(url or self.home)

    @property
    def calls(self) -> list[tuple[str, int]]:
        """The endpoint and the status of each call that the server has answered."""
        return [(call.endpoint, call.status) for call in self.server.ledger.calls()]


class JWTPlusWorld(World[JWTPlusSimulator]):
    """A server of JWTPlus with an API, and an auth object."""

    def __init__(self, library: str = "httpx", *, pair_only: bool = False, skew: float = 0.0, **settings: Any) -> None:
        server = JWTPlusSimulator(**{"refresh_notbefore": 60, **settings})
        super().__init__(server, "https://jwtplus.example/things", library)
        self.server.skew = skew
        self.auth = self.make(pair_only=pair_only)

    def make(self, *, pair_only: bool = False, **changes: Any) -> JWTPlusAuth:
        given: dict[str, Any] = {
            "app_id": self.server.app_id,
            "app_key": self.server._secret,
            "base_url": "https://jwtplus.example",
            "ip": "192.0.2.1",
            "user_agent": "test-agent",
            **(self.pair() if pair_only else {"subject": "me", "audience": "web-app"}),
        }
        return JWTPlusAuth(**self.options(**{**given, **changes}))

    def pair(self) -> dict[str, Any]:
        """Log in elsewhere."""
        body = {"sub": "me", "aud": "web-app", "ip": "192.0.2.1", "useragent": "x"}
        path, headers = f"/app/{self.server.app_id}/sign", {"authorization": self.server._secret}
        answer = self.server.handle(SimRequest("POST", path, headers, json.dumps(body).encode()), self.clock())
        found = json.loads(answer.body)
        self.server.ledger.clear()
        return {name: found[name] for name in ("auth_token", "refresh_token")}

    def request(self) -> int:
        """Make a request with httpx, wait for the renewal that it starts, and return the status."""
        with self.client(self.auth, "httpx") as client:
            status = int(client.get(self.home).status_code)
        settle(self.auth)
        return status

    def token_calls(self) -> list[str]:
        """Return the endpoints of the token calls since the last time."""
        found = [str(call.endpoint) for call in self.server.ledger.calls() if call.endpoint != "api"]
        self.server.ledger.clear()
        return found
