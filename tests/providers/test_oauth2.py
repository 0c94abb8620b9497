"""The two OAuth 2.0 doors against a simulated authorization server, over requests, httpx and httpx2."""

from __future__ import annotations

import base64
import copy
import json
import pickle
import subprocess
import sys
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, unquote_plus

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from auth_plugins import (
    AuthError,
    CredentialsRejected,
    InvalidTokenResponse,
    LoginRequired,
    MemoryStore,
    Token,
    TokenEndpointUnavailable,
)
from auth_plugins.core import Answer, Provider, Purpose, TokenRequest, TokenResponse
from auth_plugins.core.answers import MAX_LIFETIME
from auth_plugins.providers.oauth2 import (
    OAuth2ClientCredentialsAuth,
    OAuth2Contract,
    OAuth2RefreshTokenAuth,
)
from auth_plugins.simulators import OAuth2Simulator, SimRequest
from tests.providers.conftest import World

ISSUER = "https://issuer.example"
TOKEN_URL = f"{ISSUER}/oauth2/token"
CLIENT_ID, SECRET = "s6BhdRkqt3", "7Fjfp0ZBr1KtDRbnfVdmIw"
ODD_ID, ODD_SECRET = "an:id with/all+of%41 it", "p%20:& =+/~*\"\\'"
IN_THE_BODY = f"client_id={CLIENT_ID}&client_secret={SECRET}"
CLIENTS = ["requests", "httpx", "httpx2"]
NOW = 1_800_000_000.0


class OAuth2World(World[OAuth2Simulator]):
    def __init__(self, library: str = "requests") -> None:
        super().__init__(OAuth2Simulator(), f"{ISSUER}/oauth2/x", library)

    def machine(self, **more: Any) -> OAuth2ClientCredentialsAuth:
        given = {"token_url": TOKEN_URL, "client_id": CLIENT_ID, "client_secret": SECRET, **more}
        return OAuth2ClientCredentialsAuth(**self.options(**given))

    def user(self, refresh_token: str, **more: Any) -> OAuth2RefreshTokenAuth:
        given = {"token_url": TOKEN_URL, "client_id": CLIENT_ID, "client_secret": SECRET, **more}
        return OAuth2RefreshTokenAuth(refresh_token=refresh_token, **self.options(**given))


@pytest.fixture
def world(library: str) -> OAuth2World:
    return OAuth2World(library)


@pytest.fixture
def one_world() -> OAuth2World:
    return OAuth2World()


def contract(**fields: Any) -> OAuth2Contract:
    usual = {"token_url": TOKEN_URL, "base_url": ISSUER, "client_id": CLIENT_ID, "client_secret": SECRET}
    return OAuth2Contract(**{**usual, **fields})


def first_call(ours: OAuth2Contract) -> TokenRequest:
    """What the first token is asked for with: the client's credentials, or what the user brought along."""
    given = ours.initial_token()
    return ours.login() if given is None else ours.refresh(given, NOW)


def form(request: TokenRequest | None) -> dict[str, list[str]]:
    assert request is not None
    return parse_qs(request.body.decode(), keep_blank_values=True, strict_parsing=True)


def answer(status: int = 200, **members: Any) -> TokenResponse:
    return TokenResponse(status, {}, json.dumps(members).encode())


def read(ours: OAuth2Contract, request: TokenRequest, got: TokenResponse) -> Token:
    return ours.read(Answer(request, got, ours.error_info(got), NOW, NOW), NOW)


def granted(**members: Any) -> TokenResponse:
    full = {"access_token": "at", "token_type": "Bearer", "expires_in": 60, **members}
    return answer(**{name: value for name, value in full.items() if value is not ...})


class TestClientCredentials:
    @pytest.mark.parametrize("way", ["client_secret_basic", "client_secret_post"])
    def test_credentials_of_any_printable_characters_arrive(self, world: OAuth2World, way: str) -> None:
        world.server = OAuth2Simulator(ODD_ID, ODD_SECRET)
        world.server.client_auth = frozenset({"client_secret_basic" if way.endswith("c") else "client_secret_post"})
        auth = world.machine(client_id=ODD_ID, client_secret=ODD_SECRET, client_auth=way)
        assert world.get(auth).status_code == 200

    def test_scope_and_further_fields_are_sent(self, world: OAuth2World) -> None:
        world.server.required = {"audience": "https://api.example/?a=1&b=2", "resource": "urn:x y"}
        auth = world.machine(scope="read", extra=world.server.required)
        assert auth.token().scopes == ("read",)

    def test_without_a_refresh_token_the_end_is_followed_by_a_login(self, world: OAuth2World) -> None:
        auth = world.machine()
        world.get(auth)
        world.clock.advance(3600)
        assert world.get(auth).status_code == 200
        assert world.server.ledger.count("login") == 2
        assert world.server.ledger.count("refresh") == 0

    def test_with_a_refresh_token_the_end_is_followed_by_a_refresh(self, world: OAuth2World) -> None:
        world.server.issue_refresh_token = True
        auth = world.machine(scope="read")
        world.get(auth)
        world.clock.advance(3600)
        assert world.get(auth).status_code == 200
        assert world.calls == [("login", 200), ("api", 200), ("refresh", 200), ("api", 200)]
        assert auth.token().scopes == ("read",)

    def test_a_refresh_that_is_refused_is_followed_by_a_login(self, world: OAuth2World) -> None:
        world.server.issue_refresh_token = True
        auth = world.machine()
        world.get(auth)
        world.server.revoke_refresh_tokens()
        world.clock.advance(3600)
        assert world.get(auth).status_code == 200
        assert world.calls[2:] == [("refresh", 400), ("login", 200), ("api", 200)]

    def test_without_expires_in_an_hour_is_assumed_and_a_401_corrects_it(self, world: OAuth2World) -> None:
        world.server.omit, world.server.lifetime = frozenset({"expires_in"}), 60
        auth = world.machine()
        assert auth.token().expires_at == world.clock() + 3600
        world.clock.advance(61)
        assert world.get(auth).status_code == 200
        assert world.calls == [("login", 200), ("api", 401), ("login", 200), ("api", 200)]

    def test_wrong_credentials_are_remembered(self, world: OAuth2World) -> None:
        auth = world.machine(client_secret="wrong")
        for _ in range(3):
            with pytest.raises(CredentialsRejected, match="client_secret") as caught:
                auth.token()
            assert (caught.value.provider_code, caught.value.status) == ("invalid_client", 401)
        assert world.calls == [("login", 401)]

    def test_the_token_goes_to_base_url_and_to_the_token_endpoint_only_by_request(self, world: OAuth2World) -> None:
        away = world.machine(base_url="https://api.example/v1")
        seen = world.get(away, f"{ISSUER}/oauth2/x"), world.get(away, "https://api.example/oauth2/x")
        assert [response.status_code for response in seen] == [401, 200]
        both = world.machine(base_url="https://api.example", origins=[ISSUER])
        assert world.get(both).status_code == 200


class TestRefreshToken:
    def test_the_first_token_is_had_by_the_first_refresh_token(self, world: OAuth2World) -> None:
        auth = world.user(world.server.consent())
        assert [world.get(auth).status_code for _ in range(2)] == [200, 200]
        assert world.calls == [("refresh", 200), ("api", 200), ("api", 200)]

    @pytest.mark.parametrize("rotate", [False, True])
    def test_renewals_use_the_newest_refresh_token(self, world: OAuth2World, rotate: bool) -> None:
        world.server.rotate = rotate
        auth = world.user(world.server.consent())
        for _ in range(4):
            assert world.get(auth).status_code == 200
            world.clock.advance(3600)
        assert world.calls == [("refresh", 200), ("api", 200)] * 4

    def test_a_public_client_sends_its_id_alone(self, world: OAuth2World) -> None:
        world.server.client_auth = frozenset({"none"})
        auth = world.user(world.server.consent(), client_secret=None)
        assert world.get(auth).status_code == 200

    def test_a_narrower_scope_is_asked_for_every_time(self, world: OAuth2World) -> None:
        auth = world.user(world.server.consent("read", "write"), scope="read")
        assert auth.token().scopes == ("read",)
        world.clock.advance(3600)
        assert auth.token().scopes == ("read",)

    def test_a_dead_first_refresh_token_asks_for_the_user(self, world: OAuth2World) -> None:
        world.server.rotate = True
        first = world.server.consent()
        world.user(first).token()
        with pytest.raises(LoginRequired, match="Log in again") as caught:
            world.user(first, store=MemoryStore(clock=world.clock)).token()
        assert caught.value.provider_code == "invalid_grant"

    def test_a_withdrawn_consent_asks_for_the_user(self, world: OAuth2World) -> None:
        auth = world.user(world.server.consent())
        auth.token()
        world.server.revoke_refresh_tokens()
        world.clock.advance(3600)
        with pytest.raises(LoginRequired):
            auth.token()

    def test_a_dead_refresh_token_is_not_tried_over_and_over(self, world: OAuth2World) -> None:
        auth = world.user(world.server.consent())
        world.server.revoke_refresh_tokens()
        for _ in range(5):
            with pytest.raises(LoginRequired):
                auth.token()
        assert world.calls == [("refresh", 400)]

    def test_the_first_refresh_token_is_never_sent_again_once_there_is_a_newer_one(self, world: OAuth2World) -> None:
        """Its reuse ends the session: not even a refresh that was cut off on its way may fall back to it."""
        world.server.rotate = world.server.end_family = True
        auth = world.user(world.server.consent())
        auth.token()
        world.clock.advance(3600)
        world.server.outage = "drop"
        with pytest.raises(TokenEndpointUnavailable):
            auth.token()
        world.server.outage = None
        assert auth.token().access_token
        assert [status for _, status in world.calls] == [200, 0, 200]

    def test_refused_credentials_are_not_taken_for_a_dead_token(self, world: OAuth2World) -> None:
        auth = world.user(world.server.consent())
        auth.token()
        world.server.rotate_secret("another")
        world.clock.advance(3600)
        with pytest.raises(CredentialsRejected):
            auth.token()
        assert world.calls == [("refresh", 200), ("refresh", 401)]

    def test_a_401_is_answered_by_a_refresh(self, world: OAuth2World) -> None:
        world.server.rotate = True
        auth = world.user(world.server.consent())
        world.get(auth)
        world.server.revoke_all()
        assert world.get(auth).status_code == 200
        assert world.calls[2:] == [("api", 401), ("refresh", 200), ("api", 200)]

    def test_objects_share_an_access_token_if_session_scope_extra_and_origin_agree(
        self, one_world: OAuth2World
    ) -> None:
        first, second = one_world.server.consent(), one_world.server.consent()
        one_world.user(first).token()
        one_world.user(first).token()
        one_world.user(first, client_auth="client_secret_post").token()
        one_world.user(first, assumed_lifetime=60.0).token()
        assert one_world.server.ledger.token_calls == 1
        one_world.user(second).token()
        one_world.user(first, scope="read").token()
        one_world.user(first, extra={"audience": "x"}).token()
        one_world.user(first, base_url="https://api.example").token()
        assert one_world.server.ledger.token_calls == 5

    def test_a_wrong_secret_is_found_out_when_it_is_used(self, one_world: OAuth2World) -> None:
        first = one_world.server.consent()
        right, wrong = one_world.user(first), one_world.user(first, client_secret="wrong")
        right.token()
        assert wrong.token() == right.token()
        one_world.clock.advance(3600)
        with pytest.raises(CredentialsRejected):
            wrong.token()
        assert right.token().access_token


ERRORS = {
    "invalid_client": CredentialsRejected,
    "invalid_request": CredentialsRejected,
    "invalid_scope": CredentialsRejected,
    "invalid_target": CredentialsRejected,
    "unauthorized_client": CredentialsRejected,
    "unsupported_grant_type": CredentialsRejected,
    "something_of_their_own": CredentialsRejected,
    "server_error": TokenEndpointUnavailable,
    "temporarily_unavailable": TokenEndpointUnavailable,
}


class TestErrors:
    @pytest.mark.parametrize(("code", "kind"), [*ERRORS.items(), ("invalid_grant", CredentialsRejected)])
    def test_a_login_of_a_client(self, world: OAuth2World, code: str, kind: type[AuthError]) -> None:
        world.server.error = code
        with pytest.raises(kind) as caught:
            world.machine().token()
        assert caught.value.provider_code == code
        assert caught.value.provider_message == f"The request was refused: {code.replace('_', ' ')}"

    @pytest.mark.parametrize(("code", "kind"), [*ERRORS.items(), ("invalid_grant", LoginRequired)])
    @pytest.mark.parametrize("later", [False, True], ids=["first", "later"])
    def test_a_refresh_for_a_user(self, one_world: OAuth2World, code: str, kind: type[AuthError], later: bool) -> None:
        auth = one_world.user(one_world.server.consent())
        if later:
            auth.token()
            one_world.clock.advance(3600)
        one_world.server.error = code
        with pytest.raises(kind) as caught:
            auth.token()
        assert caught.value.provider_code == code

    @pytest.mark.parametrize("code", [*ERRORS, "invalid_grant"])
    def test_a_refresh_of_a_client_that_can_log_in(self, code: str) -> None:
        request = contract().refresh(token(), NOW)
        assert request is not None
        with pytest.raises(AuthError) as caught:
            read(contract(), request, answer(400, error=code))
        kind = ERRORS[code] if code in ("invalid_client", "server_error", "temporarily_unavailable") else LoginRequired
        assert type(caught.value) is kind

    def test_every_code_of_the_rfc_has_a_hint_of_its_own(self) -> None:
        codes = [code for code, kind in ERRORS.items() if kind is CredentialsRejected]
        hints = [refusal(400, error=code).hint for code in codes]
        assert len(set(hints)) == len(codes)

    @pytest.mark.parametrize("status", [400, 401, 403])
    def test_a_refusal_without_a_code_says_nothing_of_the_client(self, status: int) -> None:
        assert type(refusal(status)) is TokenEndpointUnavailable
        assert "token_url" in refusal(status).hint

    @pytest.mark.parametrize("status", [404, 405, 406, 415])
    def test_what_is_no_token_endpoint_is_named(self, status: int) -> None:
        assert type(refusal(status)) is InvalidTokenResponse
        assert "token_url" in refusal(status).hint

    @pytest.mark.parametrize("status", [404, 405])
    def test_an_error_page_in_json_is_no_refusal_and_a_code_of_the_rfc_is(self, status: int) -> None:
        for words in ("Not Found", "Method Not Allowed", "Realm does not exist"):
            assert type(refusal(status, error=words)) is InvalidTokenResponse
        assert type(refusal(status, error="invalid_client")) is CredentialsRejected

    def test_an_error_that_comes_with_200_is_an_error(self) -> None:
        assert type(refusal(200, error="invalid_client")) is CredentialsRejected

    @pytest.mark.parametrize("status", [500, 503])
    def test_5xx_and_429_are_theirs(self, one_world: OAuth2World, status: int) -> None:
        one_world.server.rate_limit = 7 if status == 500 else None
        one_world.server.outage = "unavailable" if status == 503 else None
        with pytest.raises(TokenEndpointUnavailable) as caught:
            one_world.machine().token()
        assert caught.value.status == (503 if status == 503 else 429)

    def test_an_echo_of_a_secret_in_any_writing_is_struck_out(self) -> None:
        ours = contract(client_secret=ODD_SECRET, refresh_token="rt /+", extra=(("assertion", "very secret"),))
        request = ours.refresh(token("rt 2/+"), NOW)
        assert request is not None
        echo = [
            request.headers["Authorization"],
            request.body.decode(),
            ODD_SECRET,
            "rt 2/+",
            "at",
            "very secret",
        ]
        for said in (*echo, base64.b64decode(request.headers["Authorization"][6:]).decode()):
            with pytest.raises(AuthError) as caught:
                read(ours, request, answer(400, error="invalid_grant", error_description=f"<{said}>"))
            shown = repr(caught.value) + str(caught.value) + repr(vars(caught.value))
            assert "***" in shown
            for secret in request.secrets:
                assert len(secret) < 3 or secret not in shown

    def test_an_audience_may_be_named_in_a_message(self) -> None:
        ours = contract(extra=(("audience", "https://api"),))
        said = answer(400, error="invalid_target", error_description="https://api is unknown")
        with pytest.raises(CredentialsRejected, match="https://api is unknown"):
            read(ours, ours.login(), said)


def token(refresh_token: str | None = "rt", **fields: Any) -> Token:
    usual = {"access_token": "at", "issued_at": NOW, "expires_at": NOW + 60, "scopes": ("a", "b")}
    return Token(**{**usual, "refresh_token": refresh_token, **fields})


def refusal(status: int, **members: Any) -> AuthError:
    with pytest.raises(AuthError) as caught:
        read(contract(), contract().login(), answer(status, **members))
    return caught.value


class TestRequests:
    def test_a_client_logs_in_as_section_4_4_2_shows(self) -> None:
        request = contract().login()
        assert (request.purpose, request.url) == (Purpose.LOGIN, TOKEN_URL)
        assert request.headers == {
            "Content-Type": "application/x-www-form-urlencoded",
            "Authorization": "Basic czZCaGRSa3F0Mzo3RmpmcDBaQnIxS3REUmJuZlZkbUl3",
        }
        assert request.body == b"grant_type=client_credentials"

    def test_a_token_is_refreshed_as_section_6_shows(self) -> None:
        request = contract(refresh_token="first").refresh(token("tGzv3JOkF0XG5Qx2TlKWIA"), NOW)
        assert request is not None
        assert request.purpose is Purpose.REFRESH
        assert form(request) == {"grant_type": ["refresh_token"], "refresh_token": ["tGzv3JOkF0XG5Qx2TlKWIA"]}

    def test_credentials_in_the_body_are_sent_as_section_2_3_1_shows(self) -> None:
        request = first_call(contract(client_auth="client_secret_post", refresh_token="tGzv3JOkF0XG5Qx2TlKWIA"))
        assert list(request.headers) == ["Content-Type"]
        assert form(request) == {
            "grant_type": ["refresh_token"],
            "refresh_token": ["tGzv3JOkF0XG5Qx2TlKWIA"],
            "client_id": [CLIENT_ID],
            "client_secret": [SECRET],
        }

    def test_a_public_client_has_no_secret_to_send(self) -> None:
        request = first_call(contract(client_secret=None, client_auth="none", refresh_token="rt"))
        assert list(request.headers) == ["Content-Type"]
        assert form(request) == {
            "grant_type": ["refresh_token"],
            "refresh_token": ["rt"],
            "client_id": [CLIENT_ID],
        }

    def test_a_client_does_not_repeat_its_scope_and_a_user_s_does(self) -> None:
        assert "scope" not in form(contract(scope="a").refresh(token(), NOW))
        assert form(contract(scope="a b", refresh_token="first").refresh(token(), NOW))["scope"] == ["a b"]

    def test_there_is_never_a_revocation(self) -> None:
        assert contract().revoke(token()) is None

    def test_a_client_can_log_in_and_a_user_only_go_on_from_what_was_given(self) -> None:
        assert (contract().can_login, contract().initial_token()) == (True, None)
        user = contract(refresh_token="rt", scope="a b")
        given = user.initial_token()
        assert not user.can_login
        assert given is not None
        assert (given.refresh_token, given.scopes, given.refreshable(NOW)) == ("rt", ("a", "b"), True)
        assert given.expires_at == 0

    def test_it_is_a_provider(self) -> None:
        assert isinstance(contract(), Provider)

    @given(*[st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1)] * 2)
    @example(ODD_ID, ODD_SECRET)
    def test_basic_credentials_can_be_read_by_a_form_decoder(self, client_id: str, client_secret: str) -> None:
        request = contract(client_id=client_id, client_secret=client_secret).login()
        pair = base64.b64decode(request.headers["Authorization"].removeprefix("Basic ")).decode()
        assert [unquote_plus(each) for each in pair.split(":")] == [client_id, client_secret]
        assert not set(pair) & set(" +/=&")  # A blank is %20: who decodes percent signs alone reads it, too.


class TestAnswers:
    def read(self, got: TokenResponse, *, renewed: Token | None = None, **fields: Any) -> Token:
        ours = contract(**fields)
        request = first_call(ours) if renewed is None else ours.refresh(renewed, NOW)
        return read(ours, request, got)

    def test_the_answer_of_section_4_4_3(self) -> None:
        body = b'{"access_token":"2YotnFZFEjr1zCsicMWpAA","token_type":"example","expires_in":3600}'
        with pytest.raises(InvalidTokenResponse):  # 7.1: a type that the client does not know must not be used
            self.read(TokenResponse(200, {}, body))
        read = self.read(TokenResponse(200, {}, body.replace(b'"example"', b'"bearer"')))
        assert (read.access_token, read.issued_at, read.expires_at) == (
            "2YotnFZFEjr1zCsicMWpAA",
            NOW,
            NOW + 3600,
        )
        assert (read.refresh_token, read.refreshable(NOW)) == (None, False)

    @pytest.mark.parametrize(
        ("stated", "lifetime"),
        [(60, 60), ("60", 60), (0.5, 0.5), (0, 0), (-5, 0), (1e12, MAX_LIFETIME)]
        + [(each, 3600) for each in (..., None, "", "soon", True, [60])],
        ids=repr,
    )
    def test_the_lifetime(self, stated: Any, lifetime: float) -> None:
        assert self.read(granted(expires_in=stated)).expires_at == NOW + lifetime

    @pytest.mark.parametrize("kind", ["Bearer", "bearer", "BEARER", "Bearer ", "BearerToken", "", None, ...])
    def test_a_bearer_token_may_have_any_of_its_names_or_none(self, kind: Any) -> None:
        assert self.read(granted(token_type=kind)).token_type == "Bearer"

    @pytest.mark.parametrize(
        ("kind", "shown"),
        [
            ("mac", "'mac'"),
            ("DPoP", "'DPoP'"),
            (1, "of type int"),
            (["Bearer"], "of type list"),
            ("x" * 41, "of type str"),
            ("at", "***"),
        ],
    )
    def test_another_type_is_refused_by_name(self, kind: Any, shown: str) -> None:
        with pytest.raises(InvalidTokenResponse, match="token_type is ") as caught:
            self.read(granted(token_type=kind))
        assert shown in caught.value.message
        assert "token_type=" in caught.value.hint

    def test_another_type_may_be_allowed(self) -> None:
        assert self.read(granted(token_type="JWT-Bearer"), token_type="jwt-bearer").access_token == "at"
        assert self.read(granted(token_type="Token"), scheme="Token").access_token == "at"

    def test_another_word_than_bearer_is_sent_where_it_is_wanted(self) -> None:
        assert contract(scheme="Token").headers(token()) == {"Authorization": "Token at"}

    def test_members_are_kept_by_name_and_stay_where_a_renewal_leaves_them_out(self) -> None:
        first = self.read(granted(instance_url="https://i", id=7, more={"a": 1}), keep=("id", "instance_url", "more"))
        assert first.extra == {"instance_url": "https://i", "id": "7", "more": '{"a": 1}'}
        again = self.read(granted(id=8), renewed=first, keep=("id", "instance_url"))
        assert again.extra == {**first.extra, "id": "8"}
        assert self.read(granted(instance_url="https://i")).extra == {}

    @pytest.mark.parametrize(
        "members",
        [{"access_token": each} for each in (..., "", None, 1, "a b", "a\r\nb", "ä")],
        ids=str,
    )
    def test_without_a_bearer_token_it_is_no_success(self, members: dict[str, Any]) -> None:
        with pytest.raises(InvalidTokenResponse, match="token_url"):
            self.read(granted(**members))

    @pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"access_token=at&token_type=bearer", b"\xff"])
    def test_what_is_no_json_object_is_no_success(self, body: bytes) -> None:
        with pytest.raises(InvalidTokenResponse):
            self.read(TokenResponse(200, {}, body))

    def test_a_new_refresh_token_replaces_the_old_one(self) -> None:
        assert self.read(granted(refresh_token="new"), renewed=token("old")).refresh_token == "new"
        assert self.read(granted(refresh_token="a blank"), refresh_token="old").refresh_token == "a blank"

    @pytest.mark.parametrize("new", [..., None, "", 7, "\ud800", "line\nend"])
    def test_without_a_new_refresh_token_the_old_one_goes_on(self, new: Any) -> None:
        got = granted(refresh_token=new)
        assert self.read(got, renewed=token("old"), refresh_token="first").refresh_token == "old"
        assert self.read(got, refresh_token="first").refresh_token == "first"
        assert self.read(got).refresh_token is None

    def test_a_refresh_token_is_tried_however_old(self) -> None:
        read = self.read(granted(refresh_token="rt"))
        assert read.refreshable(read.expires_at + 300 * 86_400, rejected=True)

    @pytest.mark.parametrize(
        ("scope", "scopes"), [("a  c ", ("a", "c")), ("", ()), (..., ("a", "b")), (None, ("a", "b"))]
    )
    def test_the_scopes_are_what_is_stated_or_else_what_was_asked_for(
        self, scope: Any, scopes: tuple[str, ...]
    ) -> None:
        assert self.read(granted(scope=scope), scope="a b").scopes == scopes
        assert self.read(granted(scope=scope), renewed=token("rt")).scopes == scopes

    def test_nothing_asked_and_nothing_stated_is_nothing_known(self) -> None:
        assert self.read(granted()).scopes == ()


MAKERS: list[Callable[..., Any]] = [
    OAuth2ClientCredentialsAuth,
    lambda url, client_id, secret, **more: OAuth2RefreshTokenAuth(
        url, client_id, "rt", **{"client_secret": secret, **more}
    ),
]


@pytest.mark.parametrize("make", MAKERS, ids=["machine", "user"])
class TestArguments:
    @pytest.mark.parametrize(
        ("name", "value", "kind"),
        [
            ("token_url", 1, TypeError),
            ("token_url", "http://issuer.example/token", ValueError),
            ("token_url", "https://user:hunter2@issuer.example/token", ValueError),
            ("token_url", "https://issuer.example/token#hunter2", ValueError),
            ("token_url", "https://issuer.example/token?p=1#hunter2", ValueError),
            ("client_id", None, TypeError),
            ("client_id", "", ValueError),
            ("client_id", "hunter2\n", ValueError),
            ("client_secret", b"hunter2", TypeError),
            ("client_secret", "", ValueError),
            ("client_secret", "hunter2ä", ValueError),
            ("client_secret", "hunter2" * 4000, ValueError),
            ("client_auth", "hunter2", ValueError),
            ("client_auth", "none", ValueError),
            ("scope", ["hunter2"], TypeError),
            ("scope", "", ValueError),
            ("scope", "hunter2\n", ValueError),
            ("extra", [("audience", "hunter2")], TypeError),
            ("extra", {"audience": 2}, TypeError),
            ("extra", {1: "hunter2"}, TypeError),
            ("extra", {"client_secret": "hunter2"}, ValueError),
            ("extra", {"grant_type": "hunter2"}, ValueError),
            ("base_url", "hunter2", ValueError),
            ("base_url", "http://api.example", ValueError),
            ("assumed_lifetime", 0, ValueError),
            ("assumed_lifetime", "hunter2", TypeError),
        ],
    )
    def test_a_bad_one_is_named_and_not_shown(
        self, make: Callable[..., Any], name: str, value: Any, kind: type[Exception]
    ) -> None:
        given = {"token_url": TOKEN_URL, "client_id": CLIENT_ID, "client_secret": SECRET, name: value}
        first = [given.pop(each) for each in ("token_url", "client_id", "client_secret")]
        with pytest.raises(kind, match=rf"^(?=[a-z_]+ ).*\b{name}\b") as caught:
            make(*first, **given)
        assert "hunter2" not in str(caught.value)

    def test_the_lifetime_that_is_assumed_can_be_another(self, make: Callable[..., Any]) -> None:
        ours = make("https://issuer.example/token", "id", "secret", assumed_lifetime=60)._provider
        assert read(ours, ours.login(), answer(200, access_token="at", token_type="Bearer")).expires_at == NOW + 60

    def test_a_query_and_a_last_slash_of_the_token_url_are_kept(self, make: Callable[..., Any]) -> None:
        url = f"{TOKEN_URL}/?p=a%20b"
        assert make(url, CLIENT_ID, SECRET)._provider.login().url == url

    def test_plain_http_needs_this_machine_or_leave(self, make: Callable[..., Any]) -> None:
        make("http://127.0.0.1:1/token", CLIENT_ID, SECRET)
        make("http://issuer.example/token", CLIENT_ID, SECRET, allow_http=True)

    def test_no_secret_is_shown_and_copies_keep_them(self, make: Callable[..., Any]) -> None:
        auth = make(TOKEN_URL, CLIENT_ID, "hunter2", extra={"assertion": "hunter2"})
        request = auth._provider.login()
        shown = "".join(map(repr, (auth, auth._provider, request, request.headers, request.body)))
        assert "hunter2" not in shown
        for other in (pickle.loads(pickle.dumps(auth)), copy.deepcopy(auth), copy.copy(auth)):
            assert other._provider == auth._provider


def test_a_user_needs_a_refresh_token_and_a_secret_where_it_is_to_be_sent() -> None:
    for missing, kind in ((None, TypeError), ("", ValueError)):
        with pytest.raises(kind, match="refresh_token"):
            OAuth2RefreshTokenAuth(TOKEN_URL, CLIENT_ID, missing)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"^client_auth must fit client_secret: .* with a secret$"):
        OAuth2RefreshTokenAuth(TOKEN_URL, CLIENT_ID, "rt", client_auth="client_secret_basic")
    with pytest.raises(ValueError, match=r"^client_auth must fit client_secret: .* with a secret$"):
        OAuth2ClientCredentialsAuth(TOKEN_URL, CLIENT_ID, None)  # type: ignore[arg-type]


def test_the_package_does_not_import_authlib_and_a_door_does_not_before_it_calls() -> None:
    code = (
        "import sys, auth_plugins; from auth_plugins.providers.oauth2 import OAuth2ClientCredentialsAuth as Door;"
        f"door = Door({TOKEN_URL!r}, 'id', 'secret'); print([name for name in sys.modules if 'authlib' in name]);"
        "door._provider.login(); print('authlib' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout.split(), done.stderr) == (["[]", "True"], "")


class TestSimulator:
    def ask(self, server: OAuth2Simulator, body: str, **headers: str) -> tuple[int, Any, dict[str, str]]:
        usual = {"content-type": "application/x-www-form-urlencoded"}
        got = server.handle(SimRequest("POST", "/oauth2/token", {**usual, **headers}, body.encode()), NOW)
        return got.status, json.loads(got.body), dict(got.headers)

    def test_a_success_must_not_be_kept(self) -> None:
        body = f"grant_type=client_credentials&{IN_THE_BODY}"
        status, got, headers = self.ask(OAuth2Simulator(), body)
        assert (status, got["token_type"], got["scope"]) == (200, "bearer", "read write")
        assert (headers["cache-control"], headers["pragma"]) == ("no-store", "no-cache")

    @pytest.mark.parametrize("header", ["Basic eDp5", "Basic %", "Basic", "Bearer x", "Basic gA==", "Basic \xe4"])
    def test_a_failed_authentication_by_header_is_challenged(self, header: str) -> None:
        status, got, headers = self.ask(OAuth2Simulator(), "grant_type=client_credentials", authorization=header)
        assert (status, got["error"]) == (401, "invalid_client")
        assert headers["www-authenticate"].startswith("Basic ")

    @pytest.mark.parametrize(
        ("body", "code"),
        [
            ("grant_type=client_credentials", "invalid_client"),
            (f"grant_type=client_credentials&client_id={CLIENT_ID}&client_secret=x", "invalid_client"),
            (f"grant_type=refresh_token&{IN_THE_BODY}", "invalid_request"),
            (f"{IN_THE_BODY}", "invalid_request"),
            (f"grant_type=password&{IN_THE_BODY}", "unsupported_grant_type"),
            (
                f"grant_type=client_credentials&{IN_THE_BODY}&scope=x",
                "invalid_scope",
            ),
            (
                f"grant_type=refresh_token&refresh_token=x&{IN_THE_BODY}",
                "invalid_grant",
            ),
            ("grant_type=client_credentials&grant_type=client_credentials", "invalid_request"),
        ],
    )
    def test_other_refusals_are_400(self, body: str, code: str) -> None:
        status, got, headers = self.ask(OAuth2Simulator(), body)
        assert (status, got["error"]) == (400, code)
        assert "www-authenticate" not in headers

    def test_two_methods_at_once_are_refused(self) -> None:
        got = self.ask(OAuth2Simulator(), f"client_secret={SECRET}", authorization="Basic eDp5")
        assert got[1]["error"] == "invalid_request"

    def test_json_is_no_form(self) -> None:
        server = OAuth2Simulator()
        assert self.ask(server, "{}", **{"content-type": "application/json"})[1]["error"] == "invalid_request"

    def test_a_public_client_has_no_client_credentials_grant(self) -> None:
        server = OAuth2Simulator()
        server.client_auth = frozenset({"none"})
        got = self.ask(server, f"grant_type=client_credentials&client_id={CLIENT_ID}")
        assert got[1]["error"] == "unauthorized_client"

    @pytest.mark.parametrize("end_family", [False, True])
    def test_a_rotated_refresh_token_is_refused_and_may_end_its_family(self, end_family: bool) -> None:
        server = OAuth2Simulator(rotate=True)
        server.end_family = end_family

        def refresh(value: str) -> tuple[int, Any]:
            request = first_call(contract(refresh_token=value))
            fields = {name.lower(): str(text) for name, text in request.headers.items()}
            return self.ask(server, request.body.decode(), **fields)[:2]

        first, other = server.consent(), server.consent()
        newest = refresh(first)[1]["refresh_token"]
        assert refresh(first) == (400, answered("invalid_grant"))
        assert refresh(newest)[0] == (400 if end_family else 200)
        assert refresh(other)[0] == 200


def answered(code: str) -> dict[str, str]:
    return {"error": code, "error_description": f"The request was refused: {code.replace('_', ' ')}"}
