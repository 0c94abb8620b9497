"""The simulated JWTPlus server, against what was measured on the real one, and the page on renewing."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

from auth_plugins.core import jwt_claims
from auth_plugins.simulators import Dropped, JWTPlusSimulator, SimRequest, SimResponse

PAGE = json.loads((Path(__file__).parent / "pages" / "jwtplus_renew.json").read_text())
ME = {"sub": "test@test.com", "aud": "web-app", "ip": "1.1.1.1", "useragent": "test-agent"}
NO_SESSION = (404, {"message": "invalid refresh token"})
ERROR = (500, {"message": "error"})


class Caller:
    def __init__(self, **settings: Any) -> None:
        self.server = JWTPlusSimulator(**settings)
        self.now = 1_740_000_000.25
        self.key = self.server._secret

    def raw(self, verb: str, body: bytes, *, app_id: str | None = None, method: str = "POST", **headers: Any) -> Any:
        path = f"/app/{app_id or self.server.app_id}/{verb}"
        return self.server.handle(SimRequest(method, path, headers or {"authorization": self.key}, body), self.now)

    def call(self, verb: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        answer: SimResponse = self.raw(verb, json.dumps(body).encode())
        return answer.status, json.loads(answer.body)

    def sign(self, **claims: Any) -> dict[str, Any]:
        status, answer = self.call("sign", {**ME, **claims})
        assert status == 200
        return answer

    def renew(self, pair: dict[str, Any], **changes: Any) -> tuple[int, dict[str, Any]]:
        body = {"refresh_token": pair["refresh_token"], "ip": "1.1.1.1", "useragent": "test-agent"}
        return self.call("renew", {**body, **changes})

    def verified(self, token: str) -> bool:
        status, answer = self.call("verify", {"token": token})
        assert status == 200
        return bool(answer["verified"])

    def api(self, token: str) -> int:
        headers = {"authorization": f"Bearer {token}"}
        return self.server.handle(SimRequest("GET", "/things", headers), self.now).status


@pytest.fixture
def caller() -> Caller:
    return Caller(refresh_notbefore=60)


class TestTokens:
    def test_a_renewal_answers_as_the_page_has_it(self, caller: Caller) -> None:
        """Each claim of the example's tokens is there, and as far from the others."""
        caller.now = jwt_claims(PAGE["answer"]["auth_token"])["iat"] - 61
        caller.server.app_name, caller.server.refresh_expire = "app_2", 10_800
        first = caller.sign(personal={"name": "test-user"}, useragent="my-user-agent")
        caller.now += 61
        status, answer = caller.renew(first)
        assert (status, list(answer)) == (200, list(PAGE["answer"]))
        for name in ("auth_token", "refresh_token"):
            mine, theirs = jwt_claims(answer[name]), jwt_claims(PAGE["answer"][name])
            assert set(mine) == set(theirs)
            unlike = {name for name in mine if mine[name] != theirs[name]}
            assert unlike == {"jid"}

    @pytest.mark.parametrize("algorithm", ["ES256", "ES384", "ES512", "RS256", "PS256"])
    def test_signatures_are_real(self, algorithm: Any) -> None:
        caller = Caller()
        caller.server.algorithm = algorithm
        answer = caller.sign()
        pem = base64.b64decode(answer["public_key"])
        assert pem.startswith(b"-----BEGIN PUBLIC KEY-----")
        key = (ECKey if algorithm.startswith("ES") else RSAKey).import_key(pem)
        for name in ("auth_token", "refresh_token"):
            decoded = jwt.decode(answer[name], key, algorithms=[algorithm])
            assert decoded.header == {"alg": algorithm, "kid": answer["key_id"], "typ": "JWT"}

    def test_the_body_goes_over_the_auth_tokens_claims_but_not_the_refresh_tokens(self, caller: Caller) -> None:
        answer = caller.sign(exp=1, iat=2, jid="mine", large=9_007_199_254_740_993)
        auth, renewal = jwt_claims(answer["auth_token"]), jwt_claims(answer["refresh_token"])
        assert (auth["exp"], auth["iat"], auth["jid"], auth["large"]) == (1, 2, "mine", 9_007_199_254_740_992)
        assert (renewal["iat"], renewal["nbf"] - renewal["iat"]) == (1_740_000_000, 60)
        caller.now += 2
        assert not caller.verified(answer["auth_token"])


class TestKeysAndBodies:
    @pytest.mark.parametrize("key", ["", "x", "Bearer {key}", None])
    def test_the_key_stands_alone(self, caller: Caller, key: str | None) -> None:
        headers = {"x-api-key": caller.key} if key is None else {"authorization": key.replace("{key}", caller.key)}
        answer = caller.raw("sign", json.dumps(ME).encode(), **headers)
        assert (answer.status, json.loads(answer.body)) == (403, {"errors": "invalid app key or id"})

    def test_the_id_is_a_ulid_in_either_case(self, caller: Caller) -> None:
        body = json.dumps(ME).encode()
        assert caller.raw("sign", body, app_id=caller.server.app_id.lower()).status == 200
        assert json.loads(caller.raw("sign", body, app_id="x").body) == {"errors": "invalid app id"}
        assert caller.raw("sign", body, app_id="0" * 26).status == 403

    def test_a_rotated_key_is_refused_at_once(self, caller: Caller) -> None:
        caller.server.rotate_secret("new")
        assert caller.call("sign", ME)[0] == 403

    def test_other_paths(self, caller: Caller) -> None:
        slash = caller.raw("sign/", b"")
        assert (slash.status, slash.headers["location"]) == (307, f"/app/{caller.server.app_id}/sign")
        for answer in (caller.raw("revoke-token", b""), caller.raw("sign", b"", method="GET")):
            assert (answer.status, answer.body) == (404, b"404 page not found")

    @pytest.mark.parametrize("verb", ["sign", "renew", "verify", "logout"])
    @pytest.mark.parametrize(
        ("body", "std", "rel"),
        [
            (b"", "empty request body", "empty request body"),
            (b"{]", {"error_field": "", "error_message": "invalid json format"}, None),
            (b"sub=x", {"error_field": "", "error_message": "invalid json format"}, None),
            (b"[1]", {"error_field": "", "error_message": "invalid json data type"}, None),
            (b'{"sub": 7, "token": 7, "ip": 7}', {"error_field": "", "error_message": "invalid json data type"}, None),
            (b'{"sub": "x', None, None),
            (b'{"sub"', None, None),
        ],
    )
    def test_errors_have_three_shapes_and_a_200_may_be_empty(
        self, caller: Caller, verb: str, body: bytes, std: Any, rel: Any
    ) -> None:
        for build, expected in (("std", std), ("rel", rel)):
            caller.server.build = build  # type: ignore[assignment]
            answer = caller.raw(verb, body)
            if expected is None:
                assert (answer.status, answer.body, dict(answer.headers)) == (200, b"", {})
            else:
                assert (answer.status, json.loads(answer.body)) == (400, {"errors": expected})

    def test_all_that_is_missing_is_listed(self, caller: Caller) -> None:
        for body in ({}, dict.fromkeys(ME, ""), None):
            status, answer = caller.call("sign", body)  # type: ignore[arg-type]
            assert status == 400
            assert answer["errors"] == [
                {"error_field": name, "error_message": "This field is required."} for name in ME
            ]

    def test_addresses_and_jwts_are_looked_at(self, caller: Caller) -> None:
        _, answer = caller.call("sign", {**ME, "ip": "host.example"})
        assert answer["errors"][0]["error_message"] == "This field requires a valid ipv4 or ipv6 address."
        _, answer = caller.call("verify", {"token": "abc"})
        assert answer["errors"][0]["error_message"] == "This field requires a valid jwt token."

    def test_names_are_read_in_any_case(self, caller: Caller) -> None:
        assert caller.call("sign", {name.upper(): value for name, value in ME.items()})[0] == 200

    def test_what_follows_the_object_breaks_signing(self, caller: Caller) -> None:
        assert caller.raw("sign", json.dumps(ME).encode() + b"x").status == 500

    @pytest.mark.parametrize("changes", [{"useragent": "x" * 256}, {"ip": "2001:db8:1111:2222:3333:4444:5555:6666"}])
    def test_what_does_not_fit_into_a_column_is_a_500_and_changes_nothing(
        self, caller: Caller, changes: dict[str, str]
    ) -> None:
        assert caller.call("sign", {**ME, **changes}) == ERROR
        pair = caller.sign()
        caller.now += 61
        assert caller.renew(pair, **changes) == ERROR
        assert caller.renew(pair)[0] == 200

    @given(st.binary(max_size=40), st.sampled_from(["sign", "renew", "verify", "logout", "x"]))
    def test_no_body_breaks_it_and_it_never_answers_401_or_429(self, body: bytes, verb: str) -> None:
        assert Caller().raw(verb, body).status in (200, 400, 404, 500)


@pytest.mark.parametrize("number", ["9" * 5000, "-" + "9" * 400, "1e400"])
@pytest.mark.parametrize("build", ["std", "rel"])
def test_a_further_number_that_no_float_holds_breaks_signing_and_nothing_else(
    caller: Caller, number: str, build: Any
) -> None:
    caller.server.build = build
    body = json.dumps(ME)[:-1].encode() + b', "n": ' + number.encode() + b"}"
    assert caller.raw("sign", body).status == 500
    assert caller.raw("verify", b'{"token": "a.b.", "n": ' + number.encode() + b"}").status == 200
    assert caller.raw("sign", b'{"n": ' + number.encode() + b"}").status == 400  # What is missing comes first.


@pytest.mark.parametrize(("build", "status"), [("std", 400), ("rel", 200)])
def test_a_number_in_the_place_of_a_text_is_of_a_wrong_type(caller: Caller, build: Any, status: int) -> None:
    caller.server.build = build
    assert caller.raw("sign", b'{"sub": 1e400}').status == status


def test_a_claim_has_its_name_as_it_was_spelled(caller: Caller) -> None:
    """The names that the server reads are found in any case, and do not change their case in the token."""
    body = {"SUB": "one", "sub": "two", "Aud": "web", "IP": "192.0.2.1", "u\u017feragent": "x", "Exp": 1}
    status, answer = caller.call("sign", body)
    claims = jwt_claims(answer["auth_token"])
    assert status == 200
    assert set(body) <= set(claims)
    assert claims["exp"] == claims["iat"] + 3600
    caller.now += 1
    found = caller.call("get-session", {"SUB": "two"})[1]["sessions"]
    assert [each["token_id"] for each in found] == [claims["jid"]]


def test_numbers_become_floats_and_whole_ones_lose_their_point(caller: Caller) -> None:
    claims = jwt_claims(caller.sign(a=1.0, b=2**53 + 1, c=1.5, d=[{"e": -7}])["auth_token"])
    assert json.dumps([claims[name] for name in "abcd"]) == '[1, 9007199254740992, 1.5, [{"e": -7}]]'


def test_a_renewal_sets_anew_what_the_body_had_replaced(caller: Caller) -> None:
    pair = caller.sign(exp=1_740_000_090, iss="mine", own=1)
    caller.now += 61
    claims = jwt_claims(caller.renew(pair)[1]["auth_token"])
    assert (claims["iss"], claims["own"], claims["exp"] - claims["iat"]) == ("app_1", 1, 3600)


def test_the_database_ends_a_token_whose_claims_end_later(caller: Caller) -> None:
    token = caller.sign(exp=1_840_000_000)["auth_token"]
    caller.now += 3599
    assert (caller.verified(token), caller.api(token)) == (True, 200)
    caller.now += 1
    assert (caller.verified(token), caller.api(token)) == (False, 200)


class TestReading:
    def test_sessions_are_listed_from_their_next_second_to_their_end(self, caller: Caller) -> None:
        assert caller.call("get-session", {"sub": ME["sub"]}) == (200, {"sessions": None})
        pair = caller.sign()
        assert caller.call("get-session", {"sub": ME["sub"]}) == (200, {"sessions": None})
        caller.now += 61
        (found,) = caller.call("get-session", {"sub": ME["sub"]})[1]["sessions"]
        auth, renewal = jwt_claims(pair["auth_token"]), jwt_claims(pair["refresh_token"])
        assert found == {
            "token_id": auth["jid"],
            "key_id": pair["key_id"],
            "ip_address": ME["ip"],
            "user_agent": ME["useragent"],
            **{f"auth_token_{name}": auth[name] for name in ("iat", "nbf", "exp")},
            **{f"refresh_token_{name}": renewal[name] for name in ("iat", "nbf", "exp")},
        }
        renewed = caller.renew(pair, ip="2.2.2.2")[1]
        caller.now += 1
        (found,) = caller.call("get-session", {"sub": ME["sub"]})[1]["sessions"]
        assert (found["token_id"], found["ip_address"]) == (jwt_claims(renewed["auth_token"])["jid"], "2.2.2.2")
        caller.call("logout", {"token": renewed["auth_token"]})
        assert caller.call("get-session", {"sub": ME["sub"]}) == (200, {"sessions": None})
        assert caller.call("get-session", {})[0] == 400

    def test_keys_are_listed_with_the_older_ones(self, caller: Caller) -> None:
        first = caller.sign()
        caller.server.rotate_pki()
        second = caller.sign()
        answer = caller.raw("pub-keys", b"", method="GET")
        keys = json.loads(answer.body)["keys"]
        assert [(key["key_id"], key["public_key"], key["is_expired"]) for key in keys] == [
            (first["key_id"], first["public_key"], "yes"),
            (second["key_id"], second["public_key"], "no"),
        ]
        assert {(key["key_type"], key["key_algo"], key["is_revoked"]) for key in keys} == {("ECDSA", "ES256", "no")}
        assert caller.raw("pub-keys", b"", method="GET", authorization="wrong").status == 403
        assert caller.raw("pub-keys", b"").status == 404

    def test_the_app_states_its_times(self, caller: Caller) -> None:
        path = f"/app/{caller.server.app_id}"
        answer = caller.server.handle(SimRequest("GET", path, {"authorization": caller.key}), caller.now)
        app = json.loads(answer.body)["app"]
        times = [app[name] for name in ("token_expiry", "token_notbefore", "refresh_expiry", "refresh_notbefore")]
        assert times == [3600, 0, 7200, 60]

    def test_ping_and_health_are_read_with_get_alone(self, caller: Caller) -> None:
        found = [
            caller.server.handle(SimRequest(method, path, {}), caller.now).status
            for method in ("GET", "POST")
            for path in ("/ping", "/health")
        ]
        assert found == [200, 200, 404, 404]


def test_half_a_surrogate_pair_is_read_as_go_reads_it(caller: Caller) -> None:
    body = {"sub": "a\ud800", "aud": "web", "ip": "192.0.2.1", "useragent": "x", "own": {"\udfff": ["\ud800b"]}}
    answer = caller.raw("sign", json.dumps(body).encode())
    claims = jwt_claims(json.loads(answer.body)["auth_token"])
    assert (claims["sub"], claims["own"]) == ("a\ufffd", {"\ufffd": ["\ufffdb"]})


class TestRenew:
    @pytest.mark.parametrize(("after", "status"), [(59.9, 404), (60.7, 404), (60.75, 200), (3599.7, 200)])
    def test_its_window_is_told_by_whole_seconds(self, caller: Caller, after: float, status: int) -> None:
        pair = caller.sign()
        caller.now += after
        assert caller.renew(pair)[0] == status

    def test_too_early_changes_nothing(self, caller: Caller) -> None:
        pair = caller.sign()
        assert caller.renew(pair) == NO_SESSION
        caller.now += 61
        status, answer = caller.renew(pair)
        assert status == 200
        old, new = jwt_claims(pair["refresh_token"]), jwt_claims(answer["refresh_token"])
        assert old["jid"] != new["jid"]
        assert new["iat"] - old["iat"] == 61

    def test_a_refresh_token_serves_once(self, caller: Caller) -> None:
        pair = caller.sign()
        caller.now += 61
        caller.renew(pair)
        assert caller.renew(pair) == NO_SESSION

    def test_after_the_auth_tokens_end_it_brings_empty_tokens_and_destroys_the_session(self, caller: Caller) -> None:
        pair = caller.sign()
        caller.now += 3599.75
        status, answer = caller.renew(pair)
        assert (status, answer["auth_token"], answer["refresh_token"]) == (200, "", "")
        assert answer["key_id"] == pair["key_id"]
        assert caller.renew(pair) == NO_SESSION

    def test_before_the_auth_tokens_beginning_too(self, caller: Caller) -> None:
        caller.server.token_notbefore = 600
        pair = caller.sign()
        caller.now += 61
        assert caller.renew(pair)[1]["auth_token"] == ""

    def test_unknown_ended_auth_and_revoked_tokens_are_all_the_same(self, caller: Caller) -> None:
        pair = caller.sign()
        caller.now += 61
        assert caller.renew({"refresh_token": "a.b.c"}) == NO_SESSION
        assert caller.renew({"refresh_token": pair["auth_token"]}) == NO_SESSION
        caller.call("logout", {"token": pair["auth_token"]})
        assert caller.renew(pair) == NO_SESSION
        other = caller.sign()
        caller.server.revoke_all()
        caller.now += 61
        assert caller.renew(other) == NO_SESSION
        third = caller.sign()
        caller.now += 7200
        assert caller.renew(third) == NO_SESSION

    def test_after_a_rotation_it_is_a_500_for_ever_and_auth_tokens_live_on(self, caller: Caller) -> None:
        pair = caller.sign()
        caller.server.rotate_pki()
        caller.now += 61
        assert [caller.renew(pair), caller.renew(pair)] == [ERROR, ERROR]
        assert caller.verified(pair["auth_token"])
        assert caller.sign()["key_id"] != pair["key_id"]

    def test_without_a_key_nothing_is_signed(self, caller: Caller) -> None:
        pair = caller.sign()
        caller.now += 61
        caller.server.no_active_key = True
        assert [caller.renew(pair), caller.call("sign", ME)] == [ERROR, ERROR]

    def test_two_at_once_fork_the_session(self, caller: Caller) -> None:
        pair = caller.sign()
        caller.now += 61
        caller.server.fork_within = 0.5
        (one, first), (other, second) = caller.renew(pair), caller.renew(pair)
        caller.now += 61
        assert (one, other, caller.renew(first)[0], caller.renew(second)[0]) == (200, 200, 200, 200)
        assert caller.renew(pair) == NO_SESSION

    def test_a_lost_answer_costs_the_session(self, caller: Caller) -> None:
        pair = caller.sign()
        caller.now += 61
        caller.server.outage = "lost"
        with pytest.raises(Dropped):
            caller.renew(pair)
        caller.server.outage = None
        assert caller.renew(pair) == NO_SESSION

    def test_claims_stay_those_of_the_first_body(self, caller: Caller) -> None:
        pair = caller.sign(personal={"name": "x"})
        caller.now += 61
        claims = jwt_claims(caller.renew(pair, ip="2.2.2.2")[1]["auth_token"])
        assert (claims["ip"], claims["personal"]) == ("1.1.1.1", {"name": "x"})

    def test_the_ledger_names_the_session(self, caller: Caller) -> None:
        pair = caller.sign()
        caller.renew(pair)
        jid = jwt_claims(pair["auth_token"])["jid"]
        assert [call.token_id for call in caller.server.ledger.calls()] == [None, jid]


class TestVerifyAndLogout:
    def test_a_fresh_token_is_false_until_the_next_whole_second(self, caller: Caller) -> None:
        token = caller.sign()["auth_token"]
        assert not caller.verified(token)
        caller.now += 0.7
        assert not caller.verified(token)
        caller.now += 0.05
        assert caller.verified(token)
        caller.now = 1_740_003_599.9
        assert caller.verified(token)
        caller.now = 1_740_003_600.0
        assert not caller.verified(token)

    def test_a_refresh_token_an_unknown_one_and_an_old_one_are_false(self, caller: Caller) -> None:
        pair = caller.sign()
        caller.now += 61
        assert caller.verified(pair["auth_token"])
        assert not caller.verified(pair["refresh_token"])
        assert not caller.verified("a.b.c")
        caller.renew(pair)
        assert not caller.verified(pair["auth_token"])

    def test_logout_is_always_ok(self, caller: Caller) -> None:
        pair = caller.sign()
        caller.now += 61
        assert caller.call("logout", {"token": pair["refresh_token"]}) == (200, {"status": "ok"})
        assert caller.verified(pair["auth_token"])
        for token in (pair["auth_token"], pair["auth_token"], "a.b.c"):
            assert caller.call("logout", {"token": token}) == (200, {"status": "ok"})
        assert not caller.verified(pair["auth_token"])


class TestApi:
    def test_one_that_looks_at_signatures_takes_fresh_and_renewed_tokens(self, caller: Caller) -> None:
        pair = caller.sign()
        assert caller.api(pair["auth_token"]) == 200
        caller.now += 61
        caller.renew(pair)
        assert caller.api(pair["auth_token"]) == 200
        assert caller.api(pair["refresh_token"]) == 401
        assert caller.api("a.b.c") == 401
        caller.now += 3539
        assert caller.api(pair["auth_token"]) == 401

    def test_one_that_asks_takes_neither(self, caller: Caller) -> None:
        caller.server.strict = True
        pair = caller.sign()
        assert caller.api(pair["auth_token"]) == 401
        caller.now += 61
        assert caller.api(pair["auth_token"]) == 200
        caller.renew(pair)
        assert caller.api(pair["auth_token"]) == 401


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b" \n", 400, "empty request body"),
        (b'{"sub": NaN}', 400, "invalid json format"),
        (b'{"sub":"s","aud":"a","ip":"fe80::1%eth0","useragent":"u"}', 400, "valid ipv4 or ipv6"),
    ],
)
def test_a_body_is_read_as_gos_json_reads_it(body: bytes, status: int, words: str) -> None:
    server = JWTPlusSimulator()
    request = SimRequest("POST", f"/app/{server.app_id}/sign", {"authorization": server.secret}, body)
    answer = server.handle(request, 1_800_000_000.0)
    assert (answer.status, words in answer.body.decode()) == (status, True)
    assert answer.headers["content-type"] == "application/json; charset=utf-8"


def test_an_id_with_letters_that_a_ulid_has_not_is_no_app_id() -> None:
    server = JWTPlusSimulator()
    request = SimRequest("POST", f"/app/{'I' * 26}/sign", {"authorization": server.secret}, b"{}")
    assert b"invalid app id" in server.handle(request, 1_800_000_000.0).body


def test_a_token_without_a_signature_is_not_verified_and_ping_is_answered() -> None:
    server = JWTPlusSimulator()
    request = SimRequest("POST", f"/app/{server.app_id}/verify", {"authorization": server.secret}, b'{"token":"a.b."}')
    assert json.loads(server.handle(request, 1_800_000_000.0).body) == {"verified": False}
    assert server.handle(SimRequest("GET", "/ping", {}), 1_800_000_000.0).body == b"pong"
