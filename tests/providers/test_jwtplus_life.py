"""JWTPlus against its simulated server, through every client: what is called, and when."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable
from typing import Any

import httpx
import httpx2
import pytest
import requests

from auth_plugins import (
    AuthError,
    CredentialsRejected,
    InvalidTokenResponse,
    JWTPlusAuth,
    LoginRequired,
    MemoryStore,
    TokenEndpointUnavailable,
)
from auth_plugins.simulators import JWTPlusSimulator, SimRequest
from auth_plugins.testing import CLIENT_KINDS, FakeClock, open_client, settle
from tests.behaviour.test_bodies import once
from tests.providers.conftest import JWTPlusWorld

URL = "https://jwtplus.example"
_numbers = itertools.count()


def test_a_whole_life_through_a_lent_client(library: str) -> None:
    world = JWTPlusWorld(library)
    assert world.request() == 200
    assert world.token_calls() == ["login"]
    world.clock.advance(3300)
    assert world.request() == 200
    assert world.token_calls() == ["refresh"]
    world.clock.advance(3600)
    assert world.request() == 200
    assert world.token_calls() == ["login"]
    world.auth.logout()
    assert world.token_calls() == ["revoke"]
    assert world.request() == 200
    assert world.token_calls() == ["login"]


def on_a_socket(server: Any, *, strict: bool) -> tuple[FakeClock, JWTPlusSimulator, str, JWTPlusAuth]:
    """A server and an API at its side, which may ask it for each token; where they are, and an auth object."""
    clock, jwtplus = FakeClock(), JWTPlusSimulator(refresh_notbefore=60)
    jwtplus.strict = strict
    url = server.mount(f"/jwtplus-{next(_numbers)}", jwtplus, clock=clock)
    auth = JWTPlusAuth(
        jwtplus.app_id,
        jwtplus._secret,
        base_url=url,
        ip="::1",
        user_agent="x",
        subject="me",
        audience="us",
        clock=clock,
        store=MemoryStore(clock=clock),
    )
    return clock, jwtplus, url, auth


@pytest.mark.parametrize("kind", CLIENT_KINDS)
@pytest.mark.parametrize("strict", [False, True])
def test_every_client_lives_with_both_kinds_of_api(server: Any, kind: str, strict: bool) -> None:
    clock, jwtplus, url, auth = on_a_socket(server, strict=strict)
    with open_client(kind, auth) as client:
        for step in (0.0, 3350.0, 3700.0):
            clock.advance(step)
            assert client.send("GET", f"{url}/x").status == 200
            settle(auth)
        clock.advance(5)  # Else it would be taken for a token that is too fresh.
        jwtplus.revoke_all()
        assert client.send("POST", f"{url}/x", content=b"body").status == 200
        assert not jwtplus.ledger.count("refresh") > 2


@pytest.mark.matrix(
    group="Bodies and streams",
    case="a generator, and a token that is not accepted before the next second (JWTPlus)",
    outcome="it waits for that moment, and is sent once",
)
@pytest.mark.parametrize("kind", CLIENT_KINDS)
def test_what_can_be_sent_once_is_not_sent_too_early(server: Any, kind: str) -> None:
    _, jwtplus, url, auth = on_a_socket(server, strict=True)
    with open_client(kind, auth) as client:
        assert client.send("POST", f"{url}/x", content=once(kind)).status == 200
    assert [call.endpoint for call in jwtplus.ledger.calls()] == ["login", "api"]


class TestTheWindow:
    @pytest.mark.parametrize("skew", [-100_000.0, -0.4, 0.0, 0.3, 0.999, 7200.5])
    @pytest.mark.parametrize("expire", [62, 70, 90, 3600])
    def test_no_renewal_is_ever_too_early_or_too_late_by_the_servers_clock(self, skew: float, expire: int) -> None:
        world = JWTPlusWorld(skew=skew, token_expire=expire)
        world.request()
        step = 0.43 if expire < 100 else expire / 33
        for _ in range(int(1.2 * expire / step)):
            world.clock.advance(step)
            assert world.request() == 200
        calls = world.server.ledger.calls("refresh")
        assert {call.status for call in calls} <= {200}
        assert bool(calls) is (expire >= 70)
        assert "" not in {session.jid for session in world.server._sessions.values()}
        assert world.auth.verify_locally()["sub"] == "me"

    def test_where_none_is_possible_a_session_is_signed_anew_when_due(self) -> None:
        world = JWTPlusWorld(token_expire=60, refresh_expire=120)
        for _ in range(5):
            assert world.request() == 200
            world.clock.advance(50)
        assert world.token_calls() == ["login"] * 5

    def test_an_ended_auth_token_is_never_renewed(self) -> None:
        world = JWTPlusWorld()
        world.request()
        world.clock.advance(3599)
        world.request()
        assert world.token_calls() == ["login", "login"]

    def test_a_server_that_ends_the_session_anyway_costs_one_sign(self) -> None:
        world = JWTPlusWorld()
        world.request()
        world.server.expire_all()
        world.clock.advance(3400)
        world.token_calls()
        assert world.request() == 200
        assert world.token_calls() == ["refresh", "login"]
        assert world.request() == 200
        assert world.token_calls() == []


def failure(name: str) -> Callable[[JWTPlusWorld], None]:
    def make(world: JWTPlusWorld) -> None:
        match name:
            case "not found":
                world.server.revoke_all()
            case "rotated":
                world.server.rotate_pki()
            case _:
                world.server.outage = name  # type: ignore[assignment]

    return make


class TestAFailedRenewal:
    @pytest.mark.parametrize("name", ["not found", "rotated"])
    def test_costs_one_sign(self, name: str) -> None:
        world = JWTPlusWorld()
        world.request()
        world.clock.advance(3400)
        failure(name)(world)
        world.token_calls()
        world.request()
        assert world.token_calls() == ["refresh", "login"]
        world.clock.advance(30)
        assert world.request() == 200
        assert world.token_calls() == []

    @pytest.mark.parametrize("name", ["unavailable", "drop", "lost"])
    def test_is_never_tried_again(self, name: str) -> None:
        world = JWTPlusWorld()
        world.request()
        world.clock.advance(3400)
        failure(name)(world)
        world.token_calls()
        assert world.request() == 200
        assert world.token_calls() == ["refresh", "login"]
        for _ in range(3):
            world.clock.advance(45)
            assert world.request() == 200
        assert set(world.token_calls()) == {"login"}
        world.server.outage = None
        world.clock.advance(55)
        assert world.request() == 200
        assert world.token_calls() == ["login"]

    def test_by_an_empty_200_costs_one_sign(self) -> None:
        world = JWTPlusWorld()
        world.request()
        world.clock.advance(3400)
        plain = world.server.answer_token_call

        def empty(endpoint: Any, request: SimRequest) -> Any:
            from auth_plugins.simulators import SimResponse

            return SimResponse(200, {}) if endpoint == "refresh" else plain(endpoint, request)

        world.server.answer_token_call = empty  # type: ignore[method-assign]
        world.token_calls()
        assert world.request() == 200
        assert world.token_calls() == ["refresh", "login"]

    def test_with_a_refused_key_costs_nothing_more_and_is_remembered(self) -> None:
        world = JWTPlusWorld()
        world.request()
        world.clock.advance(3400)
        world.server.rotate_secret("another")
        world.token_calls()
        assert [world.request(), world.request()] == [200, 200]
        assert world.token_calls() == ["refresh"]
        world.clock.advance(3600)
        for _ in range(3):
            with pytest.raises(CredentialsRejected):
                world.request()
        assert world.token_calls() == ["login"]

    @pytest.mark.parametrize("name", ["not found", "rotated", "unavailable", "drop", "lost"])
    def test_of_a_pair_alone_ends_in_login_required(self, name: str) -> None:
        world = JWTPlusWorld(pair_only=True)
        world.request()
        world.clock.advance(3400)
        failure(name)(world)
        world.token_calls()
        with contextlib.suppress(LoginRequired):  # A session that was flushed is rejected by the API, too.
            world.request()
        assert world.token_calls() == ["refresh"]
        world.server.outage = None
        world.clock.advance(300)
        for _ in range(2):
            with pytest.raises((LoginRequired, TokenEndpointUnavailable)):
                world.request()
        assert world.token_calls() == []


class TestAPair:
    def test_is_used_and_renewed_without_a_sign(self) -> None:
        world = JWTPlusWorld(pair_only=True)
        world.server.ledger.clear()
        for _ in range(60):
            world.clock.advance(250)
            status = world.request()
            assert status == 200
        assert set(world.token_calls()) == {"refresh"}

    def test_with_somebody_to_sign_for_is_used_first(self) -> None:
        world = JWTPlusWorld()
        world.auth = world.make(pair_only=False, **world.pair())
        world.server.ledger.clear()
        assert world.request() == 200
        assert world.token_calls() == []
        world.clock.advance(4000)
        assert world.request() == 200
        assert world.token_calls() == ["login"]

    def test_that_has_ended_and_cannot_be_renewed_fails_without_a_call(self) -> None:
        world = JWTPlusWorld(pair_only=True)
        world.server.ledger.clear()
        world.clock.advance(4000)
        with pytest.raises(LoginRequired):
            world.request()
        assert world.token_calls() == []


class TestA401:
    def test_on_a_token_of_this_second_sends_the_same_one_again(self) -> None:
        world = JWTPlusWorld()
        world.server.strict = True
        began = world.clock.monotonic()
        assert world.request() == 200
        assert world.token_calls() == ["login"]
        assert world.clock.monotonic() - began == 1.25

    def test_in_the_window_is_answered_by_a_renewal_and_before_it_by_a_sign(self) -> None:
        world = JWTPlusWorld()
        for wait, expected in ((10, ["login"]), (100, ["refresh", "login"])):
            world.request()
            world.clock.advance(wait)
            world.server.revoke_all()
            world.token_calls()
            assert world.request() == 200
            assert world.token_calls() == expected

    def test_on_the_old_token_after_a_renewal_is_answered_by_the_new_one_once_it_serves(self) -> None:
        world = JWTPlusWorld()
        world.server.strict = True
        world.request()
        world.clock.advance(3400)
        flow = world.auth.sync_auth_flow(httpx.Request("GET", f"{URL}/x"))
        request = next(flow)
        settle(world.auth)
        with world.client(library="httpx") as client:
            first = client.send(request)
            assert first.status_code == 401
            assert client.send(flow.send(first)).status_code == 200
        assert world.token_calls() == ["login", "refresh"]


class TestOtherFailures:
    @pytest.mark.parametrize("build", ["std", "rel"])
    def test_a_signing_that_brings_nothing_is_an_error(self, build: Any) -> None:
        world = JWTPlusWorld()
        world.server.build = build
        world.server.no_active_key = True
        with pytest.raises(TokenEndpointUnavailable) as caught:
            world.auth.token()
        assert caught.value.status == 500

    def test_a_wrong_path_is_an_invalid_answer(self) -> None:
        world = JWTPlusWorld()
        with pytest.raises((InvalidTokenResponse, AuthError)):
            world.make(base_url=f"{URL}/elsewhere").token()

    def test_logout_drops_the_token_whatever_the_answer(self) -> None:
        world = JWTPlusWorld()
        world.request()
        world.server.outage = "unavailable"
        with pytest.raises(TokenEndpointUnavailable):
            world.auth.logout()
        world.server.outage = None
        world.token_calls()
        world.request()
        assert world.token_calls() == ["login"]

    def test_logout_ends_the_session_at_the_server(self) -> None:
        world = JWTPlusWorld()
        token = world.auth.token().access_token
        world.clock.advance(5)
        assert world.auth.verify(token)
        world.auth.logout()
        assert not world.auth.verify(token)

    def test_no_error_shows_a_secret(self) -> None:
        world = JWTPlusWorld()
        world.server.rotate_secret("another")
        with pytest.raises(AuthError) as caught:
            world.request()
        shown = str(caught.value) + repr(caught.value) + repr(caught.value.details())
        assert "app/key" not in shown
        assert "eyJ" not in shown


@pytest.mark.parametrize("library", [httpx, httpx2], ids=["httpx", "httpx2"])
def test_another_header_is_refused_to_httpx_and_never_leaves(library: Any) -> None:
    world = JWTPlusWorld()
    auth = world.make(header="X-Auth-Token")
    seen: list[Any] = []

    def answer(request: Any) -> Any:
        seen.append(request)
        return library.Response(302, headers={"location": "https://stranger.example/"})

    client = library.Client(transport=library.MockTransport(answer), auth=auth, follow_redirects=True)
    with client, pytest.raises(library.RequestError, match="leak"):
        client.get(f"{URL}/x")
    assert seen == []
    request = auth(requests.Request("GET", f"{URL}/x").prepare())
    assert str(request.headers["X-Auth-Token"]).startswith("Bearer eyJ")
