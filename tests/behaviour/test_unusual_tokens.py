"""Tokens that are accepted late, whose renewal is tried once, or that travel in a header of their own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import httpx
import pytest
import requests

from auth_plugins import AuthError, CredentialsRejected, MemoryStore, RefreshPolicy, Token, TokenAuth
from auth_plugins.core import Answer, fingerprint
from auth_plugins.providers.fyatu import FyatuContract
from auth_plugins.simulators import FyatuSimulator, Issued, SimRequest
from auth_plugins.testing import CLIENT_KINDS, FakeClock, mock_transport, settle
from tests.conftest import APP_ID, SECRET_KEY, World

URL = "https://api.example/api/v3"


@dataclass(frozen=True, slots=True)
class LateContract(FyatuContract):
    """Its tokens are accepted a second after they came."""

    def read(self, answer: Answer, now: float) -> Token:
        return replace(FyatuContract.read(self, answer, now), valid_from=now + 1)


@dataclass(frozen=True, slots=True)
class OnceContract(FyatuContract):
    """A renewal is tried once."""

    def read(self, answer: Answer, now: float) -> Token:
        return replace(FyatuContract.read(self, answer, now), refresh_once=True)


@dataclass(frozen=True, slots=True)
class OtherHeaderContract(FyatuContract):
    """Its tokens travel in a header that no library knows."""

    def headers(self, token: Token) -> Mapping[str, str]:
        return {"X-Token": token.access_token}


class LateApi(FyatuSimulator):
    def issued(self, request: SimRequest) -> Issued | None:
        found = super().issued(request)
        return None if found is None or self.server_time < found.end - self.lifetime + 1 else found


class Room:
    def __init__(self, contract: type[FyatuContract], fyatu: FyatuSimulator, **policy: Any) -> None:
        self.clock, self.fyatu = FakeClock(), fyatu
        self.api = httpx.Client(transport=mock_transport(fyatu, self.clock))
        self.auth = TokenAuth(
            contract(APP_ID, SECRET_KEY, URL),
            token_client=httpx.Client(transport=mock_transport(fyatu, self.clock)),
            clock=self.clock,
            store=MemoryStore(clock=self.clock),
            policy=RefreshPolicy(jitter=0.0, **policy),
        )

    def get(self) -> int:
        status = self.api.get(f"{URL}/x", auth=self.auth).status_code
        settle(self.auth)
        return status

    def calls(self) -> list[str]:
        found = [call.endpoint for call in self.fyatu.ledger.calls() if call.endpoint != "api"]
        self.fyatu.ledger.clear()
        return [str(each) for each in found]


class TestTooEarly:
    def test_the_same_token_is_sent_again_once_it_is_accepted(self) -> None:
        room = Room(LateContract, LateApi())
        began = room.clock.monotonic()
        assert room.get() == 200
        assert room.calls() == ["login"]
        assert room.clock.monotonic() - began == 1

    def test_a_token_that_comes_in_the_place_of_a_rejected_one_is_waited_for_as_well(self) -> None:
        room = Room(LateContract, LateApi())
        room.get()
        room.fyatu.revoke_all()
        room.calls()
        assert room.get() == 200
        assert room.calls() == ["login"]

    def test_a_newer_token_that_is_there_already_is_waited_for_as_well(self) -> None:
        room = Room(LateContract, LateApi())
        room.get()
        flow = room.auth.sync_auth_flow(httpx.Request("GET", f"{URL}/x"))
        request = next(flow)
        room.fyatu.revoke_all()
        room.auth.invalidate()
        room.auth.token()
        room.calls()
        again = flow.send(room.api.send(request))
        assert room.api.send(again).status_code == 200
        assert room.calls() == []

    def test_it_is_not_waited_for_longer_than_the_deadline(self) -> None:
        room = Room(LateContract, LateApi(), deadline=0.5)
        assert room.get() == 401
        assert room.calls() == ["login"]


class TestOnce:
    @pytest.mark.parametrize("outage", ["unavailable", "drop", "lost"])
    def test_a_renewal_that_failed_is_not_tried_again(self, outage: Any) -> None:
        room = Room(OnceContract, FyatuSimulator())
        room.get()
        room.clock.advance(86_400 - 200)
        room.fyatu.outage = outage
        room.calls()
        assert room.get() == 200
        assert room.calls() == ["refresh", "login"]
        room.clock.advance(100)
        assert room.get() == 200
        assert room.calls() == ["login", "login"]
        room.fyatu.outage = None
        room.clock.advance(99)
        assert room.get() == 200
        assert room.calls() == ["login"]

    def test_who_shares_the_store_does_not_try_it_either(self) -> None:
        room = Room(OnceContract, FyatuSimulator())
        room.get()
        room.clock.advance(86_400 - 200)
        room.fyatu.outage = "drop"
        room.get()
        shared = room.auth._source.shared
        kept = shared.store.load(fingerprint(room.auth._provider, shared.store.salt))
        assert kept is not None
        assert shared.snapshot.token == kept
        assert not kept.refreshable(room.clock())

    def test_one_that_was_refused_for_the_credentials_changed_nothing_and_may_be_tried(self) -> None:
        @dataclass(frozen=True, slots=True)
        class Refusing(OnceContract):
            def _refused(self, *_: Any) -> Any:
                return CredentialsRejected("no")

        room = Room(Refusing, FyatuSimulator())
        room.get()
        room.fyatu.revoke_all()
        room.clock.advance(86_400 - 200)
        with pytest.raises(AuthError):
            room.get()
        token = room.auth._source.shared.snapshot.token
        assert token is not None
        assert token.refreshable(room.clock())


class TestOtherHeader:
    @pytest.mark.parametrize("kind", [kind for kind in CLIENT_KINDS if kind != "requests"])
    def test_httpx_is_refused_for_it_would_carry_it_to_strangers(self, make_world: Any, kind: str) -> None:
        world: World = make_world(kind)
        auth = TokenAuth(OtherHeaderContract(APP_ID, SECRET_KEY, world.url), store=world.store, clock=world.clock)
        with world.client(auth) as client, pytest.raises(AuthError, match="leak") as caught:
            client.send("GET", f"{world.url}/x")
        assert caught.value.code == "auth_error"
        assert type(caught.value).__mro__[2].__module__.partition(".")[0] in kind
        assert world.fyatu.ledger.count("api") == 0

    @pytest.mark.parametrize("meanwhile", [lambda auth: None, lambda auth: auth.logout()], ids=["kept", "forgotten"])
    def test_requests_takes_it_off_on_the_way_to_strangers(self, meanwhile: Any) -> None:
        auth = TokenAuth(
            OtherHeaderContract(APP_ID, SECRET_KEY, URL),
            token_client=httpx.Client(transport=mock_transport(FyatuSimulator(), FakeClock())),
            store=MemoryStore(clock=FakeClock()),
            clock=FakeClock(),
        )
        request = auth(requests.Request("GET", f"{URL}/x").prepare())
        assert "X-Token" in request.headers
        for location, carried in [("/y", True), ("https://stranger.example/", False)]:
            response = requests.Response()
            response.status_code, response.request, response.url = 302, request, f"{URL}/x"
            response.headers["location"] = location
            meanwhile(auth)
            [hook] = request.hooks["response"]
            hook(response)
            assert ("X-Token" in request.copy().headers) is carried
