"""The end of a session: forgotten here and in the store, and told to the provider."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from auth_plugins import TokenAuth, TokenEndpointUnavailable
from auth_plugins.testing import settle
from tests.behaviour.test_shared_stores import kept, shaky

if TYPE_CHECKING:
    from tests.conftest import World

WAYS = pytest.mark.parametrize(
    "end", [TokenAuth.logout, lambda auth: asyncio.run(auth.alogout())], ids=["sync", "async"]
)


def view(world: World) -> TokenAuth:
    """An object as another process has one: the same store, and nothing at hand."""
    return shaky(world)[1]


@WAYS
def test_a_token_that_only_the_store_has_is_revoked_and_forgotten(one_world: World, end: Any) -> None:
    first, other = view(one_world), view(one_world)
    first.token()
    end(other)
    assert [call.status for call in one_world.fyatu.ledger.calls("revoke")] == [200]
    assert kept(other, one_world.store) is None
    assert one_world.events[-1].kind.value == "logged_out"


@WAYS
def test_a_logout_revokes_the_newest_token(one_world: World, end: Any) -> None:
    late, peer = view(one_world), view(one_world)
    assert late.token() == peer.token()
    peer.invalidate()
    peer.token()
    end(late)
    with one_world.client(peer) as client:
        assert client.send("GET", f"{one_world.url}/x").history == (401,)


@WAYS
def test_after_it_a_token_that_somebody_saves_is_taken(one_world: World, end: Any) -> None:
    one, peer = view(one_world), view(one_world)
    one.token()
    end(one)
    assert one.token() == view(one_world).token()
    end(one)
    theirs = peer.token()
    assert one.token() == theirs
    assert one_world.fyatu.ledger.count("login") == 3


@WAYS
def test_an_endpoint_that_cannot_be_told_is_an_error_and_the_token_is_forgotten(one_world: World, end: Any) -> None:
    auth = view(one_world)
    first = auth.token()
    one_world.fyatu.outage = "unavailable"
    with pytest.raises(TokenEndpointUnavailable) as caught:
        end(auth)
    assert caught.value.status == 503
    assert kept(auth, one_world.store) is None
    one_world.fyatu.outage = None
    assert auth.token() != first


@WAYS
def test_an_endpoint_that_asks_for_time_says_for_how_long(one_world: World, end: Any) -> None:
    auth = view(one_world)
    auth.token()
    one_world.fyatu.rate_limit = 30
    with pytest.raises(TokenEndpointUnavailable) as caught:
        end(auth)
    assert (caught.value.status, caught.value.retry_after) == (429, 30)
    assert caught.value.provider_code is not None


@WAYS
def test_without_a_token_nobody_is_called(one_world: World, end: Any) -> None:
    end(view(one_world))
    assert one_world.token_calls == 0
    assert [event.kind.value for event in one_world.events] == ["logged_out"]


def test_every_event_names_the_token_that_it_is_about(one_world: World) -> None:
    auth, peer = view(one_world), view(one_world)
    tokens = [auth.token(), peer.token()]
    one_world.clock.advance(86_400 - 200)
    with one_world.client(auth) as client:
        client.send("GET", f"{one_world.url}/x")
        settle(auth)
        tokens.append(auth.token())
        one_world.fyatu.reject_all = True
        client.send("GET", f"{one_world.url}/x")
    told = [(event.kind.value, event.token) for event in one_world.events]
    assert told[:3] == list(zip(["logged_in", "adopted", "refreshed"], tokens, strict=True))
    assert [kind for kind, _ in told[3:]] == ["logged_in", "still_unauthorized"]
    assert told[4] == ("still_unauthorized", auth.token())
