"""JWTPlus's server stamps a session while the call is on its way: what begins counts from the answer's arrival."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from auth_plugins import JWTPlusAuth, LoginRequired, MemoryStore
from auth_plugins.core import Answer, TokenResponse
from auth_plugins.providers.jwtplus.contract import JWTPlusContract
from auth_plugins.simulators import JWTPlusSimulator, SimRequest
from auth_plugins.testing import FakeClock, mock_transport

KEY = "AaBbCcDd" * 16
URL = "https://jwtplus.example"


class World:
    def __init__(self, there: float = 0.0, back: float = 0.0) -> None:
        self.clock, self.server = FakeClock(), JWTPlusSimulator(app_key=KEY)
        self.server.strict = True
        self.server.request_latency, self.server.latency = there, back
        self.transport = mock_transport(self.server, self.clock, sleep=self.clock.sleep)

    def auth(self, **arguments: Any) -> JWTPlusAuth:
        given = arguments or {"subject": "me", "audience": "web"}
        lent = httpx.Client(transport=self.transport)
        return JWTPlusAuth(
            self.server.app_id,
            KEY,
            base_url=URL,
            ip="192.0.2.1",
            user_agent="tests",
            token_client=lent,
            store=MemoryStore(clock=self.clock),
            clock=self.clock,
            **given,
        )


def test_the_engine_tells_a_contract_when_the_answer_arrived() -> None:
    world = World(there=1.5, back=0.5)
    begun = world.clock()
    token = world.auth().token()
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
    world = World(there, back)
    world.clock.advance(offset)
    auth = world.auth()
    with httpx.Client(transport=world.transport, auth=auth) as client:
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


def pair(world: World) -> dict[str, str]:
    body = {"sub": "me", "aud": "web", "ip": "192.0.2.1", "useragent": "tests"}
    path = f"/app/{world.server.app_id}/sign"
    request = SimRequest("POST", path, {"authorization": KEY}, json.dumps(body).encode())
    answer: dict[str, str] = json.loads(world.server.handle(request, world.clock()).body)
    world.server.ledger.clear()
    return answer


def test_a_refresh_token_alone_is_renewed_by_the_first_call() -> None:
    world = World()
    refresh_token = pair(world)["refresh_token"]
    world.clock.advance(3100)
    auth = world.auth(refresh_token=refresh_token)
    assert auth.token().access_token
    assert [call.endpoint for call in world.server.ledger.calls()] == ["refresh"]


def test_a_refresh_token_alone_that_cannot_be_renewed_yet_is_not_sent() -> None:
    world = World()
    auth = world.auth(refresh_token=pair(world)["refresh_token"])
    with pytest.raises(LoginRequired):
        auth.token()
    assert world.server.ledger.calls() == ()


def test_an_auth_token_alone_is_refused() -> None:
    world = World()
    with pytest.raises(ValueError, match="auth_token must be given together with refresh_token"):
        world.auth(auth_token=pair(world)["auth_token"])


@pytest.mark.parametrize(("size", "fits"), [(48_000, True), (48_500, True), (49_200, False), (200_000, False)])
def test_claims_that_the_servers_column_has_no_room_for_are_refused(size: int, fits: bool) -> None:
    world = World()
    claims = {"a": "x" * size}
    if not fits:
        with pytest.raises(ValueError, match="claims must be shorter"):
            world.auth(subject="me", audience="web", claims=claims)
        return
    auth = world.auth(subject="me", audience="web", claims=claims)
    assert len(auth.token().access_token) > 16_384


def test_the_contract_reads_tokens_of_any_length() -> None:
    world = World()
    contract = JWTPlusContract(world.server.app_id, KEY, URL, "192.0.2.1", "tests", "me", "web", '{"a":"xyz"}')
    body = json.dumps({**pair(world), "key_id": "k" * 50_000}).encode()
    now = world.clock()
    token = contract.read(Answer(contract.login(), TokenResponse(200, {}, body), sent_at=now, arrived_at=now), now)
    assert len(token.extra["key_id"]) == 50_000
