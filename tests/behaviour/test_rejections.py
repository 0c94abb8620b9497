"""What a 401 leads to, and what it does not, for every kind of client over real sockets."""

from __future__ import annotations

import hashlib
import importlib
import json
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import requests

from auth_plugins import BodyNotReplayed, RefreshPolicy
from auth_plugins.testing import CLIENT_KINDS

if TYPE_CHECKING:
    from auth_plugins.simulators import SimRequest, SimResponse
    from auth_plugins.testing.server import SimulatorServer
    from tests.conftest import World


BODY = b'{"amount": 1}'


@pytest.mark.matrix(
    group="Rejections", case="the token was revoked", outcome="one renewal, and the request is sent once more"
)
def test_a_revoked_token_costs_one_renewal_and_one_replay_with_the_body_intact(world: World) -> None:
    with world.client(world.auth()) as client:
        client.send("GET", f"{world.url}/x")
        world.fyatu.revoke_all()
        world.fyatu.ledger.clear()
        reply = client.send("POST", f"{world.url}/pay?x=1", content=BODY, headers={"X-Own": "kept"})
    assert (reply.status, reply.history) == (200, (401,))
    assert [call.endpoint for call in world.fyatu.ledger.calls()] == ["api", "login", "api"]
    first, second = world.fyatu.ledger.calls("api")
    assert first.body_sha256 == second.body_sha256 == hashlib.sha256(BODY).hexdigest()
    assert (first.method, first.path) == (second.method, second.path)


@pytest.mark.matrix(
    group="Rejections",
    case="a 401 for a token that has been replaced meanwhile",
    outcome="sent again with the current one; no call",
)
def test_a_401_for_an_older_token_is_sent_again_with_the_current_one_and_renews_nothing(world: World) -> None:
    auth = world.auth()
    with world.client(auth) as client:
        client.send("GET", f"{world.url}/x")
        old = auth.token().access_token
        auth.invalidate()
        new = auth.token().access_token
        calls = world.token_calls
        snapshot = auth._source.after_401({"Authorization": f"Bearer {old}"}.get, auth._transport)
        assert snapshot is not None
        assert auth._source.wait_usable(snapshot).token == auth.token()
        assert client.send("GET", f"{world.url}/x").sent["authorization"] == f"Bearer {new}"
    assert world.token_calls == calls


def only_connection(kind: str) -> Any:
    """A client that has one, and waits for it."""
    if kind == "requests":
        session = requests.Session()
        session.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=1, pool_block=True))
        return session
    library = importlib.import_module(kind)
    return library.Client(limits=library.Limits(max_connections=1), trust_env=False)


@pytest.mark.matrix(
    group="Rejections",
    case="the token call needs the connection on which the 401 came",
    outcome="that is given back before the renewal",
)
@pytest.mark.parametrize("kind", ["requests", "httpx", "httpx2"])
def test_a_401_gives_its_connection_back_to_the_renewal_that_it_causes(make_world: Any, kind: str) -> None:
    world = make_world(kind)
    with only_connection(kind) as client:
        client.auth = world.auth(token_client=client, policy=RefreshPolicy(tries=1, read_timeout=5.0, deadline=10.0))
        client.get(f"{world.url}/x")
        world.fyatu.revoke_all()
        response = client.get(f"{world.url}/x")
    assert (response.status_code, [each.status_code for each in response.history]) == (200, [401])


@pytest.mark.parametrize("kind", ["requests", "httpx", "httpx2"])
def test_a_401_that_goes_to_the_caller_does_not_keep_its_connection_from_the_renewal(
    make_world: Any, kind: str
) -> None:
    world = make_world(kind)
    with only_connection(kind) as client:
        client.auth = world.auth(token_client=client, policy=RefreshPolicy(tries=1, read_timeout=5.0, deadline=10.0))
        url = f"{world.url}/x"
        client.get(url)
        world.fyatu.revoke_all()
        sent = {"data" if kind == "requests" else "content": iter([b"once"])}
        with pytest.warns(BodyNotReplayed):
            assert client.post(url, **sent).status_code == 401
        assert client.get(url).status_code == 200
        assert world.told(client.auth) == ["logged_in", "not_replayed", "logged_in"]


@pytest.mark.parametrize("kind", ["requests", "httpx", "httpx2"])
def test_the_body_of_a_401_that_goes_to_the_caller_is_left_to_the_caller(make_world: Any, kind: str) -> None:
    world = make_world(kind)
    with only_connection(kind) as client:
        client.auth = world.auth()
        world.fyatu.reject_all = True
        url = f"{world.url}/x"
        assert client.get(url).status_code == 401  # From now on no renewal is tried for a while.
        if kind == "requests":
            body = client.get(url, stream=True).raw.read()
        else:
            with client.stream("GET", url) as response:
                body = b"".join(response.iter_raw())
    assert json.loads(body)["success"] is False


@pytest.mark.matrix(
    group="Rejections",
    case="others need the connections of those who wait after a 401",
    outcome="they have them meanwhile",
)
@pytest.mark.parametrize("kind", [each for each in CLIENT_KINDS if each != "requests"])
def test_who_waits_after_a_401_keeps_nobody_from_his_connection(
    make_world: Any, stranger: SimulatorServer, kind: str
) -> None:
    world, met = make_world(kind), []

    def meanwhile(_: httpx.Request) -> None:
        if world.fyatu.ledger.calls("api"):
            met.append(client.send("GET", f"{stranger.url}/nobody").status)

    lent = httpx.Client(event_hooks={"request": [meanwhile]}, trust_env=False)
    limits = importlib.import_module(kind.partition("-")[0]).Limits(max_connections=1)
    with lent, world.client(world.auth(token_client=lent), limits=limits, timeout=5.0) as client:
        client.send("GET", f"{world.url}/x")
        world.fyatu.revoke_all()
        assert client.send("GET", f"{world.url}/x").status == 200
    assert met == [404]


@pytest.mark.matrix(
    group="Rejections", case="the API rejects every token", outcome="one renewal, then the 401s are handed over"
)
def test_a_server_that_rejects_every_token_is_not_hammered(world: World) -> None:
    with world.client(world.auth()) as client:
        client.send("GET", f"{world.url}/x")
        world.fyatu.reject_all = True
        replies = [client.send("GET", f"{world.url}/x") for _ in range(20)]
        assert {reply.status for reply in replies} == {401}
        assert [reply.history for reply in replies] == [(401,)] + [()] * 19
        assert world.token_calls == 2


@pytest.mark.matrix(
    group="Rejections", case="renewals on a 401 that do not help", outcome="they become rarer: after 1, 2, 4, 8 seconds"
)
def test_renewals_that_do_not_help_become_rarer_and_one_that_helps_ends_the_pause(world: World) -> None:
    with world.client(world.auth()) as client:
        client.send("GET", f"{world.url}/x")
        world.fyatu.reject_all = True
        counted = []
        for _ in range(8):
            client.send("GET", f"{world.url}/x")
            counted.append(world.token_calls)
            world.clock.advance(1)
        assert counted == [2, 3, 3, 4, 4, 4, 4, 5]  # the pauses are 1, 2, 4 and 8 seconds
        world.fyatu.reject_all = False
        assert client.send("GET", f"{world.url}/x").status == 200
        for _ in range(3):
            world.clock.advance(8)
            world.fyatu.revoke_all()
            assert client.send("GET", f"{world.url}/x").status == 200


@pytest.mark.matrix(
    group="Rejections",
    case="the token fetched on a 401 ends on its way to a slow API",
    outcome="that 401 is no sign of a server that rejects every token",
)
def test_a_401_for_a_token_that_ended_on_its_way_pauses_nothing(world: World) -> None:
    handle, slow = world.fyatu.handle, [True]

    def in_its_own_time(request: SimRequest, now: float) -> SimResponse:
        if slow and "/auth/" not in request.path:
            world.clock.advance(3)
        return handle(request, world.clock())

    world.fyatu.handle = in_its_own_time  # type: ignore[method-assign]
    world.fyatu.lifetime = 2
    with world.client(world.auth()) as client:
        for _ in range(3):
            reply = client.send("GET", f"{world.url}/x")
            assert (reply.status, reply.history) == (401, (401,))
        slow.clear()
        world.fyatu.lifetime = 86_400
        assert client.send("GET", f"{world.url}/x").status == 200
        world.fyatu.revoke_all()
        reply = client.send("GET", f"{world.url}/x")
        assert (reply.status, reply.history) == (200, (401,))


@pytest.mark.matrix(
    group="Rejections", case="one path always answers 401, beside good ones", outcome="no renewal for each"
)
def test_an_endpoint_that_always_answers_401_beside_good_ones_is_not_hammered_either(world: World) -> None:
    with world.client(world.auth()) as client:
        for _ in range(10):
            assert client.send("GET", f"{world.url}/x").status == 200
            world.fyatu.api_status = 401
            assert client.send("GET", f"{world.url}/refusing").status == 401
            world.fyatu.api_status = None
    assert world.token_calls == 2


@pytest.mark.matrix(group="Rejections", case="revoked again a moment later", outcome="healed again")
def test_a_second_revocation_a_moment_after_the_first_is_healed_as_well(world: World) -> None:
    with world.client(world.auth()) as client:
        for _ in range(5):
            assert client.send("GET", f"{world.url}/x").status == 200
            world.fyatu.revoke_all()
    assert world.token_calls == 5


@pytest.mark.matrix(
    group="Rejections", case="403, 404, 429, 500, 503 and others", outcome="handed over; nothing is renewed or repeated"
)
@pytest.mark.parametrize("status", [200, 204, 400, 403, 404, 429, 500, 503])
def test_no_other_status_renews_or_repeats_anything(world: World, status: int) -> None:
    with world.client(world.auth()) as client:
        client.send("GET", f"{world.url}/x")
        world.fyatu.api_status = status
        reply = client.send("POST", f"{world.url}/x", content=BODY)
    assert (reply.status, reply.history) == (status, ())
    assert (world.token_calls, world.fyatu.ledger.count("api")) == (1, 2)


def test_when_no_new_token_is_to_be_had_the_error_says_so_and_is_the_librarys_own(world: World) -> None:
    with world.client(world.auth(policy=RefreshPolicy(tries=1))) as client:
        client.send("GET", f"{world.url}/x")
        world.fyatu.revoke_all()
        world.fyatu.outage = "unavailable"
        with pytest.raises(world.own_transport_error, match="failed \\(HTTP 503"):
            client.send("GET", f"{world.url}/x")
        world.fyatu.outage = None
        assert client.send("GET", f"{world.url}/x").status == 200


@pytest.mark.matrix(
    group="Rejections",
    case="the token was rejected, and the endpoint is down",
    outcome="the error says so; the token is not used again",
)
def test_a_rejected_token_is_not_used_again_while_the_endpoint_is_down(world: World) -> None:
    with world.client(world.auth()) as client:
        client.send("GET", f"{world.url}/x")
        world.fyatu.revoke_all()
        world.fyatu.outage = "drop"
        for _ in range(2):
            with pytest.raises(Exception, match="no answer"):
                client.send("GET", f"{world.url}/x")
    assert world.fyatu.ledger.count("api") == 2
