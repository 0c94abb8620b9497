"""What a fleet does to a token endpoint: nothing at once, nothing for ever, nothing that it was asked not to do."""

from __future__ import annotations

import random
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from auth_plugins import CredentialsRejected, RefreshPolicy, Token, TokenEndpointUnavailable

if TYPE_CHECKING:
    from tests.conftest import World

matrix = pytest.mark.matrix
pytestmark = matrix(group="Pressure")
CLIENTS, LIFETIME, ROUNDS = 10_000, 3600.0, 40


def busiest_seconds(policy: RefreshPolicy, clients: int = CLIENTS, rounds: int = ROUNDS) -> list[int]:
    """Let a fleet start at once and renew for ever; give the renewals of the busiest second of each generation."""
    dice = random.Random(20261124)
    moments, busiest = [0.0] * clients, []
    for _ in range(rounds):
        moments = [
            policy.due_at(Token(access_token="t", issued_at=at, expires_at=at + LIFETIME), dice.random())
            for at in moments
        ]
        busiest.append(Counter(map(int, moments)).most_common(1)[0][1])
    return busiest


@matrix(
    case="10,000 clients start at once (tokens of an hour)",
    outcome="they renew within a minute, and ever more apart: after ten lifetimes under 100 in the busiest second",
)
def test_a_fleet_that_starts_at_once_does_not_renew_at_once_for_ever() -> None:
    busiest = busiest_seconds(RefreshPolicy())
    assert CLIENTS / 60 < busiest[0] < CLIENTS / 40, "the window is 60 s wider for the luckiest"
    assert busiest[9] < 100
    assert busiest[39] < 70
    assert busiest_seconds(RefreshPolicy(jitter=0.0), clients=100) == [100] * ROUNDS, "it is the jitter that does it"


@matrix(case="a login whose answer does not come", outcome="`tries` calls (2 by default), no more, a moment apart")
@pytest.mark.parametrize("tries", [1, 2, 3])
def test_a_login_is_repeated_within_its_budget(world: World, tries: int) -> None:
    world.fyatu.outage = "lost"
    began = world.clock.monotonic()
    with world.client(world.auth(policy=RefreshPolicy(tries=tries))) as client, pytest.raises(TokenEndpointUnavailable):
        client.send("GET", f"{world.url}/x")
    assert world.token_calls == tries
    assert 0.05 * (tries - 1) <= world.clock.monotonic() - began <= 0.3 * (tries - 1)


@matrix(case="an endpoint that asked for time is asked by a hundred requests at once", outcome="one call")
def test_who_comes_at_once_shares_the_pause(world: World) -> None:
    world.fyatu.rate_limit = 30
    auth = world.auth()
    for _ in range(100):
        with pytest.raises(TokenEndpointUnavailable):
            auth.token()
    assert world.token_calls == 1


@matrix(
    case="refused credentials, a request each second for an hour",
    outcome="eight calls: the cool-down doubles from 30 s to 15 min",
)
def test_refused_credentials_cost_few_calls_in_an_hour(world: World) -> None:
    auth = world.auth(secret_key="not_the_secret_key")
    for _ in range(3600):
        with pytest.raises(CredentialsRejected):
            auth.token()
        world.clock.advance(1)
    assert world.token_calls == 8
