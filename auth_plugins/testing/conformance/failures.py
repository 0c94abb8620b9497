"""The behaviours in which the API or the token endpoint refuses, or cannot be reached."""

from __future__ import annotations

from contextlib import suppress

from auth_plugins.core import AuthError, LoginRequired

from ..settling import settle
from .stage import Stage

__all__ = [
    "hands_over_a_401_that_stays",
    "outlives_an_outage_while_the_token_is_valid",
    "recovers_from_a_lost_answer",
    "recovers_from_an_outage_after_the_end",
    "remembers_a_refused_login",
    "survives_a_refused_refresh",
]


def hands_over_a_401_that_stays(stage: Stage) -> None:
    """If an API rejects every token, its 401 reaches the caller, and token calls stop."""
    stage.ripe()
    stage.simulator.reject_all = True
    with stage.client() as client:
        assert client.send("GET", stage.url).status == 401, "a repeated 401 was not returned to the caller"
        before = stage.calls
        assert {client.send("GET", stage.url).status for _ in range(10)} == {401}
    assert stage.calls == before, "token calls continued while the API rejected fresh tokens"


def survives_a_refused_refresh(stage: Stage) -> None:
    """A refused refresh is followed by a login, or by `LoginRequired`."""
    token = stage.ripe()
    stage.candidate.spoil_refresh(stage.simulator)
    stage.go_to(token.expires_at + 1)
    stage.simulator.ledger.clear()
    with suppress(AuthError):
        stage.auth.token()
    refreshes = stage.simulator.ledger.calls("refresh")
    assert not any(call.granted for call in refreshes), "the refresh was not refused: pass spoil_refresh"
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
    """Wrong credentials lead to one call, and never use the token of the right ones."""
    stage.ripe()
    wrong, before = stage.make(stage.candidate.wrong_auth), stage.calls
    with stage.client(wrong) as client:
        for _ in range(5):
            try:
                client.send("GET", stage.url)
            except AuthError as error:
                assert error.code in ("credentials_rejected", "login_required"), f"wrong credentials: {error.code}"
            else:
                raise AssertionError("wrong credentials used the token of the right ones")
    assert stage.calls == before + 1, "refused credentials were not remembered"


def outlives_an_outage_while_the_token_is_valid(stage: Stage) -> None:
    """During an outage no request fails, and not every request calls the token endpoint."""
    token = stage.ripe()
    stage.go_to(stage.policy.due_at(token))
    stage.simulator.outage, before = "drop", stage.calls
    with stage.client() as client:
        for _ in range(10):
            assert client.send("GET", stage.url).status == 200, "in an outage a request with a valid token failed"
            settle(stage.auth)
    assert stage.calls <= before + stage.policy.tries, "in an outage every request called the token endpoint"


def recovers_from_an_outage_after_the_end(stage: Stage) -> None:
    """In an outage requests without a token fail with `TokenEndpointUnavailable`; after it they succeed."""
    token = stage.ripe()
    stage.go_to(token.expires_at + 1)
    stage.simulator.outage = "drop"
    with stage.client() as client:
        try:
            client.send("GET", stage.url)
        except AuthError as error:
            assert error.code == "token_endpoint_unavailable", f"an outage raised {error.code}"
        else:
            raise AssertionError("a request without a token was sent")
        stage.simulator.outage = None
        assert client.send("GET", stage.url).status == 200, "after an outage a request failed"


def recovers_from_a_lost_answer(stage: Stage) -> None:
    """After a renewal whose answer was lost, a provider that can log in gets a token."""
    token = stage.ripe()
    stage.go_to(token.expires_at + 1)
    stage.simulator.outage = "lost"
    with suppress(AuthError):
        stage.auth.token()
    stage.simulator.outage = None
    if stage.candidate.can_login:
        assert stage.auth.token().access_token, "after a lost answer no token was obtained"
