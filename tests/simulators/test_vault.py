from __future__ import annotations

import json
from typing import Any

import pytest

from auth_plugins.simulators import SimRequest, SimResponse, VaultSimulator
from auth_plugins.testing import FakeClock

DEAD = "Refresh token has expired or is invalid."
REFUSED = (401, "UNAUTHORIZED")


class Caller:
    """Talks to the simulator as a careful client does."""

    def __init__(self, **knobs: Any) -> None:
        self.simulator = VaultSimulator(**knobs)
        self.clock = FakeClock()

    def send(self, method: str, path: str, headers: dict[str, str], body: bytes = b"") -> SimResponse:
        request = SimRequest(method, self.simulator.base_path + path, headers, body)
        return self.simulator.handle(request, self.clock())

    def call(self, kind: str | None, fields: Any, **changes: str | None) -> SimResponse:
        headers = {"content-type": "application/json", "partnerid": "1042", "granttype": kind, **changes}
        sent = {name: value for name, value in headers.items() if value is not None}
        return self.send("POST", self.simulator.token_path, sent, json.dumps(fields).encode())

    def login(self, password: str = "Correct-horse-7", **more: str) -> SimResponse:
        return self.call("password_email", {"email": "user@example.com", "password": password, **more})

    def refresh(self, token: str, **changes: str | None) -> SimResponse:
        return self.call("refresh_token", {"refreshToken": token}, **changes)

    def api(self, token: str) -> SimResponse:
        return self.send("GET", "/accounts", {"authorization": f"Bearer {token}"})


def content(answer: SimResponse) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(answer.body)
    return value


def refusal(answer: SimResponse) -> tuple[int, str]:
    """The status and the code of an error, in either shape."""
    body = content(answer)
    if "error" in body:
        assert set(body) == {"error", "error_description"}
        return answer.status, body["error"]
    assert set(body) == {"status", "message", "traceId", "errors"}
    return answer.status, body["status"]


@pytest.fixture
def vault() -> Caller:
    return Caller()


class TestAnswers:
    def test_a_login_brings_what_the_pages_say(self, vault: Caller) -> None:
        answer = content(vault.login())
        assert set(answer) == {"access_token", "refresh_token", "expires_in", "token_type", "user_id"}
        assert (answer["expires_in"], answer["token_type"]) == (3600, "Bearer")
        assert vault.api(answer["access_token"]).status == 200

    def test_a_refresh_brings_the_same_but_the_user(self, vault: Caller) -> None:
        answer = content(vault.refresh(content(vault.login())["refresh_token"]))
        assert set(answer) == {"access_token", "refresh_token", "expires_in", "token_type"}
        assert vault.api(answer["access_token"]).status == 200

    def test_expires_in_can_be_left_out(self, vault: Caller) -> None:
        vault.simulator.omit_expires_in = True
        first = content(vault.login())
        assert "expires_in" not in first
        assert "expires_in" not in content(vault.refresh(first["refresh_token"]))

    def test_an_access_token_ends_when_it_says(self, vault: Caller) -> None:
        vault.simulator.lifetime = 0.5
        answer = content(vault.login())
        assert answer["expires_in"] == 0.5
        vault.clock.advance(0.5)
        assert refusal(vault.api(answer["access_token"])) == REFUSED

    def test_a_session_can_be_had_without_a_call(self, vault: Caller) -> None:
        access_token, refresh_token = vault.simulator.session(vault.clock())
        assert vault.api(access_token).status == 200
        assert vault.refresh(refresh_token).status == 200
        assert vault.simulator.ledger.count("login") == 0

    def test_the_paths_are_those_it_was_told(self) -> None:
        moved = Caller(base_path="/x", token_path="/reg/v1/auth/token")
        assert moved.login().status == 200
        assert [call.path for call in moved.simulator.ledger.calls("login")] == ["/x/reg/v1/auth/token"]


class TestRotation:
    def test_always_brings_a_new_refresh_token_and_ends_the_old_one(self, vault: Caller) -> None:
        first = content(vault.login())["refresh_token"]
        second = content(vault.refresh(first))["refresh_token"]
        assert refusal(vault.refresh(first)) == (400, "invalid_grant")
        assert vault.refresh(second).status == 200

    def test_never_brings_none(self, vault: Caller) -> None:
        vault.simulator.rotate_refresh_tokens = "never"
        first = content(vault.login())["refresh_token"]
        assert ["refresh_token" in content(vault.refresh(first)) for _ in range(4)] == [False] * 4

    def test_sometimes_brings_one_at_every_second_refresh(self, vault: Caller) -> None:
        vault.simulator.rotate_refresh_tokens = "sometimes"
        newest = content(vault.login())["refresh_token"]
        brought = []
        for _ in range(6):
            answer = content(vault.refresh(newest))
            brought.append("refresh_token" in answer)
            newest = answer.get("refresh_token", newest)
        assert brought == [False, True] * 3

    def test_with_reuse_detection_an_old_one_ends_all_of_its_login_and_of_no_other(self, vault: Caller) -> None:
        vault.simulator.reuse_detection = True
        other = content(vault.login())["refresh_token"]
        first = content(vault.login())["refresh_token"]
        second = content(vault.refresh(first))["refresh_token"]
        assert refusal(vault.refresh(first)) == (400, "invalid_grant")
        assert refusal(vault.refresh(second)) == (400, "invalid_grant")
        assert vault.refresh(other).status == 200

    def test_a_refresh_token_ends(self, vault: Caller) -> None:
        vault.simulator.refresh_lifetime = 100
        first, second = (content(vault.login())["refresh_token"] for _ in range(2))
        vault.clock.advance(99)
        assert vault.refresh(first).status == 200
        vault.clock.advance(1)
        assert content(vault.refresh(second)) == {"error": "invalid_grant", "error_description": DEAD}


class TestRefusals:
    def test_a_missing_refresh_token_is_told_as_the_page_has_it(self, vault: Caller) -> None:
        missing = {"error": "invalid_request", "error_description": "Missing refresh token."}
        for body in ({}, {"refreshToken": ""}, {"refresh_token": "x"}, {"refreshToken": 5}):
            answer = vault.call("refresh_token", body)
            assert (answer.status, content(answer)) == (400, missing)

    def test_a_bad_login_is_told_as_the_page_has_it(self, vault: Caller) -> None:
        answer = vault.login("wrong")
        assert refusal(answer) == REFUSED
        assert (content(answer)["traceId"], content(answer)["errors"]) == ("TraceId unavailable", [])

    @pytest.mark.parametrize("shape", ["oauth2", "unauthorized"])
    @pytest.mark.parametrize("status", [400, 401])
    def test_shape_and_status_can_be_chosen(self, vault: Caller, shape: Any, status: Any) -> None:
        vault.simulator.error_shape, vault.simulator.refusal_status = shape, status
        code = "invalid_grant" if shape == "oauth2" else "UNAUTHORIZED"
        assert refusal(vault.login("wrong")) == refusal(vault.refresh("x")) == (status, code)

    @pytest.mark.parametrize("changes", [{"partnerid": None}, {"partnerid": "x"}, {"content-type": "text/plain"}])
    def test_a_call_without_its_headers_is_malformed(self, vault: Caller, changes: dict[str, Any]) -> None:
        assert refusal(vault.refresh("x", **changes)) == (400, "invalid_request")

    @pytest.mark.parametrize("kind", [None, "client_credentials", "password"])
    def test_there_are_two_grants(self, vault: Caller, kind: str | None) -> None:
        assert refusal(vault.call(kind, {})) == (400, "invalid_request")

    def test_another_partner_is_unknown(self, vault: Caller) -> None:
        token = content(vault.login())["refresh_token"]
        assert refusal(vault.refresh(token, partnerid="1")) == (400, "invalid_grant")
        fields = {"email": "user@example.com", "password": "Correct-horse-7"}
        assert refusal(vault.call("password_email", fields, partnerid="1")) == REFUSED

    @pytest.mark.parametrize("body", [b"", b"[]", b"{", b"refreshToken=x"])
    def test_what_is_no_json_object_is_malformed(self, vault: Caller, body: bytes) -> None:
        headers = {"content-type": "application/json", "partnerid": "1042", "granttype": "refresh_token"}
        assert refusal(vault.send("POST", "/v1/auth/token", headers, body)) == (400, "invalid_request")

    def test_the_api_refuses_in_the_shape_of_a_login(self, vault: Caller) -> None:
        assert refusal(vault.api("none")) == REFUSED
        vault.simulator.api_status = 429
        assert refusal(vault.api("none")) == (429, "TOO_MANY_REQUESTS")
        vault.simulator.api_status = 599
        assert refusal(vault.api("none")) == (599, "ERROR")


class TestLogins:
    def test_five_refused_ones_in_a_row_lock_the_account(self, vault: Caller) -> None:
        for _ in range(5):
            assert not vault.simulator.locked
            vault.login("wrong")
        assert vault.simulator.locked
        assert refusal(vault.login()) == REFUSED
        vault.simulator.unlock()
        assert vault.login().status == 200

    def test_one_that_succeeds_forgives_those_before(self, vault: Caller) -> None:
        for _ in range(4):
            vault.login("wrong")
        vault.login()
        vault.login("wrong")
        assert not vault.simulator.locked

    def test_without_the_second_factor_there_is_a_202_and_no_token(self, vault: Caller) -> None:
        vault.simulator.second_factor = {"code": "123456"}
        answer = vault.login()
        assert (answer.status, "access_token" in content(answer)) == (202, False)
        assert not vault.simulator.ledger.calls()[0].had_authorization
        assert refusal(vault.login(code="000000")) == REFUSED
        assert refusal(vault.login("wrong", code="123456")) == REFUSED
        assert vault.login(code="123456").status == 200

    @pytest.mark.parametrize("fields", [{}, {"email": "user@example.com"}, {"email": 1, "password": ["x"]}])
    def test_a_malformed_one_does_not_count(self, vault: Caller, fields: dict[str, Any]) -> None:
        vault.simulator.lockout = 1
        assert refusal(vault.call("password_email", fields)) == (400, "invalid_request")
        assert not vault.simulator.locked


def test_the_ledger_holds_no_secret(vault: Caller) -> None:
    answer = content(vault.login())
    vault.refresh(answer["refresh_token"])
    vault.api(answer["access_token"])
    written = repr(vault.simulator.ledger.calls())
    assert [call.endpoint for call in vault.simulator.ledger.calls()] == ["login", "refresh", "api"]
    for secret in ("Correct-horse-7", answer["refresh_token"], answer["access_token"]):
        assert secret not in written
