from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from joserfc import jws

from auth_plugins.simulators import Dropped, MarketigerSimulator, SimRequest, SimResponse
from auth_plugins.testing import FakeClock

PAGES = Path(__file__).parent / "pages"
JSON = {"content-type": "application/json"}
HALF_A_DAY = 43_200
REFUSED = {"success": False, "error": {"type": "AUTHENTICATION", "message": "Invalid or expired refresh token"}}


@dataclass
class Caller:
    """Talks to the simulator at the time its clock shows."""

    server: MarketigerSimulator = field(default_factory=MarketigerSimulator)
    clock: FakeClock = field(default_factory=FakeClock)

    def post(self, name: str, body: object, headers: dict[str, str] = JSON) -> SimResponse:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.server.handle(SimRequest("POST", f"/v2/Auth/{name}", headers, raw), self.clock())

    def login(self, password: str = "your_password_here") -> Any:
        return content(self.post("Login", {"email": "user@example.com", "password": password}))["data"]

    def refresh(self, pair: dict[str, str], **changes: Any) -> SimResponse:
        return self.post("RefreshToken", {**pair, **changes})

    def renewed(self, pair: dict[str, str]) -> Any:
        return content(self.refresh(pair))["data"]

    def api(self, pair: dict[str, str], path: str = "/v2/x") -> SimResponse:
        headers = {"authorization": f"Bearer {pair['accessToken']}"}
        return self.server.handle(SimRequest("GET", path, headers), self.clock())


def content(answer: SimResponse) -> Any:
    return json.loads(answer.body)


def claims(token: str) -> Any:
    payload = jws.extract_compact(token.encode()).payload
    assert payload is not None
    return json.loads(payload)


@pytest.fixture
def caller() -> Caller:
    return Caller()


def page(name: str) -> Any:
    return json.loads((PAGES / f"marketiger_{name}.json").read_text())


class TestPages:
    """The example calls of the pages, replayed."""

    @pytest.mark.parametrize("name", ["login", "refresh"])
    def test_a_success_has_the_shape_of_the_example(self, caller: Caller, name: str) -> None:
        example, pair = page(name), caller.login()
        body = example["request"]["body"] if name == "login" else pair
        request = SimRequest("POST", example["request"]["url"], JSON, json.dumps(body).encode())
        answer = caller.server.handle(request, caller.clock())
        got, shown = content(answer), example["answer"]["body"]
        assert (answer.status, got["success"]) == (200, True)
        assert (list(got), list(got["data"])) == (list(shown), list(shown["data"]))
        # Its header is the one that the example begins with, whatever the order of its members.
        assert jws.extract_compact(got["data"]["accessToken"].encode()).headers() == {"alg": "HS256", "typ": "JWT"}

    def test_wrong_credentials_are_refused_as_shown(self, caller: Caller) -> None:
        answer = caller.post("Login", {"email": "user@example.com", "password": "wrong"})
        assert (answer.status, content(answer)) == (400, page("login")["error"]["body"])

    def test_a_dead_refresh_token_is_refused_as_shown(self, caller: Caller) -> None:
        answer = caller.post("RefreshToken", page("refresh")["request"]["body"])
        assert (answer.status, content(answer)) == (401, page("refresh")["error"]["body"])

    def test_another_e_mail_address_is_refused_likewise(self, caller: Caller) -> None:
        answer = caller.post("Login", {"email": "else@example.com", "password": "your_password_here"})
        assert (answer.status, content(answer)["error"]["type"]) == (400, "AUTHENTICATION")


@pytest.mark.parametrize("name", ["Login", "RefreshToken"])
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        [],
        {},
        {"email": "user@example.com", "accessToken": "x"},
        {"password": "x", "refreshToken": "x"},
        {"email": "", "password": "", "accessToken": "", "refreshToken": ""},
        {"email": 1, "password": 2, "accessToken": 3, "refreshToken": 4},
    ],
    ids=repr,
)
def test_a_call_that_misses_a_field_is_400(caller: Caller, name: str, body: object) -> None:
    answer = caller.post(name, body)
    assert (answer.status, content(answer)["error"]["type"]) == (400, "INCORRECT_PARAMETERS")


def test_a_form_is_no_json(caller: Caller) -> None:
    answer = caller.post("Login", page("login")["request"]["body"], {"content-type": "text/plain"})
    assert content(answer)["error"]["type"] == "INCORRECT_PARAMETERS"


class TestRefresh:
    def test_needs_the_very_pair(self, caller: Caller) -> None:
        first, second = caller.login(), caller.login()
        for changes in (
            {"accessToken": second["accessToken"]},
            {"refreshToken": second["refreshToken"]},
            {"accessToken": "x"},
            {"refreshToken": "x"},
        ):
            answer = caller.refresh(first, **changes)
            assert (answer.status, content(answer)) == (401, REFUSED)
        assert caller.refresh(first).status == 200

    def test_works_after_the_end_and_after_the_revocation_of_the_access_token(self, caller: Caller) -> None:
        pair = caller.login()
        caller.clock.advance(3600)
        caller.server.revoke_all()
        assert caller.api(pair).status == 401
        assert caller.api(caller.renewed(pair)).status == 200

    def test_rotates(self, caller: Caller) -> None:
        first = caller.login()
        second = caller.renewed(first)
        assert second["refreshToken"] != first["refreshToken"]
        assert caller.refresh(first).status == 401
        assert caller.refresh(second).status == 200

    @pytest.mark.parametrize("detect", [False, True])
    def test_reuse_ends_the_family_where_it_is_looked_for(self, caller: Caller, detect: bool) -> None:
        caller.server.reuse_detection = detect
        first, other = caller.login(), caller.login()
        second = caller.renewed(first)
        assert caller.refresh(first).status == 401
        assert caller.refresh(second).status == (401 if detect else 200)
        assert caller.refresh(other).status == 200

    def test_without_rotation_brings_the_same_one_to_its_own_end(self, caller: Caller) -> None:
        caller.server.rotate = False
        first = caller.login()
        caller.clock.advance(HALF_A_DAY - 1)
        second = caller.renewed(first)
        assert second["refreshToken"] == first["refreshToken"]
        assert second["accessToken"] != first["accessToken"]
        caller.clock.advance(1)
        assert caller.refresh(second).status == 401

    @pytest.mark.parametrize(("passed", "status"), [(HALF_A_DAY - 1, 200), (HALF_A_DAY, 401)])
    def test_ends_twelve_hours_after_each_issue(self, caller: Caller, passed: int, status: int) -> None:
        pair = caller.login()
        caller.clock.advance(HALF_A_DAY - 1)
        pair = caller.renewed(pair)
        caller.clock.advance(passed)
        assert caller.refresh(pair).status == status

    def test_its_lifetime_is_a_knob(self) -> None:
        caller = Caller(MarketigerSimulator(refresh_lifetime=10))
        pair = caller.login()
        caller.clock.advance(10)
        assert caller.refresh(pair).status == 401

    def test_of_all_tokens_given_out_can_be_ended(self, caller: Caller) -> None:
        pair = caller.login()
        caller.server.revoke_refresh_tokens()
        assert caller.refresh(pair).status == 401
        assert caller.api(pair).status == 200

    def test_a_lost_answer_has_used_the_token_up(self, caller: Caller) -> None:
        pair = caller.login()
        caller.server.outage = "lost"
        with pytest.raises(Dropped):
            caller.refresh(pair)
        caller.server.outage = None
        assert caller.refresh(pair).status == 401


class TestKnobs:
    def test_an_omitted_refresh_token_leaves_the_old_one_good(self, caller: Caller) -> None:
        pair = caller.login()
        caller.server.omit_refresh_token = True
        assert list(caller.login()) == ["accessToken"]
        answer = caller.renewed(pair)
        assert list(answer) == ["accessToken"]
        assert caller.refresh({**pair, **answer}).status == 200

    def test_a_token_says_how_long_it_lives(self, caller: Caller) -> None:
        caller.server.lifetime = 0.5
        pair = caller.login()
        said = claims(pair["accessToken"])
        assert (said["iat"], said["exp"] - said["iat"]) == (caller.clock(), 0.5)
        caller.clock.advance(0.5)
        assert caller.api(pair).status == 401

    @pytest.mark.parametrize("omitted", [{"exp"}, {"iat"}, {"exp", "iat"}], ids=["exp", "iat", "both"])
    def test_claims_can_be_left_out(self, caller: Caller, omitted: set[str]) -> None:
        caller.server.omit_claims = frozenset(omitted)
        pair = caller.login()
        assert set(claims(pair["accessToken"])) == {"sub", "jti", "exp", "iat"} - omitted
        assert caller.api(pair).status == 200

    def test_an_opaque_token_says_nothing_and_serves(self, caller: Caller) -> None:
        caller.server.opaque_tokens = True
        pair = caller.login()
        assert "." not in pair["accessToken"]
        assert caller.api(pair).status == 200
        assert caller.api(caller.renewed(pair)).status == 200

    def test_types_can_be_numbers(self, caller: Caller) -> None:
        caller.server.numeric_types = True
        pair = caller.login()
        assert content(caller.post("Login", {}))["error"]["type"] == 3
        assert content(caller.post("RefreshToken", {**pair, "accessToken": "x"}))["error"]["type"] == 2
        assert content(caller.api(pair, "/v2/status/404"))["error"]["type"] == 0

    @pytest.mark.parametrize(
        ("status", "kind"),
        [
            (400, "INCORRECT_PARAMETERS"),
            (401, "AUTHENTICATION"),
            (403, "NO_PERMISSION"),
            (404, "NOT_FOUND"),
            (500, "OPERATION_FAILED"),
        ],
    )
    def test_the_api_answers_errors_with_their_documented_types(self, caller: Caller, status: int, kind: str) -> None:
        answer = caller.api(caller.login(), f"/v2/status/{status}")
        assert (answer.status, content(answer)["error"]["type"]) == (status, kind)

    def test_a_401_of_the_api_can_be_empty_and_that_of_a_refresh_is_not(self, caller: Caller) -> None:
        caller.server.empty_401 = True
        answer = caller.api({"accessToken": "x"})
        assert (answer.status, answer.body) == (401, b"")
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert content(caller.post("RefreshToken", {"accessToken": "x", "refreshToken": "x"})) == REFUSED

    def test_errors_can_come_with_200(self, caller: Caller) -> None:
        caller.server.always_200 = True
        answer = caller.post("RefreshToken", {"accessToken": "x", "refreshToken": "x"})
        assert (answer.status, content(answer)) == (200, REFUSED)

    @pytest.mark.parametrize(("outage", "rate_limit", "status"), [("unavailable", None, 503), (None, 7.0, 429)])
    def test_trouble_of_the_endpoints_comes_in_the_envelope(
        self, caller: Caller, outage: Any, rate_limit: float | None, status: int
    ) -> None:
        caller.server.outage, caller.server.rate_limit = outage, rate_limit
        answer = caller.post("Login", page("login")["request"]["body"])
        assert (answer.status, content(answer)["success"]) == (status, False)


def test_other_paths_and_methods_are_the_api(caller: Caller) -> None:
    for method, path in (("GET", "/v2/Auth/Login"), ("POST", "/v2/Auth/Other"), ("POST", "/v2/Login")):
        caller.server.handle(SimRequest(method, path, JSON), caller.clock())
    assert [call.endpoint for call in caller.server.ledger.calls()] == ["api"] * 3


def test_the_ledger_holds_no_token(caller: Caller) -> None:
    pair = caller.renewed(caller.login())
    caller.api(pair)
    shown = repr(caller.server.ledger.calls()) + repr(vars(caller.server))
    assert not any(secret in shown for secret in pair.values())
    assert caller.server.ledger.calls("api")[0].token_id == content(caller.api(pair))["data"]["token_id"]
