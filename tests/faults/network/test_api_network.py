"""What the API does below HTTP is the caller's to see: no token is blamed for it, thrown away or renewed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import httpx2
import pytest
import requests

from auth_plugins import AuthError

if TYPE_CHECKING:
    from tests.conftest import World
    from tests.faults.network.conftest import FaultServer

matrix = pytest.mark.matrix
pytestmark = matrix(group="Below HTTP: the API")
OWN: dict[str, type[Exception]] = {
    "requests": requests.RequestException,
    "httpx": httpx.TransportError,
    "httpx2": httpx2.TransportError,
}
RAISED = "the library's own exception; the token is kept, and no call renews it"
RESENT = "the token is renewed and the request sent again"


def case(fault: str, what: str, outcome: str) -> Any:
    return pytest.param(fault, marks=matrix(case=what, outcome=outcome), id=fault)


@pytest.mark.parametrize(
    "fault",
    [
        case("close before", "the connection is closed before the request is read", RAISED),
        case("reset before", "the connection is reset before the request is read", RAISED),
        case("close unanswered", "the connection is closed without an answer", RAISED),
        case("reset unanswered", "the connection is reset without an answer", RAISED),
        case("reset in headers", "a reset in the headers", RAISED),
        case("close in body", "the body is cut", RAISED),
        case("reset in body", "a reset in the body", RAISED),
        case("chunks without end", "the last chunk is missing", RAISED),
        case("not http", "another protocol answers", RAISED),
        case("refused", "the connection is refused", RAISED),
    ],
)
def test_a_broken_api_is_the_callers_to_see_and_costs_no_token(
    world: World, api_server: FaultServer, fault: str
) -> None:
    auth = world.auth(origins=[api_server.url])
    with world.client(auth) as client:
        before = auth.token()
        if fault == "refused":
            api_server.close()
        api_server.fault = fault
        with pytest.raises(OWN[world.kind.partition("-")[0]]) as caught:
            client.send("GET", f"{api_server.url}/x")
        assert not isinstance(caught.value, AuthError)
        assert auth.token() == before
        api_server.fault = "well"
        if fault != "refused":
            assert client.send("GET", f"{api_server.url}/x").sent["authorization"] == f"Bearer {before.access_token}"
    assert world.token_calls == 1


SURVIVED_401 = [
    case("401", "a 401 that closes its connection", RESENT),
    case("401 without length", "a 401 without length", RESENT),
    case("401 of 50 MB", "a 401 of 50 MB", RESENT),
]


@pytest.mark.parametrize("fault", SURVIVED_401)
def test_a_401_that_can_be_read_is_answered(world: World, api_server: FaultServer, fault: str) -> None:
    auth = world.auth(origins=[api_server.url])
    api_server.next = [fault]
    with world.client(auth) as client:
        reply = client.send("POST", f"{api_server.url}/x", content=b"body")
    assert (reply.status, reply.history, world.token_calls) == (200, (401,), 2)
    first, second = api_server.heard
    assert first.bearer != second.bearer
    assert first.length == second.length == 4


BROKEN_401 = [
    case("401 cut", "a 401 whose body is cut", RESENT),
    case("401 reset", "a reset in the body of a 401", RESENT),
    case("401 in chunks cut", "a 401 whose last chunk is missing", RESENT),
]


@pytest.mark.parametrize("fault", BROKEN_401)
def test_a_401_that_cannot_be_read_is_answered_all_the_same(world: World, api_server: FaultServer, fault: str) -> None:
    auth = world.auth(origins=[api_server.url])
    old = auth.token().access_token
    api_server.next = [fault]
    with world.client(auth) as client:
        reply = client.send("GET", f"{api_server.url}/x")
    assert (reply.status, reply.history) == (200, (401,))
    assert reply.sent["authorization"] != f"Bearer {old}"
    assert world.token_calls == 2


@pytest.mark.parametrize("library", [requests, httpx, httpx2], ids=["requests", "httpx", "httpx2"])
@matrix(case="a 401 whose body hangs", outcome=f"{RESENT}, after the caller's own time-out")
def test_a_401_that_hangs_ends_by_the_callers_own_time_out(
    one_world: World, api_server: FaultServer, library: Any
) -> None:
    auth = one_world.auth(origins=[api_server.url])
    api_server.next = ["401 that hangs"]
    ask = {"url": f"{api_server.url}/x", "auth": auth, "timeout": 0.2}
    assert library.get(**ask).status_code == 200
    assert one_world.token_calls == 2
