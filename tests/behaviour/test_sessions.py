"""A session that was given by its first refresh token: shared by all who name it, and never lost by a change."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auth_plugins import (
    JWTPlusAuth,
    LoginRequired,
    MarketigerAuth,
    MemoryStore,
    OAuth2RefreshTokenAuth,
    Store,
    Token,
    TokenAuth,
    VaultAuth,
)
from auth_plugins.simulators import (
    JWTPlusSimulator,
    MarketigerSimulator,
    OAuth2Simulator,
    SimRequest,
    SimResponse,
    Simulator,
    VaultSimulator,
)
from auth_plugins.testing import FakeClock, mock_transport, settle
from tests.behaviour.test_shared_stores import Shaky

ISSUER = "https://issuer.example"
CLIENT, SECRET = "s6BhdRkqt3", "7Fjfp0ZBr1KtDRbnfVdmIw"


class Issuer(OAuth2Simulator):
    """It rotates refresh tokens, ends a session whose used one comes again, and knows what each token is for."""

    def __init__(self) -> None:
        super().__init__(CLIENT, SECRET, rotate=True)
        self.end_family = True
        self.asked_for: list[tuple[str, ...]] = []

    def answer_token_call(self, endpoint: Any, request: SimRequest) -> SimResponse:
        form = httpx.QueryParams(request.body.decode())
        self.asked_for.append(tuple(f"{name}={form[name]}" for name in ("audience", "scope") if name in form))
        return super().answer_token_call(endpoint, request)


class Session:
    """A user's session, and the objects that share it."""

    def __init__(self) -> None:
        self.clock, self.server = FakeClock(), Issuer()
        self.first = self.server.consent("read", "write")
        self.kept = MemoryStore(clock=self.clock)
        self.calls = httpx.Client(transport=mock_transport(self.server, self.clock, sleep=time.sleep))

    def auth(self, store: Store | None = None, **settings: Any) -> OAuth2RefreshTokenAuth:
        given = {"client_secret": SECRET, "store": store or self.kept, "base_url": "https://api.example", **settings}
        url = f"{ISSUER}{self.server.base_path}/token"
        return OAuth2RefreshTokenAuth(url, CLIENT, self.first, token_client=self.calls, clock=self.clock, **given)

    def process(self, **settings: Any) -> OAuth2RefreshTokenAuth:
        """An object as another process has one: the same store, and nothing else in common."""
        return self.auth(Shaky(self.kept), **settings)

    @property
    def refreshes(self) -> list[int]:
        return [call.status for call in self.server.ledger.calls("refresh")]


@pytest.fixture
def session() -> Session:
    return Session()


CHANGES: dict[str, dict[str, Any]] = {
    "nothing": {},
    "scope": {"scope": "read"},
    "extra": {"extra": {"audience": "x"}},
    "a path in base_url": {"base_url": "https://api.example/v2"},
    "base_url": {"base_url": "https://other.example"},
    "assumed_lifetime": {"assumed_lifetime": 600.0},
    "client_auth": {"client_auth": "client_secret_post"},
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_deployment_that_changes_a_setting_goes_on_with_the_session(session: Session, change: dict[str, Any]) -> None:
    before = session.process()
    before.token()
    before.invalidate()
    before.token()
    after = session.process(**change)
    for auth in (after, before, session.process(), session.process(**change)):
        assert auth.token().access_token
        session.clock.advance(3600)
        assert auth.token().access_token
    assert set(session.refreshes) == {200}


def test_a_deployment_that_changes_the_clients_secret_goes_on_with_the_session(session: Session) -> None:
    session.process().token()
    session.server.rotate_secret("another")
    session.clock.advance(3600)
    assert session.process(client_secret="another").token().access_token
    assert session.refreshes == [200, 200]


class TestTwoVariants:
    def test_have_a_token_each_and_renew_with_one_refresh_token_in_turn(self, session: Session) -> None:
        read, write = session.auth(scope="read"), session.auth(scope="write")
        for _ in range(3):
            assert (read.token().scopes, write.token().scopes) == (("read",), ("write",))
            session.clock.advance(3600)
        assert session.refreshes == [200] * 6

    def test_lose_no_token_while_it_is_good_whichever_is_renewed(self, session: Session) -> None:
        read, write = session.auth(scope="read"), session.auth(scope="write")
        first = read.token().access_token
        write.token()
        for _ in range(3):
            write.invalidate()
            write.token()
        assert session.process(scope="read").token().access_token == read.token().access_token == first
        assert session.refreshes == [200] * 5

    def test_that_differ_in_order_alone_are_one(self, session: Session) -> None:
        one = session.auth(scope="read write", extra={"audience": "a", "resource": "r"})
        other = session.auth(scope="write read", extra={"resource": "r", "audience": "a"})
        assert one.token() is other.token()
        assert session.process(scope="write  read", extra={"resource": "r", "audience": "a"}).token() == one.token()
        assert session.refreshes == [200]

    def test_ask_for_what_each_of_them_wants(self, session: Session) -> None:
        for audience in ("a", "b", "a", "b"):
            auth = session.process(extra={"audience": audience}, scope="read")
            auth.token()
            auth.invalidate()
            auth.token()
        wanted = [(f"audience={audience}", "scope=read") for audience in ("a", "a", "b", "b", "a", "b")]
        assert session.server.asked_for == wanted
        assert set(session.refreshes) == {200}

    def test_of_two_origins_never_have_each_others_token(self, session: Session) -> None:
        one, other = session.auth(), session.auth(base_url="https://other.example")
        assert one.token().access_token != other.token().access_token
        assert session.process().token().access_token == one.token().access_token

    def test_renewed_beside_requests_at_the_same_time_present_no_refresh_token_twice(self, session: Session) -> None:
        both = session.auth(scope="read"), session.auth(scope="write")
        session.server.latency = 0.05
        for _ in range(5):
            for auth in both:
                auth.token()
            session.clock.advance(3600 - 200)
            for auth in both:
                auth.token()
            for auth in both:
                settle(auth)
        assert set(session.refreshes) == {200}

    def test_in_many_threads_present_no_refresh_token_twice(self, session: Session) -> None:
        session.server.latency = 0.02
        kinds: list[dict[str, Any]] = [
            {"scope": "read"},
            {"scope": "write"},
            {"extra": {"audience": "x"}},
            {"base_url": "https://other.example"},
        ]
        for turn in range(5):
            views = [session.auth, session.process]
            every = [make(**kind) for make in views for kind in kinds]
            with ThreadPoolExecutor(16) as pool:
                tokens = list(pool.map(lambda auth: auth.token(), every * 4))
            assert len({token.access_token for token in tokens}) == len(kinds)
            assert session.refreshes == [200] * (turn + 1) * len(kinds)
            session.clock.advance(3600)

    def test_where_the_server_does_not_rotate_go_on_with_the_first_refresh_token(self, session: Session) -> None:
        session.server.rotate = False
        for _ in range(3):
            for scope in ("read", "write"):
                assert session.process(scope=scope).token().refresh_token == session.first
            session.clock.advance(3600)
        assert session.refreshes == [200] * 6

    def test_after_a_401_one_is_renewed_and_the_other_stays(self, session: Session) -> None:
        read, write = session.auth(scope="read"), session.auth(scope="write")
        kept = write.token().access_token
        read.token()
        session.server.revoke_all()
        with httpx.Client(transport=mock_transport(session.server, session.clock), auth=read) as client:
            assert client.get("https://api.example/x").status_code == 200
        assert write.token().access_token == kept
        with httpx.Client(transport=mock_transport(session.server, session.clock), auth=write) as client:
            assert client.get("https://api.example/x").status_code == 200
        assert session.refreshes == [200] * 4

    def test_one_that_could_not_be_saved_is_saved_later_and_takes_nothing_from_the_other(
        self, session: Session
    ) -> None:
        store = Shaky(session.kept)
        read, write = session.auth(store, scope="read"), session.process(scope="write")
        kept = write.token()
        read.token()
        session.clock.advance(1800)
        writes = iter([True])

        def save(key: str, token: Any) -> None:
            if next(writes, False):
                session.kept.save(key, token)
            else:
                store._ask("save")

        store.failing, store.save = {"save"}, save  # type: ignore[method-assign]
        read.invalidate()
        renewed = read.token()
        del store.save
        store.failing = set()
        session.clock.advance(5)
        read.token()
        settle(read)
        assert session.process(scope="read").token() == renewed
        assert session.process(scope="write").token().access_token == kept.access_token
        write.invalidate()
        assert write.token().access_token != kept.access_token
        assert set(session.refreshes) == {200}

    def test_end_together(self, session: Session) -> None:
        read, write = session.process(scope="read"), session.process(scope="write")
        read.token()
        write.token()
        write.logout()
        assert len(session.kept) == 0
        session.server.revoke_refresh_tokens()
        with pytest.raises(LoginRequired):
            session.process(scope="read").token()


class TestObjectsThatDifferInTuning:
    def test_share_one_access_token_and_one_call(self, session: Session) -> None:
        tokens = {session.auth(assumed_lifetime=seconds).token().access_token for seconds in (60.0, 600.0, 3600.0)}
        assert len(tokens) == 1
        assert session.refreshes == [200]


def vault() -> VaultSimulator:
    server = VaultSimulator()
    server.reuse_detection = True
    return server


def marketiger() -> MarketigerSimulator:
    server = MarketigerSimulator(base_path="")
    server.reuse_detection = True
    return server


def jwtplus() -> JWTPlusSimulator:
    return JWTPlusSimulator(refresh_notbefore=0)


def by_vault(token: Token | None, **settings: Any) -> TokenAuth:
    who: dict[str, Any] = {"email": "user@example.com", "password": "Correct-horse-7"}
    return VaultAuth(1042, **{**({"refresh_token": token.refresh_token} if token else who), **settings})


def by_marketiger(token: Token | None, **settings: Any) -> TokenAuth:
    who: dict[str, Any] = {"email": "user@example.com", "password": "your_password_here"}
    pair = {} if token is None else {"access_token": token.access_token, "refresh_token": token.refresh_token}
    return MarketigerAuth(**{**(pair or who), **settings})


def by_jwtplus(token: Token | None, **settings: Any) -> TokenAuth:
    app: dict[str, Any] = {"app_id": "01JMC6TCM1CH7NWG0E8A5SQTHA", "app_key": "an+app/key" * 12 + "12345678"}
    app |= {"ip": "192.0.2.1", "user_agent": "tests", "fresh_after": 0.0}
    pair = {} if token is None else {"auth_token": token.access_token, "refresh_token": token.refresh_token}
    return JWTPlusAuth(**{**app, **(pair or {"subject": "1", "audience": "tests"}), **settings})


PROVIDERS: dict[str, tuple[Callable[[], Simulator], Callable[..., TokenAuth], list[dict[str, Any]]]] = {
    "vault": (vault, by_vault, [{"assumed_lifetime": 60.0}]),
    "marketiger": (marketiger, by_marketiger, [{"assumed_lifetime": 60.0}]),
    "jwtplus": (jwtplus, by_jwtplus, [{"fresh_after": 1.0}, {"header": "X-Token"}, {"scheme": "Token"}]),
}


@pytest.mark.parametrize("kind", PROVIDERS)
def test_given_tokens_of_every_provider_survive_a_change_of_settings(kind: str) -> None:
    opened, make, changes = PROVIDERS[kind]
    server, clock = opened(), FakeClock()
    kept, calls = MemoryStore(clock=clock), httpx.Client(transport=mock_transport(server, clock))
    road: dict[str, Any] = {"base_url": ISSUER, "token_client": calls, "clock": clock}
    first = make(None, store=MemoryStore(clock=clock), **road).token()
    for change in ({}, *changes):
        for settings_of_now in ({}, change):
            auth = make(first, store=Shaky(kept), **road, **settings_of_now)
            auth.invalidate()
            clock.advance(1800)
            auth.token()
            auth.invalidate()
            clock.advance(1800)
            auth.token()
    refreshes = [call.status for call in server.ledger.calls("refresh")]
    assert len(refreshes) >= 4
    assert set(refreshes) == {200}
    assert len(kept) == 1


VARIANTS: list[dict[str, Any]] = [
    {"scope": scope, "extra": {"audience": audience}, "base_url": url}
    for scope in ("read", "write")
    for audience in ("a", "b")
    for url in ("https://api.example", "https://other.example")
]
SETTINGS: list[dict[str, Any]] = [{}, {"assumed_lifetime": 60.0}, {"client_auth": "client_secret_post"}]
ACTS = ("use", "use", "use", "pass", "pass long", "invalidate", "revoke", "restart", "forget")


@settings(max_examples=150)
@given(st.lists(st.tuples(st.sampled_from(ACTS), st.integers(0, 7), st.integers(0, 2)), max_size=40))
def test_in_random_lives_no_refresh_token_is_presented_twice_and_no_token_is_for_something_else(
    life: list[tuple[str, int, int]],
) -> None:
    session, objects = Session(), dict[tuple[int, int], OAuth2RefreshTokenAuth]()
    seen: dict[str, int] = {}

    def use(variant: int, tuning: int) -> None:
        auth = objects.setdefault((variant, tuning), session.process(**VARIANTS[variant], **SETTINGS[tuning]))
        transport = mock_transport(session.server, session.clock)
        with httpx.Client(transport=transport, auth=auth) as client:
            assert client.get(f"{VARIANTS[variant]['base_url']}/x").status_code == 200
        settle(auth)
        assert seen.setdefault(auth.token().access_token, variant) == variant
        assert auth.token().scopes == (VARIANTS[variant]["scope"],)

    def invalidate(variant: int, tuning: int) -> None:
        if (variant, tuning) in objects:
            objects[variant, tuning].invalidate()

    acts: dict[str, Callable[[int, int], object]] = {
        "use": use,
        "pass": lambda *_: session.clock.advance(1500),
        "pass long": lambda *_: session.clock.advance(3600),
        "invalidate": invalidate,
        "revoke": lambda *_: session.server.revoke_all(),
        "restart": lambda *_: objects.clear(),
        "forget": lambda *which: objects.pop(which, None),
    }
    for act, variant, tuning in life:
        acts[act](variant, tuning)
    assert set(session.refreshes) <= {200}
