"""JWTPlus on slow and uneven ways: no caller sees a 401, no renewal is refused, and a session is signed once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from typing import Any

import httpx
import pytest

from auth_plugins import Event, JWTPlusAuth, MemoryStore
from auth_plugins.simulators import JWTPlusSimulator
from auth_plugins.testing import FakeClock, mock_transport, settle

KEY = "AaBbCcDd" * 16
URL = "https://jwtplus.example"


class SlowStore(MemoryStore):
    """A store that takes up to 200 ms to give its lock back."""

    def __init__(self, clock: FakeClock, chance: Random) -> None:
        super().__init__(clock=clock)
        self._until_unlocked, self._chance = clock, chance

    @contextmanager
    def lock(self, key: str) -> Iterator[Any]:
        with super().lock(key) as held:
            yield held
            self._until_unlocked.sleep(self._chance.uniform(0.0, 0.2))


class World:
    """The server, with 0 to 2 seconds for each way to it and each way back."""

    def __init__(self, seed: int) -> None:
        self.chance, self.clock, self.server = Random(seed), FakeClock(), JWTPlusSimulator(app_key=KEY)
        self.server.strict, self.events = True, list[Event]()
        self.clock.advance(self.chance.random())
        handle = mock_transport(self.server, self.clock, sleep=self.clock.sleep).handle_request

        def send(request: httpx.Request) -> httpx.Response:
            self.server.request_latency, self.server.latency, self.server.api_latency = self._ways()
            return handle(request)

        self.transport = httpx.MockTransport(send)
        self.auth = JWTPlusAuth(
            self.server.app_id,
            KEY,
            base_url=URL,
            ip="192.0.2.1",
            user_agent="tests",
            token_client=httpx.Client(transport=self.transport),
            store=SlowStore(self.clock, self.chance),
            clock=self.clock,
            on_event=self.events.append,
            subject="me",
            audience="web",
        )

    def _ways(self) -> tuple[float, float, float]:
        # Sometimes no delay at all: the shortest way is the hardest for what is valid only some time later.
        there, back, api = (self.chance.choice([0.0, self.chance.uniform(0.0, 2.0)]) for _ in range(3))
        return there, back, api


@pytest.mark.matrix(
    group="Rejections",
    case="0 to 2 s for each way, 0 to 200 ms to unlock the store",
    outcome="no 401 for a caller, no refused renewal, one sign",
)
@pytest.mark.parametrize("background", [True, False], ids=["requests go on", "requests wait"])
@pytest.mark.parametrize("seed", range(10))
def test_slow_ways_cost_no_401_no_refused_renewal_and_one_sign(seed: int, background: bool) -> None:
    world = World(seed)
    with httpx.Client(transport=world.transport, auth=world.auth) as client:
        for _ in range(3):
            for _ in range(12):
                assert client.get(f"{URL}/x").status_code == 200
                if not background:
                    settle(world.auth)
                world.clock.advance(world.chance.choice([0.0, 0.02, 0.5]))
            settle(world.auth)
            due = world.auth._shared.snapshot.window_opens_at
            world.clock.advance(max(0.0, due - world.clock() - world.chance.uniform(0.0, 3.0)))
    assert len(world.server.ledger.calls("login")) == 1
    assert [event.error for event in world.events if event.error is not None] == []
    refreshes = world.server.ledger.calls("refresh")
    assert len(refreshes) >= 2
    assert all(call.granted for call in refreshes)
