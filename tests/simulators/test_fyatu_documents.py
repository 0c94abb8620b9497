"""The documentation's own example calls, replayed: its example answers are the oracle."""

from __future__ import annotations

import json
import re
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from joserfc import jws

from auth_plugins.simulators import FyatuSimulator, SimRequest

if TYPE_CHECKING:
    from .conftest import Caller

PAGES = Path(__file__).parent / "pages"
VARYING = {"accessToken", "requestId"}


def page(name: str) -> Any:
    return json.loads((PAGES / name).read_text())


def replay(simulator: FyatuSimulator, example: Any, token: str = "") -> Any:
    request = example["request"]
    headers = {name: value.replace("<token>", token) for name, value in request["headers"].items()}
    body = json.dumps(request["body"]).encode() if "body" in request else b""
    now = datetime.fromisoformat(example["answer"]["meta"]["timestamp"]).timestamp()
    answer = simulator.handle(SimRequest(request["method"], request["url"], headers, body), now)
    assert answer.status == example["answer"]["status"]
    assert answer.headers["content-type"] == "application/json"
    return json.loads(answer.body)


def replay_both() -> list[tuple[Any, Any]]:
    simulator = FyatuSimulator()
    login, refresh = page("fyatu_token.json"), page("fyatu_refresh.json")
    first = replay(simulator, login)
    second = replay(simulator, refresh, first["data"]["accessToken"])
    return [(first, login["answer"]), (second, refresh["answer"])]


def constants(value: Any) -> Any:
    """The value without what differs from one call to the next; keys keep their order."""
    if isinstance(value, dict):
        return [(key, type(item) if key in VARYING else constants(item)) for key, item in value.items()]
    return value


def jwt_parts(token: str) -> tuple[Any, Any]:
    signature = jws.extract_compact(token.encode())
    assert signature.payload is not None
    return signature.headers(), json.loads(signature.payload)


@pytest.mark.parametrize("number", [0, 1], ids=["token", "refresh"])
class TestExample:
    def test_answer_is_the_documented_one_to_the_second_and_in_key_order(self, number: int) -> None:
        actual, documented = replay_both()[number]
        assert constants(actual) == constants(documented)

    def test_jwt_has_the_documented_header_and_claims(self, number: int) -> None:
        actual, documented = replay_both()[number]
        header, claims = jwt_parts(actual["data"]["accessToken"])
        documented_header, documented_claims = jwt_parts(documented["data"]["accessToken"])
        assert header == documented_header
        assert list(claims) == list(documented_claims)
        same = ("sub", "bus", "type", "scopes")
        assert [claims[name] for name in same] == [documented_claims[name] for name in same]
        assert claims["exp"] - claims["iat"] == documented_claims["exp"] - documented_claims["iat"] == 86400

    def test_jti_and_request_id_are_the_same_sixteen_digits(self, number: int) -> None:
        for answer in replay_both()[number]:
            jti = jwt_parts(answer["data"]["accessToken"])[1]["jti"]
            assert re.fullmatch(r"jwt_[0-9a-f]{16}", jti)
            assert answer["meta"]["requestId"] == jti.replace("jwt_", "req_")


def test_the_first_call_with_a_token_works_as_the_page_shows(fyatu: Caller) -> None:
    assert fyatu.api(fyatu.token(), "/collections").status == 200


def test_a_refresh_brings_a_new_token_and_leaves_the_old_one_to_its_own_end(fyatu: Caller) -> None:
    old = fyatu.token()
    fyatu.clock.advance(86_000)
    new = json.loads(fyatu.refresh(old).body)["data"]["accessToken"]
    assert jwt_parts(new)[1]["jti"] != jwt_parts(old)[1]["jti"]
    assert fyatu.api(old).status == 200
    fyatu.clock.advance(400)
    assert [fyatu.api(old).status, fyatu.api(new).status] == [401, 200]


def test_a_token_refreshed_often_enough_lives_for_ever(fyatu: Caller) -> None:
    token = fyatu.token()
    for _ in range(10):
        fyatu.clock.advance(86_400 - 60)
        token = json.loads(fyatu.refresh(token).body)["data"]["accessToken"]
    assert fyatu.api(token).status == 200


def test_issuing_apps_have_scopes_of_their_own() -> None:
    scopes = FyatuSimulator(app_type="issuing").scopes
    assert scopes[:2] == ("esim:write", "esim:read")
    assert "collect:write" not in scopes


class TestGenerationV320:
    def test_answer_has_no_app_type_and_the_token_names_its_version(self, business: Caller) -> None:
        answer = json.loads(business.login().body)
        keys = ["accessToken", "tokenType", "expiresIn", "expiresAt", "scopes"]
        assert list(answer["data"]) == keys
        claims = jwt_parts(answer["data"]["accessToken"])[1]
        assert claims["ver"] == "3.20"
        assert claims["sub"] == business.credentials["businessId"]

    def test_scopes_are_all_unless_some_are_asked_for_and_a_refresh_keeps_them(self, business: Caller) -> None:
        assert json.loads(business.login().body)["data"]["scopes"] == list(business.simulator.scopes)
        asked = ["cards:read", "account:read"]
        token = business.token(scopes=asked)
        assert json.loads(business.refresh(token).body)["data"]["scopes"] == asked

    def test_revoking_answers_without_data(self, business: Caller) -> None:
        answer = json.loads(business.revoke(business.token()).body)
        assert list(answer) == ["success", "status", "message", "meta"]
        assert answer["message"] == "Token revoked successfully"
