"""A thousand days of each provider: requests, outages, revocations and restarts as they come, beside a perfect client.

    pytest tests/behaviour/test_thousand_days.py -s

prints the token calls that were made beside the fewest that any client could have made.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from auth_plugins import AuthError, FyatuAuth, JWTPlusAuth, MarketigerAuth, MemoryStore, TokenAuth, VaultAuth
from auth_plugins.simulators import FyatuSimulator, JWTPlusSimulator, MarketigerSimulator, Simulator, VaultSimulator
from auth_plugins.testing import FakeClock, mock_transport, settle

DAY = 86_400.0
ORIGIN = "https://api.example"


@dataclass
class Thrifty:
    """Whoever calls for a token only when a request finds none: nobody needs fewer calls."""

    ends: float = 0.0
    calls: int = 0

    def request(self, now: float, lifetime: float, *, endpoint_up: bool) -> None:
        if now >= self.ends and endpoint_up:
            self.calls += 1
            self.ends = now + lifetime


def fyatu(simulator: FyatuSimulator, url: str, **options: Any) -> TokenAuth:
    return FyatuAuth(simulator.app_id, "your_secret_key_here", base_url=url, **options)


def vault(simulator: VaultSimulator, url: str, **options: Any) -> TokenAuth:
    return VaultAuth(simulator.partner_id, base_url=url, email=simulator.email, password="Correct-horse-7", **options)


def marketiger(simulator: MarketigerSimulator, url: str, **options: Any) -> TokenAuth:
    return MarketigerAuth(simulator.email, "your_password_here", base_url=url, **options)


def long_sessions() -> JWTPlusSimulator:
    """Sessions of a day that can be renewed in their last hours, as the documentation's own example has it."""
    return JWTPlusSimulator(token_expire=86_400, refresh_notbefore=72_000, refresh_expire=172_800)


def jwtplus(simulator: JWTPlusSimulator, url: str, **options: Any) -> TokenAuth:
    return JWTPlusAuth(
        simulator.app_id,
        "an+app/key" * 12 + "12345678",
        base_url=url,
        ip="192.0.2.1",
        user_agent="tests",
        subject="user@example.org",
        audience="web-app",
        **options,
    )


PROVIDERS: dict[str, tuple[Callable[[], Any], Callable[..., TokenAuth], float]] = {
    "fyatu": (FyatuSimulator, fyatu, DAY),
    "vault": (lambda: VaultSimulator(password="Correct-horse-7", lifetime=DAY), vault, DAY),
    "jwtplus": (long_sessions, jwtplus, DAY),
    "marketiger": (lambda: MarketigerSimulator(lifetime=DAY / 3), marketiger, DAY / 3),
}


class Life:
    """One client's life."""

    def __init__(self, name: str) -> None:
        make, self.make_auth, self.lifetime = PROVIDERS[name]
        self.dice, self.clock, self.thrifty = random.Random(name), FakeClock(), Thrifty()
        self.simulator: Simulator = make()
        self.url = f"{ORIGIN}{self.simulator.base_path}"
        self.transport = mock_transport(self.simulator, self.clock)
        self.tokens = httpx.Client(transport=self.transport)
        self.lost: list[float] = []
        self.restart()

    def restart(self) -> None:
        store = MemoryStore(clock=self.clock)
        self.auth = self.make_auth(
            self.simulator, self.url, origins=[ORIGIN], token_client=self.tokens, store=store, clock=self.clock
        )
        self.client = httpx.Client(transport=self.transport, auth=self.auth)
        self.thrifty.ends = 0.0

    def revoke(self) -> None:
        self.simulator.revoke_all()
        self.thrifty.ends = 0.0

    def fail(self) -> None:
        self.simulator.outage = "drop"

    def recover(self) -> None:
        self.simulator.outage = None

    def request(self) -> None:
        now = self.clock()
        endpoint_up = self.simulator.outage is None
        self.thrifty.request(now, self.lifetime, endpoint_up=endpoint_up)
        # A perfect client serves what it holds a good token for, and what it can get one for.
        servable = endpoint_up or self.holds_a_good_token(now)
        try:
            served = self.client.get(f"{self.url}/x").status_code == 200
        except AuthError:
            served = False
        settle(self.auth)
        if servable and not served:
            self.lost.append(now)

    def holds_a_good_token(self, now: float) -> bool:
        """As the server sees it."""
        token = self.auth._source.shared.snapshot.token
        issued = self.simulator._issued.get(self.simulator.identify(token.access_token) or "") if token else None
        return issued is not None and not issued.revoked and now < issued.end

    def snapshot(self, days: int) -> None:
        """Let things happen, each at its own mean interval, one after the other."""
        means = {self.request: DAY / 24, self.revoke: 40 * DAY, self.fail: 5 * DAY, self.restart: 30 * DAY}
        agenda = [(self.clock() + self.dice.expovariate(1 / mean), what) for what, mean in means.items()]
        end = self.clock() + days * DAY
        while True:
            moment, what = min(agenda, key=lambda each: each[0])
            if moment > end:
                return
            agenda.remove((moment, what))
            self.clock.advance(max(0.0, moment - self.clock()))
            what()
            if what == self.fail:
                agenda.append((moment + self.dice.uniform(1, 3600), self.recover))
            elif what == self.recover:
                agenda.append((moment + self.dice.expovariate(1 / means[self.fail]), self.fail))
            else:
                agenda.append((moment + self.dice.expovariate(1 / means[what]), what))


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.parametrize("name", PROVIDERS)
def test_in_a_thousand_days_no_request_is_lost_and_few_token_calls_are_spent(name: str) -> None:
    life = Life(name)
    life.snapshot(1000)
    answered = sum(call.status != 0 for kind in ("login", "refresh") for call in life.simulator.ledger.calls(kind))
    fewest = life.thrifty.calls
    requests = life.simulator.ledger.count("api")
    print(f"\n{name}: {requests} requests, {answered} token calls, at least {fewest} needed, {answered / fewest:.3f}")
    assert life.lost == []
    assert fewest <= answered <= 1.05 * fewest
