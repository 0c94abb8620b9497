"""Every secret argument is a text, a hidden text, or a function; the same for every provider."""

from __future__ import annotations

import copy
import pickle
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import requests

from auth_plugins import (
    AuthError,
    ConfigurationError,
    CredentialsRejected,
    FileStore,
    FyatuAuth,
    FyatuBusinessAuth,
    JWTPlusAuth,
    MarketigerAuth,
    MemoryStore,
    OAuth2ClientCredentialsAuth,
    OAuth2RefreshTokenAuth,
    TokenAuth,
    VaultAuth,
)
from auth_plugins.simulators import (
    FyatuSimulator,
    JWTPlusSimulator,
    MarketigerSimulator,
    OAuth2Simulator,
    Simulator,
    VaultSimulator,
)
from auth_plugins.testing import FakeClock, mock_transport

FIRST, SECOND = "first-secret-of-16", "second-secret-of-16"
HOST = "https://api.example"
APP = "A1B2C3D4E5F6G7H8"


class SecretStr:
    """What pydantic's class of this name promises, and all that is used of it."""

    def __init__(self, value: str) -> None:
        self._value = value

    def get_secret_value(self) -> str:
        return self._value


class Case:
    """A provider, and how to make its auth object with a secret and its simulator with the first one."""

    def __init__(self, name: str, simulator: Callable[[], Simulator], make: Callable[..., TokenAuth]) -> None:
        self.name, self.simulator, self.make = name, simulator, make


def fyatu(secret: Any, **options: Any) -> TokenAuth:
    return FyatuAuth(APP, secret, base_url=f"{HOST}/api/v3", **options)


def business(secret: Any, **options: Any) -> TokenAuth:
    return FyatuBusinessAuth(APP, secret, base_url=f"{HOST}/api/v3.20", **options)


def vault(secret: Any, **options: Any) -> TokenAuth:
    return VaultAuth(1042, base_url=HOST, email="user@example.com", password=secret, **options)


def jwtplus(secret: Any, **options: Any) -> TokenAuth:
    who: dict[str, Any] = {"ip": "192.0.2.1", "user_agent": "test", "subject": "me", "audience": "web"}
    return JWTPlusAuth(JWTPlusSimulator().app_id, secret, base_url=HOST, **who, **options)


def marketiger(secret: Any, **options: Any) -> TokenAuth:
    return MarketigerAuth("user@example.com", secret, base_url=f"{HOST}/v2", **options)


def oauth2(secret: Any, **options: Any) -> TokenAuth:
    return OAuth2ClientCredentialsAuth(f"{HOST}/oauth2/token", "my-client", secret, **options)


CASES = [
    Case("fyatu", lambda: FyatuSimulator(APP, FIRST), fyatu),
    Case("business", lambda: FyatuSimulator(APP, FIRST, generation="v3.20"), business),
    Case("vault", lambda: VaultSimulator(email="user@example.com", password=FIRST), vault),
    Case("jwtplus", lambda: JWTPlusSimulator(app_key=FIRST), jwtplus),
    Case("marketiger", lambda: MarketigerSimulator("user@example.com", FIRST), marketiger),
    Case("oauth2", lambda: OAuth2Simulator("my-client", FIRST), oauth2),
]


class Place:
    """Where a secret is; it counts how often it was asked for, and by which threads."""

    def __init__(self, *values: str) -> None:
        self.values, self.asked = list(values), 0
        self.threads: set[str] = set()

    def __call__(self) -> str:
        self.asked += 1
        self.threads.add(threading.current_thread().name)
        return self.values.pop(0) if len(self.values) > 1 else self.values[0]


class World:
    def __init__(self, case: Case) -> None:
        self.case, self.server, self.clock = case, case.simulator(), FakeClock()
        self.options: dict[str, Any] = {
            "token_client": httpx.Client(transport=mock_transport(self.server, self.clock)),
            "store": MemoryStore(clock=self.clock),
            "clock": self.clock,
        }

    def make(self, secret: Any, **options: Any) -> TokenAuth:
        return self.case.make(secret, **{**self.options, **options})

    @property
    def logins(self) -> list[int]:
        return [call.status for call in self.server.ledger.calls("login")]


@pytest.fixture(params=CASES, ids=lambda case: case.name)
def world(request: pytest.FixtureRequest) -> World:
    return World(request.param)


def accepted(status: int) -> bool:
    return status == 200


class TestKinds:
    @pytest.mark.parametrize(
        "kind",
        [str, SecretStr, lambda text: lambda: text, lambda text: lambda: SecretStr(text)],
        ids=["text", "hidden", "function", "function of hidden"],
    )
    def test_each_kind_of_secret_logs_in(self, world: World, kind: Any) -> None:
        assert world.make(kind(FIRST)).token().access_token
        assert world.logins == [200]

    def test_a_hidden_text_is_the_same_as_the_text(self, world: World) -> None:
        world.make(SecretStr(FIRST)).token()
        world.make(FIRST).token()
        assert world.logins == [200]

    def test_a_line_end_is_taken_off(self, world: World) -> None:
        world.make(lambda: f"{FIRST}\r\n").token()
        assert world.logins == [200]

    def test_a_function_is_not_called_before_a_token_call(self, world: World) -> None:
        place = Place(FIRST)
        auth = world.make(place)
        assert place.asked == 0
        auth.token()
        asked = place.asked
        auth.token()
        assert place.asked == asked == 1
        assert threading.current_thread().name not in place.threads

    @pytest.mark.parametrize("wrong", [None, 7, b"first-secret-of-16", SecretStr, object()])
    def test_another_type_is_refused_by_name(self, world: World, wrong: Any) -> None:
        if wrong is None and world.case.name in ("vault", "marketiger"):
            with pytest.raises(ValueError, match="password is missing"):
                world.make(wrong)
            return
        with pytest.raises((TypeError, ValueError), match=r"^(secret_key|password|app_key|client_\w+) must"):
            world.make(wrong)

    def test_a_coroutine_function_is_refused(self, world: World) -> None:
        async def ask() -> str:
            return FIRST

        with pytest.raises(TypeError, match="must be an ordinary function"):
            world.make(ask)


class TestRotation:
    def test_a_rotated_secret_is_noticed_without_a_new_object(self, world: World) -> None:
        place = Place(FIRST)
        auth = world.make(place)
        auth.token()
        place.values = [SECOND]
        world.server.rotate_secret(SECOND)
        auth.invalidate()
        world.clock.advance(1)
        assert auth.token().access_token
        assert world.logins in ([200, 200], [200])  # JWTPlus and Vault may renew without a login.

    def test_a_secret_that_was_replaced_during_the_call_is_asked_for_once_more(self, world: World) -> None:
        world.server.rotate_secret(SECOND)
        place = Place(FIRST, SECOND)
        assert world.make(place).token().access_token
        assert place.asked == 2
        assert [accepted(status) for status in world.logins] == [False, True]

    def test_the_same_secret_is_not_sent_twice(self, world: World) -> None:
        world.server.rotate_secret(SECOND)
        place = Place(FIRST)
        auth = world.make(place)
        for _ in range(3):
            with pytest.raises(CredentialsRejected):
                auth.token()
        assert len(world.logins) == 1

    def test_a_secret_that_is_replaced_after_the_refusal_ends_the_pause(self, world: World) -> None:
        """A rotated file may arrive a minute after the rotation."""
        world.server.rotate_secret(SECOND)
        place = Place(FIRST)
        auth = world.make(place)
        with pytest.raises(CredentialsRejected):
            auth.token()
        world.clock.advance(1.5)
        with pytest.raises(CredentialsRejected):
            auth.token()
        assert len(world.logins) == 1
        place.values = [SECOND]
        world.clock.advance(1.5)
        assert auth.token().access_token

    def test_a_rotated_secret_does_not_lose_the_session(self, world: World, tmp_path: Path) -> None:
        """The store's key is the same, and so a process that has had the old secret uses the session."""
        store = FileStore(tmp_path / "tokens", clock=world.clock)
        place = Place(FIRST)
        first = world.make(place, store=store)
        token = first.token()
        entries = {path.name for path in (tmp_path / "tokens").glob("*.token")}
        place.values = [SECOND]
        world.server.rotate_secret(SECOND)
        assert first.token() == token
        life = token.expires_at - world.clock()
        world.clock.advance(life - 10)
        first.token()
        first.invalidate()
        first.token()
        assert {path.name for path in (tmp_path / "tokens").glob("*.token")} == entries


class TestSharing:
    def test_two_functions_with_the_same_secret_share_through_the_store(self, world: World) -> None:
        first, second = world.make(lambda: FIRST), world.make(lambda: FIRST)
        assert first.token() == second.token()
        assert world.logins == [200]

    def test_a_function_with_another_secret_gets_no_token(self, world: World) -> None:
        world.make(lambda: FIRST).token()
        with pytest.raises(CredentialsRejected):
            world.make(lambda: SECOND).token()
        assert [accepted(status) for status in world.logins] == [True, False]

    def test_a_wrong_secrets_logout_leaves_the_token_of_the_right_one(self, world: World) -> None:
        token = world.make(lambda: FIRST).token()
        world.make(lambda: SECOND).logout()
        assert world.make(lambda: FIRST).token() == token
        assert world.logins == [200]

    def test_the_same_function_shares_what_is_remembered(self, world: World) -> None:
        place = Place(SECOND)
        for _ in range(3):
            with pytest.raises(CredentialsRejected):
                world.make(place).token()
        assert len(world.logins) == 1

    def test_a_text_does_not_share_with_a_function(self, world: World) -> None:
        world.make(FIRST).token()
        world.make(lambda: FIRST).token()
        assert world.logins == [200, 200]

    def test_the_users_token_shows_no_proof(self, world: World) -> None:
        world.make(lambda: FIRST).token()
        token = world.make(lambda: FIRST).token()
        assert not any("auth_plugins" in name for name in token.extra)


class Named:
    """A function that can be pickled."""

    def __init__(self, secret: str) -> None:
        self.secret = secret

    def __call__(self) -> str:
        return self.secret


def broken() -> str:
    secret = FIRST
    raise ValueError(f"cannot read {secret}")


class TestSafety:
    def test_copies_ask_the_same_function(self, world: World) -> None:
        place = Named(FIRST)
        auth = world.make(place)
        for other in (copy.copy(auth), copy.deepcopy(auth)):
            assert other.token() == auth.token()
        assert world.logins == [200]

    def test_a_pickle_has_the_function_and_no_secret(self, world: World) -> None:
        auth = world.case.make(Path("first-secret-file").read_text)
        state = pickle.dumps(auth)
        assert b"first-secret-file" in state
        assert FIRST.encode() not in state
        assert repr(pickle.loads(state)) == repr(auth)

    def test_no_representation_calls_the_function(self, world: World) -> None:
        place = Place(FIRST)
        auth = world.make(place)
        assert FIRST not in repr(auth) + repr(auth._provider) + str(vars(auth))
        assert place.asked == 0

    def test_a_function_that_raises_is_named_without_its_text(self, world: World) -> None:
        auth = world.make(broken)
        with pytest.raises(ConfigurationError, match=r"The function for \w+ raised ValueError") as caught:
            auth.token()
        assert FIRST not in str(caught.value)
        assert caught.value.__cause__ is caught.value.__context__ is None
        assert world.logins == []

    def test_a_function_that_works_again_is_asked_at_once(self, world: World) -> None:
        place = Place("too bad\nto be a secret")
        auth = world.make(place)
        with pytest.raises(ConfigurationError):
            auth.token()
        place.values = [FIRST]
        assert auth.token().access_token

    def test_errors_of_requests_are_requests_own(self, world: World) -> None:
        with pytest.raises(requests.RequestException) as caught:
            requests.get(HOST, auth=world.make(broken), timeout=5)
        assert isinstance(caught.value, AuthError)

    def test_a_valid_token_outlives_a_function_that_fails(self, world: World) -> None:
        place = Place(FIRST)
        auth = world.make(place)
        token = auth.token()
        place.values = [""]
        world.clock.advance(token.expires_at - world.clock() - 30)
        assert auth.token().access_token


def test_a_refresh_that_needs_no_secret_does_not_ask_for_it() -> None:
    world = World(CASES[2])
    place = Place(FIRST)
    auth = world.make(place)
    end = auth.token().expires_at
    world.clock.advance(end - world.clock() + 1)
    place.values = [""]
    assert auth.token().expires_at > end
    assert place.asked == 1
    assert len(world.server.ledger.calls("refresh")) == 1


def test_a_token_that_begins_a_session_is_asked_for_at_once() -> None:
    place = Place("first-refresh-token")
    OAuth2RefreshTokenAuth(f"{HOST}/token", "my-client", place, client_secret=lambda: FIRST)
    MarketigerAuth(access_token=SecretStr("a.b.c"), refresh_token=Place("r"))
    VaultAuth(1042, base_url=HOST, refresh_token=Place("r"), access_token=SecretStr("a"))
    assert place.asked == 1
    with pytest.raises(ConfigurationError, match="The function for refresh_token raised"):
        VaultAuth(1042, base_url=HOST, refresh_token=broken)


def test_verify_asks_for_the_key() -> None:
    world = World(CASES[3])
    auth = world.make(lambda: FIRST)
    token = auth.token().access_token
    world.clock.advance(2)
    assert isinstance(auth, JWTPlusAuth)
    assert auth.verify(token)
