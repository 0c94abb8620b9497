"""JWTPlus against its simulated server, through every client: what is called, and when."""

from __future__ import annotations

import contextlib
import itertools
import json
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
    RefreshPolicy,
    TokenEndpointUnavailable,
)
from auth_plugins.simulators import JWTPlusSimulator, SimRequest
from auth_plugins.testing import CLIENT_KINDS, FakeClock, RequestsAdapter, mock_transport, open_client, settle
from tests.behaviour.test_bodies import once

URL = "https://jwtplus.example"
_numbers = itertools.count()


def through(library: str, server: JWTPlusSimulator, clock: FakeClock) -> Any:
    """A client to lend, whose network is the server."""
    if library != "requests":
        kit: Any = {"httpx": httpx, "httpx2": httpx2}[library]
        return kit.Client(transport=mock_transport(server, clock, kit))
    session = requests.Session()
    session.mount("https://", RequestsAdapter(server, clock))
    return session


class Room:
    """A server, an API at its side, and an auth object."""

    def __init__(self, library: str = "httpx", *, pair_only: bool = False, skew: float = 0.0, **settings: Any) -> None:
        self.clock, self.server = FakeClock(), JWTPlusSimulator(**{"refresh_notbefore": 60, **settings})
        self.server.skew = skew
        self.client = through(library, self.server, self.clock)
        self.store = MemoryStore(clock=self.clock)
        self.auth = self.make(pair_only=pair_only)

    def make(self, *, pair_only: bool = False, **changes: Any) -> JWTPlusAuth:
        given: dict[str, Any] = {
            "app_id": self.server.app_id,
            "app_key": self.server._secret,
            "base_url": URL,
            "ip": "192.0.2.1",
            "user_agent": "test-agent",
            "token_client": self.client,
            "store": self.store,
            "clock": self.clock,
            "policy": RefreshPolicy(jitter=0.0),
        }
        given |= self.pair() if pair_only else {"subject": "me", "audience": "web-app"}
        return JWTPlusAuth(**{**given, **changes})

    def pair(self) -> dict[str, Any]:
        body = {"sub": "me", "aud": "web-app", "ip": "192.0.2.1", "useragent": "x"}
        path, headers = f"/app/{self.server.app_id}/sign", {"authorization": self.server._secret}
        answer = self.server.handle(SimRequest("POST", path, headers, json.dumps(body).encode()), self.clock())
        found = json.loads(answer.body)
        return {name: found[name] for name in ("auth_token", "refresh_token")}

    def get(self) -> int:
        with through("httpx", self.server, self.clock) as client:
            status = int(client.get(f"{URL}/things", auth=self.auth).status_code)
        settle(self.auth)
        return status

    def calls(self) -> list[str]:
        found = [str(call.endpoint) for call in self.server.ledger.calls() if call.endpoint != "api"]
        self.server.ledger.clear()
        return found


@pytest.mark.parametrize("library", ["requests", "httpx", "httpx2"])
def test_a_whole_life_through_a_lent_client(library: str) -> None:
    room = Room(library)
    assert room.get() == 200
    assert room.calls() == ["login"]
    room.clock.advance(3300)
    assert room.get() == 200
    assert room.calls() == ["refresh"]
    room.clock.advance(3600)
    assert room.get() == 200
    assert room.calls() == ["login"]
    room.auth.logout()
    assert room.calls() == ["revoke"]
    assert room.get() == 200
    assert room.calls() == ["login"]


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
        room = Room(skew=skew, token_expire=expire)
        room.get()
        step = 0.43 if expire < 100 else expire / 33
        for _ in range(int(1.2 * expire / step)):
            room.clock.advance(step)
            assert room.get() == 200
        calls = room.server.ledger.calls("refresh")
        assert {call.status for call in calls} <= {200}
        assert bool(calls) is (expire >= 70)
        assert "" not in {session.jid for session in room.server._sessions.values()}
        assert room.auth.verify_locally()["sub"] == "me"

    def test_where_none_is_possible_a_session_is_signed_anew_when_due(self) -> None:
        room = Room(token_expire=60, refresh_expire=120)
        for _ in range(5):
            assert room.get() == 200
            room.clock.advance(50)
        assert room.calls() == ["login"] * 5

    def test_an_ended_auth_token_is_never_renewed(self) -> None:
        room = Room()
        room.get()
        room.clock.advance(3599)
        room.get()
        assert room.calls() == ["login", "login"]

    def test_a_server_that_ends_the_session_anyway_costs_one_sign(self) -> None:
        room = Room()
        room.get()
        room.server.expire_all()
        room.clock.advance(3400)
        room.calls()
        assert room.get() == 200
        assert room.calls() == ["refresh", "login"]
        assert room.get() == 200
        assert room.calls() == []


def failure(name: str) -> Callable[[Room], None]:
    def make(room: Room) -> None:
        match name:
            case "not found":
                room.server.revoke_all()
            case "rotated":
                room.server.rotate_pki()
            case _:
                room.server.outage = name  # type: ignore[assignment]

    return make


class TestAFailedRenewal:
    @pytest.mark.parametrize("name", ["not found", "rotated"])
    def test_costs_one_sign(self, name: str) -> None:
        room = Room()
        room.get()
        room.clock.advance(3400)
        failure(name)(room)
        room.calls()
        room.get()
        assert room.calls() == ["refresh", "login"]
        room.clock.advance(30)
        assert room.get() == 200
        assert room.calls() == []

    @pytest.mark.parametrize("name", ["unavailable", "drop", "lost"])
    def test_is_never_tried_again(self, name: str) -> None:
        room = Room()
        room.get()
        room.clock.advance(3400)
        failure(name)(room)
        room.calls()
        assert room.get() == 200
        assert room.calls() == ["refresh", "login"]
        for _ in range(3):
            room.clock.advance(45)
            assert room.get() == 200
        assert set(room.calls()) == {"login"}
        room.server.outage = None
        room.clock.advance(55)
        assert room.get() == 200
        assert room.calls() == ["login"]

    def test_by_an_empty_200_costs_one_sign(self) -> None:
        room = Room()
        room.get()
        room.clock.advance(3400)
        plain = room.server.answer_token_call

        def empty(endpoint: Any, request: SimRequest) -> Any:
            from auth_plugins.simulators import SimResponse

            return SimResponse(200, {}) if endpoint == "refresh" else plain(endpoint, request)

        room.server.answer_token_call = empty  # type: ignore[method-assign]
        room.calls()
        assert room.get() == 200
        assert room.calls() == ["refresh", "login"]

    def test_with_a_refused_key_costs_nothing_more_and_is_remembered(self) -> None:
        room = Room()
        room.get()
        room.clock.advance(3400)
        room.server.rotate_secret("another")
        room.calls()
        assert [room.get(), room.get()] == [200, 200]
        assert room.calls() == ["refresh"]
        room.clock.advance(3600)
        for _ in range(3):
            with pytest.raises(CredentialsRejected):
                room.get()
        assert room.calls() == ["login"]

    @pytest.mark.parametrize("name", ["not found", "rotated", "unavailable", "drop", "lost"])
    def test_of_a_pair_alone_ends_in_login_required(self, name: str) -> None:
        room = Room(pair_only=True)
        room.get()
        room.clock.advance(3400)
        failure(name)(room)
        room.calls()
        with contextlib.suppress(LoginRequired):  # A session that was flushed is rejected by the API, too.
            room.get()
        assert room.calls() == ["refresh"]
        room.server.outage = None
        room.clock.advance(300)
        for _ in range(2):
            with pytest.raises((LoginRequired, TokenEndpointUnavailable)):
                room.get()
        assert room.calls() == []


class TestAPair:
    def test_is_used_and_renewed_without_a_sign(self) -> None:
        room = Room(pair_only=True)
        room.server.ledger.clear()
        for _ in range(60):
            room.clock.advance(250)
            status = room.get()
            assert status == 200
        assert set(room.calls()) == {"refresh"}

    def test_with_somebody_to_sign_for_is_used_first(self) -> None:
        room = Room()
        room.auth = room.make(pair_only=False, **room.pair())
        room.server.ledger.clear()
        assert room.get() == 200
        assert room.calls() == []
        room.clock.advance(4000)
        assert room.get() == 200
        assert room.calls() == ["login"]

    def test_that_has_ended_and_cannot_be_renewed_fails_without_a_call(self) -> None:
        room = Room(pair_only=True)
        room.server.ledger.clear()
        room.clock.advance(4000)
        with pytest.raises(LoginRequired):
            room.get()
        assert room.calls() == []


class TestA401:
    def test_on_a_token_of_this_second_sends_the_same_one_again(self) -> None:
        room = Room()
        room.server.strict = True
        began = room.clock.monotonic()
        assert room.get() == 200
        assert room.calls() == ["login"]
        assert room.clock.monotonic() - began == 1.25

    def test_in_the_window_is_answered_by_a_renewal_and_before_it_by_a_sign(self) -> None:
        room = Room()
        for wait, expected in ((10, ["login"]), (100, ["refresh", "login"])):
            room.get()
            room.clock.advance(wait)
            room.server.revoke_all()
            room.calls()
            assert room.get() == 200
            assert room.calls() == expected

    def test_on_the_old_token_after_a_renewal_is_answered_by_the_new_one_once_it_serves(self) -> None:
        room = Room()
        room.server.strict = True
        room.get()
        room.clock.advance(3400)
        flow = room.auth.sync_auth_flow(httpx.Request("GET", f"{URL}/x"))
        request = next(flow)
        settle(room.auth)
        with through("httpx", room.server, room.clock) as client:
            first = client.send(request)
            assert first.status_code == 401
            assert client.send(flow.send(first)).status_code == 200
        assert room.calls() == ["login", "refresh"]


class TestOtherFailures:
    @pytest.mark.parametrize("build", ["std", "rel"])
    def test_a_signing_that_brings_nothing_is_an_error(self, build: Any) -> None:
        room = Room()
        room.server.build = build
        room.server.no_active_key = True
        with pytest.raises(TokenEndpointUnavailable) as caught:
            room.auth.token()
        assert caught.value.status == 500

    def test_a_wrong_path_is_an_invalid_answer(self) -> None:
        room = Room()
        with pytest.raises((InvalidTokenResponse, AuthError)):
            room.make(base_url=f"{URL}/elsewhere").token()

    def test_logout_drops_the_token_whatever_the_answer(self) -> None:
        room = Room()
        room.get()
        room.server.outage = "unavailable"
        with pytest.raises(TokenEndpointUnavailable):
            room.auth.logout()
        room.server.outage = None
        room.calls()
        room.get()
        assert room.calls() == ["login"]

    def test_logout_ends_the_session_at_the_server(self) -> None:
        room = Room()
        token = room.auth.token().access_token
        room.clock.advance(5)
        assert room.auth.verify(token)
        room.auth.logout()
        assert not room.auth.verify(token)

    def test_no_error_shows_a_secret(self) -> None:
        room = Room()
        room.server.rotate_secret("another")
        with pytest.raises(AuthError) as caught:
            room.get()
        shown = str(caught.value) + repr(caught.value) + repr(caught.value.details())
        assert "app/key" not in shown
        assert "eyJ" not in shown


@pytest.mark.parametrize("library", [httpx, httpx2], ids=["httpx", "httpx2"])
def test_another_header_is_refused_to_httpx_and_never_leaves(library: Any) -> None:
    room = Room()
    auth = room.make(header="X-Auth-Token")
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
