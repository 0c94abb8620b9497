from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import niquests
import pytest
import requests

from auth_plugins import BodyNotReplayed, TokenAuth, TokenEndpointUnavailable
from auth_plugins.core import Token
from auth_plugins.integrations.niquests import AsyncNiquestsAuth, NiquestsAuth
from auth_plugins.providers.fyatu import FyatuContract
from auth_plugins.simulators import FyatuSimulator, SimRequest, SimResponse

if TYPE_CHECKING:
    from auth_plugins.testing.server import SimulatorServer
    from tests.conftest import World


def revoked(world: World) -> TokenAuth:
    auth = world.auth()
    auth.token()
    world.fyatu.revoke_all()
    return auth


@pytest.mark.parametrize("kind", [NiquestsAuth, AsyncNiquestsAuth])
def test_an_argument_that_is_no_auth_object_is_refused(kind: Any) -> None:
    with pytest.raises(TypeError, match="auth must be an auth object of auth_plugins"):
        kind(("user", "secret"))


def test_niquests_and_requests_share_one_login(one_world: World) -> None:
    auth = one_world.auth()

    async def get() -> int:
        async with niquests.AsyncSession() as session:
            answer = await session.get(f"{one_world.url}/x", auth=AsyncNiquestsAuth(auth))
        return int(answer.status_code)

    assert niquests.get(f"{one_world.url}/x", auth=NiquestsAuth(auth)).status_code == 200
    assert asyncio.run(get()) == 200
    assert requests.get(f"{one_world.url}/x", auth=auth, timeout=5).status_code == 200
    assert one_world.token_calls == 1


BODIES: dict[str, Callable[[Path], Any]] = {
    "fields": lambda _: {"data": {"a": "b"}},
    "json": lambda _: {"json": {"a": "b"}},
    "bytesio": lambda _: {"data": io.BytesIO(b"abc")},
    "file": lambda path: {"data": path.open("rb")},
    "multipart": lambda path: {"files": {"file": path.read_bytes()}},
}


@pytest.mark.parametrize("make", BODIES.values(), ids=BODIES)
def test_a_body_that_can_be_sent_twice_is_sent_again_byte_for_byte(
    one_world: World, tmp_path: Path, make: Callable[[Path], Any]
) -> None:
    path = tmp_path / "body"
    path.write_bytes(b"0123456789" * 9000)
    answer = niquests.post(f"{one_world.url}/x", auth=NiquestsAuth(revoked(one_world)), **make(path))
    assert (answer.status_code, [each.status_code for each in answer.history]) == (200, [401])
    first, second = one_world.fyatu.ledger.calls("api")
    assert first.body_sha256 == second.body_sha256


async def chunks() -> AsyncIterator[bytes]:
    yield b"once"


def test_a_body_that_can_be_sent_once_gets_its_401_and_the_next_request_a_new_token(one_world: World) -> None:
    async def post() -> list[int]:
        async with niquests.AsyncSession() as session:
            session.auth = AsyncNiquestsAuth(auth)
            with pytest.warns(BodyNotReplayed):
                first = await session.post(f"{one_world.url}/x", data=chunks())
            second = await session.post(f"{one_world.url}/x", data=chunks())
        return [first.status_code or 0, second.status_code or 0]

    auth = revoked(one_world)
    assert asyncio.run(post()) == [401, 200]


class OwnHeader(FyatuContract):
    """A contract whose token travels in another header."""

    def headers(self, token: Token) -> dict[str, str]:
        return {"X-Token": token.access_token}


def test_a_token_in_another_header_stays_at_its_origin(one_world: World, stranger: SimulatorServer) -> None:
    seen: list[bool] = []

    class Watching(FyatuSimulator):
        def handle(self, request: SimRequest, now: float) -> SimResponse:
            seen.append("x-token" in request.headers)
            return super().handle(request, now)

        def token_of(self, request: SimRequest) -> str | None:
            return request.headers.get("x-token")

    url = one_world.server.mount("/niquests", Watching(), clock=one_world.clock)
    elsewhere = stranger.mount("/niquests", Watching(), clock=one_world.clock)
    contract = OwnHeader("A1B2C3D4E5F6G7H8", "your_secret_key_here", base_url=url)
    auth = TokenAuth(contract, clock=one_world.clock, store=one_world.store)
    answer = niquests.get(f"{url}/redirect?to={elsewhere}/x", auth=NiquestsAuth(auth))
    assert answer.status_code == 401
    assert seen == [False, True, False]


def test_a_session_that_multiplexes_heals_a_401_over_http_1(one_world: World) -> None:
    with niquests.Session(multiplexed=True) as session:
        session.auth = NiquestsAuth(revoked(one_world))
        answers = [session.get(f"{one_world.url}/x") for _ in range(3)]
        session.gather()
        assert [answer.status_code for answer in answers] == [200] * 3


def test_an_error_is_niquests_own(one_world: World) -> None:
    one_world.fyatu.outage = "drop"
    with pytest.raises(niquests.ConnectionError) as caught:
        niquests.get(f"{one_world.url}/x", auth=NiquestsAuth(one_world.auth()))
    assert isinstance(caught.value, TokenEndpointUnavailable)


def test_requests_on_the_urllib3_of_niquests_heals_a_401(one_world: World) -> None:
    answer = requests.post(f"{one_world.url}/x", data=b"abc", auth=revoked(one_world), timeout=5)
    assert (answer.status_code, [each.status_code for each in answer.history]) == (200, [401])
