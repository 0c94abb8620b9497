"""Marketiger's contract: its page is the oracle, and what the page leaves open is as documented."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auth_plugins import (
    AuthError,
    CredentialsRejected,
    InvalidTokenResponse,
    LoginRequired,
    Token,
    TokenEndpointUnavailable,
)
from auth_plugins.core import Answer, ErrorInfo, Provider, Purpose, TokenRequest, TokenResponse
from auth_plugins.core.answers import MAX_LIFETIME
from auth_plugins.providers.marketiger import MarketigerContract

PAGES = Path(__file__).parents[1] / "simulators" / "pages"
LOGIN: Any = json.loads((PAGES / "marketiger_login.json").read_text())
REFRESH: Any = json.loads((PAGES / "marketiger_refresh.json").read_text())
BASE = "https://devapi.marketiger3d.com/v2"
EMAIL, PASSWORD = "user@example.com", "your_password_here"
NOW = 1_800_000_000.0
HALF_A_DAY = 43_200.0
CONTRACT = MarketigerContract(EMAIL, PASSWORD)
PAIR = MarketigerContract(access_token="your_access_token_here", refresh_token="your_refresh_token_here")
OLD = Token(
    access_token="your_access_token_here",
    issued_at=NOW - 3000.0,
    expires_at=NOW + 600.0,
    refresh_token="your_refresh_token_here",
    refreshable_until=NOW + 40_000.0,
)
TYPES = [
    "NOT_FOUND",
    "OPERATION_FAILED",
    "AUTHENTICATION",
    "INCORRECT_PARAMETERS",
    "NO_PERMISSION",
    "INCORRECT_PROJECT",
]


def jwt(**claims: Any) -> str:
    raw = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"e30.{raw}.c2ln"


def response(body: object, status: int = 200) -> TokenResponse:
    return TokenResponse(status, {}, json.dumps(body).encode())


def shown(part: Any) -> TokenResponse:
    """An answer that a page shows."""
    return response(part["body"], part["status"])


def success(**data: Any) -> TokenResponse:
    """A successful answer whose `data` differs in some fields; `...` leaves one out."""
    full = {"accessToken": "new_at", "refreshToken": "new_rt", **data}
    return response({"success": True, "data": {name: value for name, value in full.items() if value is not ...}})


def refusal(kind: object, status: int = 400, message: object = "Words") -> TokenResponse:
    return response({"success": False, "error": {"type": kind, "message": message}}, status)


def login(answer: TokenResponse, now: float = NOW, contract: MarketigerContract = CONTRACT) -> Token:
    return contract.read(Answer(contract.login(), answer, contract.error_info(answer)), now)


def refresh(answer: TokenResponse, old: Token = OLD) -> Token:
    return CONTRACT.read(Answer(CONTRACT.refresh(old, NOW), answer, CONTRACT.error_info(answer)), NOW)


def error(read: Callable[[TokenResponse], Token], answer: TokenResponse) -> AuthError:
    with pytest.raises(AuthError) as caught:
        read(answer)
    return caught.value


def sent(request: TokenRequest) -> dict[str, Any]:
    """The request in the form in which the pages are kept."""
    headers = {name.lower(): str(value) for name, value in request.headers.items()}
    return {"method": "POST", "url": request.url, "headers": headers, "body": json.loads(request.body)}


class TestPage:
    """What the contract sends and reads is what the pages print."""

    def test_login_is_the_documented_one(self) -> None:
        assert sent(CONTRACT.login()) == LOGIN["request"]
        assert CONTRACT.login().purpose is Purpose.LOGIN

    def test_refresh_is_the_documented_one(self) -> None:
        assert sent(CONTRACT.refresh(OLD, NOW)) == REFRESH["request"]
        assert (CONTRACT.refresh(OLD, NOW).purpose, CONTRACT.refresh(OLD, NOW).token) == (Purpose.REFRESH, OLD)

    def test_refresh_is_byte_for_byte_what_the_pages_program_makes(self) -> None:
        # JSON.stringify({accessToken: ..., refreshToken: ...})
        assert CONTRACT.refresh(OLD, NOW).body == (
            b'{"accessToken":"your_access_token_here","refreshToken":"your_refresh_token_here"}'
        )

    def test_refresh_of_a_given_pair_is_the_documented_one(self) -> None:
        given_ = PAIR.initial_token()
        assert given_ is not None
        assert sent(PAIR.refresh(given_, NOW)) == REFRESH["request"]

    def test_answer_to_a_login_is_read(self) -> None:
        assert login(shown(LOGIN["answer"])) == Token(
            access_token="eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9...",
            issued_at=NOW,
            expires_at=NOW + 900.0,
            refresh_token="refresh_token_here",
            refreshable_until=NOW + HALF_A_DAY,
        )

    def test_answer_to_a_refresh_is_read(self) -> None:
        assert refresh(shown(REFRESH["answer"])) == Token(
            access_token="eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9...",
            issued_at=NOW,
            expires_at=NOW + 900.0,
            refresh_token="new_refresh_token_here",
            refreshable_until=NOW + HALF_A_DAY,
        )

    def test_refused_login_is_about_the_credentials(self) -> None:
        found = error(login, shown(LOGIN["error"]))
        assert type(found) is CredentialsRejected
        assert (found.status, found.provider_code) == (400, "AUTHENTICATION")
        assert found.provider_message == "Username or Password are incorrect."
        assert "email and password" in found.hint

    def test_refused_refresh_asks_for_a_login(self) -> None:
        found = error(refresh, shown(REFRESH["error"]))
        assert type(found) is LoginRequired
        assert (found.status, found.provider_code) == (401, "AUTHENTICATION")
        assert found.provider_message == "Invalid or expired refresh token"
        assert found.hint.startswith("Log in again")

    def test_token_is_carried_as_bearer(self) -> None:
        assert CONTRACT.headers(OLD) == {"Authorization": "Bearer your_access_token_here"}

    def test_token_calls_carry_none(self) -> None:
        assert "Authorization" not in {**CONTRACT.login().headers, **CONTRACT.refresh(OLD, NOW).headers}

    def test_nothing_can_be_revoked(self) -> None:
        assert CONTRACT.revoke(OLD) is None


class TestContract:
    def test_is_a_provider_that_shows_no_secret_and_no_address(self) -> None:
        both = MarketigerContract(EMAIL, PASSWORD, BASE, "an_at", "an_rt")
        assert isinstance(both, Provider)
        assert both.name == "marketiger"
        for secret in (EMAIL, PASSWORD, "an_at", "an_rt"):
            assert secret not in repr(both)

    def test_can_log_in_with_credentials_only(self) -> None:
        assert [CONTRACT.can_login, PAIR.can_login, MarketigerContract(EMAIL).can_login] == [True, False, False]
        assert not MarketigerContract(password=PASSWORD).can_login

    def test_begins_with_what_was_given(self) -> None:
        assert CONTRACT.initial_token() is None
        assert PAIR.initial_token() == Token(
            access_token="your_access_token_here",
            issued_at=-math.inf,
            expires_at=-math.inf,
            refresh_token="your_refresh_token_here",
            refreshable_until=math.inf,
        )

    @pytest.mark.parametrize(
        ("claims", "times"),
        [
            ({"iat": NOW, "exp": NOW + 60}, (NOW, NOW + 60)),
            ({"exp": NOW + 60}, (-math.inf, NOW + 60)),
            ({"iat": NOW}, (NOW, -math.inf)),
            ({"iat": "yesterday", "exp": True}, (-math.inf, -math.inf)),
        ],
    )
    def test_given_token_is_used_until_it_says_that_it_ends(self, claims: Any, times: tuple[float, float]) -> None:
        given_ = MarketigerContract(access_token=jwt(**claims), refresh_token="rt").initial_token()
        assert given_ is not None
        assert (given_.issued_at, given_.expires_at, given_.refreshable_until) == (*times, math.inf)

    @pytest.mark.parametrize("one", ["access_token", "refresh_token"])
    def test_half_a_pair_is_none(self, one: str) -> None:
        assert MarketigerContract(EMAIL, PASSWORD, **{one: "x"}).initial_token() is None  # type: ignore[arg-type]

    def test_goes_to_the_base_url(self) -> None:
        here = MarketigerContract(EMAIL, PASSWORD, "http://127.0.0.1:1/x")
        assert here.login().url == "http://127.0.0.1:1/x/Auth/Login"
        assert here.refresh(OLD, NOW).url == "http://127.0.0.1:1/x/Auth/RefreshToken"

    @pytest.mark.parametrize("password", ["pass word", " p ", "pässwörd", "密码🔑", '"\\/', "Zoe\u0308"])
    def test_sends_any_password_as_it_is(self, password: str) -> None:
        request = MarketigerContract("zoë@exämple.example", password).login()
        assert json.loads(request.body) == {"email": "zoë@exämple.example", "password": password}

    def test_knows_its_secrets_and_shows_none(self) -> None:
        assert set(CONTRACT.login().secrets) == {PASSWORD}
        assert set(CONTRACT.refresh(OLD, NOW).secrets) == {OLD.access_token, OLD.refresh_token}
        for request in (CONTRACT.login(), CONTRACT.refresh(OLD, NOW)):
            text = repr(request) + repr(request.headers) + repr(request.body)
            assert not any(secret in text for secret in (*request.secrets, EMAIL))

    @pytest.mark.parametrize("read", [login, refresh])
    def test_strikes_an_echo_of_a_secret_out(self, read: Callable[[TokenResponse], Token]) -> None:
        secrets = [PASSWORD] if read is login else [OLD.access_token, str(OLD.refresh_token)]
        for secret in secrets:
            found = error(read, refusal(secret, message=f"<{secret}> is wrong"))
            assert "<***> is wrong" in str(found)
            assert not any(each in str(found) + repr(found) + repr(vars(found)) for each in secrets)


class TestLifetime:
    """`exp` - `iat` before `exp` before an assumed quarter of an hour."""

    @pytest.mark.parametrize(
        ("claims", "lifetime"),
        [
            ({"iat": NOW, "exp": NOW + 3600}, 3600.0),
            ({"iat": NOW - 1e6, "exp": NOW - 1e6 + 60}, 60.0),
            ({"iat": NOW + 1e6, "exp": NOW + 1e6 + 60}, 60.0),
            ({"iat": 100, "exp": 160.5}, 60.5),
            ({"iat": str(NOW), "exp": str(NOW + 60)}, 60.0),
            ({"exp": NOW + 60}, 60.0),
            ({"iat": "15.01.2027", "exp": NOW + 60}, 60.0),
            ({"iat": (NOW + 60) * 1000, "exp": NOW + 60}, 60.0),
            ({"iat": NOW}, 900.0),
            ({}, 900.0),
            ({"iat": None, "exp": None}, 900.0),
            ({"iat": True, "exp": False}, 900.0),
            ({"exp": "tomorrow"}, 900.0),
            ({"exp": NOW}, 900.0),
            ({"exp": NOW - 3600}, 900.0),
            ({"exp": 0, "iat": 0}, 900.0),
            ({"iat": NOW, "exp": NOW - 60}, 900.0),
            ({"iat": NOW, "exp": 1e15}, MAX_LIFETIME),
            ({"exp": 1e15}, MAX_LIFETIME),
            ({"iat": NOW, "exp": 10**400}, 900.0),
        ],
        ids=repr,
    )
    def test_is_the_first_that_can_be(self, claims: dict[str, Any], lifetime: float) -> None:
        assert login(success(accessToken=jwt(**claims))).expires_at == NOW + lifetime

    @pytest.mark.parametrize("skew", [-86_400.0, 0.0, 86_400.0])
    def test_is_counted_from_when_the_call_was_sent_whatever_the_servers_clock_shows(self, skew: float) -> None:
        claims = {"iat": NOW + skew, "exp": NOW + skew + 60}
        got = login(success(accessToken=jwt(**claims)), now=NOW + 5.0)
        assert (got.issued_at, got.expires_at, got.refreshable_until) == (NOW + 5, NOW + 65, NOW + 5 + HALF_A_DAY)

    @pytest.mark.parametrize("token", ["opaque", "a.b.c", "a.b", jwt(exp="soon"), "e30.bnVsbA.x"])
    def test_that_nobody_tells_is_assumed(self, token: str) -> None:
        assert login(success(accessToken=token)).expires_at == NOW + 900.0
        other = MarketigerContract(EMAIL, PASSWORD, assumed_lifetime=60.0)
        assert login(success(accessToken=token), contract=other).expires_at == NOW + 60.0
        endless = MarketigerContract(EMAIL, PASSWORD, assumed_lifetime=1e300)
        assert login(success(accessToken=token), contract=endless).expires_at == NOW + MAX_LIFETIME

    anything = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.integers())

    @given(anything, anything)
    def test_is_more_than_nothing_and_at_most_a_year(self, iat: object, exp: object) -> None:
        got = login(success(accessToken=jwt(iat=iat, exp=exp)))
        assert NOW <= got.expires_at <= NOW + MAX_LIFETIME


class TestRefreshToken:
    MISSING: tuple[Any, ...] = (..., None, "", 5, True, [], {"token": "rt"})

    @pytest.mark.parametrize("value", MISSING, ids=lambda value: repr(value)[:12])
    def test_a_login_may_bring_none(self, value: object) -> None:
        got = login(success(refreshToken=value))
        assert (got.access_token, got.refresh_token) == ("new_at", None)
        assert not got.refreshable(NOW)

    @pytest.mark.parametrize("value", MISSING, ids=lambda value: repr(value)[:12])
    def test_where_a_refresh_brings_none_the_old_one_stays_to_its_own_end(self, value: object) -> None:
        got = refresh(success(refreshToken=value))
        assert (got.access_token, got.refresh_token) == ("new_at", OLD.refresh_token)
        assert got.refreshable_until == OLD.refreshable_until

    def test_a_new_one_is_always_kept_and_lives_for_twelve_hours(self) -> None:
        for read in (login, refresh):
            got = read(success(refreshToken="rt /+=é"))
            assert (got.refresh_token, got.refreshable_until) == ("rt /+=é", NOW + HALF_A_DAY)
            assert got.refreshable(math.nextafter(got.refreshable_until, 0.0))
            assert not got.refreshable(got.refreshable_until)

    def test_renews_a_rejected_token_as_well(self) -> None:
        assert refresh(success()).refreshable(NOW, rejected=True)


@pytest.mark.parametrize("read", [login, refresh])
class TestAnswers:
    @pytest.mark.parametrize(
        "value", [..., None, "", True, 5, ["at"], {"token": "at"}, "at\r\nX: 1", "a t", "ät"], ids=repr
    )
    def test_without_a_token_for_a_header_is_no_success(self, read: Any, value: object) -> None:
        assert type(error(read, success(accessToken=value))) is InvalidTokenResponse

    @pytest.mark.parametrize("body", [None, [], "x", {}, {"data": None}, {"data": []}, {"data": "at"}], ids=repr)
    @pytest.mark.parametrize("status", [200, 202, 204])
    def test_without_data_is_no_success(self, read: Any, body: object, status: int) -> None:
        assert type(error(read, response(body, status))) is InvalidTokenResponse

    @pytest.mark.parametrize("body", [b"", b"<html></html>", b"\xff", b"{"])
    def test_that_is_no_json_is_no_success(self, read: Any, body: bytes) -> None:
        assert type(error(read, TokenResponse(200, {}, body))) is InvalidTokenResponse

    @pytest.mark.parametrize("said", [None, 0, "", "false", 1, True, ...], ids=repr)
    def test_only_a_plain_false_is_a_failure_of_its_own(self, read: Any, said: object) -> None:
        body: dict[str, Any] = {"success": said, "data": {"accessToken": "new_at"}}
        assert read(response(body if said is not ... else {"data": body["data"]})).access_token == "new_at"

    @pytest.mark.parametrize("status", [200, 201])
    def test_success_false_is_a_refusal_whatever_the_status_and_the_data(self, read: Any, status: int) -> None:
        body = {"success": False, "data": {"accessToken": "x"}, "error": {"type": "AUTHENTICATION", "message": "No"}}
        kind = CredentialsRejected if read is login else LoginRequired
        assert type(error(read, response(body, status))) is kind

    @pytest.mark.parametrize("status", [400, 401, 402, 403, 409, 422])
    @pytest.mark.parametrize("number", range(6))
    @pytest.mark.parametrize("write", [lambda n: TYPES[n], lambda n: n, str], ids=["name", "number", "digits"])
    def test_types_are_known_by_name_and_by_number(self, read: Any, status: int, number: int, write: Any) -> None:
        found = error(read, refusal(write(number), status))
        assert (found.provider_code, found.provider_message, found.status) == (TYPES[number], "Words", status)
        theirs = TYPES[number] == "OPERATION_FAILED"
        ours = CredentialsRejected if read is login else LoginRequired
        assert type(found) is (TokenEndpointUnavailable if theirs else ours)

    @pytest.mark.parametrize("body", [b"", b"<html>", b'{"type":"about:blank","status":400}', b'{"error":null}'])
    @pytest.mark.parametrize("status", [400, 401, 403])
    def test_a_refusal_without_their_words_is_none_of_theirs(self, read: Any, status: int, body: bytes) -> None:
        found = error(read, TokenResponse(status, {}, body))
        assert type(found) is TokenEndpointUnavailable
        assert found.provider_code is None

    @pytest.mark.parametrize("status", [400, 401, 403])
    def test_a_refusal_in_their_envelope_is_a_refusal(self, read: Any, status: int) -> None:
        found = error(read, TokenResponse(status, {}, b'{"success":false}'))
        assert type(found) is (CredentialsRejected if read is login else LoginRequired)

    def test_a_dependency_of_theirs_that_failed_is_theirs(self, read: Any) -> None:
        assert type(error(read, refusal("ANYTHING", 424))) is TokenEndpointUnavailable

    @pytest.mark.parametrize("status", [404, 405])
    def test_a_strangers_404_is_no_endpoint_and_their_own_is_a_refusal(self, read: Any, status: int) -> None:
        found = error(read, TokenResponse(status, {}, b"<html>"))
        assert type(found) is InvalidTokenResponse
        assert "base_url" in found.hint
        assert not isinstance(error(read, refusal("NOT_FOUND", status)), InvalidTokenResponse)

    @given(st.binary(), st.sampled_from([200, 400, 401]))
    def test_of_any_bytes_do_no_harm(self, read: Any, body: bytes, status: int) -> None:
        assert isinstance(CONTRACT.error_info(TokenResponse(status, {}, body)), ErrorInfo)
        error(read, TokenResponse(status, {}, body))


@pytest.mark.parametrize("kind", ["AUTHENTICATION", "INCORRECT_PARAMETERS", "NO_PERMISSION", "ANYTHING_NEW"])
def test_every_reason_for_a_refused_login_has_a_hint_of_its_own(kind: str) -> None:
    others = {"AUTHENTICATION", "INCORRECT_PARAMETERS", "NO_PERMISSION", "ANYTHING_NEW"} - {kind}
    assert error(login, refusal(kind)).hint not in {error(login, refusal(other)).hint for other in others}


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"error": {"type": "A", "message": "m"}}, ErrorInfo("A", "m")),
        ({"error": {"type": 2, "message": "m"}}, ErrorInfo("AUTHENTICATION", "m")),
        ({"error": {"type": 0}}, ErrorInfo("NOT_FOUND")),
        ({"error": {"type": 6}}, ErrorInfo("6")),
        ({"error": {"type": True, "message": 1.5}}, ErrorInfo()),
        ({"error": {"type": None, "message": None}}, ErrorInfo()),
        ({"error": {"type": [], "message": {}}}, ErrorInfo()),
        ({"error": "A"}, ErrorInfo()),
        ({}, ErrorInfo()),
        ([], ErrorInfo()),
    ],
    ids=repr,
)
def test_what_was_said_is_found(body: object, said: ErrorInfo) -> None:
    assert CONTRACT.error_info(response(body, 400)) == said
