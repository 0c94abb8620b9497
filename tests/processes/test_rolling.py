"""One session, and processes whose settings are not all the same: it goes on, and no refresh token comes twice."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from auth_plugins.simulators import OAuth2Simulator
from tests.processes.conftest import ALWAYS_DUE

if TYPE_CHECKING:
    from tests.processes.conftest import Fleet

REST = 0.02


@pytest.fixture(params=["file", "redis"])
def fleet(request: pytest.FixtureRequest, open_fleet: Callable[[str], Fleet]) -> Fleet:
    return open_fleet(request.param)


def open_session(fleet: Fleet) -> dict[str, Any]:
    """Begin a session at a server that ends it when a used refresh token comes again, and return its settings."""
    server = OAuth2Simulator("app", "secret", rotate=True)
    server.end_family = True
    fleet.serve("oauth2", server, **ALWAYS_DUE)
    return {
        "token_url": f"{fleet.url}/token",
        "client_id": "app",
        "client_secret": "secret",
        "refresh_token": server.consent("read", "write"),
    }


def work(fleet: Fleet, settings: dict[str, Any]) -> None:
    (worker,) = fleet.start(1, settings)
    worker.tell("toil", REST)


def wait_for_refreshes(fleet: Fleet, count: int) -> None:
    wanted = fleet.simulator.ledger.count("refresh") + count
    fleet.until(lambda: fleet.simulator.ledger.count("refresh") >= wanted)


@pytest.mark.slow
def test_a_rolling_deployment_that_changes_settings_goes_on_with_the_session(fleet: Fleet) -> None:
    settings, outcomes = open_session(fleet), set[str]()
    for _ in range(4):
        work(fleet, settings)
    changes: list[dict[str, Any]] = [
        {"scope": "read"},
        {"extra": {"audience": "x"}},
        {"base_url": f"{fleet.url}/v2"},
        {"assumed_lifetime": 600.0},
        {"client_auth": "client_secret_post"},
    ]
    for change in changes:
        settings |= change
        for _ in range(4):
            wait_for_refreshes(fleet, 3)
            old = fleet.workers.pop(0)
            outcomes |= set(old.do("stop"))
            old.close()
            work(fleet, settings)
    wait_for_refreshes(fleet, 8)
    outcomes |= {outcome for each in fleet.together("stop") for outcome in each}
    assert outcomes == {"200"}
    assert set(fleet.calls("refresh")) == {("refresh", 200)}


@pytest.mark.slow
def test_processes_with_different_scopes_and_audiences_renew_in_turn(fleet: Fleet) -> None:
    settings = open_session(fleet)
    for scope, audience in itertools.product(("read", "write"), ("a", "b")):
        work(fleet, {**settings, "scope": scope, "extra": {"audience": audience}})
    wait_for_refreshes(fleet, 80)
    outcomes = {outcome for each in fleet.together("stop") for outcome in each}
    assert outcomes == {"200"}
    assert set(fleet.calls("refresh")) == {("refresh", 200)}
