"""Attaching, sharing and renewing, for every kind of client over real sockets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from auth_plugins import RefreshPolicy
from auth_plugins.testing import settle

if TYPE_CHECKING:
    from tests.conftest import World


def test_the_first_request_logs_in_and_the_next_uses_the_cache(world: World) -> None:
    with world.client(world.auth()) as client:
        assert [client.send("GET", f"{world.url}/collections").status for _ in range(3)] == [200, 200, 200]
    assert (world.fyatu.ledger.count("login"), world.fyatu.ledger.count("refresh")) == (1, 0)


def test_the_token_goes_out_as_a_bearer_and_nothing_else_of_the_request_changes(world: World) -> None:
    auth = world.auth()
    with world.client(auth) as client:
        reply = client.send("POST", f"{world.url}/collections?a=1", content=b"abc", headers={"X-Own": "kept"})
    assert reply.sent["authorization"] == f"Bearer {auth.token().access_token}"
    assert reply.sent["x-own"] == "kept"
    assert (reply.data["query"], reply.data["length"]) == ("a=1", 3)


def test_objects_with_the_same_credentials_share_one_token(world: World) -> None:
    for _ in range(3):
        with world.client(world.auth()) as client:
            assert client.send("GET", f"{world.url}/x").status == 200
    assert world.token_calls == 1


def test_an_object_with_a_wrong_secret_does_not_ride_on_the_right_ones_token(world: World) -> None:
    with world.client(world.auth()) as client:
        client.send("GET", f"{world.url}/x")
    wrong = world.auth(secret_key="not_the_secret_key")
    with world.client(wrong) as client, pytest.raises(Exception, match="did not accept"):
        client.send("GET", f"{world.url}/x")
    assert world.fyatu.ledger.count("api") == 1


def test_different_base_urls_have_different_tokens(world: World) -> None:
    other, url = world.another()
    for base_url in (world.url, url):
        with world.client(world.auth(base_url=base_url)) as client:
            client.send("GET", f"{base_url}/x")
    assert (world.token_calls, other.ledger.token_calls) == (1, 1)


def test_with_five_minutes_left_a_refresh_runs_beside_and_no_request_waits(world: World) -> None:
    auth = world.auth(policy=RefreshPolicy(jitter=0.0))
    with world.client(auth) as client:
        first = client.send("GET", f"{world.url}/x")
        world.clock.advance(86_400 - 300)
        world.fyatu.outage = "unavailable"  # If a request waited for the refresh, it would learn of this.
        second = client.send("GET", f"{world.url}/x")
        settle(auth)
        world.fyatu.outage = None
        assert (first.status, second.status) == (200, 200)
        assert second.sent["authorization"] == first.sent["authorization"]
        world.clock.advance(60)
        client.send("GET", f"{world.url}/x")
        settle(auth)
        third = client.send("GET", f"{world.url}/x")
    assert third.sent["authorization"] != first.sent["authorization"]
    assert world.fyatu.ledger.count("login") == 2  # 503 on the refresh was followed by a login, 503 as well.
    assert [call.status for call in world.fyatu.ledger.calls("refresh")] == [503, 200]


def test_before_the_window_nothing_is_renewed(world: World) -> None:
    auth = world.auth(policy=RefreshPolicy(jitter=0.0))
    with world.client(auth) as client:
        client.send("GET", f"{world.url}/x")
        world.clock.advance(86_400 - 301)
        client.send("GET", f"{world.url}/x")
        settle(auth)
    assert world.token_calls == 1


@pytest.mark.parametrize(("late", "calls"), [(0.0, "refresh"), (299.0, "refresh"), (300.0, "login"), (9e5, "login")])
def test_an_expired_token_is_refreshed_within_five_minutes_and_after_them_replaced(
    world: World, late: float, calls: str
) -> None:
    with world.client(world.auth()) as client:
        client.send("GET", f"{world.url}/x")
        world.fyatu.ledger.clear()
        world.clock.advance(86_400 + late)
        assert client.send("GET", f"{world.url}/x").status == 200
    assert [call.endpoint for call in world.fyatu.ledger.calls()] == [calls, "api"]


@pytest.mark.matrix(
    group="Time", case="a token lives for 100 seconds, a request each second", outcome="one call in 70 seconds"
)
def test_a_token_that_lives_for_less_than_the_window_is_not_fetched_for_every_request(world: World) -> None:
    short, url = world.another(lifetime=100)
    auth = world.auth(base_url=url)
    with world.client(auth) as client:
        for _ in range(70):
            client.send("GET", f"{url}/x")
            world.clock.advance(1)
            settle(auth)
    assert short.ledger.token_calls == 1


def test_a_refresh_that_loses_scopes_is_followed_by_a_login(world: World) -> None:
    auth = world.auth()
    with world.client(auth) as client:
        client.send("GET", f"{world.url}/x")
        world.fyatu.drop_scopes = True
        world.clock.advance(86_400)
        assert client.send("GET", f"{world.url}/x").status == 200
    assert (world.fyatu.ledger.count("refresh"), world.fyatu.ledger.count("login")) == (1, 2)
    assert set(auth.token().scopes) == {"collect:write", "collect:read", "payout:write", "payout:read"}


def test_scopes_and_app_type_can_be_read_on_the_token(one_world: World) -> None:
    token = one_world.auth().token()
    assert token.scopes == ("collect:write", "collect:read", "payout:write", "payout:read")
    assert token.extra["app_type"] == "collection"
    assert (token.issued_at, token.expires_at) == (one_world.clock(), one_world.clock() + 86_400)


@pytest.mark.matrix(
    group="Time", case="the wall clock is set back by a day, and a day passes", outcome="the token is renewed"
)
def test_a_wall_clock_set_back_does_not_keep_a_token_alive(world: World) -> None:
    with world.client(world.auth()) as client:
        client.send("GET", f"{world.url}/x")
        world.clock.jump(-86_400)
        world.clock.advance(86_400 + 100)
        assert client.send("GET", f"{world.url}/x").status == 200
    assert world.token_calls == 2


@pytest.mark.matrix(
    group="Time", case="the wall clock is set forth by ten days", outcome="one renewal, and no request fails"
)
def test_a_wall_clock_set_forward_costs_one_renewal_and_no_request(world: World) -> None:
    with world.client(world.auth()) as client:
        client.send("GET", f"{world.url}/x")
        world.clock.jump(10 * 86_400)
        assert [client.send("GET", f"{world.url}/x").status for _ in range(3)] == [200, 200, 200]
    assert world.token_calls == 2


def test_logout_revokes_the_token_and_the_next_request_logs_in(world: World) -> None:
    auth = world.auth()
    with world.client(auth) as client:
        client.send("GET", f"{world.url}/x")
        auth.logout()
        assert [call.status for call in world.fyatu.ledger.calls("revoke")] == [200]
        assert client.send("GET", f"{world.url}/x").status == 200
    assert world.fyatu.ledger.count("login") == 2


def test_invalidate_renews_at_the_next_request_and_not_before(world: World) -> None:
    auth = world.auth()
    with world.client(auth) as client:
        client.send("GET", f"{world.url}/x")
        auth.invalidate()
        assert world.token_calls == 1
        client.send("GET", f"{world.url}/x")
    assert world.token_calls == 2
