"""A 401 is about the token or about the endpoint: what one endpoint answers costs the others nothing."""

from __future__ import annotations

import logging
import pickle
import threading
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from auth_plugins import RefreshPolicy

if TYPE_CHECKING:
    from collections.abc import Callable

    from auth_plugins.simulators import SimRequest, SimResponse
    from tests.conftest import World


def answering(world: World, change: Callable[[SimRequest, SimResponse], SimResponse]) -> None:
    """Let the API's answers be changed on their way out."""
    handle = world.fyatu.handle

    def changed(request: SimRequest, now: float) -> SimResponse:
        response = handle(request, now)
        return response if "/auth/" in request.path else change(request, response)

    world.fyatu.handle = changed  # type: ignore[method-assign]


def refusing(world: World, *paths: str) -> None:
    """Let the endpoints at these paths answer 401 to every token."""

    def refuse(request: SimRequest, response: SimResponse) -> SimResponse:
        return replace(response, status=401) if request.path.endswith(paths) else response

    answering(world, refuse)


@pytest.mark.matrix(
    group="Rejections",
    case="one endpoint refuses every token; then the token is revoked",
    outcome="the other endpoints see no 401: an endpoint that accepted the token is believed",
)
def test_an_endpoint_that_accepted_the_token_is_healed_during_anothers_backoff(world: World) -> None:
    refusing(world, "/reports")
    with world.client(world.auth()) as client:
        for _ in range(60):
            client.send("GET", f"{world.url}/reports")
            assert client.send("GET", f"{world.url}/collections").status == 200
            world.clock.advance(1)
        calls = world.token_calls
        assert calls == 1 + 6  # The first login; then after 0, 1, 3, 7, 15 and 31 seconds.
        world.fyatu.revoke_all()
        reply = client.send("GET", f"{world.url}/collections")
        assert (reply.status, reply.history) == (200, (401,))
        assert client.send("GET", f"{world.url}/reports").history == ()
    assert world.token_calls == calls + 1


def test_the_pauses_of_an_endpoint_that_refuses_everything_go_on_while_others_are_healed(world: World) -> None:
    refusing(world, "/reports")
    renewed_at = []
    with world.client(world.auth()) as client:
        for second in range(40):
            calls = world.token_calls
            client.send("GET", f"{world.url}/reports")
            if second and world.token_calls > calls:
                renewed_at.append(second)
            for _ in range(9):
                assert client.send("GET", f"{world.url}/x").status == 200
            if second % 10 == 5:
                world.fyatu.revoke_all()
                assert client.send("GET", f"{world.url}/x").history == (401,)
            world.clock.advance(1)
    assert renewed_at == [1, 3, 7, 15, 31]


def test_no_request_takes_the_long_way_before_a_backoff_or_after_it(world: World) -> None:
    auth = world.auth()
    refusing(world, "/reports")
    with world.client(auth) as client:
        client.send("GET", f"{world.url}/x")
        assert auth._shared.snapshot.fast_header is not None
        client.send("GET", f"{world.url}/reports")
        assert auth._shared.snapshot.watched
        world.clock.advance(302)
        client.send("GET", f"{world.url}/x")
        assert auth._shared.snapshot.fast_header is not None
        assert not auth._shared.unauthorized.is_on


@pytest.mark.matrix(
    group="Rejections",
    case="401 with `insufficient_scope` (RFC 6750)",
    outcome="handed over; no renewal, no pause: the token is good",
)
@pytest.mark.parametrize(
    "challenge",
    [
        'Bearer realm="x", error="insufficient_scope", scope="admin"',
        'Basic realm="a, b", bearer error=insufficient_scope',
    ],
)
def test_a_401_for_a_scope_renews_nothing_and_pauses_nothing(world: World, challenge: str) -> None:
    def too_small(request: SimRequest, response: SimResponse) -> SimResponse:
        if request.path.endswith("/admin"):
            return replace(response, status=401, headers={**response.headers, "WWW-Authenticate": challenge})
        return response

    answering(world, too_small)
    with world.client(world.auth()) as client:
        for _ in range(3):
            reply = client.send("GET", f"{world.url}/admin")
            assert (reply.status, reply.history) == (401, ())
        world.fyatu.revoke_all()
        assert client.send("GET", f"{world.url}/x").history == (401,)
    assert world.token_calls == 2


def test_a_backoff_is_one_warning_that_names_the_endpoint_and_not_its_query(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    refusing(world, "/reports")
    with world.client(world.auth()) as client, caplog.at_level(logging.WARNING, "auth_plugins"):
        for _ in range(10):
            client.send("GET", f"{world.url}/reports?key=secret")
            world.clock.advance(1)
    (text,) = [record.getMessage() for record in caplog.records]
    assert text.startswith(f"fyatu: GET {world.url}/reports answered 401 to a new token as well: renewals")
    assert "secret" not in text
    assert world.token_calls > 3


@pytest.mark.matrix(
    group="Rejections", case="419, 440, 498, 403 for a dead token, with `renew_on=`", outcome="renewed and sent again"
)
@pytest.mark.parametrize("status", [403, 419, 440, 498])
def test_another_status_renews_where_the_user_says_so(world: World, status: int) -> None:
    world.fyatu.rejection_status = status
    with world.client(world.auth(renew_on=(401, status))) as client:
        assert client.send("GET", f"{world.url}/x").status == 200
        world.fyatu.revoke_all()
        reply = client.send("GET", f"{world.url}/x")
        assert (reply.status, reply.history) == (200, (status,))
    assert world.token_calls == 2


def is_expired(status: int, headers: Mapping[str, str]) -> bool:
    return status == 200 and headers.get("X-Session") == "expired"


@pytest.mark.matrix(
    group="Rejections",
    case="200 with a header that says the token is dead",
    outcome="a predicate in `renew_on=` sees it",
)
def test_a_predicate_sees_status_and_headers(world: World) -> None:
    good: list[str] = []

    def expired(request: SimRequest, response: SimResponse) -> SimResponse:
        if not good or request.headers["authorization"] == good[0]:
            return response
        return replace(response, headers={**response.headers, "x-session": "expired"})

    answering(world, expired)
    auth = world.auth(renew_on=is_expired)
    with world.client(auth) as client:
        assert client.send("GET", f"{world.url}/x").history == ()
        good.append("none")
        reply = client.send("GET", f"{world.url}/x")
        assert (reply.status, reply.history) == (200, (200,))
        assert client.send("GET", f"{world.url}/x").history == (), "a renewal that did not help pauses, as after a 401"
    assert world.token_calls == 2


def test_a_rule_outlives_a_pickle_and_a_copy(one_world: World) -> None:
    plain: dict[str, Any] = {"on_event": None, "store": None, "clock": None}
    auth = one_world.auth(renew_on=(419, 401), **plain)
    clone = pickle.loads(pickle.dumps(auth))
    assert clone._requests.renew_on == auth._requests.renew_on
    clone = pickle.loads(pickle.dumps(one_world.auth(renew_on=is_expired, **plain)))
    assert clone._requests.renew_on.predicate is is_expired
    with pytest.raises((pickle.PicklingError, AttributeError), match=r"lambda"):
        pickle.dumps(one_world.auth(renew_on=lambda *_: False, **plain))


@pytest.mark.matrix(
    group="Rejections",
    case="many reports of one dead token by `invalidate(token)`",
    outcome="one renewal; a late report drops no newer token",
)
def test_a_herd_that_reports_one_dead_token_costs_one_renewal(one_world: World) -> None:
    auth = one_world.auth()
    dead = auth.token()
    barrier = threading.Barrier(16)

    def report() -> None:
        barrier.wait()
        auth.invalidate(dead.access_token)
        auth.token()
        auth.invalidate(dead)
        auth.token()

    threads = [threading.Thread(target=report) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    newer = auth.token()
    auth.invalidate(dead)
    assert auth.token() is newer
    assert one_world.token_calls == 2


def test_reports_of_every_new_token_are_limited(one_world: World) -> None:
    auth = one_world.auth()
    for _ in range(600):
        auth.invalidate(auth.token())
        one_world.clock.advance(0.1)
    assert 10 < one_world.token_calls <= 1 + 5 + 60 / 5 + 1


def test_a_report_does_not_forget_refused_credentials_and_the_command_does(one_world: World) -> None:
    auth = one_world.auth()
    dead = auth.token()
    one_world.fyatu.rotate_secret("another")
    auth.invalidate(dead)
    for _ in range(3):
        with pytest.raises(Exception, match="AUTH_"):
            auth.token()
        auth.invalidate(dead)
    calls = one_world.token_calls
    auth.invalidate()
    with pytest.raises(Exception, match="AUTH_"):
        auth.token()
    assert (calls, one_world.token_calls) == (2, 3)


@pytest.mark.parametrize("wrong", [b"bytes", 5, object()])
def test_only_a_token_or_its_text_can_be_reported(one_world: World, wrong: Any) -> None:
    with pytest.raises(TypeError, match=r"^token must be a Token, a str or None$"):
        one_world.auth().invalidate(wrong)


def test_a_remembered_failure_says_so_with_the_time_left(one_world: World) -> None:
    auth = one_world.auth(secret_key="wrong_secret_key_here")
    with pytest.raises(Exception, match="AUTH_") as first:
        auth.token()
    one_world.clock.advance(2)
    with pytest.raises(Exception, match="AUTH_") as second:
        auth.token()
    said = "(remembered; the next call is in 28 s; `auth.invalidate()` tries now)"
    assert said not in str(first.value)
    assert said in str(second.value)
    assert said in str(pickle.loads(pickle.dumps(second.value)))


def test_an_endpoint_that_asks_to_wait_is_quoted_with_the_seconds(world: World) -> None:
    auth = world.auth(policy=RefreshPolicy(tries=1))
    world.fyatu.rate_limit = 30.0
    with world.client(auth) as client:
        with pytest.raises(Exception, match=r"\(retry after 30 s\)"):
            client.send("GET", f"{world.url}/x")
        world.clock.advance(10)
        with pytest.raises(Exception, match=r"\(remembered; the next call is in 20 s; `auth\.invalidate"):
            client.send("GET", f"{world.url}/x")
