"""What becomes of requests, tokens and sessions when a store is shared, slow to trust, or out of order."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from auth_plugins import (
    AuthError,
    FyatuAuth,
    LoginRequired,
    MemoryStore,
    OAuth2RefreshTokenAuth,
    RefreshPolicy,
    StoreError,
    Token,
    TokenAuth,
)
from auth_plugins.core import fingerprint
from auth_plugins.engine.store_entry import InStore
from auth_plugins.simulators import OAuth2Simulator
from auth_plugins.testing import AnyClient, open_client, settle

if TYPE_CHECKING:
    from tests.conftest import World

VERBS = ("salt", "lock", "load", "save")


class Shaky:
    """A view of a store, as another process has one; what it is told to fail, fails."""

    lease = 60.0

    def __init__(self, store: MemoryStore, *failing: str) -> None:
        self.kept, self.failing, self.asked = store, set(failing), list[str]()

    def _ask(self, verb: str) -> None:
        self.asked.append(verb)
        if verb in self.failing:
            raise StoreError(f"The disk says no to {verb}")

    @property
    def salt(self) -> bytes:
        self._ask("salt")
        return self.kept.salt

    def load(self, key: str) -> Token | None:
        self._ask("load")
        return self.kept.load(key)

    def save(self, key: str, token: Token) -> None:
        self._ask("save")
        self.kept.save(key, token)

    def delete(self, key: str) -> None:
        self._ask("delete")
        self.kept.delete(key)

    @contextmanager
    def lock(self, key: str) -> Iterator[None]:
        self._ask("lock")
        with self.kept.lock(key):
            yield


def kept(auth: TokenAuth, store: MemoryStore) -> Token | None:
    """What another process finds."""
    return InStore(store, auth._provider).load()


def shaky(world: World, *failing: str) -> tuple[Shaky, FyatuAuth]:
    store = Shaky(world.store, *failing)
    return store, world.auth(store=store, policy=RefreshPolicy(jitter=0.0))


class TestTokensThatDoNotRotate:
    @pytest.mark.parametrize("verb", VERBS)
    def test_are_had_all_the_same_by_one_call_and_a_warning(self, world: World, verb: str) -> None:
        _, auth = shaky(world, verb)
        with world.client(auth) as client:
            assert {client.send("GET", f"{world.url}/x").status for _ in range(20)} == {200}
        assert world.token_calls == 1
        assert world.told(auth) == ["save_failed", "logged_in"]
        assert isinstance(world.events[0].error, StoreError)

    @pytest.mark.parametrize("verb", VERBS)
    def test_are_renewed_for_this_process_alone_and_saved_when_the_store_is_well_again(
        self, world: World, verb: str
    ) -> None:
        store, auth = shaky(world)
        with world.client(auth) as client:
            client.send("GET", f"{world.url}/x")
            store.failing = {verb}
            world.clock.advance(86_400 - 299)
            for _ in range(10):
                assert client.send("GET", f"{world.url}/x").status == 200
                settle(auth)
            assert world.token_calls == 2
            assert kept(auth, world.store) != auth.token()
            store.failing = set()
            world.clock.advance(5)
            assert client.send("GET", f"{world.url}/x").status == 200
            settle(auth)
        assert world.token_calls == 2
        assert kept(auth, world.store) == auth.token()

    def test_a_store_that_stays_out_of_order_is_asked_again_in_pauses_that_grow_and_no_call_is_made(
        self, one_world: World
    ) -> None:
        store, auth = shaky(one_world, "save")
        asked = []
        with one_world.client(auth) as client:
            for _ in range(300):
                client.send("GET", f"{one_world.url}/x")
                settle(auth)
                asked.append(store.asked.count("save"))
                one_world.clock.advance(1)
        tries = [second for second, (before, now) in enumerate(zip([0, *asked], asked, strict=False)) if now > before]
        assert tries == [0, 5, 15, 35, 75, 135, 195, 255]
        assert one_world.token_calls == 1

    def test_waiting_for_the_store_is_nobodys_business_but_the_renewals(self, world: World) -> None:
        """A stream waits for a renewal that is due, but not for a save that is."""
        store, auth = shaky(world, "save")
        with world.client(auth) as client:
            client.send("GET", f"{world.url}/x")
            world.clock.advance(5)
            held = one_key(store.kept, auth)
            once = async_once() if world.kind.endswith(("asyncio", "trio")) else iter([b"once"])
            with held:
                assert client.send("POST", f"{world.url}/x", content=once).status == 200
            settle(auth)

    def test_the_one_that_lasts_longer_stays_where_somebody_else_saved_one_meanwhile(self, one_world: World) -> None:
        store, auth = shaky(one_world, "lock")
        first = auth.token()
        one_world.clock.advance(100)
        peer = one_world.auth()
        theirs = peer.token()
        assert theirs != first
        store.failing = set()
        assert auth.token() == first
        settle(auth)
        assert auth.token() == theirs == kept(auth, one_world.store)
        assert one_world.token_calls == 2


async def async_once() -> AsyncIterator[bytes]:
    yield b"once"


@contextmanager
def one_key(store: MemoryStore, auth: TokenAuth) -> Iterator[None]:
    with store.lock(fingerprint(auth._provider, store.salt)):
        yield


class Rotating:
    """A user's session, which ends as soon as a refresh token comes a second time; and processes that share it."""

    def __init__(self, world: World) -> None:
        self.kind, self.clock, self.kept, self.own_error = world.kind, world.clock, world.store, world.own_error
        self.server = OAuth2Simulator(rotate=True)
        self.server.end_family = True
        self.url = world.server.mount(f"/rotating/{next(_numbers)}", self.server, clock=world.clock)
        self.first = self.server.consent()
        self.told: list[str] = []

    def process(self, *failing: str) -> tuple[Shaky, OAuth2RefreshTokenAuth]:
        store = Shaky(self.kept, *failing)
        auth = OAuth2RefreshTokenAuth(
            f"{self.url}/token",
            "s6BhdRkqt3",
            self.first,
            client_secret="7Fjfp0ZBr1KtDRbnfVdmIw",
            policy=RefreshPolicy(jitter=0.0),
            clock=self.clock,
            store=store,
            on_event=lambda event: self.told.append(event.kind.value),
        )
        return store, auth

    def get(self, client: AnyClient) -> int:
        return client.send("GET", f"{self.url}/x").status

    def client(self, auth: TokenAuth) -> AbstractContextManager[AnyClient]:
        return open_client(self.kind, auth)

    @property
    def calls(self) -> int:
        return self.server.ledger.token_calls


_numbers = itertools.count()


@pytest.fixture
def rotating(world: World) -> Rotating:
    return Rotating(world)


@pytest.fixture
def one_rotating(one_world: World) -> Rotating:
    return Rotating(one_world)


class TestTokensThatRotate:
    @pytest.mark.parametrize("verb", VERBS)
    def test_are_not_touched_and_nobody_fails_while_one_is_valid(self, rotating: Rotating, verb: str) -> None:
        store, auth = rotating.process()
        with rotating.client(auth) as client:
            rotating.get(client)
            store.failing = {verb}
            rotating.clock.advance(3600 - 299)
            for _ in range(29):
                assert rotating.get(client) == 200
                settle(auth)
                rotating.clock.advance(10)
            assert rotating.calls == 1
            rotating.clock.advance(9)
            with pytest.raises(StoreError) as caught:
                rotating.get(client)
            assert isinstance(caught.value, rotating.own_error)
            assert rotating.calls == 1
            store.failing = set()
            assert rotating.get(client) == 200
        assert rotating.calls == 2

    def test_one_that_could_not_be_saved_after_all_is_used_and_saved_later(self, rotating: Rotating) -> None:
        store, auth = rotating.process()
        with rotating.client(auth) as client:
            rotating.get(client)
            rotating.clock.advance(3600)
            store.save = fails_but_once(store)  # type: ignore[method-assign]
            assert rotating.get(client) == 200
            assert "save_failed" in rotating.told
            assert kept(auth, rotating.kept) != auth.token()
            del store.save
            rotating.clock.advance(5)
            assert rotating.get(client) == 200
            settle(auth)
            assert kept(auth, rotating.kept) == auth.token()
        assert rotating.calls == 2

    def test_somebody_elses_counts_if_one_could_not_be_saved_meanwhile(self, one_rotating: Rotating) -> None:
        store, auth = one_rotating.process()
        first = auth.token()
        one_rotating.clock.advance(3600)
        store.save = fails_but_once(store)  # type: ignore[method-assign]
        auth.token()
        del store.save
        peer = InStore(one_rotating.kept, auth._provider)
        theirs = Token(access_token="theirs", issued_at=first.issued_at, expires_at=first.expires_at + 7200)
        peer.save(theirs)
        one_rotating.clock.advance(5)
        auth.token()
        settle(auth)
        assert auth.token() == theirs

    def test_processes_in_turn_live_from_one_session(self, one_rotating: Rotating) -> None:
        processes = [one_rotating.process()[1] for _ in range(8)]
        for turn in range(10):
            assert len({auth.token().access_token for auth in processes}) == 1
            assert one_rotating.calls == turn + 1
            one_rotating.clock.advance(3600)

    def test_a_refused_refresh_takes_over_what_somebody_saved_without_the_lock(self, one_rotating: Rotating) -> None:
        store, auth = one_rotating.process()
        auth.token()
        peer = InStore(one_rotating.kept, auth._provider)
        now = one_rotating.clock()
        theirs = Token(access_token="theirs", issued_at=now, expires_at=now + 7200)
        one_rotating.clock.advance(3600)
        one_rotating.server.revoke_refresh_tokens()
        store.save = lambda *_: peer.save(theirs)  # type: ignore[method-assign]
        assert auth.token() == theirs
        assert one_rotating.told[-1] == "adopted"

    def test_one_who_lost_the_lock_before_the_call_takes_over_what_the_next_one_saved(
        self, one_rotating: Rotating
    ) -> None:
        store, auth = one_rotating.process()
        auth.token()
        peer = InStore(one_rotating.kept, auth._provider)
        now = one_rotating.clock()
        theirs = Token(access_token="theirs", issued_at=now, expires_at=now + 7200)
        one_rotating.clock.advance(3600)

        def too_late(*_: object) -> None:
            peer.save(theirs)
            raise StoreError("Somebody else has the lock")

        store.save = too_late  # type: ignore[assignment, method-assign]
        assert auth.token() == theirs
        assert one_rotating.calls == 1

    def test_a_refused_refresh_takes_over_nothing_that_is_dead_or_the_same(self, one_rotating: Rotating) -> None:
        store, auth = one_rotating.process()
        auth.token()
        one_rotating.clock.advance(3600)
        one_rotating.server.revoke_refresh_tokens()
        with pytest.raises(LoginRequired):
            auth.token()
        assert store.asked.count("load") == 5

    def test_a_refusal_stays_a_refusal_where_the_store_fails_meanwhile(self, one_rotating: Rotating) -> None:
        store, auth = one_rotating.process()
        auth.token()
        one_rotating.clock.advance(3600)
        one_rotating.server.revoke_refresh_tokens()
        store.save = lambda *_: store.failing.add("load")  # type: ignore[method-assign]
        with pytest.raises(LoginRequired):
            auth.token()


def fails_but_once(store: Shaky) -> Any:
    """The store shows that it can write, and then it cannot."""
    left = iter([True])

    def save(key: str, token: Token) -> None:
        if next(left, False):
            return store.kept.save(key, token)
        raise StoreError("The disk is full")

    return save


class TestWhoTouchesTheStore:
    def test_no_constructor_does(self, one_world: World) -> None:
        store, _ = shaky(one_world, *VERBS)
        assert store.asked == []

    def test_no_request_does_that_has_a_token(self, world: World) -> None:
        store, auth = shaky(world)
        with world.client(auth) as client:
            client.send("GET", f"{world.url}/x")
            store.asked.clear()
            for _ in range(50):
                client.send("GET", f"{world.url}/x")
        assert store.asked == []

    def test_a_renewal_looks_locks_loads_again_and_saves_in_that_order(self, one_world: World) -> None:
        store, auth = shaky(one_world)
        auth.token()
        assert store.asked == ["salt", "load", "lock", "load", "save"]


class TestTakingWhatIsThere:
    def test_the_next_process_takes_the_token_and_calls_nobody(self, world: World) -> None:
        world.auth(store=Shaky(world.store)).token()
        with world.client(world.auth(store=Shaky(world.store))) as client:
            assert client.send("GET", f"{world.url}/x").status == 200
        assert world.token_calls == 1
        assert [event.kind.value for event in world.events] == ["logged_in", "adopted"]

    @pytest.mark.parametrize("had", ["no token", "one that ended", "one that was revoked"])
    def test_nobody_waits_for_a_dead_holders_lock_who_finds_a_valid_token(self, world: World, had: str) -> None:
        policy = RefreshPolicy(deadline=0.5, jitter=0.0)
        late, peer = (world.auth(store=Shaky(world.store), policy=policy) for _ in range(2))
        if had != "no token":
            late.token(), peer.token()
        if had == "one that ended":
            world.clock.advance(86_400)
        if had == "one that was revoked":
            world.fyatu.revoke_all()
            peer.invalidate()
        theirs = peer.token()
        if had != "one that was revoked":
            world.clock.advance(86_400 - 100)  # Into its window: to renew it is another matter.
        with one_key(world.store, peer):
            with world.client(late) as client:
                assert client.send("GET", f"{world.url}/x").status == 200
            assert late.token() == theirs
        settle(late)

    def test_invalidate_before_the_first_request_makes_the_stores_token_invalid_too(self, one_world: World) -> None:
        first = one_world.auth(store=Shaky(one_world.store)).token()
        auth = one_world.auth(store=Shaky(one_world.store))
        auth.invalidate()
        assert auth.token() != first
        assert one_world.token_calls == 2

    def test_a_revoked_token_that_somebody_else_has_renewed_costs_no_call(self, world: World) -> None:
        one, other = (world.auth(store=Shaky(world.store)) for _ in range(2))
        one.token(), other.token()
        world.fyatu.revoke_all()
        for auth in (one, other):
            with world.client(auth) as client:
                assert client.send("GET", f"{world.url}/x").status == 200
        assert world.token_calls == 2

    def test_logout_fails_where_the_store_may_keep_the_token(self, one_world: World) -> None:
        store, auth = shaky(one_world)
        auth.token()
        store.failing = {"delete"}
        with pytest.raises(StoreError):
            auth.logout()

    def test_logout_forgets_what_was_never_saved(self, one_world: World) -> None:
        store, auth = shaky(one_world, "save")
        first = auth.token()
        store.failing = set()
        auth.logout()
        assert auth.token() != first
        assert kept(auth, one_world.store) == auth.token()


@pytest.mark.parametrize("lease", [30.0, 1.0])
def test_a_lease_that_a_renewal_may_outlast_is_refused(one_world: World, lease: float) -> None:
    store = Shaky(one_world.store)
    store.lease = lease
    with pytest.raises(ValueError, match="lease"):
        one_world.auth(store=store, policy=RefreshPolicy(deadline=30.0))


@pytest.mark.parametrize("lock_timeout", [29.0, 0.01])
def test_a_lock_that_is_waited_for_less_long_than_a_renewal_may_last_is_refused(
    one_world: World, lock_timeout: float
) -> None:
    """The next renewal would fail though the one before it has not."""
    policy = RefreshPolicy(deadline=30.0)
    with pytest.raises(ValueError, match="lock_timeout"):
        one_world.auth(store=MemoryStore(lock_timeout=lock_timeout), policy=policy)
    one_world.auth(store=MemoryStore(lock_timeout=30.0), policy=policy)
    one_world.auth(store=None, policy=RefreshPolicy(deadline=86_400.0))
    one_world.auth(store=Shaky(one_world.store), policy=RefreshPolicy(deadline=59.0))  # It does not say.


def test_a_store_error_of_the_renewal_carries_no_token(one_rotating: Rotating) -> None:
    store, auth = one_rotating.process("save")
    with pytest.raises(AuthError) as caught:
        auth.token()
    assert one_rotating.first not in repr(caught.value.__dict__) + str(caught.value)
    assert store.asked == ["salt", "load", "lock", "load", "save", "load"]
