from __future__ import annotations

import json
from hashlib import sha256
from threading import Barrier, Thread
from typing import TYPE_CHECKING, Any

import pytest

from auth_plugins.simulators import Dropped

if TYPE_CHECKING:
    from auth_plugins.simulators.fyatu import ErrorPlace

    from .conftest import Caller


class TestTime:
    def test_skew_moves_the_servers_clock_and_all_it_writes(self, fyatu: Caller) -> None:
        straight = json.loads(fyatu.login().body)
        fyatu.simulator.skew = 3600
        skewed = json.loads(fyatu.login().body)
        assert straight["meta"]["timestamp"] == "2027-01-15T08:00:00+00:00"
        assert skewed["meta"]["timestamp"] == "2027-01-15T09:00:00+00:00"
        assert skewed["data"]["expiresAt"] == "2027-01-16T09:00:00+00:00"
        assert skewed["data"]["expiresIn"] == 86_400

    def test_a_constant_skew_does_not_change_how_long_a_token_lives(self, fyatu: Caller) -> None:
        fyatu.simulator.skew = -3600
        token = fyatu.token()
        fyatu.clock.advance(86_399)
        assert fyatu.api(token).status == 200
        fyatu.clock.advance(1)
        assert fyatu.api(token).status == 401

    def test_latency_is_told_not_waited_for(self, fyatu: Caller) -> None:
        fyatu.simulator.latency, fyatu.simulator.api_latency = 5, 7
        login = fyatu.login()
        token = json.loads(login.body)["data"]["accessToken"]
        assert [login.delay, fyatu.refresh(token).delay, fyatu.api(token).delay] == [5, 5, 7]

    def test_expire_all_ends_every_token_now_and_leaves_the_grace(self, fyatu: Caller) -> None:
        tokens = [fyatu.token(), fyatu.token()]
        fyatu.simulator.expire_all()
        assert [fyatu.api(token).status for token in tokens] == [401, 401]
        fyatu.clock.advance(300)
        assert fyatu.refresh(tokens[0]).status == 200
        fyatu.clock.advance(1)
        assert fyatu.refresh(tokens[1]).status == 401

    def test_revoke_all_ends_every_token_for_good_but_no_later_one(self, fyatu: Caller) -> None:
        token = fyatu.token()
        fyatu.simulator.revoke_all()
        assert [fyatu.api(token).status, fyatu.refresh(token).status] == [401, 401]
        assert fyatu.api(fyatu.token()).status == 200


class TestTokenEndpointsInTrouble:
    def test_unavailable_answers_503_and_the_api_goes_on(self, fyatu: Caller) -> None:
        token = fyatu.token()
        fyatu.simulator.outage = "unavailable"
        assert [fyatu.login().status, fyatu.refresh(token).status, fyatu.revoke(token).status] == [503] * 3
        assert fyatu.api(token).status == 200

    def test_a_dropped_call_takes_no_effect(self, fyatu: Caller) -> None:
        token = fyatu.token()
        fyatu.simulator.outage, fyatu.simulator.latency = "drop", 3
        with pytest.raises(Dropped) as caught:
            fyatu.revoke(token)
        assert caught.value.delay == 3
        assert fyatu.api(token).status == 200

    def test_a_lost_call_takes_effect(self, fyatu: Caller) -> None:
        token = fyatu.token()
        fyatu.simulator.outage = "lost"
        with pytest.raises(Dropped):
            fyatu.revoke(token)
        assert fyatu.api(token).status == 401

    @pytest.mark.parametrize(("wait", "header"), [(30, "30"), (30.0, "30"), (0.5, "0.5"), (10**6, "1000000")])
    def test_rate_limit_answers_429_with_retry_after(self, fyatu: Caller, wait: float, header: str) -> None:
        token = fyatu.token()
        fyatu.simulator.rate_limit = wait
        answer = fyatu.login()
        assert (answer.status, answer.headers["retry-after"]) == (429, header)
        assert json.loads(answer.body)["error"]["code"] == "RATE_LIMIT_EXCEEDED"
        assert fyatu.api(token).status == 200


class TestFyatusAnswers:
    @pytest.mark.parametrize(
        ("place", "expected"),
        [("error.code", {"error": {"code": "X"}}), ("code", {"code": "X"}), ("error", {"error": "X"})],
    )
    def test_the_code_stands_where_it_is_put(self, fyatu: Caller, place: ErrorPlace, expected: dict[str, Any]) -> None:
        fyatu.simulator.error_place = place
        body = fyatu.login(grantType="x").body.replace(b"VALIDATION_ERROR", b"X")
        assert {key: value for key, value in json.loads(body).items() if key in ("code", "error")} == expected

    def test_omitted_keys_are_missing_from_login_and_refresh(self, fyatu: Caller) -> None:
        fyatu.simulator.omit = frozenset({"expiresIn", "expiresAt"})
        login = json.loads(fyatu.login().body)["data"]
        refresh = json.loads(fyatu.refresh(login["accessToken"]).body)["data"]
        assert list(login) == list(refresh) == ["accessToken", "tokenType", "appType", "scopes"]

    def test_dropped_scopes_are_lost_at_a_refresh_and_back_at_a_login(self, fyatu: Caller) -> None:
        login = json.loads(fyatu.login().body)["data"]
        fyatu.simulator.drop_scopes = True
        refresh = json.loads(fyatu.refresh(login["accessToken"]).body)["data"]
        assert set(refresh["scopes"]) < set(login["scopes"])
        assert json.loads(fyatu.login().body)["data"]["scopes"] == login["scopes"]


class TestApi:
    def test_it_echoes_what_reached_it(self, fyatu: Caller) -> None:
        answer = json.loads(fyatu.api(fyatu.token(), "/a%20b/c?d=e&f", "PUT", b"\x00body").body)
        data = answer["data"]
        token_id = data.pop("token_id")
        assert (answer["success"], answer["status"]) == (True, 200)
        assert data == {
            "method": "PUT",
            "path": "/api/v3/a%20b/c",
            "query": "d=e&f",
            "length": 5,
            "sha256": sha256(b"\x00body").hexdigest(),
        }
        assert token_id.startswith("jwt_")

    def test_reject_all_refuses_fresh_tokens_and_api_status_answers_everybody(self, fyatu: Caller) -> None:
        token = fyatu.token()
        fyatu.simulator.reject_all = True
        assert fyatu.api(token).status == 401
        assert fyatu.refresh(token).status == 200
        fyatu.simulator.api_status = 403
        answer = fyatu.api("no token at all")
        assert answer.status == 403
        assert json.loads(answer.body)["error"]["code"] == "AUTH_SCOPE_DENIED"

    @pytest.mark.parametrize("status", [200, 204, 304, 403, 404, 418, 429, 500, 599])
    def test_a_status_can_be_asked_for_with_a_valid_token(self, fyatu: Caller, status: int) -> None:
        assert fyatu.api("none", f"/status/{status}").status == 401
        answer = fyatu.api(fyatu.token(), f"/status/{status}")
        assert answer.status == status
        assert bool(answer.body) == (status not in (204, 304))

    @pytest.mark.parametrize("number", ["", "99", "600", "02000", "2000", "abc", "²⁰⁰", "200/x"])
    def test_what_is_no_status_is_an_ordinary_path(self, fyatu: Caller, number: str) -> None:
        assert fyatu.api(fyatu.token(), f"/status/{number}").status == 200

    def test_a_redirect_can_be_asked_for_with_a_valid_token(self, fyatu: Caller) -> None:
        path = "/redirect?to=https%3A%2F%2Fother.test%2Fx%3Fy%3D1&status=307"
        assert fyatu.api("none", path).status == 401
        answer = fyatu.api(fyatu.token(), path)
        assert (answer.status, answer.headers["location"]) == (307, "https://other.test/x?y=1")
        assert fyatu.api(fyatu.token(), "/redirect?to=/x").status == 302

    @pytest.mark.parametrize("query", ["", "?to=", "?to=/x&status=200", "?to=/x&status=abc"])
    def test_a_redirect_to_nowhere_is_malformed(self, fyatu: Caller, query: str) -> None:
        assert fyatu.api(fyatu.token(), f"/redirect{query}").status == 400

    def test_a_redirect_cannot_smuggle_a_header(self, fyatu: Caller) -> None:
        answer = fyatu.api(fyatu.token(), "/redirect?to=/x%0d%0aset-cookie:%20a=b")
        assert answer.headers["location"] == "/x%0D%0Aset-cookie:%20a=b"

    def test_head_has_no_body(self, fyatu: Caller) -> None:
        answer = fyatu.api(fyatu.token(), method="HEAD")
        assert (answer.status, answer.body) == (200, b"")


class TestLedger:
    def test_it_tells_calls_by_endpoint_status_and_token(self, fyatu: Caller) -> None:
        token = fyatu.token()
        fyatu.clock.advance(1)
        fyatu.refresh(token)
        fyatu.api(token, "/x?q=1", "POST", b"abc")
        fyatu.api("unknown")
        fyatu.revoke(token)
        login, refresh, api, unknown, revoke = fyatu.simulator.ledger.calls()
        assert [call.endpoint for call in (login, refresh, api, unknown, revoke)] == [
            *("login", "refresh", "api", "api", "revoke")
        ]
        assert (login.at, login.token_id, login.had_authorization) == (1_800_000_000.0, None, False)
        assert (api.at, api.method, api.path, api.status) == (1_800_000_001.0, "POST", "/api/v3/x", 200)
        assert (api.body_length, api.body_sha256) == (3, sha256(b"abc").hexdigest())
        assert refresh.token_id == api.token_id == revoke.token_id
        assert (unknown.status, unknown.token_id, unknown.had_authorization) == (401, None, True)

    def test_it_counts_calls_that_got_no_answer(self, fyatu: Caller) -> None:
        fyatu.simulator.outage = "drop"
        with pytest.raises(Dropped):
            fyatu.login()
        (call,) = fyatu.simulator.ledger.calls("login")
        assert call.status == 0

    def test_it_counts_token_calls_and_forgets_on_demand(self, fyatu: Caller) -> None:
        ledger = fyatu.simulator.ledger
        token = fyatu.token()
        fyatu.refresh(token)
        fyatu.api(token)
        fyatu.revoke(token)
        assert (ledger.count("login"), ledger.count("api"), ledger.token_calls) == (1, 1, 2)
        ledger.clear()
        assert ledger.calls() == ()

    def test_it_holds_no_secret(self, fyatu: Caller) -> None:
        token = fyatu.token()
        fyatu.api(token)
        written = repr(fyatu.simulator.ledger.calls())
        assert token not in written
        assert fyatu.credentials["secretKey"] not in written


def test_many_threads_at_once_lose_nothing(fyatu: Caller) -> None:
    barrier = Barrier(16)

    def work() -> None:
        barrier.wait()
        for _ in range(20):
            fyatu.refresh(fyatu.token())

    threads = [Thread(target=work) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    calls = fyatu.simulator.ledger.calls("refresh")
    assert [call.status for call in calls] == [200] * 320
    assert len({call.token_id for call in calls}) == 320
