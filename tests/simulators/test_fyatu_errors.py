from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from auth_plugins.simulators import FyatuSimulator, SimResponse

if TYPE_CHECKING:
    from .conftest import Caller


def refusal(answer: SimResponse) -> tuple[int, str]:
    body = json.loads(answer.body)
    assert body["success"] is False
    assert body["status"] == answer.status
    assert body["message"]
    assert body["meta"]["requestId"].startswith("req_")
    return answer.status, body["error"]["code"]


INVALID = (401, "AUTH_TOKEN_INVALID")
MISSING = (401, "AUTH_TOKEN_MISSING")
TOO_OLD = (401, "AUTH_TOKEN_REFRESH_FAILED")
MALFORMED = (400, "VALIDATION_ERROR")


class TestLogin:
    @pytest.mark.parametrize(
        "changes",
        [
            {"appId": None},
            {"appId": "1234567"},
            {"appId": 12345678},
            {"secretKey": None},
            {"secretKey": "fifteen letters"},
            {"secretKey": ["your_secret_key_here"]},
            {"grantType": None},
            {"grantType": "password"},
        ],
        ids=str,
    )
    def test_a_body_that_breaks_the_schema_is_malformed(self, fyatu: Caller, changes: dict[str, Any]) -> None:
        assert refusal(fyatu.login(**changes)) == MALFORMED

    @pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 100_000, b"appId=A1B2"])
    def test_a_body_that_is_no_json_object_is_malformed(self, fyatu: Caller, body: bytes) -> None:
        headers = {"content-type": "application/json"}
        assert refusal(fyatu.send("POST", "/auth/token", headers, body)) == MALFORMED

    @pytest.mark.parametrize("kind", ["", "text/plain", "application/x-www-form-urlencoded"])
    def test_a_body_of_another_content_type_is_not_read(self, fyatu: Caller, kind: str) -> None:
        body = json.dumps(fyatu.credentials).encode()
        assert refusal(fyatu.send("POST", "/auth/token", {"content-type": kind}, body)) == MALFORMED
        accepted = fyatu.send("POST", "/auth/token", {"content-type": "Application/JSON; charset=utf-8"}, body)
        assert accepted.status == 200

    def test_the_shortest_credentials_the_schema_allows_reach_the_comparison(self, fyatu: Caller) -> None:
        answer = fyatu.login(appId="12345678", secretKey="sixteen letters.")
        assert refusal(answer) == (401, "AUTH_INVALID_CREDENTIALS")

    @pytest.mark.parametrize("changes", [{"appId": "B1B2C3D4E5F6G7H8"}, {"secretKey": "x" * 20}], ids=str)
    def test_an_unknown_app_and_a_wrong_secret_look_alike(self, fyatu: Caller, changes: dict[str, Any]) -> None:
        assert refusal(fyatu.login(**changes)) == (401, "AUTH_INVALID_CREDENTIALS")

    def test_an_inactive_app_is_told_so_only_with_the_right_secret(self, fyatu: Caller) -> None:
        fyatu.simulator.inactive = True
        assert refusal(fyatu.login()) == (401, "AUTH_APP_INACTIVE")
        assert refusal(fyatu.login(secretKey="x" * 20)) == (401, "AUTH_INVALID_CREDENTIALS")

    def test_a_rotated_secret_kills_the_old_one_at_once_but_no_token(self, fyatu: Caller) -> None:
        token = fyatu.token()
        fyatu.simulator.rotate_secret("a brand new secret")
        assert refusal(fyatu.login()) == (401, "AUTH_INVALID_CREDENTIALS")
        assert fyatu.login(secretKey="a brand new secret").status == 200
        assert fyatu.api(token).status == 200


class TestTheFiveMinuteRule:
    @pytest.mark.parametrize("late", [-86_400, -300, -1, 0, 1, 299, 300])
    def test_a_token_is_refreshed_until_five_minutes_after_its_end(self, fyatu: Caller, late: int) -> None:
        token = fyatu.token()
        fyatu.clock.advance(86_400 + late)
        assert fyatu.refresh(token).status == 200
        assert fyatu.api(token).status == (200 if late < 0 else 401)

    @pytest.mark.parametrize("late", [300.5, 301, 86_400])
    def test_later_it_is_too_old(self, fyatu: Caller, late: float) -> None:
        token = fyatu.token()
        fyatu.clock.advance(86_400 + late)
        assert refusal(fyatu.refresh(token)) == TOO_OLD

    def test_lifetimes_below_a_second_end_when_they_say(self, fyatu: Caller) -> None:
        fyatu.simulator.lifetime = 0.5
        fyatu.clock.advance(0.75)
        token = fyatu.token()
        fyatu.clock.advance(0.49)
        assert fyatu.api(token).status == 200
        fyatu.clock.advance(0.02)
        assert fyatu.api(token).status == 401


class TestPresentedTokens:
    @pytest.mark.parametrize("path", ["/auth/refresh", "/auth/revoke", "/collections"])
    @pytest.mark.parametrize("header", [None, "", "   "])
    def test_no_header_is_a_missing_token(self, fyatu: Caller, path: str, header: str | None) -> None:
        headers = {} if header is None else {"authorization": header}
        assert refusal(fyatu.send("POST", path, headers)) == MISSING

    @pytest.mark.parametrize("path", ["/auth/refresh", "/auth/revoke", "/collections"])
    @pytest.mark.parametrize("header", ["Bearer", "Bearer ", "Bearer x", "Bearer a.b.c", "Basic QTpC", "\udcff"])
    def test_anything_else_is_an_invalid_token(self, fyatu: Caller, path: str, header: str) -> None:
        assert refusal(fyatu.send("POST", path, {"authorization": header})) == INVALID

    def test_a_token_with_another_signature_or_from_another_server_is_invalid(self, fyatu: Caller) -> None:
        token = fyatu.token()
        assert refusal(fyatu.api(token[:-4] + "AAAA")) == INVALID
        assert FyatuSimulator().identify(token) is None

    def test_the_scheme_may_be_written_in_any_case(self, fyatu: Caller) -> None:
        assert fyatu.send("GET", "/x", {"authorization": f"bEARER {fyatu.token()}"}).status == 200

    def test_an_expired_token_is_invalid_to_the_api_and_cannot_be_revoked(self, fyatu: Caller) -> None:
        token = fyatu.token()
        fyatu.clock.advance(86_400)
        assert refusal(fyatu.api(token)) == INVALID
        assert refusal(fyatu.revoke(token)) == INVALID

    def test_a_revoked_token_is_invalid_everywhere_and_cannot_be_refreshed(self, fyatu: Caller) -> None:
        token, other = fyatu.token(), fyatu.token()
        answer = fyatu.revoke(token)
        assert json.loads(answer.body)["data"] == {"revoked": True}
        assert [refusal(call(token)) for call in (fyatu.api, fyatu.refresh, fyatu.revoke)] == [INVALID] * 3
        assert fyatu.api(other).status == 200


class TestGenerationV320:
    def test_a_token_too_old_to_refresh_is_just_invalid(self, business: Caller) -> None:
        token = business.token()
        business.clock.advance(86_701)
        assert refusal(business.refresh(token)) == INVALID

    def test_a_token_of_v3_is_told_so(self, business: Caller, fyatu: Caller) -> None:
        assert refusal(business.api(fyatu.token())) == (401, "AUTH_VERSION_MISMATCH")
        assert refusal(fyatu.api(business.token())) == INVALID

    def test_an_inactive_business_is_told_so(self, business: Caller) -> None:
        business.simulator.inactive = True
        assert refusal(business.login()) == (401, "AUTH_BUSINESS_INACTIVE")

    @pytest.mark.parametrize("scopes", ["cards:read", ["no:such"], [1], [{}], {"cards:read": 1}], ids=str)
    def test_scopes_that_do_not_exist_are_malformed(self, business: Caller, scopes: Any) -> None:
        assert refusal(business.login(scopes=scopes)) == MALFORMED
        assert refusal(business.login(businessId=None, appId="A1B2C3D4E5F6G7H8")) == MALFORMED
