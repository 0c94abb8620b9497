"""Many processes, one token."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from auth_plugins.simulators import (
    FyatuSimulator,
    JWTPlusSimulator,
    MarketigerSimulator,
    SimRequest,
    SimResponse,
    VaultSimulator,
)
from auth_plugins.simulators.ledger import Endpoint
from tests.processes.conftest import ALWAYS_DUE

if TYPE_CHECKING:
    from tests.processes.conftest import Fleet, MovingClock


@pytest.fixture(params=["file", "encrypted", "redis"])
def fleet(request: pytest.FixtureRequest, open_fleet: Callable[[str], Fleet]) -> Fleet:
    return open_fleet(request.param)


@pytest.mark.slow
def test_eight_processes_with_eight_threads_log_in_once_and_refresh_once(fleet: Fleet) -> None:
    fleet.serve("fyatu", FyatuSimulator(lifetime=600))
    fleet.simulator.latency = 0.1
    fleet.start(8)
    assert fleet.together("herd", 8) == [["200"]] * 8
    assert fleet.calls() == [("login", 200)]
    fleet.clock.advance(600)
    assert fleet.together("herd", 8) == [["200"]] * 8
    assert fleet.calls() == [("login", 200), ("refresh", 200)]


class HurriedJWTPlus(JWTPlusSimulator):
    """Its sessions can be renewed after a few seconds, which pass with each answer."""

    clock: MovingClock

    def answer_token_call(self, endpoint: Endpoint, request: SimRequest) -> SimResponse:
        answer = super().answer_token_call(endpoint, request)
        self.clock.advance(5.0)
        return answer


def serve_rotating(fleet: Fleet, door: str) -> None:
    if door == "marketiger":
        marketiger = MarketigerSimulator()
        marketiger.reuse_detection = True
        fleet.serve(door, marketiger, **ALWAYS_DUE)
    elif door == "vault":
        vault = VaultSimulator()
        vault.reuse_detection = True
        fleet.serve(door, vault, **ALWAYS_DUE)
    else:
        jwtplus = HurriedJWTPlus(token_expire=10**6, refresh_notbefore=0, refresh_expire=2 * 10**6)
        jwtplus.clock = fleet.clock
        fleet.serve(door, jwtplus, **ALWAYS_DUE)


@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.parametrize("door", ["marketiger", "vault", "jwtplus"])
@pytest.mark.parametrize("fleet", ["file", "redis"], indirect=True)
def test_a_thousand_renewals_by_eight_processes_never_use_a_refresh_token_twice(fleet: Fleet, door: str) -> None:
    serve_rotating(fleet, door)
    fleet.start(8)
    for worker in fleet.workers:
        worker.tell("toil")
    fleet.until(lambda: fleet.simulator.ledger.count("refresh") >= 1000)
    outcomes = fleet.together("stop")
    assert [set(outcome) for outcome in outcomes] == [{"200"}] * 8
    assert fleet.calls("login") == [("login", 200)]
    assert set(fleet.calls("refresh")) == {("refresh", 200)}
    # Nor were they the renewals of a single process.
    assert sum("refreshed" in events for events in fleet.together("events")) > 1
