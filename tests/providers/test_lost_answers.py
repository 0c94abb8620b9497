"""A refresh whose answer is lost, at a server that rotates refresh tokens: what is sent again, and what is said."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from auth_plugins import LoginRequired, MemoryStore, OAuth2RefreshTokenAuth, RefreshPolicy, TokenEndpointUnavailable
from auth_plugins.simulators import OAuth2Simulator
from auth_plugins.testing import FakeClock, mock_transport

TOKEN_URL = "https://login.example/oauth2/token"
LOST = "the answer to an earlier refresh was lost, and may have held the next refresh token"


class World:
    def __init__(self) -> None:
        self.clock, self.server = FakeClock(), OAuth2Simulator("cid", "a_secret_of_the_client", rotate=True)
        self.server.end_family = True
        self.given, self.answers_lost = self.server.consent(), 0
        self.store = MemoryStore(clock=self.clock)
        real = mock_transport(self.server, self.clock)

        def answer(request: httpx.Request) -> httpx.Response:
            response = real.handle_request(request)
            if self.answers_lost > 0:
                self.answers_lost -= 1
                raise httpx.ReadTimeout("no answer")
            return response

        self.client = httpx.Client(transport=httpx.MockTransport(answer))

    def auth(self, **options: Any) -> OAuth2RefreshTokenAuth:
        usual = {"store": self.store, "clock": self.clock, "policy": RefreshPolicy(jitter=0.0)}
        secret = {"client_secret": "a_secret_of_the_client", "token_client": self.client}
        return OAuth2RefreshTokenAuth(TOKEN_URL, "cid", self.given, **{**usual, **secret, **options})

    @property
    def calls(self) -> int:
        return self.server.ledger.token_calls


@pytest.fixture
def world() -> World:
    return World()


def lose(world: World, auth: Any) -> None:
    """Lose the answer to the next refresh."""
    auth.invalidate()
    world.answers_lost = 1
    with pytest.raises(TokenEndpointUnavailable):
        auth.token()


@pytest.mark.matrix(
    group="The token endpoint's answer: a lost one",
    case="the answer to a refresh is lost; the server is strict",
    outcome="no second refresh in the same renewal; the `LoginRequired` that follows names the lost answer",
)
def test_a_login_that_is_required_after_a_lost_answer_names_the_lost_answer(world: World) -> None:
    auth = world.auth()
    auth.token()
    calls = world.calls
    lose(world, auth)
    assert world.calls == calls + 1, "a strict server gets no second refresh in the same renewal"
    with pytest.raises(LoginRequired, match=LOST) as raised:
        auth.token()
    assert raised.value.provider_code == "invalid_grant"
    with pytest.raises(LoginRequired, match=rf"{LOST} .*\(remembered; the next call is in "):
        auth.token()


def test_a_login_that_is_required_without_a_lost_answer_says_nothing_of_it(world: World) -> None:
    auth = world.auth()
    auth.token()
    auth.invalidate()
    world.server.revoke_refresh_tokens()
    with pytest.raises(LoginRequired) as raised:
        auth.token()
    assert LOST not in str(raised.value)


def test_another_process_that_finds_the_token_in_the_store_names_the_lost_answer(world: World) -> None:
    auth = world.auth()
    auth.token()
    lose(world, auth)
    world.clock.advance(4000)
    with pytest.raises(LoginRequired, match=LOST):
        world.auth(store=CopyOf(world.store)).token()


class CopyOf(MemoryStore):
    """A store with the tokens of another one: what another process finds there."""

    def __init__(self, store: MemoryStore) -> None:
        super().__init__()
        self._store = store

    def load(self, key: str) -> Any:
        return self._store.load(key)

    def save(self, key: str, token: Any) -> None:
        self._store.save(key, token)

    @property
    def salt(self) -> bytes:
        return self._store.salt


@pytest.mark.parametrize("what", ["429", "the connection fails"])
def test_a_refresh_that_was_not_carried_out_is_no_lost_answer(world: World, what: str) -> None:
    auth = world.auth()
    auth.token()
    auth.invalidate()
    if what == "429":
        world.server.rate_limit = 5.0
        with pytest.raises(TokenEndpointUnavailable):
            auth.token()
    else:
        refused = httpx.Client(transport=httpx.MockTransport(_refuse))
        with pytest.raises(TokenEndpointUnavailable):
            world.auth(token_client=refused).token()
    world.server.rate_limit = None
    world.clock.advance(4000)
    world.server.revoke_refresh_tokens()
    with pytest.raises(LoginRequired) as raised:
        world.auth(store=CopyOf(world.store)).token()
    assert LOST not in str(raised.value)
    with pytest.raises(LoginRequired) as raised:
        auth.token()
    assert LOST not in str(raised.value)


def _refuse(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("refused")


def test_a_token_that_is_renewed_after_all_has_no_mark(world: World) -> None:
    auth = world.auth()
    auth.token()
    auth.invalidate()
    world.server.outage = "drop"
    with pytest.raises(TokenEndpointUnavailable):
        auth.token()
    world.server.outage = None
    assert not auth.token().answer_lost
    world.server.revoke_refresh_tokens()
    auth.invalidate()
    with pytest.raises(LoginRequired) as raised:
        auth.token()
    assert LOST not in str(raised.value)


@pytest.mark.matrix(
    group="The token endpoint's answer: a lost one",
    case="the answer to a refresh is lost; the server allows a repeat (`refresh_grace=`)",
    outcome="the same refresh token is sent again at once; the session goes on",
)
def test_a_server_that_allows_a_repeat_is_sent_the_same_refresh_token_again_at_once(world: World) -> None:
    world.server.grace = 10.0
    auth = world.auth(refresh_grace=10.0)
    for _ in range(3):
        before = world.calls
        auth.invalidate()
        world.answers_lost = 1
        assert not auth.token().answer_lost
        assert world.calls == before + 2


def test_a_repeat_ends_with_the_grace_period(world: World) -> None:
    world.server.grace = 10.0
    auth = world.auth(refresh_grace=0.01, policy=RefreshPolicy(jitter=0.0, tries=5))
    auth.token()
    auth.invalidate()
    calls, world.answers_lost = world.calls, 5
    with pytest.raises(TokenEndpointUnavailable):
        auth.token()
    assert world.calls <= calls + 2


def test_a_refusal_is_not_repeated(world: World) -> None:
    auth = world.auth(refresh_grace=10.0)
    auth.token()
    auth.invalidate()
    world.server.revoke_refresh_tokens()
    calls = world.calls
    with pytest.raises(LoginRequired):
        auth.token()
    assert world.calls == calls + 1
