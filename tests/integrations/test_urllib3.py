from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import urllib3
from urllib3.exceptions import HTTPError

from auth_plugins import BodyNotReplayed, TokenAuth, TokenEndpointUnavailable
from auth_plugins.core import Token
from auth_plugins.integrations.urllib3 import TokenPoolManager, TokenProxyManager
from auth_plugins.providers.fyatu import FyatuContract
from auth_plugins.simulators import FyatuSimulator, SimRequest, SimResponse
from auth_plugins.testing import serve

if TYPE_CHECKING:
    from collections.abc import Callable

    from auth_plugins.testing.server import SimulatorServer
    from tests.conftest import World


def revoked(world: World) -> TokenAuth:
    auth = world.auth()
    auth.token()
    world.fyatu.revoke_all()
    return auth


def test_an_argument_that_is_no_auth_object_is_refused() -> None:
    wrong: Any = "Bearer token"
    with pytest.raises(TypeError, match="auth must be an auth object of auth_plugins"):
        TokenPoolManager(wrong)


BODIES: dict[str, Callable[[Path], Any]] = {
    "bytesio": lambda _: io.BytesIO(b"abc"),
    "file": lambda path: path.open("rb"),
    "text": lambda _: "abc",
}


@pytest.mark.parametrize("make", BODIES.values(), ids=BODIES)
def test_a_body_that_can_be_sent_twice_is_sent_again_byte_for_byte(
    one_world: World, tmp_path: Path, make: Callable[[Path], Any]
) -> None:
    path = tmp_path / "body"
    path.write_bytes(b"0123456789" * 9000)
    body = make(path)
    with TokenPoolManager(revoked(one_world)) as manager:
        assert manager.request("POST", f"{one_world.url}/x", body=body).status == 200
        fields: dict[str, Any] = {"a": "b", "file": ("name", b"abc")}
        one_world.fyatu.revoke_all()
        assert manager.request("POST", f"{one_world.url}/x", fields=fields).status == 200
    if not isinstance(body, str):
        body.close()
    digests = [call.body_sha256 for call in one_world.fyatu.ledger.calls("api")]
    assert digests[0] == digests[1]
    assert digests[2] == digests[3]


def test_a_body_that_can_be_sent_once_gets_its_401_and_the_next_request_a_new_token(one_world: World) -> None:
    with TokenPoolManager(revoked(one_world)) as manager:
        with pytest.warns(BodyNotReplayed):
            assert manager.request("POST", f"{one_world.url}/x", body=iter([b"once"])).status == 401
        assert manager.request("POST", f"{one_world.url}/x", body=iter([b"once"])).status == 200


def test_the_connection_of_a_401_that_is_streamed_is_used_again(one_world: World) -> None:
    with TokenPoolManager(revoked(one_world), maxsize=1, block=True) as manager:
        answer = manager.request("GET", f"{one_world.url}/x", preload_content=False)
        assert (answer.status, answer.connection is not None) == (200, True)
        answer.drain_conn()
        answer.release_conn()
        (pool,) = [manager.pools[key] for key in manager.pools.keys()]  # noqa: SIM118 - it cannot be iterated
        assert pool.num_connections == 1


class OwnHeader(FyatuContract):
    """A contract whose token travels in another header."""

    def headers(self, token: Token) -> dict[str, str]:
        return {"X-Token": token.access_token}


@pytest.mark.parametrize("status", [302, 303, 307])
def test_a_token_in_another_header_stays_at_its_origin(
    one_world: World, stranger: SimulatorServer, status: int
) -> None:
    seen: list[bool] = []

    class Watching(FyatuSimulator):
        def handle(self, request: SimRequest, now: float) -> SimResponse:
            seen.append("x-token" in request.headers)
            return super().handle(request, now)

        def token_of(self, request: SimRequest) -> str | None:
            return request.headers.get("x-token")

    url = one_world.server.mount("/urllib3", Watching(), clock=one_world.clock)
    elsewhere = stranger.mount("/urllib3", Watching(), clock=one_world.clock)
    contract = OwnHeader("A1B2C3D4E5F6G7H8", "your_secret_key_here", base_url=url)
    with TokenPoolManager(TokenAuth(contract, clock=one_world.clock, store=one_world.store)) as manager:
        answer = manager.request("GET", f"{url}/redirect?status={status}&to={elsewhere}/x")
    assert answer.status == 401
    assert seen == [False, True, False]


def test_a_proxy_manager_signs_as_well(one_world: World) -> None:
    seen: list[str | None] = []

    class Proxy(FyatuSimulator):
        def handle(self, request: SimRequest, now: float) -> SimResponse:
            seen.append(request.headers.get("authorization"))
            return SimResponse(204, {})

    with serve(Proxy()) as proxy, TokenProxyManager(one_world.auth(), proxy.url) as manager:
        assert manager.request("GET", f"{one_world.url}/x").status == 204
    assert [value is not None and value.startswith("Bearer ") for value in seen] == [True]
    assert isinstance(manager, urllib3.ProxyManager)


def test_an_error_is_urllib3s_own(one_world: World) -> None:
    one_world.fyatu.outage = "drop"
    with TokenPoolManager(one_world.auth()) as manager, pytest.raises(HTTPError) as caught:
        manager.request("GET", f"{one_world.url}/x")
    assert isinstance(caught.value, TokenEndpointUnavailable)
