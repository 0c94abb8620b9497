"""A machine without a clock of its own: its time jumps by years, both ways, also over restarts. No session is lost."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from auth_plugins import FileStore, MarketigerAuth, MemoryStore, OAuth2RefreshTokenAuth, Store, VaultAuth
from auth_plugins.engine import recent
from auth_plugins.simulators import MarketigerSimulator, OAuth2Simulator, VaultSimulator
from auth_plugins.testing import FakeClock, mock_transport, settle

matrix = pytest.mark.matrix
pytestmark = matrix(group="Time")

DAY = 86_400.0
DAYS = 1000
FIRST, LAST = DAY, 4_000_000_000.0
"""Where the clock may be: from 1970 to 2096."""
SECRET = "7Fjfp0ZBr1KtDRbnfVdmIw"
PASSWORD = "correct-horse"
URL = "https://issuer.example"


class Machine:
    """A machine with one session, which no login can begin anew. The servers have the right time."""

    step = DAY
    """Seconds between two requests."""
    logins = 0
    """How many there are before the first request."""

    def __init__(self, store: Callable[[FakeClock], Store]) -> None:
        self.right, self.here = FakeClock(), FakeClock()
        self.make_store = store
        self.server = self.begin()
        self.client = httpx.Client(transport=mock_transport(self.server, self.right))
        self.start()

    def begin(self) -> Any:
        raise NotImplementedError

    def auth(self, **options: Any) -> Any:
        raise NotImplementedError

    def start(self) -> None:
        """Start a process: what is known is in the store."""
        self.here = FakeClock(self.here())
        self.store = self.make_store(self.here)

    def passes(self, seconds: float) -> None:
        self.right.advance(seconds)
        self.here.advance(seconds)

    def request(self) -> list[int]:
        """Make an auth object, and request until the answer is good, twice at most.

        A clock that was set back over a restart makes the stored token look valid, so its 401 may be the answer to the
        replay of another 401.
        """
        auth = self.auth(store=self.store, clock=self.here, token_client=self.client)
        statuses = [self.client.get(f"{URL}/x", auth=auth).status_code]
        if statuses != [200]:
            statuses.append(self.client.get(f"{URL}/x", auth=auth).status_code)
        settle(auth)
        return statuses


class OAuth2Machine(Machine):
    def begin(self) -> OAuth2Simulator:
        server = OAuth2Simulator("an_id", SECRET, rotate=True)
        server.end_family = True
        self.first = server.consent()
        return server

    def auth(self, **options: Any) -> OAuth2RefreshTokenAuth:
        url = f"{URL}{self.server.base_path}/token"
        return OAuth2RefreshTokenAuth(url, "an_id", self.first, client_secret=SECRET, **options)


class VaultMachine(Machine):
    step = 4 * DAY

    def begin(self) -> VaultSimulator:
        server = VaultSimulator()
        server.reuse_detection = True
        self.access, self.first = server.session(self.right())
        return server

    def auth(self, **options: Any) -> VaultAuth:
        partner = self.server.partner_id
        return VaultAuth(partner, base_url=URL, access_token=self.access, refresh_token=self.first, **options)


class MarketigerMachine(Machine):
    step = 11.0 * 3600  # Its refresh tokens last for twelve hours.
    logins = 1

    def begin(self) -> MarketigerSimulator:
        server = MarketigerSimulator(password=PASSWORD)
        server.reuse_detection = True
        options: dict[str, Any] = {"base_url": f"{URL}{server.base_path}", "clock": self.right, "store": MemoryStore()}
        client = httpx.Client(transport=mock_transport(server, self.right))
        first = MarketigerAuth(server.email, PASSWORD, token_client=client, **options).token()
        self.pair = first.access_token, first.refresh_token or ""
        return server

    def auth(self, **options: Any) -> MarketigerAuth:
        access, refresh = self.pair
        return MarketigerAuth(
            base_url=f"{URL}{self.server.base_path}", access_token=access, refresh_token=refresh, **options
        )


def live(machine: Machine, *, restarts: bool) -> None:
    """Live through all the days: a request each, and a clock that jumps every third time."""
    dice = random.Random(7)
    for _ in range(int(DAYS * DAY / machine.step)):
        machine.passes(machine.step)
        if dice.random() < 1 / 3:
            machine.here.jump(dice.choice((machine.right(), dice.uniform(FIRST, LAST))) - machine.here())
        if restarts and dice.random() < 1 / 3:
            machine.start()
        if not FIRST <= machine.here() <= LAST:
            machine.here.jump(machine.right() - machine.here())
        assert machine.request()[-1] == 200
    assert {call.status for call in machine.server.ledger.calls("refresh")} == {200}
    assert machine.server.ledger.count("login") == machine.logins


@pytest.mark.slow
@pytest.mark.timeout(300)
@matrix(
    case="the clock of a machine jumps by up to a century, both ways, also over restarts, for 1,000 days",
    outcome="no session is lost: only the provider ends a refresh token that no login can replace",
)
@pytest.mark.parametrize(
    ("kind", "where"),
    [(OAuth2Machine, "folder"), (VaultMachine, "memory"), (MarketigerMachine, "folder")],
    ids=["oauth2", "vault", "marketiger"],
)
def test_no_session_is_lost_by_a_clock_that_jumps_by_years(
    kind: type[Machine], where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.fsync", lambda _: None)  # It is about clocks, and not about power.
    monkeypatch.setattr(recent, "KEPT", 0)  # What is known of the session is in the store alone.
    memory: list[MemoryStore] = []

    def in_memory(clock: FakeClock) -> MemoryStore:
        memory.append(MemoryStore(clock=clock))
        return memory[-1]

    machine = kind((lambda clock: FileStore(tmp_path / "tokens", clock=clock)) if where == "folder" else in_memory)
    live(machine, restarts=where == "folder")
    assert len(memory) <= 1
