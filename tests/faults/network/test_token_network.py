"""What a network and a server can do below HTTP to a token call: each fault is told by the right error, or survived."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import httpx2
import pytest
import requests

from auth_plugins import AuthError, InvalidTokenResponse, RefreshPolicy, TokenEndpointUnavailable
from auth_plugins.core import fingerprint

if TYPE_CHECKING:
    from tests.conftest import World
    from tests.faults.conftest import Told
    from tests.faults.network.conftest import FaultServer

matrix = pytest.mark.matrix
pytestmark = matrix(group="Below HTTP: the token endpoint")
UNAVAILABLE, INVALID = "`TokenEndpointUnavailable`", "`InvalidTokenResponse`"
SURVIVED = "survived: the token is used"
TOKEN = "a.fresh.token-of-ours"


def case(fault: str, what: str, outcome: str) -> Any:
    return pytest.param(fault, outcome, marks=matrix(case=what, outcome=outcome), id=fault)


BROKEN = [
    case("close before", "the connection is closed before the request is read", UNAVAILABLE),
    case("reset before", "the connection is reset before the request is read", UNAVAILABLE),
    case("close unanswered", "the connection is closed without an answer", UNAVAILABLE),
    case("reset unanswered", "the connection is reset without an answer", UNAVAILABLE),
    case("reset in status line", "a reset in the status line", UNAVAILABLE),
    case("reset in headers", "a reset in the headers", UNAVAILABLE),
    case("close in body", "the body is cut", UNAVAILABLE),
    case("reset in body", "a reset in the body", UNAVAILABLE),
    case("reset after", "a reset after the whole answer", SURVIVED),
    case("length too long", "`Content-Length` is too long, and the connection is closed", UNAVAILABLE),
    case("length too short", "`Content-Length` is too short", INVALID),
    case("no length", "no `Content-Length`: the answer ends with the connection", SURVIVED),
    case("http/1.0", "an answer of HTTP/1.0", SURVIVED),
    case("junk after", "more bytes after the answer", SURVIVED),
    case("continue first", "`100 Continue` before the answer", SURVIVED),
    case("chunked", "the answer comes in chunks", SURVIVED),
    case("chunks without end", "the last chunk is missing", UNAVAILABLE),
    case("chunk of garbage size", "a chunk's size is garbage", UNAVAILABLE),
    case("chunk of negative size", "a chunk's size is negative", UNAVAILABLE),
    case("not http", "another protocol answers", UNAVAILABLE),
    case("status of garbage", "the status is no number", UNAVAILABLE),
    case("empty status line", "the status line is empty", UNAVAILABLE),
    case("endless header", "a header of a megabyte", UNAVAILABLE),
    case("twenty thousand headers", "twenty thousand headers", UNAVAILABLE),
    case("packed", "the answer is gzip, which was not asked for", SURVIVED),
    case("packed badly", "it says gzip, and is not", INVALID),
    case("packed and cut", "the gzip is cut", INVALID),
    case("packed unknown", "it is packed in a way that was not offered (zstd)", INVALID),
    case("packed twice", "it is packed twice", INVALID),
    case("gzip bomb", "a gzip bomb: 100 MB in 430 kB", INVALID),
    case("50 MB", "an answer of 50 MB", INVALID),
]


@pytest.mark.parametrize(("fault", "outcome"), BROKEN)
def test_a_broken_answer_is_told_or_survived(
    world: World, token_server: FaultServer, told: Told, fault: str, outcome: str
) -> None:
    token_server.fault = fault
    auth = world.auth(base_url=token_server.url, origins=[world.url], policy=RefreshPolicy(tries=1))
    world.fyatu.api_status = 200
    with world.client(auth) as client:
        if outcome == SURVIVED:
            assert client.send("GET", f"{world.url}/x").sent["authorization"] == f"Bearer {TOKEN}"
            return
        with pytest.raises(AuthError) as caught:
            client.send("GET", f"{world.url}/x")
        told(caught, "token_endpoint_unavailable" if outcome == UNAVAILABLE else "invalid_token_response", world.kind)
        assert token_server.calls == 1
        assert world.fyatu.ledger.calls() == (), "nothing goes out without a token"
        heals(world, auth, client, token_server)


def heals(world: World, auth: Any, client: Any, server: FaultServer) -> None:
    """Nothing was kept of the failure, and once the endpoint is well, so is the client."""
    shared = auth._source.shared
    assert shared.snapshot.token is None
    assert shared.store.load(fingerprint(auth._provider, shared.store.salt)) is None
    server.fault = "well"
    world.clock.advance(1000)
    assert client.send("GET", f"{world.url}/x").status == 200


@matrix(case="the connection is refused", outcome=UNAVAILABLE)
def test_a_refused_connection_is_told(world: World, token_server: FaultServer, told: Told) -> None:
    token_server.close()
    with world.client(world.auth(base_url=token_server.url)) as client, pytest.raises(AuthError) as caught:
        client.send("GET", f"{token_server.url}/x")
    told(caught, "token_endpoint_unavailable", world.kind)


# Where libraries differ in what they believe: what counts is that each ends in one of ours, or well.
DIFFERENT = [
    case("close in headers", "the headers are cut", "one of our errors"),
    case("length negative", "`Content-Length` is negative", "one of our errors, or survived"),
    case("length garbage", "`Content-Length` is no number", "one of our errors, or survived"),
    case("length absurd", "`Content-Length` is beyond all measure", "one of our errors, or survived"),
    case("lengths that differ", "two `Content-Length` that differ", "one of our errors, or survived"),
    case("nul in header", "a NUL in a header", "one of our errors, or survived"),
]


@pytest.mark.parametrize(("fault", "outcome"), DIFFERENT)
def test_what_libraries_read_differently_ends_in_one_of_our_errors_or_well(
    world: World, token_server: FaultServer, fault: str, outcome: str
) -> None:
    token_server.fault = fault
    world.fyatu.api_status = 200
    auth = world.auth(base_url=token_server.url, origins=[world.url], policy=RefreshPolicy(tries=1, deadline=2))
    with world.client(auth) as client:
        try:
            assert client.send("GET", f"{world.url}/x").status == 200
            assert "survived" in outcome
        except (TokenEndpointUnavailable, InvalidTokenResponse):
            heals(world, auth, client, token_server)


DEADLINE = 0.1
ENDS = f"{UNAVAILABLE} by the deadline; the renewal's thread ends, too"
HANGING = [
    case("hang", "it never answers", ENDS),
    case("hang in status line", "it stops in the status line", ENDS),
    case("hang in headers", "it stops in the headers", ENDS),
    case("hang in body", "it stops in the body", ENDS),
    case("drip before", "it drips blanks before it is asked", ENDS),
    case("drip status line", "it drips its status line", ENDS),
    case("drip headers", "it drips one header", ENDS),
    case("drip lines", "it drips one header after the other", ENDS),
    case("drip continue", "it drips `100 Continue`", ENDS),
    case("drip body", "it drips its body", ENDS),
    case("drip without length", "it drips a body without length", ENDS),
    case("drip chunks", "it drips chunks", ENDS),
    case("drip framing", "it drips a chunk's extension", ENDS),
    case("drip trailers", "it drips trailers", ENDS),
    case("drip packed", "it drips gzip", ENDS),
]


@pytest.mark.parametrize("kind", ["requests", "httpx", "httpx2"])
@pytest.mark.parametrize(("fault", "outcome"), HANGING)
def test_what_hangs_or_drips_ends_by_the_deadline(
    make_world: Any, token_server: FaultServer, renewals: Any, told: Told, kind: str, fault: str, outcome: str
) -> None:
    world = make_world(kind)
    token_server.fault = fault
    policy = RefreshPolicy(tries=1, deadline=DEADLINE)
    world.fyatu.api_status = 200
    auth = world.auth(base_url=token_server.url, origins=[world.url], policy=policy)
    with world.client(auth) as client:
        with pytest.raises(AuthError) as caught:
            client.send("GET", f"{world.url}/x")
        assert renewals(), "the thread goes on, and holds the store's lock"
        told(caught, "token_endpoint_unavailable", kind)
        auth._source.policy = RefreshPolicy()  # That it is well again is to be seen on a machine that is busy, too.
        heals(world, auth, client, token_server)


@pytest.mark.parametrize(
    ("library", "fault"),
    [
        (httpx, "drip body"),
        (httpx2, "drip body"),
        (httpx, "drip chunks"),
        (httpx2, "drip chunks"),
        (requests, "drip chunks"),
    ],
    ids=["httpx", "httpx2", "httpx-chunks", "httpx2-chunks", "requests-chunks"],
)
@matrix(case="it drips pieces of its body into a client that was lent", outcome=ENDS)
def test_a_lent_client_is_left_at_the_first_piece_after_the_deadline(
    one_world: World, token_server: FaultServer, renewals: Any, library: Any, fault: str
) -> None:
    token_server.fault = fault
    with requests.Session() if library is requests else library.Client() as lent:
        policy = RefreshPolicy(tries=1, deadline=DEADLINE)
        auth = one_world.auth(base_url=token_server.url, token_client=lent, policy=policy)
        with pytest.raises(TokenEndpointUnavailable):
            auth.token()
        assert renewals()
