"""Vault: its page, word for word, and `VaultAuth` before a simulated Vault, over requests, httpx and httpx2."""

from __future__ import annotations

import copy
import inspect
import json
import math
import pickle
from dataclasses import replace
from typing import Any

import pytest

from auth_plugins import (
    AuthError,
    CredentialsRejected,
    InvalidTokenResponse,
    LoginRequired,
    MemoryStore,
    RefreshPolicy,
    Token,
    TokenEndpointUnavailable,
    VaultAuth,
)
from auth_plugins.core import Answer, Provider, Purpose, TokenRequest, TokenResponse, fingerprint
from auth_plugins.core.answers import MAX_LIFETIME
from auth_plugins.core.decision import call_sequence
from auth_plugins.providers.vault import VAULT_POLICY, VaultContract
from auth_plugins.simulators import VaultSimulator
from auth_plugins.simulators.signing import sign
from tests.providers.conftest import World

NOW = 1_800_000_000.0
URL = "https://vault.example"
EMAIL, PASSWORD = "user@example.com", "Correct-horse-7"
WRONG = "Wrong-horse-77"

# The page, https://api.vault.ist/v3.0/docs/refresh_token, literally.
PAGE_BODY = '{\n  "refreshToken": "dGhpcyBpcyBhIHJlZnJlc2hUb2tlbi..."\n}'
PAGE_ANSWER = """{
  "access_token": "eyJhbGciOiJIUzI1NiIsIn...",
  "refresh_token": "dGhpcyBpcyBhIHJlZnJlc2h...",
  "expires_in": 3600,
  "token_type": "Bearer"
}"""
PAGE_EXPIRED = """{
  "error": "invalid_grant",
  "error_description": "Refresh token has expired or is invalid."
}"""
PAGE_MISSING = """{
  "error": "invalid_request",
  "error_description": "Missing refresh token."
}"""
# https://api.vault.ist/docs/sign-in
SIGN_IN_REFUSED = (
    """{"status":"UNAUTHORIZED","message":"We couldn't sign you in...","traceId":"TraceId unavailable","errors":[]}"""
)

BOTH = VaultContract(1042, URL, EMAIL, PASSWORD)
ALONE = VaultContract(1042, URL, refresh_token="dGhpcyBpcyBhIHJlZnJlc2hUb2tlbi...")
OLD = Token(
    access_token="old-s3cret",
    issued_at=NOW - 3600,
    expires_at=NOW,
    refresh_token="rt-s3cret",
    refreshable_until=math.inf,
    extra={"user_id": "usr:1"},
)


def answer(body: str | bytes | dict[str, Any], status: int = 200, **headers: str) -> TokenResponse:
    raw = body if isinstance(body, bytes) else (body if isinstance(body, str) else json.dumps(body)).encode()
    return TokenResponse(status, {name.replace("_", "-"): value for name, value in headers.items()}, raw)


def granted(**members: Any) -> TokenResponse:
    full = {"access_token": "at", "token_type": "Bearer", "expires_in": 60, "refresh_token": "rt2", **members}
    return answer({name: value for name, value in full.items() if value is not ...})


def logged_in(got: TokenResponse) -> Token:
    return BOTH.read(Answer(BOTH.login(), got, BOTH.error_info(got)), NOW)


def refreshed(got: TokenResponse, old: Token = OLD) -> Token:
    return BOTH.read(Answer(BOTH.refresh(old, NOW), got, BOTH.error_info(got)), NOW)


def refused(got: TokenResponse, request: TokenRequest | None = None) -> AuthError:
    with pytest.raises(AuthError) as caught:
        BOTH.read(Answer(request or BOTH.login(), got, BOTH.error_info(got)), NOW)
    assert caught.value.status == got.status
    return caught.value


REFRESH = BOTH.refresh(OLD, NOW)


class TestThePage:
    """Every sentence of "Refreshing Access Tokens"."""

    def test_the_request_is_the_documented_one(self) -> None:
        first = ALONE.initial_token()
        assert first is not None
        request = ALONE.refresh(first, NOW)
        assert (request.purpose, request.url) == (Purpose.REFRESH, f"{URL}/v1/auth/token")
        assert {name: str(value) for name, value in request.headers.items()} == {
            "Content-Type": "application/json",
            "partnerId": "1042",
            "grantType": "refresh_token",
        }
        assert json.loads(request.body) == json.loads(PAGE_BODY)
        assert request.body == PAGE_BODY.replace("\n", "").replace(" ", "").encode()

    def test_the_answer_is_read_as_the_token_it_describes(self) -> None:
        assert refreshed(answer(PAGE_ANSWER)) == Token(
            access_token="eyJhbGciOiJIUzI1NiIsIn...",
            issued_at=NOW,
            expires_at=NOW + 3600,  # Not the 24 hours of the prose.
            refresh_token="dGhpcyBpcyBhIHJlZnJlc2h...",
            refreshable_until=math.inf,
            extra={"user_id": "usr:1"},
        )

    @pytest.mark.parametrize("status", [400, 401])
    @pytest.mark.parametrize(
        ("page", "code", "words"),
        [
            (PAGE_EXPIRED, "invalid_grant", "Refresh token has expired or is invalid."),
            (PAGE_MISSING, "invalid_request", "Missing refresh token."),
            (SIGN_IN_REFUSED, "UNAUTHORIZED", "We couldn't sign you in..."),
        ],
    )
    def test_errors_are_told_in_its_words(self, page: str, code: str, words: str, status: int) -> None:
        dead, login = refused(answer(page, status), REFRESH), refused(answer(page, status))
        assert (type(dead), type(login)) == (LoginRequired, CredentialsRejected)
        for error in (dead, login):
            assert (error.provider_code, error.provider_message, error.request_id) == (code, words, None)

    def test_the_token_is_used_as_bearer_and_the_partner_is_not_named(self) -> None:
        assert BOTH.headers(OLD) == {"Authorization": "Bearer old-s3cret"}


class TestRequests:
    def test_a_login_is_that_of_the_sign_in_page(self) -> None:
        request = BOTH.login()
        assert (request.purpose, request.url) == (Purpose.LOGIN, f"{URL}/v1/auth/token")
        assert {name: str(value) for name, value in request.headers.items()} == {
            "Content-Type": "application/json",
            "partnerId": "1042",
            "grantType": "password_email",
        }
        assert json.loads(request.body) == {"email": EMAIL, "password": PASSWORD}

    def test_further_members_go_with_a_login_and_with_nothing_else(self) -> None:
        more = replace(BOTH, extra_body=(("code", "123456"),))
        assert json.loads(more.login().body) == {"email": EMAIL, "password": PASSWORD, "code": "123456"}
        assert more.refresh(OLD, NOW).body == REFRESH.body

    def test_they_know_their_secrets_and_show_none(self) -> None:
        more = replace(BOTH, password='pass"word\\7', extra_body=(("code", "123456"),))
        assert set(more.login().secrets) == {'pass"word\\7', "123456"}
        assert set(more.refresh(OLD, NOW).secrets) == {"rt-s3cret", "old-s3cret"}
        shown = "".join(map(repr, (more, more.login(), more.login().headers, more.login().body, REFRESH, OLD)))
        for secret in ("pass", "123456", "s3cret"):
            assert secret not in shown.replace("password_email", "")

    def test_nothing_can_be_revoked(self) -> None:
        assert BOTH.revoke(OLD) is None

    def test_it_is_a_provider(self) -> None:
        assert isinstance(BOTH, Provider)
        assert (BOTH.name, BOTH.can_login, ALONE.can_login) == ("vault", True, False)
        assert not VaultContract(1042, URL, email=EMAIL).can_login


class TestGiven:
    def initial_token(self, **fields: Any) -> Token:
        token = VaultContract(1042, URL, **fields).initial_token()
        assert token is not None
        return token

    def test_nothing_is_where_one_begins_by_a_login(self) -> None:
        assert BOTH.initial_token() is None

    def test_a_refresh_token_is_refreshed_first(self) -> None:
        token = self.initial_token(refresh_token="rt")
        assert (token.access_token, token.expires_at, token.refreshable(NOW)) == ("", -math.inf, True)

    @pytest.mark.parametrize(
        ("claims", "issued_at", "expires_at"),
        [
            ({"iat": 1000, "exp": 5000}, 1000, 5000),
            ({"iat": 5000, "exp": 5000}, 5000, 5000),
            ({"exp": 5000}, 1400, 5000),
            ({"iat": 6000, "exp": 5000}, 1400, 5000),
            ({"iat": 1000}, -math.inf, math.inf),
            ({"exp": "soon"}, -math.inf, math.inf),
            ({"exp": True}, -math.inf, math.inf),
        ],
    )
    def test_an_access_token_lives_as_it_says(self, claims: Any, issued_at: float, expires_at: float) -> None:
        token = self.initial_token(refresh_token="rt", access_token=sign(claims))
        assert (token.issued_at, token.expires_at, token.refresh_token) == (issued_at, expires_at, "rt")

    @pytest.mark.parametrize("opaque", ["opaque", "a.b.c", "eyJhbGciOiJIUzI1NiIsIn..."])
    def test_one_that_does_not_say_lives_until_a_401(self, opaque: str) -> None:
        assert self.initial_token(refresh_token="rt", access_token=opaque).expires_at == math.inf
        assert not self.initial_token(access_token=opaque).refreshable(NOW)


class TestAnswers:
    @pytest.mark.parametrize(
        ("stated", "lifetime"),
        [(3600, 3600), (86_400, 86_400), ("60", 60), (0.5, 0.5), (0, 0), (-5, 0), (1e12, MAX_LIFETIME)]
        + [(each, 3600) for each in (..., None, "", "soon", True, [60], math.nan, 10**400)],
        ids=lambda each: repr(each)[:12],
    )
    def test_the_lifetime_is_expires_in_or_an_hour(self, stated: Any, lifetime: float) -> None:
        assert logged_in(granted(expires_in=stated)).expires_at == NOW + lifetime

    def test_the_jwts_own_end_is_not_looked_at(self) -> None:
        assert logged_in(granted(access_token=sign({"exp": 1}))).expires_at == NOW + 60

    @pytest.mark.parametrize("new", [..., None, "", 7, "two words", "line\nend", "\ud800"])
    def test_without_a_new_refresh_token_the_old_one_goes_on(self, new: Any) -> None:
        token = refreshed(granted(refresh_token=new))
        assert (token.refresh_token, token.refreshable(NOW + 1e6, rejected=True)) == ("rt-s3cret", True)
        assert logged_in(granted(refresh_token=new)).refresh_token is None
        assert not logged_in(granted(refresh_token=new)).refreshable(NOW)

    def test_the_users_id_comes_with_a_login_and_stays(self) -> None:
        assert logged_in(granted(user_id="usr:1")).extra == {"user_id": "usr:1"}
        assert refreshed(granted()).extra == {"user_id": "usr:1"}
        assert logged_in(granted()).extra == {}

    @pytest.mark.parametrize("kind", ["Bearer", "bearer", "BEARER", ...])
    def test_the_types_letters_may_be_of_any_size(self, kind: Any) -> None:
        assert logged_in(granted(token_type=kind)).token_type == "Bearer"

    @pytest.mark.parametrize(
        "members",
        [{"token_type": kind} for kind in ("mac", "", None, 1)]
        + [{"access_token": each} for each in (..., "", None, 1, "a b", "a\r\nb", "ä")],
        ids=str,
    )
    @pytest.mark.parametrize("request_", [BOTH.login(), REFRESH], ids=["login", "refresh"])
    def test_without_a_bearer_token_it_is_no_success(self, members: dict[str, Any], request_: TokenRequest) -> None:
        assert type(refused(granted(**members), request_)) is InvalidTokenResponse

    @pytest.mark.parametrize("body", ["", "{}", "[]", "<html>", b"\xff", '{"message": "sent"}', '{"status": "OK"}'])
    @pytest.mark.parametrize("status", [200, 201, 202, 204])
    def test_a_2xx_alone_is_no_success(self, body: str | bytes, status: int) -> None:
        for request in (BOTH.login(), REFRESH):
            assert type(refused(answer(body, status), request)) is InvalidTokenResponse

    def test_a_202_tells_of_the_second_factor_and_asks_for_peace(self) -> None:
        error = refused(answer("{}", 202))
        assert ("second factor" in error.hint, error.retry_after) == (True, 300)
        assert refused(answer("{}", 202), REFRESH).retry_after is None  # A login may follow.

    @pytest.mark.parametrize("page", [PAGE_EXPIRED, SIGN_IN_REFUSED])
    def test_a_refusal_that_comes_with_200_is_one(self, page: str) -> None:
        assert type(refused(answer(page))) is CredentialsRejected
        assert type(refused(answer(page), REFRESH)) is LoginRequired

    def test_any_error_that_comes_with_200_is_a_refusal_lest_the_password_be_sent_again(self) -> None:
        answer_ = answer('{"error": "invalid_credentials"}')
        assert type(refused(answer_)) is CredentialsRejected
        assert type(refused(answer_, REFRESH)) is LoginRequired

    def test_a_token_that_comes_with_a_success_is_taken_whatever_else_there_is(self) -> None:
        assert logged_in(granted(status="UNAUTHORIZED")).access_token == "at"

    def test_a_token_that_comes_with_a_refusal_is_not_taken(self) -> None:
        assert type(refused(answer({"access_token": "at", "token_type": "Bearer"}, 400))) is TokenEndpointUnavailable


class TestErrors:
    @pytest.mark.parametrize("status", [400, 401, 403, 409, 422, 423])
    def test_any_refusal_is_one(self, status: int) -> None:
        for body in ('{"error": "something_else"}', '{"status": "LOCKED", "traceId": "t"}', '{"errorId": 11}'):
            assert type(refused(answer(body, status))) is CredentialsRejected
            assert type(refused(answer(body, status), REFRESH)) is LoginRequired

    @pytest.mark.parametrize("status", [400, 401, 403, 409, 422, 423])
    def test_a_refusal_in_other_words_is_none(self, status: int) -> None:
        for body in ("", "<html>", '{"error": "Forbidden"}', '{"status": 5}', '{"message": "Forbidden"}'):
            assert type(refused(answer(body, status))) is TokenEndpointUnavailable
            assert type(refused(answer(body, status), REFRESH)) is TokenEndpointUnavailable

    def test_a_password_rests_where_json_in_other_words_may_be_vaults(self) -> None:
        assert refused(answer('{"code": "WRONG"}', 400)).retry_after == 300
        assert refused(answer('{"code": "WRONG"}', 400), REFRESH).retry_after is None
        assert refused(answer("<html>", 403)).retry_after is None

    @pytest.mark.parametrize("status", [404, 405])
    @pytest.mark.parametrize("body", ["", '{"status": 404, "error": "Not Found", "path": "/v1/auth/token"}'])
    def test_what_is_no_token_endpoint_is_named(self, status: int, body: str) -> None:
        for request in (BOTH.login(), REFRESH):
            error = refused(answer(body, status), request)
            assert type(error) is InvalidTokenResponse
            assert "token_path" in error.hint
        assert type(refused(answer(PAGE_EXPIRED, status), REFRESH)) is LoginRequired

    def test_hints_say_what_to_look_at(self) -> None:
        assert "locks accounts" in refused(answer(SIGN_IN_REFUSED, 401)).hint
        assert "extra_body" in refused(answer(PAGE_MISSING, 400)).hint
        assert "Log in again" in refused(answer(PAGE_EXPIRED, 400), REFRESH).hint

    @pytest.mark.parametrize(
        ("body", "headers", "request_id"),
        [
            ({"traceId": "abc123"}, {}, "abc123"),
            ({"traceId": "abc123"}, {"x_request_id": "xyz"}, "abc123"),
            ({"traceId": "TraceId unavailable"}, {"x_request_id": "xyz"}, "xyz"),
            ({"traceId": "UNAVAILABLE"}, {}, None),
            ({"traceId": None}, {}, None),
            ({"traceId": ["x"]}, {"x_request_id": ""}, None),
            ({}, {"x_request_id": "xyz"}, "xyz"),
        ],
    )
    def test_the_trace_is_the_request_id(self, body: Any, headers: dict[str, str], request_id: str | None) -> None:
        assert BOTH.error_info(answer(body, 401, **headers)).request_id == request_id

    @pytest.mark.parametrize(
        ("body", "code", "words"),
        [
            ({"error": "a", "error_description": "b", "status": "c", "message": "d"}, "a", "b"),
            ({"status": "c", "message": "d", "errors": ["e", {"f": 1}, 5, "g"]}, "c", "d; e; g"),
            ({"status": "c", "message": "", "errors": ["e"]}, "c", "e"),
            ({"status": 401, "errors": {"e": 1}}, "401", None),
            ({"error": {"a": 1}, "message": ["d"], "errors": None}, None, None),
            ([], None, None),
        ],
        ids=str,
    )
    def test_code_and_words_are_found_in_either_shape(self, body: Any, code: str | None, words: str | None) -> None:
        said = BOTH.error_info(answer(json.dumps(body), 401))
        assert (said.code, said.message) == (code, words)

    def test_an_echo_of_a_secret_is_struck_out(self) -> None:
        odd = replace(BOTH, password='pass"word\\7', extra_body=(("code", "123456"),))
        for request in (odd.login(), odd.refresh(OLD, NOW)):
            for secret in (*request.secrets, request.body.decode()):
                got = answer({"error": "invalid_grant", "error_description": f"<{secret}>", "traceId": secret}, 400)
                error = refused(got, request)
                shown = repr(error) + str(error) + repr(vars(error))
                assert "***" in shown
                for hidden in request.secrets:
                    assert hidden not in shown


class VaultWorld(World[VaultSimulator]):
    def __init__(self, library: str = "requests") -> None:
        super().__init__(VaultSimulator(), f"{URL}/accounts", library)
        self.sent: list[tuple[str, dict[str, str]]] = []
        """The URL and the headers of each request."""
        handle = self.server.handle

        def remember(request: Any, now: float) -> Any:
            self.sent.append((request.url, {name.lower(): value for name, value in request.headers.items()}))
            return handle(request, now)

        self.server.handle = remember  # type: ignore[method-assign]

    def auth(self, *, partner_id: Any = 1042, **given: Any) -> VaultAuth:
        """With the provider's default policy."""
        return VaultAuth(partner_id, **self.options(**{"base_url": URL, "policy": None, **given}))

    def user(self, **given: Any) -> VaultAuth:
        return self.auth(**{"email": EMAIL, "password": PASSWORD, **given})

    def restart(self) -> None:
        """Forget all that a process knows; Vault goes on."""
        self.store = MemoryStore(clock=self.clock)
        self.server.ledger.clear()


@pytest.fixture
def world(library: str) -> VaultWorld:
    return VaultWorld(library)


@pytest.fixture
def one_world() -> VaultWorld:
    return VaultWorld()


class TestLogin:
    def test_the_partner_is_named_to_the_token_endpoint_and_to_nobody_else(self, world: VaultWorld) -> None:
        auth = world.user()
        world.get(auth)
        world.get(auth, "https://elsewhere.example/x")
        world.clock.advance(3600)
        world.get(auth)
        told = [("partnerid" in headers, "granttype" in headers, "token" in url) for url, headers in world.sent]
        assert told == [(True,) * 3, (False,) * 3, (False,) * 3, (True,) * 3, (False,) * 3]
        assert ["authorization" in headers for _, headers in world.sent] == [False, True, False, False, True]

    def test_a_wrong_password_is_sent_once_and_rests_for_a_quarter_of_an_hour(self, world: VaultWorld) -> None:
        auth = world.user(password=WRONG)
        for _ in range(10):
            with pytest.raises(CredentialsRejected) as caught:
                auth.token()
            assert WRONG not in str(caught.value) + repr(caught.value.details())
            world.clock.advance(60)
        assert world.calls == [("login", 401)]
        assert world.user().token() is not None  # Another password has a pause of its own.

    def test_a_wrong_password_takes_hours_to_lock_the_account(self, one_world: VaultWorld) -> None:
        auth = one_world.user(password=WRONG)
        for _ in range(3 * 60):
            with pytest.raises(CredentialsRejected):
                auth.token()
            one_world.clock.advance(60)
        assert one_world.server.ledger.count("login") == 4
        assert not one_world.server.locked

    def test_a_login_that_may_not_have_arrived_is_not_repeated(self, world: VaultWorld) -> None:
        world.server.outage = "drop"
        with pytest.raises(TokenEndpointUnavailable):
            world.user().token()
        assert world.calls == [("login", 0)]

    def test_a_policy_of_ones_own_repeats_it(self, one_world: VaultWorld) -> None:
        one_world.server.outage = "drop"
        with pytest.raises(TokenEndpointUnavailable):
            one_world.user(policy=RefreshPolicy()).token()
        assert one_world.calls == [("login", 0)] * 2

    def test_the_policy_still_has_a_refresh_followed_by_a_login(self) -> None:
        both, login = (Purpose.REFRESH, Purpose.LOGIN), (Purpose.LOGIN,)
        assert call_sequence(VAULT_POLICY.tries, both) == both
        assert call_sequence(VAULT_POLICY.tries, login) == login

    def test_a_second_factor_is_asked_for_once_in_five_minutes(self, world: VaultWorld) -> None:
        world.server.second_factor = {"code": "123456"}
        auth = world.user()
        for _ in range(5):
            with pytest.raises(InvalidTokenResponse, match="second factor"):
                auth.token()
            world.clock.advance(60)
        assert world.calls == [("login", 202)]
        with pytest.raises(InvalidTokenResponse):
            auth.token()
        assert world.calls == [("login", 202)] * 2

    def test_a_code_that_never_changes_is_sent_along(self, world: VaultWorld) -> None:
        world.server.second_factor = {"code": "123456"}
        assert world.get(world.user(extra_body={"code": "123456"})).status_code == 200

    def test_both_shapes_and_statuses_mean_the_same(self, one_world: VaultWorld) -> None:
        for shape in ("oauth2", "unauthorized"):
            for status in (400, 401):
                one_world.server.error_shape, one_world.server.refusal_status = shape, status
                with pytest.raises(CredentialsRejected):
                    one_world.user(password=WRONG, store=MemoryStore(clock=one_world.clock)).token()

    def test_the_token_path_can_be_another(self, world: VaultWorld) -> None:
        world.server.token_path = "/reg/v1/auth/token"
        assert world.get(world.user(token_path="/reg/v1/auth/token")).status_code == 200
        assert world.get(world.user(base_url=f"{URL}/reg")).status_code == 200
        world.server.api_status = 404
        with pytest.raises(InvalidTokenResponse, match="token_path") as caught:
            world.user(token_path="/elsewhere").token()
        assert caught.value.status == 404


class TestRenewal:
    @pytest.mark.parametrize("rotate", ["always", "never", "sometimes"])
    @pytest.mark.parametrize("can_login", [True, False])
    def test_renewals_use_the_newest_refresh_token(self, world: VaultWorld, rotate: Any, can_login: bool) -> None:
        world.server.rotate_refresh_tokens, world.server.reuse_detection = rotate, True
        first = world.server.session(world.clock())[1]
        auth = world.user(refresh_token=first) if can_login else world.auth(refresh_token=first)
        for _ in range(6):
            assert world.get(auth).status_code == 200
            world.clock.advance(3600)
        assert world.calls == [("refresh", 200), ("api", 200)] * 6

    def test_without_expires_in_an_hour_is_assumed_and_a_401_corrects_it(self, world: VaultWorld) -> None:
        world.server.omit_expires_in, world.server.lifetime = True, 60
        auth = world.user()
        assert auth.token().expires_at == world.clock() + 3600
        world.clock.advance(61)
        assert world.get(auth).status_code == 200
        assert world.calls == [("login", 200), ("api", 401), ("refresh", 200), ("api", 200)]

    @pytest.mark.parametrize("shape", ["oauth2", "unauthorized"])
    @pytest.mark.parametrize("status", [400, 401])
    def test_a_dead_refresh_token_is_followed_by_one_login(self, world: VaultWorld, shape: Any, status: Any) -> None:
        world.server.error_shape, world.server.refusal_status, world.server.refresh_lifetime = shape, status, 3600
        auth = world.user()
        auth.token()
        world.clock.advance(3600)
        assert world.get(auth).status_code == 200
        assert world.calls == [("login", 200), ("refresh", status), ("login", 200), ("api", 200)]

    @pytest.mark.parametrize("shape", ["oauth2", "unauthorized"])
    @pytest.mark.parametrize("status", [400, 401])
    def test_a_dead_refresh_token_without_a_password_asks_for_the_user(
        self, world: VaultWorld, shape: Any, status: Any
    ) -> None:
        world.server.error_shape, world.server.refusal_status = shape, status
        auth = world.auth(refresh_token="long-dead")
        for _ in range(3):
            with pytest.raises(LoginRequired, match="Log in again") as caught:
                auth.token()
            assert caught.value.provider_code == ("invalid_grant" if shape == "oauth2" else "UNAUTHORIZED")
            assert "long-dead" not in str(caught.value)
        assert world.calls == [("refresh", status)]

    @pytest.mark.parametrize("reuse_detection", [True, False])
    def test_a_lost_answer_costs_one_login(self, world: VaultWorld, reuse_detection: bool) -> None:
        world.server.reuse_detection = reuse_detection
        auth = world.user()
        auth.token()
        world.clock.advance(3600)
        world.server.outage = "lost"
        with pytest.raises(TokenEndpointUnavailable):
            auth.token()
        assert world.calls[1:] == [("refresh", 0), ("login", 0)]
        world.server.outage = None
        assert world.get(auth).status_code == 200
        assert world.calls[3:] == [("refresh", 400), ("login", 200), ("api", 200)]

    @pytest.mark.parametrize("reuse_detection", [True, False])
    def test_a_lost_answer_costs_the_session_where_there_is_no_password(
        self, world: VaultWorld, reuse_detection: bool
    ) -> None:
        world.server.reuse_detection = reuse_detection
        auth = world.auth(refresh_token=world.server.session(world.clock())[1])
        world.server.outage = "lost"
        with pytest.raises(TokenEndpointUnavailable):
            auth.token()
        world.server.outage = None
        with pytest.raises(LoginRequired):
            auth.token()
        assert world.calls == [("refresh", 0), ("refresh", 400)]

    def test_a_refresh_token_that_somebody_else_used_is_not_sent_for_ever(self, world: VaultWorld) -> None:
        world.server.reuse_detection = True
        first = world.server.session(world.clock())[1]
        world.auth(refresh_token=first).token()
        thief = world.auth(refresh_token=first, store=MemoryStore(clock=world.clock))
        with pytest.raises(LoginRequired):
            thief.token()
        world.clock.advance(3600)
        with pytest.raises(LoginRequired):
            world.auth(refresh_token=first).token()
        assert world.calls == [("refresh", 200), ("refresh", 400), ("refresh", 400)]

    def test_logout_forgets_and_tells_nobody(self, world: VaultWorld) -> None:
        auth = world.user()
        auth.token()
        auth.logout()
        assert (world.calls, len(world.store)) == ([("login", 200)], 0)
        assert world.get(auth).status_code == 200
        assert world.calls[1:] == [("login", 200), ("api", 200)]


class TestBrought:
    def test_a_valid_access_token_is_used_without_a_call(self, world: VaultWorld) -> None:
        access_token, refresh_token = world.server.session(world.clock())
        auth = world.auth(access_token=access_token, refresh_token=refresh_token)
        assert world.get(auth).status_code == 200
        world.clock.advance(3600)
        assert world.get(auth).status_code == 200
        assert world.calls == [("api", 200), ("refresh", 200), ("api", 200)]

    def test_an_opaque_one_until_a_401(self, world: VaultWorld) -> None:
        refresh_token = world.server.session(world.clock())[1]
        auth = world.auth(access_token="opaque", refresh_token=refresh_token)
        assert world.get(auth).status_code == 200
        assert world.calls == [("api", 401), ("refresh", 200), ("api", 200)]

    def test_one_beside_a_password_gives_way_to_a_login(self, world: VaultWorld) -> None:
        auth = world.user(access_token="opaque")
        assert world.get(auth).status_code == 200
        assert world.calls == [("api", 401), ("login", 200), ("api", 200)]

    def test_a_restart_needs_nothing_but_the_newest_refresh_token(self, world: VaultWorld) -> None:
        newest = world.user().token().refresh_token
        for _ in range(3):
            world.restart()
            auth = world.auth(refresh_token=newest)
            assert world.get(auth).status_code == 200
            assert world.calls == [("refresh", 200), ("api", 200)]
            newest = auth.token().refresh_token

    def test_a_restart_with_a_store_that_lasted_finds_the_newest_by_the_first(self, world: VaultWorld) -> None:
        first = world.server.session(world.clock())[1]
        world.auth(refresh_token=first).token()
        world.server.ledger.clear()
        assert world.get(world.auth(refresh_token=first)).status_code == 200
        assert world.calls == [("api", 200)]


IDENTITIES: list[dict[str, Any]] = [
    {},
    {"partner_id": 1043},
    {"base_url": "https://other.example"},
    {"email": "other@example.com"},
    {"password": WRONG},
    {"refresh_token": "rt"},
    {"refresh_token": "rt2"},
    {"access_token": "at"},
    {"token_path": "/reg/v1/auth/token"},
    {"extra_body": (("code", "123456"),)},
    {"extra_body": (("code", "654321"),)},
]


class TestIdentity:
    def test_every_field_is_part_of_it(self) -> None:
        keys = {fingerprint(replace(BOTH, **each), b"salt") for each in IDENTITIES}
        assert len(keys) == len(IDENTITIES)

    def test_objects_with_equal_credentials_share_their_token(self, one_world: VaultWorld) -> None:
        first = one_world.user(extra_body={"a": "1", "b": "2"}).token()
        assert one_world.user(extra_body={"b": "2", "a": "1"}).token() is first

    def test_copies_and_pickles_keep_them_and_the_policy(self) -> None:
        auth = VaultAuth(1042, base_url=URL, email=EMAIL, password=PASSWORD)
        for other in (pickle.loads(pickle.dumps(auth)), copy.deepcopy(auth), copy.copy(auth)):
            assert other._provider == auth._provider
            assert other._source.policy == VAULT_POLICY

    def test_no_secret_is_shown(self) -> None:
        auth = VaultAuth(
            1042,
            base_url=URL,
            email=EMAIL,
            password="hunter2",
            refresh_token="hunter2r",
            access_token="hunter2a",
            extra_body={"code": "hunter2c"},
        )
        provider = auth._provider
        shown = "".join(
            map(repr, (auth, provider, provider.initial_token(), provider.login(), auth._source.shared.snapshot))
        )
        assert "hunter2" not in shown


class TestArguments:
    @pytest.mark.parametrize(
        ("name", "value", "kind"),
        [
            ("partner_id", True, TypeError),
            ("partner_id", "271828", TypeError),
            ("partner_id", 271.828, TypeError),
            ("partner_id", None, TypeError),
            ("partner_id", 0, ValueError),
            ("partner_id", -271828, ValueError),
            ("partner_id", 2**31, ValueError),
            ("base_url", None, TypeError),
            ("base_url", "http://hunter2.example", ValueError),
            ("base_url", "https://user:hunter2@vault.example", ValueError),
            ("email", b"hunter2@x", TypeError),
            ("email", "hunter2", ValueError),
            ("email", "hunter2@x\n", ValueError),
            ("email", None, ValueError),
            ("password", 271828, TypeError),
            ("password", "hunter2 ", ValueError),
            ("password", "", ValueError),
            ("password", None, ValueError),
            ("refresh_token", ["hunter2"], TypeError),
            ("refresh_token", "", ValueError),
            ("access_token", b"hunter2", TypeError),
            ("access_token", "hunter2\r\nX-Evil: 1", ValueError),
            ("access_token", "hunter2" * 40_000, ValueError),
            ("token_path", None, TypeError),
            ("token_path", "hunter2", ValueError),
            ("token_path", "/hunter2?x", ValueError),
            ("token_path", "/hunter2#x", ValueError),
            ("token_path", "/hunter2 x", ValueError),
            ("token_path", "/hunter2\\x", ValueError),
            ("extra_body", [("code", "hunter2")], TypeError),
            ("extra_body", "hunter2", TypeError),
            ("extra_body", {"code": 271828}, TypeError),
            ("extra_body", {271828: "hunter2"}, TypeError),
            ("extra_body", {"code": ""}, ValueError),
            ("extra_body", {"password": "hunter2"}, ValueError),
            ("extra_body", {"refreshToken": "hunter2"}, ValueError),
            ("assumed_lifetime", 0, ValueError),
            ("assumed_lifetime", "hunter2", TypeError),
            ("policy", False, TypeError),
            ("policy", "hunter2", TypeError),
        ],
        ids=lambda each: repr(each)[:24],
    )
    def test_a_bad_one_is_named_and_not_shown(self, name: str, value: Any, kind: type[Exception]) -> None:
        good = {"partner_id": 1042, "base_url": URL, "email": EMAIL, "password": PASSWORD}
        with pytest.raises(kind, match=rf"^(?=[a-z_]+ ).*\b{name}\b") as caught:
            VaultAuth(**{**good, name: value})
        for shown in ("hunter2", "271828", "271.828", str(2**31), PASSWORD, EMAIL):
            assert shown not in str(caught.value)

    def test_what_is_missing_is_named(self) -> None:
        with pytest.raises(ValueError, match=r"^email and password .* refresh_token"):
            VaultAuth(1042, base_url=URL)
        with pytest.raises(ValueError, match=r"^email and password .* refresh_token"):
            VaultAuth(1042, base_url=URL, access_token="at")
        with pytest.raises(ValueError, match="password is missing"):
            VaultAuth(1042, base_url=URL, email=EMAIL, refresh_token="rt")
        with pytest.raises(ValueError, match="email is missing"):
            VaultAuth(1042, base_url=URL, password=PASSWORD)
        with pytest.raises(ValueError, match=r"^extra_body is .*missing$"):
            VaultAuth(1042, base_url=URL, refresh_token="rt", extra_body={"code": "1"})

    def test_both_ends_of_the_range_are_good(self) -> None:
        for partner_id in (1, 2**31 - 1):
            provider = VaultAuth(partner_id, base_url=URL, refresh_token="rt", policy=None)._provider
            assert str(provider.login().headers["partnerId"]) == str(partner_id)

    def test_tokens_may_be_as_long_as_a_header(self) -> None:
        long = "x" * 16_384
        given = VaultAuth(1042, base_url=URL, refresh_token=long, access_token=long)._provider.initial_token()
        assert given is not None
        assert given.access_token == given.refresh_token == long

    def test_the_signature_is_the_promised_one(self) -> None:
        names = list(inspect.signature(VaultAuth).parameters)
        promised = "partner_id base_url email password refresh_token access_token token_path extra_body"
        assert names == [*promised.split(), "assumed_lifetime", "options"]

    def test_the_lifetime_that_is_assumed_can_be_another(self) -> None:
        provider = VaultAuth(1042, base_url=URL, refresh_token="rt", assumed_lifetime=60)._provider
        token = provider.read(Answer(REFRESH, answer({"access_token": "at", "token_type": "Bearer"})), NOW)
        assert token.expires_at == NOW + 60
