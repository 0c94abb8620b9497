"""Refused credentials, endpoints that are down, slow or busy: who fails, when, and how many calls it costs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import httpx
import httpx2
import pytest
import requests

from auth_plugins import AuthError, CredentialsRejected, RefreshPolicy, TokenEndpointUnavailable
from auth_plugins.testing import mock_transport, settle

if TYPE_CHECKING:
    from tests.conftest import World


@pytest.mark.matrix(
    group="Pressure",
    case="refused credentials",
    outcome="one call, then silence until the cool-down ends, which doubles",
)
def test_refused_credentials_cost_one_call_and_then_silence_until_the_cool_down_ends(world: World) -> None:
    with world.client(world.auth(secret_key="not_the_secret_key")) as client:
        for _ in range(10):
            with pytest.raises(CredentialsRejected) as caught:
                client.send("GET", f"{world.url}/x")
            assert isinstance(caught.value, world.own_error)
            assert caught.value.provider_code == "AUTH_INVALID_CREDENTIALS"
            assert caught.value.request_id is not None
        assert world.token_calls == 1
        counted = []
        for _ in range(4):
            world.clock.advance(30)
            with pytest.raises(CredentialsRejected):
                client.send("GET", f"{world.url}/x")
            counted.append(world.token_calls)
    assert counted == [2, 2, 3, 3]  # the cool-down doubles: 30 s, 60 s, 120 s


@pytest.mark.matrix(
    group="Pressure", case="refused credentials, and a new auth object for each request", outcome="one call"
)
def test_refused_credentials_are_remembered_for_the_next_object_with_the_same(world: World) -> None:
    for _ in range(5):
        wrong = world.auth(secret_key="not_the_secret_key")
        with world.client(wrong) as client, pytest.raises(CredentialsRejected):
            client.send("GET", f"{world.url}/x")
    assert world.token_calls == 1


@pytest.mark.matrix(
    group="Pressure",
    case="credentials that were refused are mended, and `auth.invalidate()` called",
    outcome="tried again at once",
)
def test_invalidate_lets_refused_credentials_be_tried_again_at_once(world: World) -> None:
    auth = world.auth()
    world.fyatu.inactive = True
    with world.client(auth) as client:
        with pytest.raises(CredentialsRejected) as caught:
            client.send("GET", f"{world.url}/x")
        assert caught.value.provider_code == "AUTH_APP_INACTIVE"
        world.fyatu.inactive = False
        auth.invalidate()
        assert client.send("GET", f"{world.url}/x").status == 200


@pytest.mark.matrix(
    group="Pressure",
    case="the endpoint is down while the token is valid",
    outcome="no request fails; the calls become rare",
)
def test_while_the_token_is_valid_an_endpoint_that_is_down_fails_no_request_and_is_not_hammered(
    world: World,
) -> None:
    auth = world.auth(policy=RefreshPolicy(jitter=0.0))
    with world.client(auth) as client:
        client.send("GET", f"{world.url}/x")
        world.clock.advance(86_400 - 300)
        world.fyatu.outage = "drop"
        for _ in range(29):
            assert client.send("GET", f"{world.url}/x").status == 200
            settle(auth)
            world.clock.advance(10)
        world.fyatu.outage = None
        world.clock.advance(9)
        assert client.send("GET", f"{world.url}/x").status == 200
    # Tried after 0, 10, 20, 40, 80, then every 60 s; each try is a refresh and a login.
    assert world.token_calls <= 1 + 2 * 8


@pytest.mark.matrix(
    group="Pressure",
    case="the endpoint is down, and the token has ended",
    outcome="`TokenEndpointUnavailable`; once the endpoint is up, all is well",
)
def test_when_the_token_has_ended_a_request_fails_with_the_librarys_own_transport_error(world: World) -> None:
    with world.client(world.auth()) as client:
        client.send("GET", f"{world.url}/x")
        world.clock.advance(86_400)
        world.fyatu.outage = "drop"
        with pytest.raises(TokenEndpointUnavailable) as caught:
            client.send("GET", f"{world.url}/x")
        assert isinstance(caught.value, world.own_transport_error)
        world.fyatu.outage = None
        assert client.send("GET", f"{world.url}/x").status == 200


@pytest.mark.matrix(
    group="Pressure",
    case="the endpoint stays down, and there is no valid token",
    outcome="two calls, then one for each pause, which doubles up to 8 s; once the endpoint is up, all is well",
)
@pytest.mark.parametrize("outage", ["drop", "unavailable"])
def test_in_an_outage_requests_without_a_token_fail_at_once_and_calls_become_rare(
    world: World, outage: Literal["drop", "unavailable"]
) -> None:
    calls = []
    with world.client(world.auth(policy=RefreshPolicy(jitter=0.0, tries=1))) as client:
        world.fyatu.outage = outage
        for _ in range(64):
            with pytest.raises(TokenEndpointUnavailable) as caught:
                client.send("GET", f"{world.url}/x")
            assert isinstance(caught.value, world.own_error)
            calls.append(world.token_calls)
            world.clock.advance(0.25)
        world.fyatu.outage = None
        world.clock.advance(8)
        assert client.send("GET", f"{world.url}/x").status == 200
    called_at = [turn / 4 for turn in range(64) if turn == 0 or calls[turn] > calls[turn - 1]]
    assert called_at == [0, 0.25, 0.5, 1, 2, 4, 8]


@pytest.mark.matrix(
    group="Pressure",
    case="one token call fails, and the next request comes at once",
    outcome="it makes a call: one failure is no outage",
)
def test_one_failure_is_no_outage(world: World) -> None:
    with world.client(world.auth()) as client:
        for _ in range(3):
            world.fyatu.outage = "drop"
            with pytest.raises(TokenEndpointUnavailable):
                client.send("GET", f"{world.url}/x")
            world.fyatu.outage = None
            assert client.send("GET", f"{world.url}/x").status == 200
            world.clock.advance(100_000)


@pytest.mark.matrix(
    group="Pressure", case="`auth.invalidate()` in an outage that is over", outcome="the next request makes a call"
)
def test_invalidate_ends_the_pause_of_an_outage(world: World) -> None:
    auth = world.auth()
    world.fyatu.outage = "drop"
    with world.client(auth) as client:
        for _ in range(2):
            with pytest.raises(TokenEndpointUnavailable):
                client.send("GET", f"{world.url}/x")
        with pytest.raises(TokenEndpointUnavailable) as caught:
            client.send("GET", f"{world.url}/x")
        assert 0.15 < (caught.value.retry_after or 0) <= 0.25
        world.fyatu.outage = None
        auth.invalidate()
        assert client.send("GET", f"{world.url}/x").status == 200


@pytest.mark.matrix(
    group="Pressure", case="a refresh whose answer is lost", outcome="it is not repeated: a login follows"
)
def test_a_refresh_whose_answer_is_lost_is_followed_by_a_login(world: World) -> None:
    with world.client(world.auth(policy=RefreshPolicy(tries=3))) as client:
        client.send("GET", f"{world.url}/x")
        world.clock.advance(86_400)
        world.fyatu.ledger.clear()
        world.fyatu.outage = "lost"
        with pytest.raises(TokenEndpointUnavailable):
            client.send("GET", f"{world.url}/x")
    assert [call.endpoint for call in world.fyatu.ledger.calls()] == ["refresh", "login", "login"]


@pytest.mark.matrix(group="Pressure", case="429 with `Retry-After`", outcome="no call before that moment")
def test_retry_after_is_respected_by_those_who_wait(world: World) -> None:
    with world.client(world.auth()) as client:
        world.fyatu.rate_limit = 20
        for _ in range(5):
            with pytest.raises(TokenEndpointUnavailable) as caught:
                client.send("GET", f"{world.url}/x")
            assert 0 < (caught.value.retry_after or 0) <= 20
        assert world.token_calls == 1
        world.fyatu.rate_limit = None
        world.clock.advance(19)
        with pytest.raises(TokenEndpointUnavailable):
            client.send("GET", f"{world.url}/x")
        world.clock.advance(1)
        assert client.send("GET", f"{world.url}/x").status == 200


@pytest.mark.matrix(
    group="Pressure", case="429 with a `Retry-After` of 30 years", outcome="no call for `retry_after_cap`"
)
def test_an_absurd_retry_after_is_not_believed_beyond_the_cap(world: World) -> None:
    with world.client(world.auth(policy=RefreshPolicy(retry_after_cap=60))) as client:
        world.fyatu.rate_limit = 1e9
        with pytest.raises(TokenEndpointUnavailable):
            client.send("GET", f"{world.url}/x")
        world.fyatu.rate_limit = None
        world.clock.advance(60)
        assert client.send("GET", f"{world.url}/x").status == 200


def test_token_and_atoken_raise_our_own_errors_which_belong_to_no_library(one_world: World) -> None:
    import anyio

    auth = one_world.auth(secret_key="not_the_secret_key")
    for get in (auth.token, lambda: anyio.run(auth.atoken), lambda: anyio.run(auth.atoken, backend="trio")):
        with pytest.raises(CredentialsRejected) as caught:
            get()
        assert type(caught.value).__mro__[1] is AuthError


def test_a_redirected_token_call_is_refused_and_its_target_never_called(one_world: World) -> None:
    targets: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        targets.append(request.url.host)
        return httpx.Response(307, headers={"Location": "https://evil.example/auth/token"})

    auth = one_world.auth(token_client=httpx.Client(transport=httpx.MockTransport(answer), follow_redirects=True))
    with pytest.raises(AuthError) as caught:
        auth.token()
    assert (caught.value.code, caught.value.status) == ("invalid_token_response", 307)
    assert set(targets) == {"127.0.0.1"}


def lend(kind: str, world: World) -> Any:
    library = {"httpx": httpx, "httpx2": httpx2}.get(kind)
    if library is not None:
        return library.Client(transport=mock_transport(world.fyatu, world.clock, library))
    from auth_plugins.testing import RequestsAdapter

    session = requests.Session()
    session.mount("https://", RequestsAdapter(world.fyatu, world.clock))
    return session


@pytest.mark.parametrize("kind", ["requests", "httpx", "httpx2"])
def test_token_calls_go_through_a_lent_client_and_never_through_its_own_auth(one_world: World, kind: str) -> None:
    lent = lend(kind, one_world)
    auth = one_world.auth(token_client=lent, base_url="https://api.example/api/v3")
    lent.auth = auth  # A client whose auth is the very object that it fetches tokens for.
    assert auth.token().access_token
    assert [call.had_authorization for call in one_world.fyatu.ledger.calls("login")] == [False]


def test_a_lent_client_that_is_asynchronous_or_none_at_all_is_refused(one_world: World) -> None:
    for wrong in (httpx.AsyncClient(), httpx2.AsyncClient(), object(), "client"):
        with pytest.raises(TypeError, match="token_client"):
            one_world.auth(token_client=wrong)


def test_an_answer_that_is_too_long_is_refused_and_not_read_to_its_end(one_world: World) -> None:
    served = 0

    def endless() -> Any:
        nonlocal served
        while True:
            served += 1
            yield b"x" * 65_536

    client = httpx.Client(transport=httpx.MockTransport(lambda _: httpx.Response(200, content=endless())))
    with pytest.raises(AuthError, match="longer than 100000 bytes"):
        one_world.auth(token_client=client, policy=RefreshPolicy(max_response_bytes=100_000)).token()
    assert served <= 8


def test_a_listener_that_raises_does_not_disturb_a_request(world: World) -> None:
    def listener(_: object) -> None:
        raise RuntimeError("mine")

    with world.client(world.auth(on_event=listener)) as client:
        assert client.send("GET", f"{world.url}/x").status == 200
