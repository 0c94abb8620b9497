from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import pytest
import requests
from urllib3.util import parse_url

from auth_plugins import (
    FyatuAuth,
    FyatuBusinessAuth,
    JWTPlusAuth,
    MarketigerAuth,
    MemoryStore,
    OAuth2ClientCredentialsAuth,
    OAuth2RefreshTokenAuth,
    RefreshPolicy,
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
    VaultSimulator,
    json_response,
)
from auth_plugins.testing import CLIENT_KINDS, AnyClient, FakeClock, RequestsAdapter, mock_transport, open_client

HOME = "https://api.example"
SECRET = "marked-secret-of-the-app"
APP_KEY = "Marked+App/Key" * 9


def _jwtplus(simulator: JWTPlusSimulator, base_url: str, **options: Any) -> TokenAuth:
    session = {"ip": "192.0.2.1", "user_agent": "tests", "subject": "me", "audience": "web-app"}
    return JWTPlusAuth(simulator.app_id, simulator._secret, base_url=base_url, **{**session, **options})


def _vault(simulator: VaultSimulator, base_url: str, **options: Any) -> TokenAuth:
    email, password = simulator.email, simulator._secret
    return VaultAuth(simulator.partner_id, base_url=base_url, email=email, password=password, **options)


def _user(simulator: OAuth2Simulator, base_url: str, **options: Any) -> TokenAuth:
    given = simulator.consent()
    url, secret = f"{base_url}/token", simulator._secret
    return OAuth2RefreshTokenAuth(url, simulator.client_id, given, client_secret=secret, **options)


@dataclass(frozen=True, slots=True)
class Party:
    """A provider whose secrets are marked, and what nobody but its token endpoint may see."""

    name: str
    simulator: Callable[[], Any]
    auth: Callable[..., TokenAuth]
    headers: tuple[str, ...] = ()
    """Names of headers that are for token calls alone."""


PARTIES = (
    Party(
        "fyatu",
        lambda: FyatuSimulator(secret_key=SECRET),
        lambda s, url, **o: FyatuAuth(s.app_id, s._secret, base_url=url, **o),
    ),
    Party(
        "fyatu-business",
        lambda: FyatuSimulator(secret_key=SECRET, generation="v3.20"),
        lambda s, url, **o: FyatuBusinessAuth(s.app_id, s._secret, base_url=url, **o),
    ),
    Party("vault", lambda: VaultSimulator(password=SECRET), _vault, ("partnerid", "granttype")),
    Party("jwtplus", lambda: JWTPlusSimulator(app_key=APP_KEY, refresh_notbefore=60), _jwtplus),
    Party(
        "marketiger",
        lambda: MarketigerSimulator(password=SECRET),
        lambda s, url, **o: MarketigerAuth(s.email, s._secret, base_url=url, **o),
    ),
    Party(
        "oauth2-client",
        lambda: OAuth2Simulator(client_secret=SECRET),
        lambda s, url, **o: OAuth2ClientCredentialsAuth(f"{url}/token", s.client_id, s._secret, **o),
    ),
    Party("oauth2-user", lambda: OAuth2Simulator(client_secret=SECRET, rotate=True), _user),
)


class Net:
    """Every host there is, in the place of the network: the provider at home, and strangers who answer 401."""

    def __init__(self, simulator: Any) -> None:
        self.simulator = simulator
        self.seen: list[tuple[str, SimRequest]] = []
        """Who was sent what: `scheme://host:port`, and the request."""
        self.issued = listen(simulator)
        self.redirects: dict[str, tuple[int, str]] = {}
        """Paths, and where they lead, wherever they are asked for."""

    def handle(self, request: SimRequest, now: float) -> SimResponse:
        where = place(request.url)
        self.seen.append((where, request))
        if request.path in self.redirects:
            status, target = self.redirects[request.path]
            return SimResponse(status, {"location": target})
        if where != f"{HOME}:443":
            return json_response(401, {"success": False})
        answer: SimResponse = self.simulator.handle(request, now)
        return answer

    def sent_to(self, *, home: bool) -> Iterator[str]:
        """All that was sent to the provider, or to everybody else, as text."""
        for where, request in self.seen:
            if (where == f"{HOME}:443") is home:
                headers = [f"{name}: {value}" for name, value in request.headers.items()]
                yield "\n".join([request.url, *headers, request.body.decode("latin-1")])

    def visited(self, where: str) -> bool:
        """Whether somebody was asked anything."""
        return any(where == each for each, _ in self.seen)


def listen(simulator: Any) -> set[str]:
    """Collect every token that the provider gives out from now on."""
    issued: set[str] = set()
    handle = simulator.handle

    def listening(request: SimRequest, now: float) -> SimResponse:
        answer: SimResponse = handle(request, now)
        if simulator.endpoint_of(request) != "api":
            issued.update(_tokens(json.loads(answer.body or b"null")))
        return answer

    simulator.handle = listening
    return issued


def place(url: str) -> str:
    parts = parse_url(url)
    return f"{parts.scheme}://{parts.host}:{parts.port or {'http': 80, 'https': 443}[parts.scheme or 'http']}"


def _tokens(answer: Any) -> Iterator[str]:
    if isinstance(answer, dict):
        for name, value in answer.items():
            if "token" in name.lower() and isinstance(value, str) and len(value) > 16:
                yield value
            yield from _tokens(value)


class Town:
    """One provider, one kind of client, one clock."""

    def __init__(self, party: Party, kind: str) -> None:
        self.party, self.kind, self.clock = party, kind, FakeClock()
        self.simulator = party.simulator()
        self.net: Any = Net(self.simulator)
        self.base_url = f"{HOME}{self.simulator.base_path}"
        self.store = MemoryStore(clock=self.clock)
        self.secrets = (self.simulator._secret,)

    def auth(self, **options: Any) -> TokenAuth:
        given = {"store": self.store, "clock": self.clock, "policy": RefreshPolicy(jitter=0.0), **options}
        made = self.party.auth(self.simulator, self.base_url, token_client=self.lend(), **given)
        made.token()
        self.clock.advance(2)  # JWTPlus: an API may reject a token in the second in which it was signed.
        return made

    def lend(self) -> Any:
        name = self.kind.partition("-")[0]
        if name == "requests":
            session = requests.Session()
            for scheme in ("https://", "http://"):
                session.mount(scheme, RequestsAdapter(self.net, self.clock))
            return session
        library = importlib.import_module(name)
        return library.Client(transport=mock_transport(self.net, self.clock, library))

    def client(self, auth: TokenAuth) -> AbstractContextManager[AnyClient]:
        return open_client(self.kind, auth, simulator=self.net, clock=self.clock)


@pytest.fixture(scope="session", name="listen")
def _listen() -> Callable[[Any], set[str]]:
    return listen


@pytest.fixture(scope="session")
def parties() -> dict[str, Party]:
    return {party.name: party for party in PARTIES}


@pytest.fixture
def make_town() -> Callable[[str, str], Town]:
    by_name = {party.name: party for party in PARTIES}
    return lambda name, kind: Town(by_name[name], kind)


@pytest.fixture(params=CLIENT_KINDS)
def town(request: pytest.FixtureRequest) -> Town:
    """Fyatu, for every kind of client."""
    return Town(PARTIES[0], request.param)


@pytest.fixture(params=[party.name for party in PARTIES])
def party(request: pytest.FixtureRequest) -> Party:
    """Every provider there is."""
    return next(each for each in PARTIES if each.name == request.param)


@pytest.fixture(params=CLIENT_KINDS)
def every_town(request: pytest.FixtureRequest, party: Party) -> Town:
    """Every provider, for every kind of client."""
    return Town(party, request.param)
