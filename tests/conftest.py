from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings

from auth_plugins import FyatuAuth, MemoryStore, TokenAuth
from auth_plugins.core import Event
from auth_plugins.simulators import FyatuSimulator
from auth_plugins.testing import CLIENT_KINDS, AnyClient, FakeClock, open_client, serve, settle

if TYPE_CHECKING:
    from auth_plugins.testing.server import SimulatorServer

# A machine that is busy with something else is not a failure of the rules.
# Mutation testing runs each test many times in one process, each time with another instance of its class.
settings.register_profile(
    "patient", deadline=None, suppress_health_check=[HealthCheck.differing_executors, HealthCheck.too_slow]
)
settings.load_profile("patient")

APP_ID, SECRET_KEY = "A1B2C3D4E5F6G7H8", "your_secret_key_here"
_numbers = itertools.count()


@dataclass
class World:
    """A provider, an API behind it, and a clock that stands still; everything on a real socket."""

    server: SimulatorServer
    kind: str
    clock: FakeClock
    fyatu: FyatuSimulator
    url: str
    store: MemoryStore
    events: list[Event] = field(default_factory=list)

    def auth(self, app_id: str = APP_ID, secret_key: str = SECRET_KEY, **options: Any) -> FyatuAuth:
        given = {"store": self.store, "clock": self.clock, "on_event": self.events.append, **options}
        return FyatuAuth(app_id, secret_key, base_url=given.pop("base_url", self.url), **given)

    def client(self, auth: TokenAuth, **options: Any) -> AbstractContextManager[AnyClient]:
        return open_client(self.kind, auth, **options)

    def another(self, **knobs: Any) -> tuple[FyatuSimulator, str]:
        """A second API, at another path of the same origin."""
        fyatu = FyatuSimulator(**knobs)
        return fyatu, self.server.mount(f"/{next(_numbers)}", fyatu, clock=self.clock)

    @property
    def token_calls(self) -> int:
        return self.fyatu.ledger.token_calls

    def told(self, auth: TokenAuth) -> list[str]:
        settle(auth)
        return [event.kind.value for event in self.events]


@pytest.fixture(scope="session")
def server() -> Iterator[SimulatorServer]:
    with serve() as running:
        yield running


@pytest.fixture(scope="session")
def stranger() -> Iterator[SimulatorServer]:
    """Another origin."""
    with serve() as running:
        yield running


@pytest.fixture
def make_world(server: SimulatorServer) -> Any:
    def make(kind: str) -> World:
        clock, fyatu = FakeClock(), FyatuSimulator()
        url = server.mount(f"/{next(_numbers)}", fyatu, clock=clock)
        return World(server, kind, clock, fyatu, url, MemoryStore(clock=clock))

    return make


@pytest.fixture(params=CLIENT_KINDS)
def world(request: pytest.FixtureRequest, make_world: Any) -> World:
    """One for every kind of client."""
    made: World = make_world(request.param)
    return made


@pytest.fixture
def one_world(make_world: Any) -> World:
    """One, for what does not depend on the client."""
    made: World = make_world("requests")
    return made
