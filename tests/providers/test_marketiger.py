"""Marketiger's auth object against a simulated server, over requests, httpx and httpx2."""

from __future__ import annotations

import copy
import json
import logging
import pickle
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auth_plugins import (
    AuthError,
    CredentialsRejected,
    LoginRequired,
    MarketigerAuth,
    MemoryStore,
    TokenEndpointUnavailable,
)
from auth_plugins.simulators import MarketigerSimulator, SimRequest
from auth_plugins.testing import settle
from tests.providers.conftest import World

BASE = "https://devapi.marketiger3d.com/v2"
EMAIL, PASSWORD = "user@example.com", "your_password_here"
HALF_A_DAY = 43_200


class MarketigerWorld(World[MarketigerSimulator]):
    def __init__(self, library: str = "requests") -> None:
        super().__init__(MarketigerSimulator(), f"{BASE}/Model3D", library)

    def auth(self, *credentials: str, **options: Any) -> MarketigerAuth:
        """With these credentials; without any with the right ones, unless there is a pair of tokens."""
        if not credentials and "refresh_token" not in options:
            credentials = EMAIL, PASSWORD
        return MarketigerAuth(*credentials, **self.options(**options))

    def pair(self) -> dict[str, str]:
        """Log in elsewhere."""
        body = json.dumps({"email": EMAIL, "password": PASSWORD}).encode()
        request = SimRequest("POST", "/v2/Auth/Login", {"content-type": "application/json"}, body)
        data = json.loads(self.server.handle(request, self.clock()).body)["data"]
        self.server.ledger.clear()
        return {"access_token": data["accessToken"], "refresh_token": data["refreshToken"]}


@pytest.fixture
def world(library: str) -> MarketigerWorld:
    return MarketigerWorld(library)


@pytest.fixture
def one_world() -> MarketigerWorld:
    return MarketigerWorld()


class TestCredentials:
    def test_the_end_is_followed_by_a_refresh_time_and_again(self, world: MarketigerWorld) -> None:
        auth = world.auth()
        for _ in range(4):
            assert world.get(auth).status_code == 200
            world.clock.advance(3600)
        assert world.calls == [("login", 200), ("api", 200), *[("refresh", 200), ("api", 200)] * 3]

    @pytest.mark.parametrize("empty", [False, True])
    def test_a_401_is_answered_by_a_refresh_whatever_its_body(self, world: MarketigerWorld, empty: bool) -> None:
        world.server.empty_401 = empty
        auth = world.auth()
        world.get(auth)
        world.server.revoke_all()
        assert world.get(auth).status_code == 200
        assert world.calls[2:] == [("api", 401), ("refresh", 200), ("api", 200)]

    def test_a_401_to_every_token_is_handed_over_untouched(self, world: MarketigerWorld) -> None:
        world.server.empty_401 = world.server.reject_all = True
        answer = world.get(world.auth())
        assert (answer.status_code, answer.content) == (401, b"")
        assert answer.headers["www-authenticate"] == 'Bearer error="invalid_token"'

    @pytest.mark.parametrize("status", [402, 403, 409, 424, 429])
    def test_other_answers_renew_nothing(self, world: MarketigerWorld, status: int) -> None:
        assert world.get(world.auth(), f"{BASE}/status/{status}").status_code == status
        assert world.calls == [("login", 200), ("api", status)]

    def test_a_refused_refresh_is_followed_by_one_login(self, world: MarketigerWorld) -> None:
        auth = world.auth()
        world.get(auth)
        world.server.revoke_refresh_tokens()
        world.clock.advance(3600)
        assert world.get(auth).status_code == 200
        assert world.calls[2:] == [("refresh", 401), ("login", 200), ("api", 200)]

    @pytest.mark.parametrize("numeric", [False, True])
    @pytest.mark.parametrize("as_200", [False, True])
    def test_a_refused_refresh_and_then_login_is_an_error_and_is_remembered(
        self, world: MarketigerWorld, numeric: bool, as_200: bool
    ) -> None:
        auth = world.auth()
        world.get(auth)
        world.server.numeric_types, world.server.always_200 = numeric, as_200
        world.server.revoke_refresh_tokens()
        world.server.rotate_secret("another")
        world.clock.advance(3600)
        for _ in range(3):
            with pytest.raises(CredentialsRejected) as caught:
                world.get(auth)
            assert caught.value.provider_code == "AUTHENTICATION"
            assert caught.value.provider_message == "Username or Password are incorrect."
        statuses = (200, 200) if as_200 else (401, 400)
        assert world.calls[2:] == [("refresh", statuses[0]), ("login", statuses[1])]

    def test_wrong_credentials_are_refused_with_400_and_remembered(self, world: MarketigerWorld) -> None:
        auth = world.auth(EMAIL, "wrong")
        for _ in range(3):
            with pytest.raises(CredentialsRejected, match="Check email and password") as caught:
                world.get(auth)
            assert caught.value.status == 400
        assert world.calls == [("login", 400)]

    @pytest.mark.parametrize(("outage", "rate_limit", "status"), [("unavailable", None, 503), (None, 7.0, 429)])
    def test_trouble_of_theirs_is_theirs(
        self, world: MarketigerWorld, outage: Any, rate_limit: float | None, status: int
    ) -> None:
        world.server.outage, world.server.rate_limit = outage, rate_limit
        with pytest.raises(TokenEndpointUnavailable) as caught:
            world.get(world.auth())
        assert (caught.value.status, caught.value.provider_code) == (status, "OPERATION_FAILED")
        assert caught.value.retry_after == rate_limit

    def test_a_refresh_whose_answer_was_lost_is_never_repeated_but_followed_by_a_login(
        self, one_world: MarketigerWorld
    ) -> None:
        auth = one_world.auth()
        auth.token()
        one_world.clock.advance(3600)
        one_world.server.outage = "lost"
        with pytest.raises(TokenEndpointUnavailable):
            auth.token()
        one_world.server.outage = None
        assert one_world.calls[1:] == [("refresh", 0), ("login", 0)]
        auth.token()
        assert one_world.calls[3:] == [("refresh", 401), ("login", 200)]

    def test_passwords_of_any_characters_arrive(self, world: MarketigerWorld) -> None:
        email, password = "zoë@exämple.example", ' pass "wörd" \\ 密码🔑 '
        world.server = MarketigerSimulator(email, password)
        assert world.get(world.auth(email, password)).status_code == 200

    def test_the_token_stays_with_its_origin(self, world: MarketigerWorld) -> None:
        auth = world.auth()
        assert world.get(auth, "https://other.example/v2/x").status_code == 401
        assert world.calls == [("api", 401)]
        assert world.get(world.auth(origins=["https://other.example"]), "https://other.example/v2/x").status_code == 200

    def test_logging_out_forgets_the_token_without_a_call(self, one_world: MarketigerWorld) -> None:
        auth = one_world.auth()
        auth.token()
        auth.logout()
        auth.token()
        assert one_world.calls == [("login", 200), ("login", 200)]


class TestWhatThePagesLeaveOpen:
    def test_a_login_without_a_refresh_token_is_followed_by_a_login(self, world: MarketigerWorld) -> None:
        world.server.omit_refresh_token = True
        auth = world.auth()
        for _ in range(3):
            assert world.get(auth).status_code == 200
            world.clock.advance(3600)
        assert world.calls == [("login", 200), ("api", 200)] * 3

    def test_a_refresh_without_one_keeps_the_old(self, world: MarketigerWorld) -> None:
        auth = world.auth()
        world.get(auth)
        world.server.omit_refresh_token = True
        for _ in range(3):
            world.clock.advance(3600)
            assert world.get(auth).status_code == 200
        assert world.calls[2:] == [("refresh", 200), ("api", 200)] * 3

    def test_a_refresh_without_one_though_the_old_is_dead_is_followed_by_a_login(self, world: MarketigerWorld) -> None:
        auth = world.auth()
        world.get(auth)
        world.server.omit_refresh_token = True
        world.clock.advance(3600)
        world.get(auth)
        world.server.revoke_refresh_tokens()
        world.clock.advance(3600)
        assert world.get(auth).status_code == 200
        assert world.calls[4:] == [("refresh", 401), ("login", 200), ("api", 200)]

    def test_without_rotation_it_goes_on_to_the_refresh_tokens_own_end(self, one_world: MarketigerWorld) -> None:
        one_world.server.rotate = False
        auth = one_world.auth()
        for _ in range(12):
            auth.token()
            one_world.clock.advance(3600)
        auth.token()
        assert one_world.calls == [("login", 200), *[("refresh", 200)] * 11, ("refresh", 401), ("login", 200)]

    @pytest.mark.parametrize("knob", ["opaque_tokens", "omit_claims"])
    def test_of_a_token_that_does_not_say_its_end_a_quarter_of_an_hour_is_believed(
        self, world: MarketigerWorld, knob: str
    ) -> None:
        setattr(world.server, knob, True if knob == "opaque_tokens" else frozenset({"exp"}))
        world.server.lifetime = 60
        auth = world.auth()
        assert auth.token().expires_at == world.clock() + 900
        world.clock.advance(60)
        assert world.get(auth).status_code == 200
        assert world.calls == [("login", 200), ("api", 401), ("refresh", 200), ("api", 200)]

    def test_that_quarter_of_an_hour_can_be_something_else(self, one_world: MarketigerWorld) -> None:
        one_world.server.opaque_tokens = True
        assert one_world.auth(assumed_lifetime=60).token().expires_at == one_world.clock() + 60

    @pytest.mark.parametrize("skew", [-7200.0, 7200.0])
    def test_a_clock_that_is_wrong_by_hours_does_no_harm(self, world: MarketigerWorld, skew: float) -> None:
        world.server.skew = skew
        auth = world.auth()
        for _ in range(3):
            assert world.get(auth).status_code == 200
            world.clock.advance(3600)
        assert world.calls == [("login", 200), ("api", 200), *[("refresh", 200), ("api", 200)] * 2]

    @pytest.mark.parametrize("skew", [-7200.0, 7200.0])
    def test_without_iat_it_costs_a_401_at_most(self, one_world: MarketigerWorld, skew: float) -> None:
        one_world.server.skew, one_world.server.omit_claims = skew, frozenset({"iat"})
        auth = one_world.auth()
        for _ in range(3):
            assert one_world.get(auth).status_code == 200
            one_world.clock.advance(3600)
        assert one_world.server.ledger.token_calls == 3


class TestTwelveHours:
    @pytest.mark.parametrize(("passed", "grant"), [(HALF_A_DAY - 1, "refresh"), (HALF_A_DAY, "login")])
    def test_a_refresh_token_is_used_until_then_and_not_later(
        self, world: MarketigerWorld, passed: int, grant: str
    ) -> None:
        auth = world.auth()
        world.get(auth)
        world.clock.advance(passed)
        assert world.get(auth).status_code == 200
        assert world.calls[2:] == [(grant, 200), ("api", 200)]

    def test_they_begin_anew_with_each_renewal(self, one_world: MarketigerWorld) -> None:
        auth = one_world.auth()
        auth.token()
        for _ in range(4):
            one_world.clock.advance(HALF_A_DAY - 1)
            auth.token()
        assert one_world.calls == [("login", 200), *[("refresh", 200)] * 4]

    @pytest.mark.parametrize(("passed", "alive"), [(HALF_A_DAY - 1, True), (HALF_A_DAY, False)])
    def test_with_a_pair_alone_the_server_decides_whether_they_have_passed(
        self, one_world: MarketigerWorld, passed: int, alive: bool
    ) -> None:
        auth = one_world.auth(**one_world.pair())
        one_world.clock.advance(3600)
        auth.token()
        one_world.clock.advance(passed)
        if alive:
            auth.token()
            assert one_world.calls == [("refresh", 200), ("refresh", 200)]
        else:
            with pytest.raises(LoginRequired, match="Log in again"):
                auth.token()
            assert one_world.calls == [("refresh", 200), ("refresh", 401)]

    def test_a_pair_is_renewed_before_them_even_if_its_token_lives_longer(self, one_world: MarketigerWorld) -> None:
        one_world.server.lifetime = 2 * HALF_A_DAY
        auth = one_world.auth(**one_world.pair())
        auth.invalidate()
        for _ in range(4):
            assert one_world.get(auth).status_code == 200
            settle(auth)
            one_world.clock.advance(HALF_A_DAY - 300)
        assert [call for call in one_world.calls if call[0] != "api"] == [("refresh", 200)] * 4


class TestPair:
    def test_its_token_is_used_to_its_end_and_then_renewed(self, world: MarketigerWorld) -> None:
        auth = world.auth(**world.pair())
        assert world.get(auth).status_code == 200
        world.clock.advance(3600)
        assert world.get(auth).status_code == 200
        assert world.calls == [("api", 200), ("refresh", 200), ("api", 200)]

    def test_a_token_that_does_not_say_its_end_is_renewed_first(self, world: MarketigerWorld) -> None:
        world.server.opaque_tokens = True
        assert world.get(world.auth(**world.pair())).status_code == 200
        assert world.calls == [("refresh", 200), ("api", 200)]

    def test_that_has_ended_is_renewed_first(self, world: MarketigerWorld) -> None:
        pair = world.pair()
        world.clock.advance(HALF_A_DAY - 1)
        assert world.get(world.auth(**pair)).status_code == 200
        assert world.calls == [("refresh", 200), ("api", 200)]

    def test_that_is_dead_asks_for_a_login(self, world: MarketigerWorld) -> None:
        auth = world.auth(**world.pair())
        world.clock.advance(HALF_A_DAY)
        for _ in range(3):
            with pytest.raises(LoginRequired, match="Log in again") as caught:
                world.get(auth)
            assert caught.value.provider_message == "Invalid or expired refresh token"
        assert world.calls == [("refresh", 401)]

    def test_that_is_dead_is_replaced_by_a_login_where_there_are_credentials(self, world: MarketigerWorld) -> None:
        auth = world.auth(EMAIL, PASSWORD, **world.pair())
        assert world.get(auth).status_code == 200
        world.clock.advance(HALF_A_DAY)
        assert world.get(auth).status_code == 200
        assert world.calls == [("api", 200), ("refresh", 401), ("login", 200), ("api", 200)]

    def test_a_restart_goes_on_with_what_the_store_has(self, one_world: MarketigerWorld) -> None:
        pair = one_world.pair()
        auth = one_world.auth(**pair)
        one_world.clock.advance(3600)
        newest = auth.token()
        later = one_world.auth(**pair, store=Reopened(one_world.store))
        assert later.token() == newest
        one_world.clock.advance(3600)
        assert later.token() != newest
        assert one_world.calls == [("refresh", 200)] * 2

    def test_a_restart_with_the_newest_pair_goes_on_without_a_store(self, one_world: MarketigerWorld) -> None:
        auth = one_world.auth(**one_world.pair())
        one_world.clock.advance(3600)
        newest = auth.token()
        assert newest.refresh_token is not None
        pair = {"access_token": newest.access_token, "refresh_token": newest.refresh_token}
        later = one_world.auth(**pair, store=MemoryStore(clock=one_world.clock))
        assert later.token().access_token == newest.access_token
        one_world.clock.advance(3600)
        later.token()
        assert one_world.calls == [("refresh", 200)] * 2

    def test_a_restart_with_an_old_pair_and_no_store_has_to_log_in(self, one_world: MarketigerWorld) -> None:
        pair = one_world.pair()
        one_world.clock.advance(3600)
        one_world.auth(**pair).token()
        with pytest.raises(LoginRequired):
            one_world.auth(**pair, store=MemoryStore(clock=one_world.clock)).token()

    @pytest.mark.parametrize("detect", [False, True])
    def test_reuse_by_another_ends_the_session_only_where_it_is_looked_for(
        self, one_world: MarketigerWorld, detect: bool
    ) -> None:
        one_world.server.reuse_detection = detect
        pair = one_world.pair()
        auth = one_world.auth(**pair)
        one_world.clock.advance(3600)
        auth.token()
        with pytest.raises(LoginRequired):
            one_world.auth(**pair, store=MemoryStore(clock=one_world.clock)).token()
        one_world.clock.advance(3600)
        if detect:
            with pytest.raises(LoginRequired):
                auth.token()
        else:
            auth.token()

    def test_a_refresh_whose_answer_was_lost_costs_the_session(self, one_world: MarketigerWorld) -> None:
        auth = one_world.auth(**one_world.pair())
        one_world.clock.advance(3600)
        one_world.server.outage = "lost"
        with pytest.raises(TokenEndpointUnavailable):
            auth.token()
        one_world.server.outage = None
        with pytest.raises(LoginRequired):
            auth.token()
        assert one_world.calls == [("refresh", 0), ("refresh", 401)]


class Reopened(MemoryStore):
    """What the next process finds in a store that lasts."""

    def __init__(self, before: MemoryStore) -> None:
        super().__init__()
        self._before = before

    salt = property(lambda self: self._before.salt)

    def load(self, key: str) -> Any:
        return self._before.load(key)

    def save(self, key: str, token: Any) -> None:
        self._before.save(key, token)


class TestIdentity:
    def test_equal_credentials_share_one_token(self, one_world: MarketigerWorld) -> None:
        tokens = {one_world.auth().token() for _ in range(3)}
        assert (len(tokens), one_world.calls) == (1, [("login", 200)])

    def test_whatever_differs_makes_another_token(self, one_world: MarketigerWorld) -> None:
        pair, other = one_world.pair(), one_world.pair()
        mixed = {**pair, "refresh_token": other["refresh_token"]}
        one_world.server.email, one_world.server._secret = "b@example.com", "second"
        makers: list[tuple[tuple[str, ...], dict[str, Any]]] = [
            (("b@example.com", "second"), {}),
            (("b@example.com", "second"), {"base_url": "https://prod.example/v2"}),
            (("b@example.com", "second"), {"assumed_lifetime": 60}),
            (("b@example.com", "second"), pair),
            ((), pair),
            ((), other),
            ((), mixed),
        ]
        slots = [one_world.auth(*credentials, **more)._source.shared for credentials, more in makers]
        assert len(set(map(id, slots))) == len(makers)
        with pytest.raises(CredentialsRejected):
            one_world.auth("b@example.com", "wrong").token()
        with pytest.raises(CredentialsRejected):
            one_world.auth("c@example.com", "second").token()

    def test_what_is_the_same_in_other_words_shares_a_token(self, one_world: MarketigerWorld) -> None:
        one = one_world.auth(EMAIL, PASSWORD)
        two = one_world.auth(
            email=EMAIL, password=PASSWORD, base_url=f"{BASE}/", assumed_lifetime=900, refresh_token=None
        )
        assert one._source.shared is two._source.shared

    def test_copies_and_pickles_keep_the_credentials(self) -> None:
        auth = MarketigerAuth(EMAIL, PASSWORD, access_token="an_at", refresh_token="an_rt")
        for other in (pickle.loads(pickle.dumps(auth)), copy.copy(auth), copy.deepcopy(auth)):
            assert type(other) is MarketigerAuth
            assert other._provider == auth._provider


def test_no_secret_is_shown_anywhere(world: MarketigerWorld, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "auth_plugins")
    auth, errors = world.auth(EMAIL, PASSWORD, **world.pair()), []
    tokens = [auth.token()]
    world.clock.advance(3600)
    tokens.append(auth.token())
    world.server.revoke_refresh_tokens()
    world.server.rotate_secret("another")
    world.clock.advance(3600)
    with pytest.raises(AuthError) as caught:
        world.get(auth)
    errors.append(caught.value)
    shown = [repr(auth), repr(auth._provider), repr(tokens), repr(world.events), caplog.text, repr(auth._source)]
    shown += [f"{error!s} {error!r} {vars(error)!r}" for error in errors]
    secrets = {EMAIL, PASSWORD, *(t.access_token for t in tokens), *(str(t.refresh_token) for t in tokens)}
    assert not [secret for secret in secrets for text in shown if secret in text]


class TestArguments:
    @pytest.mark.parametrize(
        ("given_", "missing", "there"),
        [
            ({"email": "s3cret"}, "password", "email"),
            ({"password": "s3cret"}, "email", "password"),
            ({"access_token": "s3cret"}, "refresh_token", "access_token"),
            ({"refresh_token": "s3cret"}, "access_token", "refresh_token"),
        ],
    )
    @pytest.mark.parametrize("other_pair", [False, True])
    def test_half_of_a_pair_names_the_other_half(
        self, given_: dict[str, Any], missing: str, there: str, other_pair: bool
    ) -> None:
        pairs: list[dict[str, Any]] = [{"email": "a", "password": "b"}, {"access_token": "a", "refresh_token": "b"}]
        more = next(pair for pair in pairs if there not in pair) if other_pair else {}
        with pytest.raises(ValueError, match=rf"^{missing} is missing.* {there}$") as caught:
            MarketigerAuth(**given_, **more)
        assert "s3cret" not in str(caught.value)

    def test_nothing_at_all_names_both_pairs(self) -> None:
        with pytest.raises(ValueError, match=r"^email and password .* access_token and refresh_token$"):
            MarketigerAuth()

    TEXTS = ("email", "password", "access_token", "refresh_token")

    @pytest.mark.parametrize("name", TEXTS)
    @settings(max_examples=40, deadline=None)
    @given(value=st.sampled_from([b"s3cret", 271_828, 0.5, True, ["s3cret"], {"s3cret": 1}, object()]))
    def test_what_is_no_text_is_named_and_not_shown(self, name: str, value: Any) -> None:
        self.refused(TypeError, name, value)

    @pytest.mark.parametrize("name", TEXTS)
    @pytest.mark.parametrize("odd", ["\n", "\r\n", "\t", "\x00", "\x7f", "\ud800", "\u2028"])
    def test_a_control_character_is_named_and_not_shown(self, name: str, odd: str) -> None:
        for value in (f"s3cret{odd}", f"{odd}s3cret"):
            self.refused(ValueError, name, value)

    @pytest.mark.parametrize("name", [name for name in TEXTS if name != "password"])
    @pytest.mark.parametrize("value", ["s3cret ", " s3cret", "s3 cret", "s3cret\xa0"])
    def test_blanks_belong_into_a_password_alone(self, name: str, value: str) -> None:
        self.refused(ValueError, name, value)
        assert MarketigerAuth(EMAIL, value) is not None

    @pytest.mark.parametrize(
        ("name", "length"), [("email", 4096), ("password", 4096), ("access_token", 262_144), ("refresh_token", 262_144)]
    )
    def test_lengths_on_both_sides_of_their_edges(self, name: str, length: int) -> None:
        self.refused(ValueError, name, "")
        self.refused(ValueError, name, "s3cret" + "x" * (length - 5))
        assert MarketigerAuth(**{**self.good(), name: "x" * length}) is not None
        assert MarketigerAuth(**{**self.good(), name: "x"}) is not None

    def test_a_token_must_be_fit_for_a_header(self) -> None:
        self.refused(ValueError, "access_token", "s3crét")
        assert MarketigerAuth(**{**self.good(), "refresh_token": "s3crét"}) is not None

    @pytest.mark.parametrize("value", ["http://s3cret.example", "s3cret", "https://s3cret@x", "https://x?s3cret", ""])
    def test_a_bad_base_url_is_named_and_not_shown(self, value: str) -> None:
        self.refused(ValueError, "base_url", value)

    def test_plain_http_needs_this_machine_or_leave(self) -> None:
        assert MarketigerAuth(EMAIL, PASSWORD, base_url="http://127.0.0.1:1/v2") is not None
        assert MarketigerAuth(EMAIL, PASSWORD, base_url="http://api.example/v2", allow_http=True) is not None

    @pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf"), 10**400])
    def test_an_assumed_lifetime_must_be_one(self, value: Any) -> None:
        self.refused(ValueError, "assumed_lifetime", value)

    @pytest.mark.parametrize("value", ["s3cret", None, True, [1]])
    def test_an_assumed_lifetime_is_a_number(self, value: Any) -> None:
        self.refused(TypeError, "assumed_lifetime", value)

    def test_an_option_that_there_is_not_is_named(self) -> None:
        with pytest.raises(TypeError, match="alow_http"):
            MarketigerAuth(EMAIL, PASSWORD, alow_http=True)  # type: ignore[call-arg]

    def good(self) -> dict[str, Any]:
        return {"email": "a", "password": "b", "access_token": "c", "refresh_token": "d"}

    def refused(self, kind: type[Exception], name: str, value: Any) -> None:
        with pytest.raises((TypeError, ValueError)) as caught:
            MarketigerAuth(**{**self.good(), name: value})
        assert type(caught.value) is kind
        assert name in str(caught.value)
        text = f"{caught.value} {caught.value!r} {caught.value.__cause__} {caught.value.__context__}"
        assert "s3cr" not in text
        assert "271828" not in text
