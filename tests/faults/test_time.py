"""Clocks that jump, stop and disagree, and lifetimes too short for any window: no request fails, no call is wasted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from auth_plugins import RefreshPolicy
from auth_plugins.testing import settle

if TYPE_CHECKING:
    from tests.conftest import World

matrix = pytest.mark.matrix
pytestmark = matrix(group="Time")
NO_JITTER = RefreshPolicy(jitter=0.0)


@pytest.mark.parametrize(
    "kind_of_jump",
    [
        pytest.param(
            jump,
            marks=matrix(
                case=f"the wall clock jumps {words}, again and again",
                outcome="every request is answered; one renewal for each jump, at most",
            ),
            id=words,
        )
        for jump, words in [
            ((86_400.0, -86_400.0), "a day forth and back"),
            ((-3600.0, 3600.0), "an hour back and forth"),
            ((-10.0 * 365 * 86_400, 10.0 * 365 * 86_400), "ten years back and forth"),
            ((0.5, -0.5), "half a second forth and back"),
        ]
    ],
)
def test_no_jump_of_the_wall_clock_costs_a_request(world: World, kind_of_jump: tuple[float, float]) -> None:
    auth = world.auth()
    with world.client(auth) as client:
        assert client.send("GET", f"{world.url}/x").status == 200
        for jump in kind_of_jump * 3:
            world.clock.jump(jump)
            world.fyatu.skew -= jump  # It is our clock that is wrong.
            assert client.send("GET", f"{world.url}/x").status == 200
            settle(auth)
    assert world.token_calls <= 1 + 6


@matrix(
    case="the machine sleeps for an hour and its steady clock with it",
    outcome="the wall clock tells: the token is renewed in time",
)
def test_a_steady_clock_that_stood_still_keeps_no_token_alive(world: World) -> None:
    short, url = world.another(lifetime=600)
    auth = world.auth(base_url=url)
    with world.client(auth) as client:
        first = client.send("GET", f"{url}/x").sent["authorization"]
        world.clock.jump(3600)  # The wall alone: as after a suspend.
        second = client.send("GET", f"{url}/x")
    assert second.status == 200
    assert second.history == (), "no 401 was needed to find out"
    assert second.sent["authorization"] != first
    assert short.ledger.token_calls == 2


@matrix(case="the wall clock stands still", outcome="the steady one tells: the token is renewed in time")
def test_a_wall_clock_that_stands_still_keeps_no_token_alive(world: World) -> None:
    short, url = world.another(lifetime=600)
    auth = world.auth(base_url=url)
    with world.client(auth) as client:
        client.send("GET", f"{url}/x")
        world.clock.advance(3600)
        world.clock.jump(-3600)
        short.skew = 3600
        reply = client.send("GET", f"{url}/x")
    assert (reply.status, reply.history) == (200, ())


@pytest.mark.parametrize(
    "skew",
    [
        pytest.param(
            skew,
            marks=matrix(
                case=f"the server's clock is ten minutes {words}",
                outcome="no request is lost or sent twice; a renewal for each lifetime",
            ),
            id=words,
        )
        for skew, words in [(600.0, "ahead"), (-600.0, "behind")]
    ],
)
@pytest.mark.parametrize("lifetime", [3600, 900])
def test_a_server_whose_clock_is_off_costs_nothing(world: World, skew: float, lifetime: int) -> None:
    off, url = world.another(lifetime=lifetime)
    off.skew = skew
    auth = world.auth(base_url=url, policy=NO_JITTER)
    with world.client(auth) as client:
        for _ in range(20):
            reply = client.send("GET", f"{url}/x")
            assert (reply.status, reply.history) == (200, ())
            settle(auth)
            world.clock.advance(lifetime / 5)
    assert off.ledger.token_calls <= 6


@matrix(
    case="`expires_in` is missing and the server's clock is ten minutes behind",
    outcome="a 401 corrects it, and the request is sent again",
)
def test_an_absolute_end_by_a_slow_clock_is_corrected_by_a_401(world: World) -> None:
    off, url = world.another(lifetime=900)
    off.skew, off.omit = 600.0, frozenset({"expiresIn"})  # Its `expiresAt` is ten minutes late for us.
    auth = world.auth(base_url=url)
    with world.client(auth) as client:
        for _ in range(12):
            assert client.send("GET", f"{url}/x").status == 200
            settle(auth)
            world.clock.advance(150)
    assert off.ledger.token_calls <= 4


@pytest.mark.parametrize(
    ("lifetime", "step"),
    [
        pytest.param(
            lifetime,
            step,
            marks=matrix(
                case=f"a token lives for {words}, the window would be five minutes",
                outcome="it is used for four fifths of its life",
            ),
            id=words,
        )
        for lifetime, step, words in [(60, 2.0, "a minute"), (299, 10.0, "299 seconds"), (5, 0.2, "five seconds")]
    ],
)
def test_a_token_that_lives_shorter_than_the_window_is_used_for_most_of_its_life(
    world: World, lifetime: int, step: float
) -> None:
    short, url = world.another(lifetime=lifetime)
    auth = world.auth(base_url=url, policy=NO_JITTER)
    with world.client(auth) as client:
        sent = 0.0
        while sent < lifetime * 2:
            assert client.send("GET", f"{url}/x").status == 200
            settle(auth)
            world.clock.advance(step)
            sent += step
    assert short.ledger.token_calls <= 4


@matrix(case="a token lives for one second", outcome="a token for each second, and every request is answered")
def test_a_token_of_one_second_serves_for_its_second(world: World) -> None:
    short, url = world.another(lifetime=1)
    auth = world.auth(base_url=url, policy=NO_JITTER)
    with world.client(auth) as client:
        for _ in range(30):
            assert client.send("GET", f"{url}/x").status == 200
            settle(auth)
            world.clock.advance(0.1)
    assert short.ledger.token_calls <= 5


@matrix(
    case="a token lives for zero seconds, and the API refuses it",
    outcome="the 401 is handed over; one call for each request, and one more",
)
def test_a_token_that_has_ended_when_it_comes_costs_one_call_for_each_request(world: World) -> None:
    short, url = world.another(lifetime=0)
    auth = world.auth(base_url=url)
    with world.client(auth) as client:
        for count in range(1, 11):
            assert client.send("GET", f"{url}/x").status == 401
            assert short.ledger.token_calls == count + 1
