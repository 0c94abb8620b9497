"""The promises, one function each. A broken one raises `AssertionError` with a sentence."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from functools import wraps

from auth_plugins.core import AuthError, LoginRequired
from auth_plugins.simulators import SimRequest, SimResponse, json_response

from ..settling import settle
from .stage import Stage

__all__ = ["BEHAVIOURS", "Behaviour", "name_of"]


def attaches_the_token_and_uses_the_cache(stage: Stage) -> None:
    """The first request brings a token, and the next ones use it."""
    token = stage.ripe()
    with stage.client() as client:
        replies = [client.send("GET", stage.url) for _ in range(5)]
    assert [reply.status for reply in replies] == [200] * 5, "a valid token was not accepted"
    assert all(token.access_token in " ".join(reply.sent.values()) for reply in replies), "the token was not attached"
    assert stage.calls <= 1, "the cache was not used"


def renews_early_beside_the_requests(stage: Stage) -> None:
    """In the renewal window requests use the old token while one renewal runs."""
    token = stage.ripe()
    before = stage.calls
    stage.go_to(stage.policy.due_at(token))
    with stage.client() as client:
        reply = client.send("GET", stage.url)
        assert (reply.status, reply.history) == (200, ()), "in the renewal window the old token did not serve"
        settle(stage.auth)
        assert stage.calls == before + 1, "in the renewal window there was not exactly one renewal"
        stage.go_to(stage.auth.token().valid_from)
        assert client.send("GET", stage.url).status == 200, "the renewed token was not accepted"
    assert stage.auth.token().access_token != token.access_token, "the renewed token is the old one"


def renews_after_the_end(stage: Stage) -> None:
    """An expired token costs one token call."""
    token = stage.ripe()
    before = stage.calls
    stage.go_to(token.expires_at + 1)
    with stage.client() as client:
        assert client.send("GET", stage.url).status == 200, "a request after the token's end failed"
    assert stage.calls == before + 1, "after the token's end there was not exactly one token call"


def answers_a_401_once_with_the_body_intact(stage: Stage) -> None:
    """A revoked token is replaced, and the request sent again byte for byte."""
    stage.ripe()
    stage.simulator.revoke_all()
    with stage.client() as client:
        reply = client.send("POST", stage.url, content=b"once more")
    assert (reply.status, reply.history) == (200, (401,)), "a revoked token was not replaced"
    bodies = {call.body_sha256 for call in stage.simulator.ledger.calls("api")}
    assert len(bodies) == 1, "the request that was sent again is another"


def hands_over_a_401_that_stays(stage: Stage) -> None:
    """An API that rejects every token gets its answer through, and the token endpoint is left in peace."""
    stage.ripe()
    stage.simulator.reject_all = True
    with stage.client() as client:
        assert client.send("GET", stage.url).status == 401, "a 401 that stays was not handed over"
        before = stage.calls
        assert {client.send("GET", stage.url).status for _ in range(10)} == {401}
    assert stage.calls == before, "a server that rejects fresh tokens was hammered"


def survives_a_refused_refresh(stage: Stage) -> None:
    """A refresh that is refused is followed by a login, or by the demand for one."""
    token = stage.ripe()
    stage.candidate.spoil_refresh(stage.simulator)
    stage.go_to(token.expires_at + 1)
    stage.simulator.ledger.clear()
    with suppress(AuthError):
        stage.auth.token()
    refreshes = stage.simulator.ledger.calls("refresh")
    assert not any(call.granted for call in refreshes), "the refresh was not refused: give a spoil_refresh"
    if stage.candidate.can_login:
        with stage.client() as client:
            assert client.send("GET", stage.url).status == 200, "a refused refresh was not followed by a login"
        return
    try:
        stage.auth.token()
    except LoginRequired:
        return
    raise AssertionError("a refused refresh did not lead to LoginRequired")


def remembers_a_refused_login(stage: Stage) -> None:
    """Wrong credentials cost one call, and never ride on the right ones' token."""
    stage.ripe()
    wrong, before = stage.make(stage.candidate.wrong_auth), stage.calls
    with stage.client(wrong) as client:
        for _ in range(5):
            try:
                client.send("GET", stage.url)
            except AuthError as error:
                assert error.code in ("credentials_rejected", "login_required"), f"wrong credentials gave {error.code}"
            else:
                raise AssertionError("wrong credentials rode on the right ones' token")
    assert stage.calls == before + 1, "refused credentials were not remembered"


def outlives_an_outage_while_the_token_is_valid(stage: Stage) -> None:
    """No request fails, and the endpoint is not called once a request."""
    token = stage.ripe()
    stage.go_to(stage.policy.due_at(token))
    stage.simulator.outage, before = "drop", stage.calls
    with stage.client() as client:
        for _ in range(10):
            assert client.send("GET", stage.url).status == 200, "an outage failed a request that had a valid token"
            settle(stage.auth)
    assert stage.calls <= before + stage.policy.tries, "an endpoint that is down was called once a request"


def recovers_from_an_outage_after_the_end(stage: Stage) -> None:
    """While nothing can be had requests fail with the library's own error; then they go on."""
    token = stage.ripe()
    stage.go_to(token.expires_at + 1)
    stage.simulator.outage = "drop"
    with stage.client() as client:
        try:
            client.send("GET", stage.url)
        except AuthError as error:
            assert error.code == "token_endpoint_unavailable", f"an outage gave {error.code}"
        else:
            raise AssertionError("a request without a token was sent")
        stage.simulator.outage = None
        assert client.send("GET", stage.url).status == 200, "after an outage requests did not go on"


def recovers_from_a_lost_answer(stage: Stage) -> None:
    """A renewal whose answer is lost is not repeated with what it may have used up."""
    token = stage.ripe()
    stage.go_to(token.expires_at + 1)
    stage.simulator.outage = "lost"
    with suppress(AuthError):
        stage.auth.token()
    stage.simulator.outage = None
    if stage.candidate.can_login:
        assert stage.auth.token().access_token, "after a lost answer no token was to be had"


def makes_one_call_for_many(stage: Stage) -> None:
    """However many ask at once, there is one token call."""
    token = stage.ripe()
    stage.go_to(token.expires_at + 1)
    stage.simulator.latency, before = 0.1, stage.calls
    with stage.client() as client:
        assert {reply.status for reply in client.send_many(20, "GET", stage.url)} == {200}, "some of many failed"
    assert stage.calls == before + 1, "many that asked at once made more than one token call"


def goes_on_from_renewal_to_renewal(stage: Stage) -> None:
    """Each renewal begins where the last one ended."""
    for _ in range(6):
        token = stage.ripe()
        stage.go_to(stage.policy.due_at(token))
        stage.auth.token()
        settle(stage.auth)
        assert stage.auth.token().access_token != token.access_token, "a renewal brought the old token"
    assert all(call.granted for call in stage.simulator.ledger.calls("refresh")), "a refresh was refused"


def keeps_what_a_cancelled_task_waited_for(stage: Stage) -> None:
    """A cancelled caller abandons the wait, never the renewal."""
    token = stage.ripe()
    stage.go_to(token.expires_at + 1)
    stage.simulator.latency, before = 0.1, stage.calls

    async def main() -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(stage.auth.atoken(), 0.02)

    asyncio.run(main())
    settle(stage.auth)
    assert stage.auth.token().access_token != token.access_token
    assert stage.calls == before + 1, "what a cancelled task waited for was lost"


def stays_within_its_origins(stage: Stage) -> None:
    """A stranger gets no token, and its 401 leads to nothing."""
    with stage.client() as client:
        reply = client.send("GET", f"https://stranger.example{stage.simulator.base_path}/x")
    assert reply.status == 401, "a stranger's 401 was not handed over"
    assert stage.calls == 0, "a stranger's request cost a token call"
    assert [call.had_authorization for call in stage.simulator.ledger.calls()] == [False], "a stranger got a token"


def shows_no_secret(stage: Stage) -> None:
    """Neither the objects nor the errors show one."""
    token = stage.ripe()
    provider = stage.auth._provider
    shown: list[object] = [stage.auth, vars(stage.auth), provider, token, stage.auth._source.shared.snapshot]
    shown.append(provider.revoke(token))
    if token.refreshable_from < token.refreshable_until:
        shown.append(provider.refresh(token, max(stage.clock(), token.refreshable_from)))
    shown += [provider.login()] if provider.can_login else []
    wrong = stage.make(stage.candidate.wrong_auth)
    with suppress(AuthError):
        wrong.token()
    shown.append(wrong._source.shared.failure)
    shown.append(_what_an_echo_leads_to(stage))
    hidden = [token.access_token, token.refresh_token or token.access_token, *stage.candidate.secrets]
    for thing in shown:
        text = f"{thing!r} {thing}"
        assert not any(secret in text for secret in hidden), f"a {type(thing).__name__} shows a secret"


def _what_an_echo_leads_to(stage: Stage) -> AuthError | None:
    """Let the endpoint refuse the right credentials and say back all that it was sent."""

    def echoing(request: SimRequest, _now: float) -> SimResponse:
        said = f"{dict(request.headers)} {request.body.decode('utf-8', 'replace')}"
        names = ("message", "detail", "error_description", "errors")
        return json_response(400, {"error": said, "code": said, **dict.fromkeys(names, said)})

    stage.simulator.handle = echoing
    stage.auth.invalidate()
    try:
        stage.auth.token()
    except AuthError as error:
        return error
    return None


Behaviour = Callable[[Stage], None]


def _with_the_simulators_mistakes(behaviour: Behaviour) -> Behaviour:
    """Add to a failure the traceback of what the simulator's author got wrong: that is the cause."""

    @wraps(behaviour)
    def explained(stage: Stage) -> None:
        try:
            behaviour(stage)
        except (AssertionError, AuthError) as failure:
            for mistake in stage.simulator.mistakes[:1]:
                failure.add_note(f"The simulator failed:\n{mistake}")
            raise

    return explained


_ALL: tuple[Behaviour, ...] = (
    attaches_the_token_and_uses_the_cache,
    renews_early_beside_the_requests,
    renews_after_the_end,
    answers_a_401_once_with_the_body_intact,
    hands_over_a_401_that_stays,
    survives_a_refused_refresh,
    remembers_a_refused_login,
    outlives_an_outage_while_the_token_is_valid,
    recovers_from_an_outage_after_the_end,
    recovers_from_a_lost_answer,
    makes_one_call_for_many,
    goes_on_from_renewal_to_renewal,
    keeps_what_a_cancelled_task_waited_for,
    stays_within_its_origins,
    shows_no_secret,
)
BEHAVIOURS: tuple[Behaviour, ...] = tuple(map(_with_the_simulators_mistakes, _ALL))
"""All of them."""


def name_of(behaviour: Behaviour) -> str:
    """Give a behaviour's name, for a test's id."""
    return behaviour.__name__
