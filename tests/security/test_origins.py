"""A token goes where it belongs, for every kind of client over real sockets."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from auth_plugins.simulators import FyatuSimulator

if TYPE_CHECKING:
    from auth_plugins.testing.server import SimulatorServer
    from tests.conftest import World


@pytest.fixture
def foreign(stranger: SimulatorServer, world: World) -> tuple[FyatuSimulator, str]:
    fyatu = FyatuSimulator()
    return fyatu, stranger.mount(f"/{id(fyatu)}", fyatu, clock=world.clock)


@pytest.mark.matrix(
    group="Where a token goes",
    case="Request to another origin, over real sockets",
    outcome="no token; its 401 is the caller's",
)
def test_a_request_to_another_origin_goes_without_a_token_and_its_401_is_the_callers(
    world: World, foreign: tuple[FyatuSimulator, str]
) -> None:
    simulator, url = foreign
    with world.client(world.auth()) as client:
        reply = client.send("GET", f"{url}/x")
    assert (reply.status, reply.history) == (401, ())
    assert [call.had_authorization for call in simulator.ledger.calls()] == [False]
    assert world.token_calls == 0


@pytest.mark.matrix(
    group="Where a token goes",
    case="Redirect to another origin by 301, 302, 303, 307 or 308",
    outcome="the token stays behind",
)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_to_another_origin_takes_no_token_along(
    world: World, foreign: tuple[FyatuSimulator, str], status: int
) -> None:
    simulator, url = foreign
    with world.client(world.auth()) as client:
        reply = client.send("GET", f"{world.url}/redirect?status={status}&to={url}/x", follow_redirects=True)
    assert (reply.status, reply.history) == (401, (status,))
    assert [call.had_authorization for call in simulator.ledger.calls()] == [False]
    assert world.token_calls == 1


@pytest.mark.matrix(
    group="Where a token goes",
    case="Redirect of the request that is sent again after a 401",
    outcome="the new token stays behind as well",
)
def test_a_redirect_after_a_renewal_to_another_origin_takes_no_token_along(
    world: World, foreign: tuple[FyatuSimulator, str]
) -> None:
    simulator, url = foreign
    with world.client(world.auth()) as client:
        client.send("GET", f"{world.url}/x")
        world.fyatu.revoke_all()
        client.send("GET", f"{world.url}/redirect?to={url}/x", follow_redirects=True)
    assert [call.had_authorization for call in simulator.ledger.calls()] == [False]


@pytest.mark.matrix(group="Where a token goes", case="Redirect within the origin", outcome="the token goes along")
def test_a_redirect_within_the_origin_keeps_the_token(world: World) -> None:
    with world.client(world.auth()) as client:
        reply = client.send("GET", f"{world.url}/redirect?to={world.url}/x", follow_redirects=True)
    assert (reply.status, reply.history) == (200, (302,))
    assert world.token_calls == 1


@pytest.mark.matrix(
    group="Where a token goes",
    case="A POST is answered by 303, and what follows gets a 401",
    outcome="the last hop alone is sent again",
)
def test_after_a_post_was_redirected_only_the_last_hop_is_sent_again(world: World) -> None:
    """The POST took effect: it was answered by 303. What was rejected is the GET that followed."""
    other, url = world.another()
    with world.client(world.auth()) as client:
        reply = client.send(
            "POST", f"{world.url}/redirect?status=303&to={url}/x", content=b"pay", follow_redirects=True
        )
    assert reply.status == 401  # The other API, at the same origin, does not know this one's tokens.
    assert [(call.method, call.endpoint) for call in world.fyatu.ledger.calls()] == [
        ("POST", "login"),
        ("POST", "api"),
        ("POST", "login"),
    ]
    assert [call.method for call in other.ledger.calls("api")] == ["GET", "GET"]


@pytest.mark.matrix(
    group="Where a token goes", case="Request to an origin that origins= names", outcome="the token goes along"
)
def test_further_origins_get_the_token_when_they_are_named(world: World, foreign: tuple[FyatuSimulator, str]) -> None:
    simulator, url = foreign
    with world.client(world.auth(origins=[url])) as client:
        client.send("GET", f"{url}/x")
    assert simulator.ledger.calls()[0].had_authorization


@pytest.mark.matrix(
    group="Where a token goes", case="Request to another name of this machine", outcome="another host: no token"
)
@pytest.mark.parametrize(
    "make",
    [
        lambda host, port: f"http://{host}:{port}@127.0.0.1:{port}/x",
        lambda host, port: f"http://localhost:{port}/x",
        lambda host, port: f"http://127.0.0.1.:{port}/x",
    ],
    ids=["userinfo", "another-name", "trailing-dot"],
)
def test_other_spellings_of_a_host_are_other_hosts_or_the_same(world: World, make: Any) -> None:
    port = world.server.url.rpartition(":")[2]
    url = make("api.example", port)
    same = "@" in url
    # Some of them do not resolve everywhere, which is the library's own error.
    with world.client(world.auth()) as client, suppress(world.own_error):
        client.send("GET", url)
    assert (world.token_calls == 1) is same


@pytest.mark.matrix(
    group="Where a token goes",
    case="Plain http to another machine in base_url or origins",
    outcome="ValueError, unless allow_http=True",
)
def test_plain_http_to_another_machine_is_refused_unless_allowed(one_world: World) -> None:
    with pytest.raises(ValueError, match="base_url must be https"):
        one_world.auth(base_url="http://api.example/v3")
    with pytest.raises(ValueError, match="origins must be https"):
        one_world.auth(origins=["http://api.example"])
    allowed = one_world.auth(base_url="http://api.example/v3", allow_http=True)
    assert repr(allowed) == "<FyatuAuth for http://api.example/v3>"
