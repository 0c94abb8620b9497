"""JWTPlus's server stamps a session while the call is on its way: what begins counts from the answer's arrival."""

from __future__ import annotations

import json

import pytest

from auth_plugins import LoginRequired
from auth_plugins.core import Answer, TokenResponse
from auth_plugins.providers.jwtplus.contract import JWTPlusContract
from tests.providers.conftest import JWTPlusWorld

KEY = "AaBbCcDd" * 16
URL = "https://jwtplus.example"


def far_away(there: float = 0.0, back: float = 0.0) -> JWTPlusWorld:
    """Return a world in which a call takes seconds to the server, and its answer takes seconds back."""
    world = JWTPlusWorld(app_key=KEY, refresh_notbefore=3000)
    world.server.strict = True
    world.server.request_latency, world.server.latency = there, back
    world.sleep = world.clock.sleep
    return world


def test_the_engine_tells_a_contract_when_the_answer_arrived() -> None:
    world = far_away(there=1.5, back=0.5)
    begun = world.clock()
    token = world.make().token()
    assert token.issued_at == begun
    # The server stamps the second at +1.5; the answer arrives at +2.
    assert token.valid_from == begun + 2.0 + 1.25
    assert token.refreshable_from == begun + 2.0 + 3000 + 1.25
    assert token.expires_at == begun + 3600 - 1
    assert token.refreshable_until == begun + 3600 - 2


@pytest.mark.parametrize("there", [0.0, 0.4, 0.9, 1.3, 2.0])
@pytest.mark.parametrize("back", [0.0, 0.7, 2.0])
@pytest.mark.parametrize("offset", [0.0, 0.3, 0.9])
def test_a_slow_way_leads_to_no_401_and_no_refused_renewal(there: float, back: float, offset: float) -> None:
    world = far_away(there, back)
    world.clock.advance(offset)
    auth = world.make()
    with world.client(auth) as client:
        for _ in range(4):
            token = auth.token()
            world.clock.advance(max(0.0, token.valid_from - world.clock()))
            assert client.get(f"{URL}/x").status_code == 200
            world.clock.advance(max(0.0, token.refreshable_from - world.clock()))
            world.clock.advance(max(0.0, token.expires_at - 290 - world.clock()))
            auth.invalidate()
            auth.token()
    assert [call.status for call in world.server.ledger.calls("api")] == [200] * 4
    assert all(call.granted for call in world.server.ledger.calls("refresh"))
    assert len(world.server.ledger.calls("login")) == 1


def test_a_refresh_token_alone_is_renewed_by_the_first_call() -> None:
    world = far_away()
    refresh_token = world.pair()["refresh_token"]
    world.clock.advance(3100)
    auth = world.make(subject=None, audience=None, refresh_token=refresh_token)
    assert auth.token().access_token
    assert [call.endpoint for call in world.server.ledger.calls()] == ["refresh"]


def test_a_refresh_token_alone_that_cannot_be_renewed_yet_is_not_sent() -> None:
    world = far_away()
    auth = world.make(subject=None, audience=None, refresh_token=world.pair()["refresh_token"])
    with pytest.raises(LoginRequired):
        auth.token()
    assert world.server.ledger.calls() == ()


def test_an_auth_token_alone_is_refused() -> None:
    world = far_away()
    with pytest.raises(ValueError, match="auth_token must be given together with refresh_token"):
        world.make(subject=None, audience=None, auth_token=world.pair()["auth_token"])


@pytest.mark.parametrize(("size", "fits"), [(48_000, True), (48_500, True), (49_200, False), (200_000, False)])
def test_claims_that_the_servers_column_has_no_room_for_are_refused(size: int, fits: bool) -> None:
    world = far_away()
    claims = {"a": "x" * size}
    if not fits:
        with pytest.raises(ValueError, match="claims must be shorter"):
            world.make(claims=claims)
        return
    auth = world.make(claims=claims)
    assert len(auth.token().access_token) > 16_384


def test_the_contract_reads_tokens_of_any_length() -> None:
    world = far_away()
    contract = JWTPlusContract(world.server.app_id, KEY, URL, "192.0.2.1", "tests", "me", "web", '{"a":"xyz"}')
    body = json.dumps({**world.pair(), "key_id": "k" * 50_000}).encode()
    now = world.clock()
    token = contract.read(Answer(contract.login(), TokenResponse(200, {}, body), sent_at=now, arrived_at=now), now)
    assert len(token.extra["key_id"]) == 50_000
