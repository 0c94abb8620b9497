from __future__ import annotations

import base64
import json
import math
from collections.abc import Callable
from functools import partial
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from auth_plugins import FyatuAuth, FyatuBusinessAuth, MemoryStore, TokenAuth
from auth_plugins.core import (
    Answer,
    AuthError,
    CredentialsRejected,
    ErrorInfo,
    InvalidTokenResponse,
    LoginRequired,
    Provider,
    Purpose,
    Token,
    TokenEndpointUnavailable,
    TokenRequest,
    TokenResponse,
)
from auth_plugins.core.answers import MAX_LIFETIME
from auth_plugins.providers.fyatu import FyatuContract

NOW = 1_800_000_000.0
SECRET = "s3cret_of_sixteen_or_more"
SCOPES = ("collect:write", "collect:read")
V3 = FyatuContract("A1B2C3D4E5F6G7H8", SECRET)
V3_20 = FyatuContract("N1S0W3Q8", SECRET, "https://api.fyatu.com/api/v3.20", "businessId", ("cards:read",))
OLD = Token(
    access_token="old-s3cret",
    issued_at=NOW - 86_000.0,
    expires_at=NOW + 400.0,
    refreshable_until=NOW + 700.0,
    scopes=SCOPES,
)
DATA: dict[str, Any] = {
    "accessToken": "new-s3cret",
    "tokenType": "Bearer",
    "expiresIn": 86_400,
    "appType": "collection",
    "scopes": list(SCOPES),
}

LOGIN_CODES = ["VALIDATION_ERROR", "AUTH_INVALID_CREDENTIALS", "AUTH_APP_INACTIVE"]
V3_20_LOGIN_CODES = ["AUTH_BUSINESS_INACTIVE", "AUTH_VERSION_MISMATCH"]
REFRESH_CODES = ["AUTH_TOKEN_MISSING", "AUTH_TOKEN_INVALID", "AUTH_TOKEN_REFRESH_FAILED"]
STATUS = {"VALIDATION_ERROR": 400}
PLACES: dict[str, Callable[[str, str], dict[str, Any]]] = {
    "error.code": lambda code, words: {"error": {"code": code, "detail": words}},
    "code": lambda code, words: {"code": code, "message": words},
    "error": lambda code, words: {"error": code, "message": words},
}


def plain(value: object) -> str:
    """The value as the name of a test: short, and without what a name cannot hold."""
    written = ascii(value).replace("\\", "/")
    return written if len(written) <= 60 else f"{written[:60]} ({len(written)})"


def response(body: object, status: int = 200) -> TokenResponse:
    return TokenResponse(status, {}, json.dumps(body).encode())


def success(**changes: Any) -> TokenResponse:
    """A successful answer whose `data` differs in some fields; `...` leaves one out."""
    data = {name: value for name, value in {**DATA, **changes}.items() if value is not ...}
    return response({"success": True, "status": 200, "data": data, "meta": {"requestId": "req_1"}})


def login(answer: TokenResponse, now: float = NOW) -> Token:
    return V3.read(Answer(V3.login(), answer, V3.error_info(answer)), now)


def refresh(answer: TokenResponse, old: Token = OLD) -> Token:
    return V3.read(Answer(V3.refresh(old, NOW), answer, V3.error_info(answer)), NOW)


def refused(answer: TokenResponse, request: TokenRequest | None = None) -> AuthError:
    with pytest.raises(AuthError) as caught:
        V3.read(Answer(request or V3.login(), answer, V3.error_info(answer)), NOW)
    assert "s3cret" not in str(caught.value)
    assert "s3cret" not in repr(caught.value.details())
    assert caught.value.message
    return caught.value


class TestRequests:
    def test_v3_login_sends_the_app(self) -> None:
        request = V3.login()
        assert request.purpose is Purpose.LOGIN
        assert request.url == "https://api.fyatu.com/api/v3/auth/token"
        assert dict(request.headers) == {"Content-Type": "application/json"}
        assert json.loads(request.body) == {
            "appId": "A1B2C3D4E5F6G7H8",
            "secretKey": SECRET,
            "grantType": "client_credentials",
        }

    def test_v3_20_login_sends_the_business_and_the_scopes(self) -> None:
        request = V3_20.login()
        assert request.url == "https://api.fyatu.com/api/v3.20/auth/token"
        assert json.loads(request.body) == {
            "businessId": "N1S0W3Q8",
            "secretKey": SECRET,
            "grantType": "client_credentials",
            "scopes": ["cards:read"],
        }

    def test_asking_for_no_scopes_is_not_asking_for_all(self) -> None:
        none = FyatuContract("N1S0W3Q8", SECRET, account_field="businessId", scopes=())
        every = FyatuContract("N1S0W3Q8", SECRET, account_field="businessId")
        assert json.loads(none.login().body)["scopes"] == []
        assert "scopes" not in json.loads(every.login().body)

    @pytest.mark.parametrize(
        ("make", "grant", "path"),
        [
            (lambda: V3.refresh(OLD, NOW), Purpose.REFRESH, "refresh"),
            (lambda: V3.revoke(OLD), Purpose.REVOKE, "revoke"),
        ],
        ids=["refresh", "revoke"],
    )
    def test_refresh_and_revoke_send_the_token_and_no_body(
        self, make: Callable[[], TokenRequest], grant: Purpose, path: str
    ) -> None:
        request_ = make()
        assert request_.purpose is grant
        assert request_.url == f"https://api.fyatu.com/api/v3/auth/{path}"
        assert dict(request_.headers) == {"Authorization": "Bearer old-s3cret"}
        assert request_.body == b""
        assert request_.token is OLD

    def test_know_their_secrets_and_show_none(self) -> None:
        for request in (V3.login(), V3.refresh(OLD, NOW), V3.revoke(OLD)):
            carried = {SECRET} if request.purpose is Purpose.LOGIN else {SECRET, "old-s3cret"}
            assert set(request.secrets) == carried
            assert "s3cret" not in repr(request)

    def test_go_to_the_base_url_they_were_given(self) -> None:
        here = FyatuContract("A1B2C3D4", SECRET, "http://127.0.0.1:8000/x")
        urls = [here.login().url, here.refresh(OLD, NOW).url, here.revoke(OLD).url]
        assert urls == [f"http://127.0.0.1:8000/x/auth/{path}" for path in ("token", "refresh", "revoke")]

    def test_contract_begins_by_logging_in(self) -> None:
        assert V3.can_login
        assert V3.initial_token() is None

    def test_contract_is_a_provider_that_shows_no_secret(self) -> None:
        assert isinstance(V3, Provider)
        assert V3.name == "fyatu"
        assert "s3cret" not in repr(V3)
        assert V3.headers(OLD) == {"Authorization": "Bearer old-s3cret"}


class TestToken:
    def test_holds_what_the_answer_says(self) -> None:
        assert login(success()) == Token(
            access_token="new-s3cret",
            issued_at=NOW,
            expires_at=NOW + 86_400.0,
            refreshable_until=NOW + 86_700.0,
            scopes=SCOPES,
            extra={"app_type": "collection", "request_id": "req_1"},
        )

    def test_of_v3_20_has_no_app_type(self) -> None:
        assert login(success(appType=...)).extra == {"request_id": "req_1"}

    def test_without_a_request_id_has_none(self) -> None:
        assert login(response({"data": DATA})).extra == {"app_type": "collection"}

    def test_needs_nothing_but_itself(self) -> None:
        token = login(response({"data": {"accessToken": "new-s3cret"}}))
        assert token == Token(
            access_token="new-s3cret",
            issued_at=NOW,
            expires_at=NOW + 86_400.0,
            refreshable_until=NOW + 86_700.0,
        )

    @pytest.mark.parametrize("lifetime", [1, 86_400])
    def test_can_be_refreshed_until_five_minutes_after_its_end(self, lifetime: int) -> None:
        token = login(success(expiresIn=lifetime))
        assert token.refreshable(NOW)
        assert token.refreshable(math.nextafter(token.expires_at + 300.0, 0.0))
        assert not token.refreshable(token.expires_at + 300.0)
        assert not token.refreshable(NOW, rejected=True)

    @pytest.mark.parametrize("kind", ["Bearer", "bearer", "BEARER", ...])
    def test_is_a_bearer_token_in_any_case(self, kind: Any) -> None:
        assert login(success(tokenType=kind)).token_type == "Bearer"

    @pytest.mark.parametrize("kind", ["", "MAC", "Bearer ", "DPoP", None, True, 1, ["Bearer"], {}], ids=plain)
    def test_of_another_type_is_none(self, kind: object) -> None:
        assert type(refused(success(tokenType=kind))) is InvalidTokenResponse

    @pytest.mark.parametrize(
        "value",
        [
            ...,
            None,
            "",
            True,
            5,
            ["new-s3cret"],
            {"token": "new-s3cret"},
            "new-s3cret\r\nX-Evil: 1",
            "new-s3cret\n",
            "new s3cret",
            "new-s3crét",
            "new-s3cret\x00",
        ],
        ids=plain,
    )
    def test_that_cannot_stand_in_a_header_is_none(self, value: object) -> None:
        error = refused(success(accessToken=value))
        assert type(error) is InvalidTokenResponse
        assert (error.status, error.request_id) == (200, "req_1")

    def test_as_long_as_a_header_may_be_is_one(self) -> None:
        assert login(success(accessToken="x" * 200_000)).access_token == "x" * 200_000

    @pytest.mark.parametrize(
        ("scopes", "read"),
        [
            ([], ()),
            (["a", "b"], ("a", "b")),
            (..., ()),
            (None, ()),
            ("a b", ()),
            (5, ()),
            ({"a": 1}, ()),
            (["a", 1], ("a", "1")),
        ],
        ids=plain,
    )
    def test_scopes_are_those_of_a_list(self, scopes: object, read: tuple[str, ...]) -> None:
        assert login(success(scopes=scopes)).scopes == read

    @pytest.mark.parametrize(
        "body",
        [None, [], "text", 5, {}, {"data": None}, {"data": []}, {"data": "new-s3cret"}, {"data": {}}, DATA],
        ids=plain,
    )
    @pytest.mark.parametrize("status", [200, 201, 202, 204])
    def test_elsewhere_than_in_data_is_none(self, body: object, status: int) -> None:
        assert type(refused(response(body, status))) is InvalidTokenResponse

    @pytest.mark.parametrize("body", [b"", b"<html></html>", b"\xff", b"{"])
    def test_in_what_is_no_json_is_none(self, body: bytes) -> None:
        assert type(refused(TokenResponse(200, {}, body))) is InvalidTokenResponse


def jwt(claims: object) -> str:
    raw = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"e30.{raw}.c2ln"


AT = "2027-01-15T09:00:00+00:00"
"""An hour from now."""
EXP = int(NOW) + 7200
"""Two hours from now."""


class TestLifetime:
    """`expiresIn` before `expiresAt` before the JWT's `exp` before a day."""

    @pytest.mark.parametrize(
        ("expires_in", "expires_at", "exp", "lifetime"),
        [
            (60, AT, EXP, 60.0),
            (60, ..., ..., 60.0),
            (..., AT, EXP, 3600.0),
            (..., AT, ..., 3600.0),
            (..., ..., EXP, 7200.0),
            (..., ..., ..., 86_400.0),
            (None, None, None, 86_400.0),
            ("soon", "soon", "soon", 86_400.0),
            (True, True, True, 86_400.0),
            ([60], [AT], [EXP], 86_400.0),
            ({}, {}, {}, 86_400.0),
            ("", "", "", 86_400.0),
            ("soon", AT, EXP, 3600.0),
            ("soon", "soon", EXP, 7200.0),
            (..., "2027-01-15T09:00:00", EXP, 7200.0),
        ],
        ids=plain,
    )
    def test_is_the_first_that_can_be_read(
        self, expires_in: object, expires_at: object, exp: object, lifetime: float
    ) -> None:
        token = jwt({} if exp is ... else {"exp": exp})
        got = login(success(accessToken=token, expiresIn=expires_in, expiresAt=expires_at))
        assert got.expires_at == NOW + lifetime

    @pytest.mark.parametrize(
        ("expires_in", "lifetime"),
        [
            (0, 0.0),
            (-5, 0.0),
            (1.5, 1.5),
            ("86400", 86_400.0),
            (" 60 ", 60.0),
            (10**12, MAX_LIFETIME),
            (MAX_LIFETIME + 1, MAX_LIFETIME),
            (MAX_LIFETIME - 1, MAX_LIFETIME - 1),
            (10**400, 86_400.0),
            ("NaN", 86_400.0),
            (math.nan, 86_400.0),
            (math.inf, 86_400.0),
            (-math.inf, 86_400.0),
        ],
        ids=plain,
    )
    def test_odd_values_of_expires_in(self, expires_in: object, lifetime: float) -> None:
        assert login(success(expiresIn=expires_in)).expires_at == NOW + lifetime

    @pytest.mark.parametrize(
        ("expires_at", "lifetime"),
        [
            ("2027-01-15T08:00:00Z", 0.0),
            ("2020-01-15T08:00:00Z", 0.0),
            ("2027-01-15T10:00:00+02:00", 0.0),
            ("2027-01-15T10:00:01+02:00", 1.0),
            ("9999-12-31T23:59:59Z", MAX_LIFETIME),
        ],
    )
    def test_odd_values_of_expires_at(self, expires_at: str, lifetime: float) -> None:
        assert login(success(expiresIn=..., expiresAt=expires_at)).expires_at == NOW + lifetime

    @pytest.mark.parametrize(
        ("exp", "lifetime"),
        [(NOW + 60.5, 60.5), (str(EXP), 7200.0), (0, 0.0), (-1, 0.0), (10**15, MAX_LIFETIME)],
    )
    def test_odd_values_of_exp(self, exp: object, lifetime: float) -> None:
        got = login(success(accessToken=jwt({"exp": exp}), expiresIn=..., expiresAt=...))
        assert got.expires_at == NOW + lifetime

    def test_counts_from_when_the_call_was_sent(self) -> None:
        got = login(success(expiresIn=60), now=NOW + 1000.0)
        assert (got.issued_at, got.expires_at, got.refreshable_until) == (NOW + 1000, NOW + 1060, NOW + 1360)

    scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.integers())

    @given(scalars, scalars, scalars)
    def test_is_between_nothing_and_a_year_whatever_is_said(self, one: object, two: object, three: object) -> None:
        got = login(success(accessToken=jwt({"exp": three}), expiresIn=one, expiresAt=two))
        assert NOW <= got.expires_at <= NOW + MAX_LIFETIME
        assert got.refreshable_until == got.expires_at + 300.0


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
class TestRefusals:
    """Where v3 puts the code is not documented: all three places are read."""

    def answer(self, place: Callable[[str, str], dict[str, Any]], code: str, secret: str = SECRET) -> TokenResponse:
        status = STATUS.get(code, 401)
        body = {"success": False, "status": status, **place(code, f"Not with {secret}")}
        return response({**body, "meta": {"requestId": "req_1", "timestamp": AT}}, status)

    @pytest.mark.parametrize("contract", [V3, V3_20], ids=["v3", "v3.20"])
    @pytest.mark.parametrize("code", [*LOGIN_CODES, *V3_20_LOGIN_CODES, "API_KEY_INVALID", "ANYTHING_NEW"])
    def test_of_a_login_is_about_the_credentials(
        self, place: Callable[[str, str], dict[str, Any]], code: str, contract: FyatuContract
    ) -> None:
        answer = self.answer(place, code)
        error = refused(answer, contract.login())
        assert type(error) is CredentialsRejected
        assert (error.status, error.provider_code, error.request_id) == (answer.status, code, "req_1")
        assert error.provider_message == "Not with ***"

    @pytest.mark.parametrize("code", [*LOGIN_CODES, *V3_20_LOGIN_CODES])
    def test_of_a_login_says_what_to_do_about_this_very_code(
        self, place: Callable[[str, str], dict[str, Any]], code: str
    ) -> None:
        error = refused(self.answer(place, code))
        others = {*LOGIN_CODES, *V3_20_LOGIN_CODES, "ANYTHING_NEW"} - {code}
        assert error.hint not in {refused(self.answer(place, other)).hint for other in others}

    def test_of_a_login_by_a_code_that_is_new_says_what_can_be_said(
        self, place: Callable[[str, str], dict[str, Any]]
    ) -> None:
        assert refused(self.answer(place, "ANYTHING_NEW")).hint == CredentialsRejected.default_hint

    @pytest.mark.parametrize("contract", [V3, V3_20], ids=["v3", "v3.20"])
    @pytest.mark.parametrize("code", [*REFRESH_CODES, "AUTH_VERSION_MISMATCH", "ANYTHING_NEW"])
    def test_of_a_refresh_calls_for_a_login(
        self, place: Callable[[str, str], dict[str, Any]], code: str, contract: FyatuContract
    ) -> None:
        answer = self.answer(place, code, f"{SECRET} or old-s3cret")
        error = refused(answer, contract.refresh(OLD, NOW))
        assert type(error) is LoginRequired
        assert (error.status, error.provider_code, error.request_id) == (answer.status, code, "req_1")
        assert error.provider_message == "Not with *** or ***"

    @pytest.mark.parametrize("status", [200, 201])
    def test_under_a_success_status_is_still_one(
        self, place: Callable[[str, str], dict[str, Any]], status: int
    ) -> None:
        body = {"success": False, **place("CODE", "words"), "data": DATA}
        login_error = refused(response(body, status))
        refresh_error = refused(response(body, status), V3.refresh(OLD, NOW))
        assert (type(login_error), type(refresh_error)) == (CredentialsRejected, LoginRequired)
        assert login_error.provider_code == refresh_error.provider_code == "CODE"


@pytest.mark.parametrize("code", ["INTERNAL_ERROR", "RATE_LIMIT_EXCEEDED"])
@pytest.mark.parametrize("status", [200, 400])
@pytest.mark.parametrize("request_", [V3.login(), V3.refresh(OLD, NOW)], ids=["login", "refresh"])
def test_a_fault_of_theirs_is_told_as_one_whatever_its_status(code: str, status: int, request_: TokenRequest) -> None:
    error = refused(response({"success": False, "error": {"code": code}}, status), request_)
    assert (type(error), error.provider_code) == (TokenEndpointUnavailable, code)


class TestRefusalsWithoutACode:
    @pytest.mark.parametrize("status", [400, 401, 402, 403, 406, 409, 422])
    def test_are_of_the_credentials_or_the_token_in_fyatus_envelope(self, status: int) -> None:
        assert type(refused(response({"success": False}, status))) is CredentialsRejected
        assert type(refused(response({"success": False}, status), V3.refresh(OLD, NOW))) is LoginRequired

    @pytest.mark.parametrize("status", [404, 405])
    @pytest.mark.parametrize("request_", [V3.login(), V3.refresh(OLD, NOW)], ids=["login", "refresh"])
    def test_are_of_the_base_url_where_there_is_no_endpoint(self, status: int, request_: TokenRequest) -> None:
        error = refused(TokenResponse(status, {}, b"<html>Not Found</html>"), request_)
        assert type(error) is InvalidTokenResponse
        assert "base_url" in error.hint

    @pytest.mark.parametrize("status", [404, 405])
    def test_are_of_the_base_url_where_its_error_page_is_json(self, status: int) -> None:
        answer = response({"status": status, "error": "Not Found", "path": "/api/auth/token"}, status)
        assert type(refused(answer)) is type(refused(answer, V3.refresh(OLD, NOW))) is InvalidTokenResponse

    def test_are_of_the_base_url_whoever_repeats_the_secret_there(self) -> None:
        error = refused(response({"message": f"Cannot POST {SECRET}"}, 404))
        assert type(error) is InvalidTokenResponse
        assert error.provider_message == "Cannot POST ***"

    @pytest.mark.parametrize("status", [404, 405])
    def test_are_none_of_the_base_url_where_fyatu_answers(self, status: int) -> None:
        answer = response({"success": False, "code": "RESOURCE_NOT_FOUND"}, status)
        assert type(refused(answer)) is CredentialsRejected
        assert type(refused(answer, V3.refresh(OLD, NOW))) is LoginRequired

    def test_a_token_that_comes_with_a_refusal_is_not_taken(self) -> None:
        answer = response({"success": True, "data": DATA}, 400)
        assert type(refused(answer)) is TokenEndpointUnavailable

    @pytest.mark.parametrize("success_", [None, 0, "", "false", 1, "true", True, ...], ids=plain)
    def test_only_a_plain_false_is_a_failure_of_its_own(self, success_: object) -> None:
        body = {"data": DATA} if success_ is ... else {"success": success_, "data": DATA}
        assert login(response(body)).access_token == "new-s3cret"


class TestRefreshKeepsTheScopes:
    @pytest.mark.parametrize("scopes", [[], ..., None, "collect:write", ["collect:write"], ["collect:read"]])
    def test_a_refresh_that_loses_scopes_calls_for_a_login(self, scopes: object) -> None:
        error = refused(success(scopes=scopes), V3.refresh(OLD, NOW))
        assert type(error) is LoginRequired
        assert (error.status, error.request_id) == (200, "req_1")

    @pytest.mark.parametrize(
        "scopes",
        [
            ["collect:write", "collect:read"],
            ["collect:read", "collect:write"],
            ["collect:write", "collect:read", "payout:read"],
            ["payout:read"],
        ],
    )
    def test_same_more_or_others_are_fine(self, scopes: list[str]) -> None:
        assert refresh(success(scopes=scopes)).scopes == tuple(scopes)

    def test_where_there_were_none_none_can_be_lost(self) -> None:
        bare = Token(access_token="old-s3cret", issued_at=NOW, expires_at=NOW + 60.0)
        assert refresh(success(scopes=[]), bare).scopes == ()

    def test_a_login_may_bring_what_it_likes(self) -> None:
        assert login(success(scopes=[])).scopes == ()


class TestSaid:
    def said(self, body: object) -> ErrorInfo:
        return V3.error_info(response(body, 401))

    @pytest.mark.parametrize(
        ("body", "code", "message"),
        [
            ({"error": {"code": "A", "detail": "d", "message": "m"}, "code": "B", "message": "n"}, "A", "d"),
            ({"error": {"code": "A", "message": "m"}, "code": "B", "message": "n"}, "A", "m"),
            ({"error": {}, "code": "B", "message": "n"}, "B", "n"),
            ({"error": "C", "code": "B", "message": "n"}, "B", "n"),
            ({"error": "C", "message": "n"}, "C", "n"),
            ({"error": "C"}, "C", None),
            ({"error": {"code": 401}}, "401", None),
            ({"error": None, "code": None, "message": None}, None, None),
            ({"error": [], "code": {}, "message": []}, None, None),
            ({"error": True, "code": False, "message": True}, None, None),
            ({"error": "", "code": "", "message": ""}, None, None),
            ({}, None, None),
            ([], None, None),
        ],
        ids=plain,
    )
    def test_the_nearest_word_counts(self, body: object, code: str | None, message: str | None) -> None:
        assert self.said(body) == ErrorInfo(code, message, None)

    @pytest.mark.parametrize("meta", [None, [], "req_1", {}, {"requestId": None}, {"requestId": ""}], ids=plain)
    def test_without_a_request_id_there_is_none(self, meta: object) -> None:
        assert self.said({"code": "A", "meta": meta}) == ErrorInfo("A")

    def test_the_request_id_is_that_of_meta(self) -> None:
        assert self.said({"requestId": "x", "meta": {"requestId": "req_1"}}) == ErrorInfo(request_id="req_1")

    some = st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
        max_leaves=5,
    )
    envelopes = st.fixed_dictionaries(
        {},
        optional={
            "error": some | st.dictionaries(st.sampled_from(["code", "detail"]), some),
            "code": some,
            "message": some,
            "success": some,
            "meta": some | st.fixed_dictionaries({"requestId": some}),
            "data": some | st.fixed_dictionaries({}, optional=dict.fromkeys(DATA, some)),
        },
    )

    @given(envelopes | some)
    def test_never_fails(self, body: object) -> None:
        assert isinstance(self.said(body), ErrorInfo)

    @given(envelopes, st.sampled_from([200, 201, 204, 400, 401, 403, 404, 405, 422]), st.booleans())
    def test_what_is_read_is_a_token_or_an_error_of_ours(self, body: object, status: int, first: bool) -> None:
        request = V3.login() if first else V3.refresh(OLD, NOW)
        try:
            got = response(body, status)
            token = V3.read(Answer(request, got, V3.error_info(got)), NOW)
        except (CredentialsRejected, LoginRequired, InvalidTokenResponse, TokenEndpointUnavailable) as error:
            assert error.status == status  # noqa: PT017 - one of both
        else:
            assert token.access_token.isascii()
            assert token.issued_at == NOW

    @given(st.binary(), st.sampled_from([200, 401]))
    def test_no_bytes_at_all_do_any_harm(self, body: bytes, status: int) -> None:
        assert isinstance(V3.error_info(TokenResponse(status, {}, body)), ErrorInfo)
        assert isinstance(refused(TokenResponse(status, {}, body)), AuthError)


class TestDoors:
    """The classes that people use hand their arguments on to the contract, and the options to what all share."""

    def asked(self, make: Callable[..., TokenAuth], *args: str, **more: Any) -> httpx.Request:
        """The token call that an auth object makes."""
        seen: list[httpx.Request] = []

        def answer(request: httpx.Request) -> httpx.Response:
            seen.append(request)
            return httpx.Response(200, json={"success": True, "data": DATA})

        with httpx.Client(transport=httpx.MockTransport(answer)) as client:
            auth = make(*args, token_client=client, store=MemoryStore(), **more)
            assert auth.token().access_token == "new-s3cret"
        assert len(seen) == 1
        return seen[0]

    def test_v3_sends_its_app(self) -> None:
        request = self.asked(FyatuAuth, "A1B2C3D4", SECRET)
        assert (request.method, str(request.url)) == ("POST", "https://api.fyatu.com/api/v3/auth/token")
        assert json.loads(request.content) == {
            "appId": "A1B2C3D4",
            "secretKey": SECRET,
            "grantType": "client_credentials",
        }

    def test_v3_20_sends_its_business(self) -> None:
        request = self.asked(FyatuBusinessAuth, "N1S0W3Q8", SECRET)
        assert (request.method, str(request.url)) == ("POST", "https://api.fyatu.com/api/v3.20/auth/token")
        assert json.loads(request.content) == {
            "businessId": "N1S0W3Q8",
            "secretKey": SECRET,
            "grantType": "client_credentials",
        }

    @pytest.mark.parametrize("kind", [list, tuple, iter], ids=["list", "tuple", "iterator"])
    def test_v3_20_asks_for_the_scopes_of_any_iterable(self, kind: Callable[[list[str]], Any]) -> None:
        request = self.asked(FyatuBusinessAuth, "N1S0W3Q8", SECRET, scopes=kind(["cards:read", "cards:write"]))
        assert json.loads(request.content)["scopes"] == ["cards:read", "cards:write"]

    @pytest.mark.parametrize(
        "scopes", [["b", "a"], ("a", "b"), {"b", "a"}, ["a", "b", "a"]], ids=["list", "tuple", "set", "twice"]
    )
    def test_scopes_are_a_set_to_v3_20_in_whatever_order_they_are_given(self, scopes: Any) -> None:
        one, other = (FyatuBusinessAuth("N1S0W3Q8", SECRET, scopes=each) for each in (scopes, ["a", "b"]))
        assert one._provider == other._provider

    @pytest.mark.parametrize("make", [FyatuAuth, FyatuBusinessAuth])
    def test_call_the_base_url_that_they_are_given(self, make: Callable[..., TokenAuth]) -> None:
        request = self.asked(make, "A1B2C3D4", SECRET, base_url="https://sandbox.example/api/")
        assert str(request.url) == "https://sandbox.example/api/auth/token"

    @pytest.mark.parametrize("make", [FyatuAuth, FyatuBusinessAuth])
    def test_let_the_token_out_over_http_only_where_allowed(self, make: Callable[..., TokenAuth]) -> None:
        with pytest.raises(ValueError, match=r"\bbase_url\b"):
            make("A1B2C3D4", SECRET, base_url="http://sandbox.example")
        request = self.asked(make, "A1B2C3D4", SECRET, base_url="http://sandbox.example", allow_http=True)
        assert str(request.url) == "http://sandbox.example/auth/token"

    @pytest.mark.parametrize(
        ("make", "name"),
        [
            (partial(FyatuAuth, secret_key=SECRET), "app_id"),
            (partial(FyatuBusinessAuth, secret_key=SECRET), "business_id"),
        ],
        ids=["v3", "v3.20"],
    )
    def test_name_what_is_wrong_with_the_credentials(self, make: Callable[..., TokenAuth], name: str) -> None:
        with pytest.raises(ValueError, match=rf"\b{name}\b.* 8 "):
            make("A1B2C3D")
        with pytest.raises(ValueError, match=r"\bsecret_key\b.* 16 "):
            make("A1B2C3D4", secret_key="s" * 15)
        assert make("A1B2C3D4", secret_key="s" * 16) is not None

    def test_name_what_is_wrong_with_the_rest(self) -> None:
        with pytest.raises(TypeError, match=r"\bbase_url\b"):
            FyatuAuth("A1B2C3D4", SECRET, base_url=None)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match=r"\bbase_url\b"):
            FyatuBusinessAuth("A1B2C3D4", SECRET, base_url=None)  # type: ignore[arg-type]
        for scopes in ("cards:read", b"cards:read", 5, [5], [None]):
            with pytest.raises(TypeError, match=r"\bscopes\b"):
                FyatuBusinessAuth("A1B2C3D4", SECRET, scopes=scopes)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match=r"\bscopes\b"):
            FyatuBusinessAuth("A1B2C3D4", SECRET, scopes=["cards read"])

    def test_two_generations_never_share_a_token(self) -> None:
        store = MemoryStore()
        with httpx.Client(transport=httpx.MockTransport(lambda _: httpx.Response(200, json={"data": DATA}))) as client:
            for make in (FyatuAuth, FyatuBusinessAuth):
                auth = make("A1B2C3D4", SECRET, base_url="https://api.example", token_client=client, store=store)
                auth.token()
        assert len(store) == 2
