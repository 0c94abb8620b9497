"""The behaviours, a function for each. A violation raises `AssertionError` with an explanation."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from functools import wraps

from auth_plugins.core import AuthError
from auth_plugins.simulators import SimRequest, SimResponse, json_response

from ..settling import settle
from .failures import (
    hands_over_a_401_that_stays,
    outlives_an_outage_while_the_token_is_valid,
    recovers_from_a_lost_answer,
    recovers_from_an_outage_after_the_end,
    remembers_a_refused_login,
    survives_a_refused_refresh,
)
from .stage import Stage

__all__ = ["BEHAVIOURS", "Behaviour", "name_of"]


def attaches_the_token_and_uses_the_cache(stage: Stage) -> None:
    """The first request gets a token, and the next ones use it."""
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
        assert (reply.status, reply.history) == (200, ()), "in the renewal window the old token was not used"
        settle(stage.auth)
        assert stage.calls == before + 1, "in the renewal window there was not exactly one renewal"
        stage.go_to(stage.auth.token().valid_from)
        assert client.send("GET", stage.url).status == 200, "the renewed token was not accepted"
    assert stage.auth.token().access_token != token.access_token, "the renewed token is the old one"


def renews_after_the_end(stage: Stage) -> None:
    """An expired token leads to exactly one token call."""
    token = stage.ripe()
    before = stage.calls
    stage.go_to(token.expires_at + 1)
    with stage.client() as client:
        assert client.send("GET", stage.url).status == 200, "a request after the token's end failed"
    assert stage.calls == before + 1, "after the token's end there was not exactly one token call"


def answers_a_401_once_with_the_body_intact(stage: Stage) -> None:
    """A revoked token is replaced, and the request is sent again with the same body."""
    stage.ripe()
    stage.simulator.revoke_all()
    with stage.client() as client:
        reply = client.send("POST", stage.url, content=b"once more")
    assert (reply.status, reply.history) == (200, (401,)), "a revoked token was not replaced"
    bodies = {call.body_sha256 for call in stage.simulator.ledger.calls("api")}
    assert len(bodies) == 1, "the request was sent again with another body"


def makes_one_call_for_many(stage: Stage) -> None:
    """Any number of requests at the same time lead to one token call."""
    token = stage.ripe()
    stage.go_to(token.expires_at + 1)
    stage.simulator.latency, before = 0.1, stage.calls
    with stage.client() as client:
        assert {reply.status for reply in client.send_many(20, "GET", stage.url)} == {200}, "some of many failed"
    assert stage.calls == before + 1, "simultaneous requests made more than one token call"


def goes_on_from_renewal_to_renewal(stage: Stage) -> None:
    """A token can be renewed several times in a row."""
    for _ in range(6):
        token = stage.ripe()
        stage.go_to(stage.policy.due_at(token))
        stage.auth.token()
        settle(stage.auth)
        assert stage.auth.token().access_token != token.access_token, "a renewal returned the old token"
    assert all(call.granted for call in stage.simulator.ledger.calls("refresh")), "a refresh was refused"


def keeps_what_a_cancelled_task_waited_for(stage: Stage) -> None:
    """A renewal continues although the task that waits for it is cancelled."""
    token = stage.ripe()
    stage.go_to(token.expires_at + 1)
    stage.simulator.latency, before = 0.1, stage.calls

    async def main() -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(stage.auth.atoken(), 0.02)

    asyncio.run(main())
    settle(stage.auth)
    assert stage.auth.token().access_token != token.access_token
    assert stage.calls == before + 1, "the renewal that a cancelled task waited for was lost"


def stays_within_its_origins(stage: Stage) -> None:
    """Another origin gets no token, and its 401 leads to no token call."""
    with stage.client() as client:
        reply = client.send("GET", f"https://stranger.example{stage.simulator.base_path}/x")
    assert reply.status == 401, "the 401 of another origin was not returned to the caller"
    assert stage.calls == 0, "a request to another origin led to a token call"
    assert [call.had_authorization for call in stage.simulator.ledger.calls()] == [False], "another origin got a token"


def shows_no_secret(stage: Stage) -> None:
    """Neither objects nor errors show a secret."""
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
    """Let the endpoint refuse the right credentials and quote the whole request. Return the error."""

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
    """Add to a failure the traceback of an exception in the simulator, which is its cause."""

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
"""All behaviours."""


def name_of(behaviour: Behaviour) -> str:
    """Return a behaviour's name, for the id of a test."""
    return behaviour.__name__
