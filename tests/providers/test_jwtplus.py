"""The contract and the constructor of JWTPlus; the oracle is its own page on renewing."""

from __future__ import annotations

import base64
import json
import pickle
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auth_plugins import (
    AuthError,
    CredentialsRejected,
    InvalidTokenResponse,
    JWTPlusAuth,
    LoginRequired,
    MemoryStore,
    RefreshPolicy,
    Token,
)
from auth_plugins.core import Answer, Provider, Purpose, TokenRequest, TokenResponse, fingerprint
from auth_plugins.providers.jwtplus import JWTPlusContract
from auth_plugins.providers.jwtplus.session import token_from_pair

PAGE = json.loads((Path(__file__).parents[1] / "simulators" / "pages" / "jwtplus_renew.json").read_text())
APP_ID, KEY = "01JMC6TCM1CH7NWG0E8A5SQTHA", "s3cret+key/" * 11 + "1234567"
URL = "https://jwtplus.example:2025"
NOW = 1_800_000_000.0
CONTRACT = JWTPlusContract(APP_ID, KEY, URL, "1.1.1.1", "test-agent", "test@test.com", "web-app")
GOOD: dict[str, Any] = {
    "app_id": APP_ID,
    "app_key": KEY,
    "base_url": URL,
    "ip": "1.1.1.1",
    "user_agent": "test-agent",
    "subject": "test@test.com",
    "audience": "web-app",
}
PAIR: dict[str, Any] = {
    **{name: value for name, value in GOOD.items() if name not in ("subject", "audience")},
    "auth_token": PAGE["answer"]["auth_token"],
    "refresh_token": PAGE["answer"]["refresh_token"],
}


def make(**changes: Any) -> JWTPlusAuth:
    return JWTPlusAuth(**{"store": MemoryStore(), **GOOD, **changes})


def contract(**changes: Any) -> JWTPlusContract:
    return make(**changes)._contract


def jwt(**claims: Any) -> str:
    parts = [json.dumps(part).encode() for part in ({"alg": "ES256"}, claims)]
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in (*parts, b"s3cret signature"))


def pair(**changes: Any) -> dict[str, Any]:
    """An answer of a server whose clock is a thousand seconds ahead of ours."""
    iat = int(NOW) + 1000
    times = {"iat": iat, "nbf": iat, "exp": iat + 3600, "opens": iat + 60, "ends": iat + 10_800, **changes}
    auth = jwt(iat=times["iat"], nbf=times["nbf"], exp=times["exp"], sub="x")
    refresh = jwt(iat=iat, nbf=times["opens"], exp=times["ends"], type="refresh")
    return {"auth_token": auth, "refresh_token": refresh, "key_id": "01K", "public_key": "UEVN"}


def answered(body: object, status: int = 200) -> TokenResponse:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return TokenResponse(status, {"content-type": "application/json"}, content)


def read(contract: JWTPlusContract, request: TokenRequest, response: TokenResponse) -> Token:
    return contract.read(Answer(request, response, contract.error_info(response), NOW, NOW), NOW)


def login(body: object, status: int = 200) -> Token:
    return read(CONTRACT, CONTRACT.login(), answered(body, status))


def renewed(body: object, status: int = 200) -> Token:
    request = CONTRACT.refresh(login(pair()), NOW)
    return read(CONTRACT, request, answered(body, status))


class TestThePage:
    def test_a_renewal_is_called_as_its_example_is(self) -> None:
        example = PAGE["request"]
        token = replace(login(pair()), refresh_token=example["body"]["refresh_token"])
        request = CONTRACT.refresh(token, NOW)
        assert request.url == URL + example["path"].replace("{app-id}", APP_ID)
        assert json.loads(request.body) == example["body"]
        headers = {name: value.replace("{app-key}", KEY) for name, value in example["headers"].items()}
        assert {name.lower(): value for name, value in request.headers.items()} == headers

    def test_its_example_of_an_answer_is_a_token(self) -> None:
        answer = PAGE["answer"]
        token = read(CONTRACT, CONTRACT.login(), answered(answer))
        assert token.access_token == answer["auth_token"]
        assert token.refresh_token == answer["refresh_token"]
        assert token.extra == {"key_id": answer["key_id"], "public_key": answer["public_key"]}
        # auth: iat, iat + 3600; refresh: nbf iat + 60. By the page's clock, which stood 1740427049 then.
        assert (token.issued_at, token.expires_at) == (NOW, NOW + 3599)
        assert (token.refreshable_from, token.refreshable_until) == (NOW + 61.25, NOW + 3598)
        assert token.valid_from == NOW + 1.25
        assert token.refresh_once

    def test_its_example_of_a_refusal_means_a_new_session(self) -> None:
        with pytest.raises(LoginRequired) as caught:
            renewed(PAGE["refusal"], 404)
        assert caught.value.provider_message == "invalid refresh token"


class TestRequests:
    def test_signing_sends_who_where_and_the_claims(self) -> None:
        request = contract(claims={"personal": {"name": "test-user"}, "ids": (1, 2.5, None, True)}).login()
        assert (request.purpose, request.url) == (Purpose.LOGIN, f"{URL}/app/{APP_ID}/sign")
        assert json.loads(request.body) == {
            "sub": "test@test.com",
            "aud": "web-app",
            "ip": "1.1.1.1",
            "useragent": "test-agent",
            "personal": {"name": "test-user"},
            "ids": [1, 2.5, None, True],
        }
        assert request.headers["Authorization"] == KEY

    def test_logging_out_sends_the_auth_token(self) -> None:
        token = login(pair())
        request = CONTRACT.revoke(token)
        assert (request.url, json.loads(request.body)) == (
            f"{URL}/app/{APP_ID}/logout",
            {"token": token.access_token},
        )

    def test_no_request_shows_a_secret(self) -> None:
        token = login(pair())
        requests = (
            CONTRACT.login(),
            CONTRACT.refresh(token, NOW),
            CONTRACT.revoke(token),
            CONTRACT.verification("a.b.c"),
        )
        for request in requests:
            assert "s3cret" not in repr(request) + repr(request.headers) + repr(request.body)
            assert KEY in request.secrets
        assert {token.access_token, token.refresh_token} <= set(requests[1].secrets)
        assert "a.b.c" in requests[3].secrets

    def test_the_token_travels_as_it_is_wanted(self) -> None:
        token = login(pair())
        assert CONTRACT.headers(token) == {"Authorization": f"Bearer {token.access_token}"}
        assert replace(CONTRACT, header="X-Auth", scheme="").headers(token) == {"X-Auth": token.access_token}


class TestTimes:
    def test_they_count_from_the_servers_own_clock(self) -> None:
        token = login(pair())
        assert token.expires_at == NOW + 3599
        assert (token.refreshable_from, token.refreshable_until) == (NOW + 61.25, NOW + 3598)

    def test_the_auth_tokens_own_iat_does_not_count(self) -> None:
        assert login(pair(iat=5)).expires_at == NOW + 3599

    @pytest.mark.parametrize(("exp", "can"), [(60, False), (61, False), (63, False), (64, True), (90, True)])
    def test_where_the_window_is_empty_nothing_can_be_renewed(self, exp: int, can: bool) -> None:
        token = login(pair(exp=int(NOW) + 1000 + exp))
        assert any(token.refreshable(NOW + second / 4) for second in range(4 * exp + 8)) is can

    def test_where_the_window_is_empty_the_session_is_signed_anew_no_sooner_for_it(self) -> None:
        begins_at_its_end = {"opens": int(NOW) + 2000, "ends": int(NOW) + 2000}  # Of the refresh token.
        policy = RefreshPolicy()
        assert policy.due_at(login(pair(**begins_at_its_end))) == NOW + 3599 - policy.window

    def test_a_renewal_is_never_in_the_servers_seconds_that_are_not_safe(self) -> None:
        token = login(pair())
        for within in (0.0, 0.999):  # How much of its second had gone by when it signed.
            for moment in (token.refreshable_from, token.refreshable_until - 0.001):
                shown = int(1000 + moment + within) - int(NOW) - 1000
                assert 60 + 1 <= shown <= 3600 - 1

    def test_a_refresh_token_that_ends_first_counts(self) -> None:
        assert login(pair(ends=int(NOW) + 1100)).refreshable_until == NOW + 98

    def test_a_token_that_begins_late_is_not_accepted_before(self) -> None:
        assert login(pair(nbf=int(NOW) + 1030)).valid_from == NOW + 31.25

    def test_a_local_api_accepts_it_at_once(self) -> None:
        at_once = replace(CONTRACT, fresh_after=0.0)
        assert read(at_once, at_once.login(), answered(pair())).valid_from == NOW

    @pytest.mark.parametrize("exp", [1, 10**30, -(10**30)])
    def test_an_end_that_makes_no_sense_harms_nobody(self, exp: int) -> None:
        token = login(pair(exp=exp))
        assert NOW <= token.expires_at <= NOW + 366 * 86_400
        assert token.refreshable_until <= token.expires_at

    def test_of_a_pair_that_is_given_our_clock_is_believed(self) -> None:
        token = contract(**PAIR, subject=None, audience=None).initial_token()
        assert token is not None
        assert (token.issued_at, token.expires_at) == (1_740_427_049, 1_740_430_648)
        assert CONTRACT.initial_token() is None


BAD_PAIRS = [
    {},
    {"auth_token": ""},
    {"refresh_token": ""},
    {"auth_token": "", "refresh_token": ""},
    {"auth_token": None},
    {"auth_token": 7},
    {"auth_token": "abc"},
    {"auth_token": "a.b.c"},
    {"refresh_token": "a.b.c.d"},
    {"auth_token": "a.b.c\n"},
    {"auth_token": jwt(iat=1)},
    {"refresh_token": jwt(nbf=1)},
    {"refresh_token": jwt(iat=1)},
]


class TestAnswers:
    @pytest.mark.parametrize("body", [b"", b"null", b"[]", b'"x"', b"{", b"\xff", b"pong"])
    def test_a_200_without_an_object_is_a_failure(self, body: bytes) -> None:
        for call in (login, renewed):
            with pytest.raises(InvalidTokenResponse):
                call(body)

    @pytest.mark.parametrize("changes", BAD_PAIRS, ids=str)
    def test_a_200_without_two_jwts_is_a_failure(self, changes: dict[str, Any]) -> None:
        body = {**pair(), **changes} if changes else {}
        for call in (login, renewed):
            with pytest.raises((InvalidTokenResponse, LoginRequired)):
                call(body)

    def test_empty_tokens_at_a_renewal_mean_that_the_session_is_gone(self) -> None:
        with pytest.raises(LoginRequired, match="ended the session"):
            renewed({**pair(), "auth_token": "", "refresh_token": ""})

    @pytest.mark.parametrize("call", [login, renewed])
    @pytest.mark.parametrize("words", ["invalid app id", "invalid app key or id"])
    def test_403_is_about_the_key(self, call: Any, words: str) -> None:
        with pytest.raises(CredentialsRejected, match=words) as caught:
            call({"errors": words}, 403)
        assert "app_key" in caught.value.hint

    @pytest.mark.parametrize("status", [400, 401, 404, 405, 409])
    def test_any_other_refusal_of_a_renewal_means_a_new_session(self, status: int) -> None:
        with pytest.raises(LoginRequired):
            renewed({"message": "error"}, status)

    @pytest.mark.parametrize("body", [b"404 page not found", b'{"message": "x"}'])
    def test_404_at_signing_means_a_wrong_base_url(self, body: bytes) -> None:
        with pytest.raises(InvalidTokenResponse, match="base_url"):
            login(body, 404)

    @pytest.mark.parametrize(
        ("errors", "said"),
        [
            ("empty request body", "empty request body"),
            ({"error_field": "", "error_message": "invalid json format"}, "invalid json format"),
            (
                [{"error_field": "ip", "error_message": "bad"}, {"error_field": "sub", "error_message": "none"}],
                "ip: bad; sub: none",
            ),
            ([], None),
            ([7, None, {}], "7"),
            ({"error_field": "ip"}, "ip"),
        ],
    )
    def test_errors_have_three_shapes(self, errors: object, said: str | None) -> None:
        with pytest.raises(CredentialsRejected) as caught:
            login({"errors": errors}, 400)
        assert caught.value.provider_message == said

    def test_an_echo_of_a_secret_is_struck_out(self) -> None:
        with pytest.raises(AuthError) as caught:
            login({"errors": f"the key {KEY} is wrong"}, 403)
        assert caught.value.provider_message == "the key *** is wrong"

    @given(st.binary(max_size=60), st.sampled_from([200, 201, 400, 403, 404]), st.sampled_from([login, renewed]))
    def test_no_answer_is_anything_but_a_token_or_an_error_of_ours(self, body: bytes, status: int, call: Any) -> None:
        with pytest.raises(AuthError):
            call(body, status)

    @given(
        st.dictionaries(
            st.sampled_from(["auth_token", "refresh_token", "errors", "message", "key_id", "public_key"]),
            st.recursive(st.none() | st.booleans() | st.floats() | st.text(max_size=5), st.lists, max_leaves=4)
            | st.just(pair()["auth_token"]),
        ),
        st.sampled_from([200, 400, 403, 404]),
    )
    def test_no_json_does_either(self, body: dict[str, Any], status: int) -> None:
        try:
            token = renewed(body, status)
        except AuthError:
            return
        assert token.refresh_token


class TestArguments:
    def test_an_app_id_is_a_ulid_in_either_case_and_used_as_it_is(self) -> None:
        lower = contract(app_id=APP_ID.lower())
        assert lower.login().url == f"{URL}/app/{APP_ID.lower()}/sign"

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("app_id", "01JMC6"),
            ("app_id", "01JMC6TCM1CH7NWG0E8A5SQT/A"),
            ("app_key", ""),
            ("app_key", f"{KEY} "),
            ("app_key", f"{KEY}\n"),
            ("app_key", "s3cret" * 50),
            ("app_key", "s3crét"),
            ("base_url", "http://s3cret.example"),
            ("ip", "s3cret.example"),
            ("ip", "1.2.3"),
            ("ip", "2001:db8:1111:2222:333::1"),
            ("app_key", "k" * 257),
            ("subject", "s" * 4097),
            ("auth_token", "t" * 262_145),
            ("refresh_token", "t" * 262_145),
            ("scheme", "s" * 65),
            ("ip", "fe80::1%eth0"),
            ("ip", "2001:db8:1111:2222:3333:4444:5555:6666"),
            ("user_agent", ""),
            ("subject", ""),
            ("audience", ""),
            ("subject", None),
            ("audience", None),
            ("auth_token", PAGE["answer"]["auth_token"]),
            ("header", "s3cret header"),
            ("header", "Host"),
            ("header", "content-LENGTH"),
            ("scheme", "s3cret\n"),
            ("fresh_after", -1),
            ("subject", "s3cret\ud800"),
            ("audience", "\udfffs3cret"),
            ("claims", {"n": ["s3cret\ud800"]}),
            ("claims", {"n": {"s3cret\udc00": 1}}),
            ("claims", {"n": 2**53 + 1}),
            ("claims", {"n": [{"n": -(2**53) - 1}]}),
            ("claims", {"n": float("nan")}),
            *[("claims", {reserved: "s3cret"}) for reserved in ("iat", "nbf", "exp", "iss", "jid", "sub", "AUD")],
            *[("claims", {reserved: "s3cret"}) for reserved in ("ip", "UserAgent")],
        ],
    )
    def test_a_bad_value_is_refused_by_name_and_not_shown(self, name: str, value: Any) -> None:
        with pytest.raises(ValueError, match=rf"^(?=[a-z_]+ ).*\b{name}\b") as caught:
            make(**{name: value})
        assert "s3cr" not in str(caught.value)
        assert not isinstance(value, str) or len(value) < 3 or value not in str(caught.value)

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("app_key", "k" * 256),
            ("subject", "s" * 4096),
            ("audience", "a" * 4096),
            ("scheme", "s" * 64),
            ("ip", "2001:db8:1111:2222:33::1"),
        ],
    )
    def test_as_long_as_may_be_is_accepted(self, name: str, value: str) -> None:
        make(**{name: value})

    @pytest.mark.parametrize("name", [*GOOD, "claims", "auth_token", "header", "scheme", "fresh_after"])
    def test_a_value_of_a_wrong_type_is_too(self, name: str) -> None:
        with pytest.raises((TypeError, ValueError), match=rf"^(?=[a-z_]+ ).*\b{name}\b"):
            make(**{name: b"s3cret"})

    @pytest.mark.parametrize("claims", [{1: 2}, {"a": {1: 2}}, {"a": object()}, {"a": {1}}, {"a": b"x"}, ["a"]])
    def test_claims_that_json_does_not_have_are_refused(self, claims: Any) -> None:
        with pytest.raises(TypeError, match=r"^claims must"):
            make(claims=claims)

    def test_claims_without_an_end_are_refused(self) -> None:
        endless: dict[str, Any] = {}
        endless["again"] = endless
        with pytest.raises(ValueError, match=r"^claims must"):
            make(claims=endless)

    def test_a_large_integer_is_hinted_at(self) -> None:
        assert json.loads(contract(claims={"n": 2**53}).claims) == {"n": 2**53}
        with pytest.raises(ValueError, match=r"^claims must .*pass it as a str$"):
            make(claims={"n": 2**53 + 1})

    @pytest.mark.parametrize(
        ("given", "sent"),
        [
            ("2001:0DB8:0000:0000:0000:0000:0000:0001", "2001:db8::1"),
            ("192.0.2.1", "192.0.2.1"),
            ("2001:db8:1:22:333:44::77", "2001:db8:1:22:333:44::77"),
        ],
    )
    def test_an_address_is_sent_in_its_shortest_form(self, given: str, sent: str) -> None:
        assert contract(ip=given).ip == sent

    def test_a_user_agent_is_cut(self) -> None:
        assert contract(user_agent="ü" * 300).user_agent == "ü" * 255

    def test_one_needs_somebody_to_sign_for_or_a_pair(self) -> None:
        nobody = {"subject": None, "audience": None}
        with pytest.raises(ValueError, match=r"^subject and audience must"):
            make(**nobody)
        with pytest.raises(ValueError, match=r"^subject and audience .*without claims$"):
            make(**{**PAIR, **nobody}, claims={})
        with pytest.raises(ValueError, match=r"^auth_token and refresh_token must be JWTs"):
            make(**{**PAIR, **nobody, "auth_token": "s3cret"})
        assert not contract(**{**PAIR, **nobody}).can_login
        assert contract(**PAIR).can_login

    def test_http_is_for_this_machine_or_where_it_is_allowed(self) -> None:
        assert contract(base_url="http://127.0.0.1:2025/").base_url == "http://127.0.0.1:2025"
        assert contract(base_url="http://jwtplus.example", allow_http=True).base_url == "http://jwtplus.example"

    def test_nothing_shows_a_secret(self) -> None:
        auth = make(claims={"a": "s3cret"}, **{k: v for k, v in PAIR.items() if k not in GOOD})
        for shown in (repr(auth), repr(auth._contract), str(auth)):
            assert "s3cret" not in shown
            assert "eyJ" not in shown

    def test_a_copy_keeps_the_credentials(self) -> None:
        auth = pickle.loads(pickle.dumps(JWTPlusAuth(**GOOD)))
        assert auth._contract == JWTPlusAuth(**GOOD)._contract


class TestKeys:
    OTHERS: dict[str, Any] = {  # noqa: RUF012
        "app_id": "01JMC6TCM1CH7NWG0E8A5SQTHB",
        "app_key": "another",
        "base_url": "https://other.example",
        "ip": "1.1.1.2",
        "user_agent": "other",
        "subject": "other",
        "audience": "other",
        "claims": '{"a":1}',
        "auth_token": "x",
        "refresh_token": "x",
        "header": "X-Other",
        "scheme": "Other",
        "fresh_after": 0.0,
    }

    def test_a_change_of_anything_but_tuning_names_another_session(self) -> None:
        assert set(self.OTHERS) == {field.name for field in fields(JWTPlusContract)}
        every = [CONTRACT, *(replace(CONTRACT, **{name: value}) for name, value in self.OTHERS.items())]
        tuning = {"header", "scheme", "fresh_after"}
        assert len({fingerprint(each, b"salt") for each in every}) == len(every) - len(tuning)
        assert {fingerprint(replace(CONTRACT, **{name: self.OTHERS[name]}), b"salt") for name in tuning} == {
            fingerprint(CONTRACT, b"salt")
        }

    def test_the_order_of_claims_makes_no_difference(self) -> None:
        one, other = contract(claims={"a": 1, "b": 2}), contract(claims={"b": 2, "a": 1})
        assert fingerprint(one, b"salt") == fingerprint(other, b"salt")

    def test_it_keeps_the_promises_of_a_provider(self) -> None:
        assert isinstance(CONTRACT, Provider)

    def test_a_session_without_a_clock_is_the_servers(self) -> None:
        made = token_from_pair(pair()["auth_token"], pair()["refresh_token"], None, 0.0)
        assert made is not None
        assert made.issued_at == NOW + 1000


def test_its_server_is_not_called_by_a_herd_unless_one_says_so() -> None:
    auth = JWTPlusAuth(**GOOD)
    for each in (auth, pickle.loads(pickle.dumps(auth)), JWTPlusAuth(**GOOD, policy=None)):
        assert each._source.policy.max_concurrent_calls == 8
    assert JWTPlusAuth(**GOOD, policy=RefreshPolicy())._source.policy.max_concurrent_calls is None
