"""What every store promises. Memory is the plainest; others join by another line in `MAKERS`."""

from __future__ import annotations

import copy
import itertools
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

import pytest
from cryptography.fernet import Fernet
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test
from keyring.backend import KeyringBackend

from auth_plugins import FileStore, KeyringStore, MemoryStore, RedisStore, Store, StoreError, Token
from auth_plugins.testing import FakeClock
from tests.stores.conftest import locked_by_a_thread

if TYPE_CHECKING:
    from tests.conftest import RedisServer

LONG = 30.0
"""More seconds than anything here takes: only a test that fails waits for them."""


class Maker(Protocol):
    def __call__(self, clock: Callable[[], float], lock_timeout: float) -> Store: ...


def memory(clock: Callable[[], float], lock_timeout: float) -> Store:
    return MemoryStore(clock=clock, lock_timeout=lock_timeout)


def plain_file(clock: Callable[[], float], lock_timeout: float) -> Store:
    return FileStore(tempfile.mkdtemp(dir=_folder), clock=clock, lock_timeout=lock_timeout)


def encrypted_file(clock: Callable[[], float], lock_timeout: float) -> Store:
    folder = tempfile.mkdtemp(dir=_folder)
    return FileStore(folder, encryption_key=KEY, clock=clock, lock_timeout=lock_timeout)


def key_ring(clock: Callable[[], float], lock_timeout: float) -> Store:
    folder = tempfile.mkdtemp(dir=_folder)
    return KeyringStore(folder, backend=Ring(), clock=clock, lock_timeout=lock_timeout)


def in_redis(clock: Callable[[], float], lock_timeout: float) -> Store:
    return RedisStore.from_url(_urls["redis"], prefix=f"{next(_numbers)}:", clock=clock, lock_timeout=lock_timeout)


def in_valkey(clock: Callable[[], float], lock_timeout: float) -> Store:
    store = RedisStore.from_url(
        _urls["valkey"], prefix=f"{next(_numbers)}:", encryption_key=KEY, clock=clock, lock_timeout=lock_timeout
    )
    return store


MAKERS: list[Maker] = [memory, plain_file, encrypted_file, key_ring, in_redis, in_valkey]
KEY = Fernet.generate_key()
_numbers = itertools.count()
_urls: dict[str, str] = {}
_folder = ""


class Ring(KeyringBackend):
    """A key-ring in memory."""

    priority = 1

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.kept: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, username: str) -> str | None:
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.kept[service, username] = password


@pytest.fixture(scope="module", autouse=True)
def places(tmp_path_factory: pytest.TempPathFactory, redis_servers: dict[str, RedisServer]) -> None:
    global _folder
    _folder = str(tmp_path_factory.mktemp("stores"))
    _urls.update({kind: server.url for kind, server in redis_servers.items()})


@pytest.fixture(params=MAKERS, ids=lambda maker: maker.__name__)
def maker(request: pytest.FixtureRequest) -> Maker:
    made: Maker = request.param
    return made


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def store(maker: Maker, clock: FakeClock) -> Store:
    return maker(clock, LONG)


def token(clock: FakeClock, name: str = "at", lifetime: float = 60.0, grace: float = 300.0) -> Token:
    return Token(
        access_token=name,
        refresh_token=f"{name}-refresh",
        token_type="bearer",
        issued_at=clock(),
        expires_at=clock() + lifetime,
        refreshable_from=clock() + 1.0,
        refreshable_until=clock() + lifetime + grace,
        scopes=("read", "write"),
        extra={"app_type": "collection"},
    )


class TestTokens:
    def test_is_a_store(self, store: Store) -> None:
        assert isinstance(store, Store)

    def test_nothing_is_kept_at_first(self, store: Store) -> None:
        assert store.load("key") is None

    def test_what_is_saved_is_loaded_with_all_its_fields(self, store: Store, clock: FakeClock) -> None:
        store.save("key", token(clock))
        assert store.load("key") == token(clock)

    def test_what_is_loaded_is_still_kept(self, store: Store, clock: FakeClock) -> None:
        store.save("key", token(clock))
        assert store.load("key") == store.load("key")

    def test_the_last_one_saved_counts(self, store: Store, clock: FakeClock) -> None:
        store.save("key", token(clock, "old"))
        store.save("key", token(clock, "new"))
        assert store.load("key") == token(clock, "new")

    def test_keys_are_strangers(self, store: Store, clock: FakeClock) -> None:
        store.save("one", token(clock, "one"))
        store.save("other", token(clock, "other"))
        store.delete("one")
        assert (store.load("one"), store.load("other")) == (None, token(clock, "other"))

    def test_what_is_deleted_is_gone(self, store: Store, clock: FakeClock) -> None:
        store.save("key", token(clock))
        store.delete("key")
        assert store.load("key") is None

    def test_deleting_nothing_is_no_error(self, store: Store) -> None:
        store.delete("key")
        store.delete("key")

    def test_a_deleted_key_can_be_used_again(self, store: Store, clock: FakeClock) -> None:
        store.save("key", token(clock, "old"))
        store.delete("key")
        store.save("key", token(clock, "new"))
        assert store.load("key") == token(clock, "new")


@pytest.mark.parametrize("maker", [memory, plain_file, encrypted_file, key_ring], ids=lambda maker: maker.__name__)
class TestEndByTheClockOfThisMachine:
    """A token is kept while it serves for something: to call with, or to renew."""

    @pytest.mark.parametrize(("lifetime", "grace"), [(60.0, 300.0), (60.0, -60.0)], ids=["grace", "none"])
    def test_is_its_useful_until(self, store: Store, clock: FakeClock, lifetime: float, grace: float) -> None:
        one = token(clock, lifetime=lifetime, grace=grace)
        store.save("key", one)
        clock.advance(one.useful_until - clock() - 1.0)
        assert store.load("key") == one
        clock.advance(1.0)
        assert store.load("key") is None

    def test_a_token_that_ends_sooner_replaces_one_that_ends_later(self, store: Store, clock: FakeClock) -> None:
        store.save("key", token(clock, "long", lifetime=1e6))
        store.save("key", token(clock, "short", lifetime=1.0, grace=1.0))
        clock.advance(2.0)
        assert store.load("key") is None

    def test_a_dead_token_takes_the_place_of_a_living_one(self, store: Store, clock: FakeClock) -> None:
        store.save("key", token(clock, "living"))
        store.save("key", replace(token(clock, "dead"), expires_at=clock() - 1, refreshable_until=clock() - 1))
        assert store.load("key") is None

    def test_saving_a_dead_token_where_there_is_none_is_no_error(self, store: Store, clock: FakeClock) -> None:
        store.save("key", token(clock, "dead", lifetime=-1.0, grace=0.0))
        assert store.load("key") is None


@pytest.mark.parametrize("jump", [-1e9, 1e6, 1e9])
def test_no_clock_ends_a_token_that_no_login_can_replace(store: Store, clock: FakeClock, jump: float) -> None:
    one = replace(token(clock), irreplaceable=True)
    store.save("key", one)
    clock.jump(jump)
    assert store.load("key") == one


@pytest.mark.parametrize("maker", [in_redis, in_valkey], ids=lambda maker: maker.__name__)
def test_the_clock_of_a_host_ends_nothing_that_a_server_keeps(store: Store, clock: FakeClock) -> None:
    store.save("key", token(clock))
    clock.advance(1e9)
    assert store.load("key") is not None


class TestEnd:
    def test_deleting_what_has_ended_is_no_error(self, store: Store, clock: FakeClock) -> None:
        store.save("key", token(clock))
        clock.advance(1000.0)
        store.delete("key")
        assert store.load("key") is None

    def test_a_new_token_has_its_own(self, store: Store, clock: FakeClock) -> None:
        store.save("key", token(clock, "old"))
        clock.advance(359.0)
        new = token(clock, "new")
        store.save("key", new)
        clock.advance(2.0)
        assert store.load("key") == new

    def test_a_token_that_never_ends_is_kept(self, store: Store, clock: FakeClock) -> None:
        endless = replace(token(clock), expires_at=float("inf"))
        store.save("key", endless)
        clock.advance(1e9)
        assert store.load("key") == endless


class TestSalt:
    def test_is_16_to_64_bytes(self, store: Store) -> None:
        assert isinstance(store.salt, bytes)
        assert 16 <= len(store.salt) <= 64

    def test_stays_the_same(self, store: Store, clock: FakeClock) -> None:
        before = store.salt
        store.save("key", token(clock))
        with store.lock("key"):
            assert store.salt == before
        assert store.salt == before


class TestLock:
    def test_keeps_other_threads_out(self, store: Store) -> None:
        inside: list[int] = []
        most: list[int] = []
        start = threading.Barrier(8)

        def renew(_: int) -> None:
            start.wait(LONG)
            for _ in range(50):
                with store.lock("key"):
                    inside.append(1)
                    most.append(len(inside))
                    store.load("key")
                    inside.pop()

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(renew, range(8)))
        assert max(most) == 1
        assert len(most) == 400

    def test_waits_until_the_other_is_done(self, store: Store) -> None:
        seen: list[str] = []
        entered = threading.Event()

        def second() -> None:
            entered.set()
            with store.lock("key"):
                seen.append("second")

        with store.lock("key"):
            thread = threading.Thread(target=second)
            thread.start()
            assert entered.wait(LONG)
            seen.append("first")
        thread.join(LONG)
        assert seen == ["first", "second"]

    def test_keeps_nobody_from_another_key(self, store: Store) -> None:
        with store.lock("one"), ThreadPoolExecutor(1) as pool:

            def other() -> str:
                with store.lock("other"):
                    return "inside"

            assert pool.submit(other).result(LONG) == "inside"

    def test_keeps_nobody_from_loading_saving_and_deleting(self, store: Store, clock: FakeClock) -> None:
        with store.lock("key"), ThreadPoolExecutor(1) as pool:
            pool.submit(store.save, "key", token(clock)).result(LONG)
            assert pool.submit(store.load, "key").result(LONG) == token(clock)
            pool.submit(store.delete, "key").result(LONG)

    def test_can_be_had_again_after_it_was_given_back(self, store: Store) -> None:
        for _ in range(3):
            with store.lock("key"):
                pass

    @pytest.mark.parametrize("kind", [ValueError, StoreError, KeyboardInterrupt])
    def test_is_given_back_when_the_renewal_fails_and_the_failure_comes_through(
        self, store: Store, kind: type[BaseException]
    ) -> None:
        for _ in range(2):
            failure = kind("it failed")
            with pytest.raises(kind) as caught, store.lock("key"):
                raise failure
            assert caught.value is failure
        with store.lock("key"):
            pass

    def test_is_waited_for_a_bounded_time(self, maker: Maker, clock: FakeClock) -> None:
        store = maker(clock, 0.01)
        with locked_by_a_thread(store):
            with pytest.raises(StoreError) as caught, store.lock("key"):
                pytest.fail("two at a time")
            assert caught.value.hint != StoreError.default_hint
        with store.lock("key"):
            pass


@pytest.mark.parametrize("maker", MAKERS, ids=lambda maker: maker.__name__)
@given(keys=st.lists(st.text(alphabet="0123456789abcdef", min_size=64, max_size=64), max_size=5))
def test_any_key_will_do(maker: Maker, keys: list[str]) -> None:
    clock = FakeClock()
    store = maker(clock, LONG)
    for key in keys:
        store.save(key, token(clock, key))
    assert [store.load(key) for key in keys] == [token(clock, key) for key in keys]


def test_every_thread_sees_what_any_thread_saved(store: Store, clock: FakeClock) -> None:
    def work(number: int) -> bool:
        key = str(number % 4)
        for turn in range(50):
            store.save(key, token(clock, f"{number}-{turn}"))
            store.load(key)
            store.delete(str(turn % 4))
        return True

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(8)))
    store.save("0", token(clock, "last"))
    assert store.load("0") == token(clock, "last")


class StoreMachine(RuleBasedStateMachine):
    """Any order of calls: a store does what a dictionary of tokens with their ends does."""

    maker: Maker = staticmethod(memory)
    keeps_what_has_ended = False
    keys = st.sampled_from("abc")
    seconds = st.floats(min_value=0.0, max_value=100.0)
    names = st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=3)

    @initialize()
    def begin(self) -> None:
        self.clock = FakeClock()
        self.store = type(self).maker(self.clock, LONG)
        self.model: dict[str, Token] = {}

    @rule(key=keys, name=names, lifetime=seconds, grace=seconds)
    def save(self, key: str, name: str, lifetime: float, grace: float) -> None:
        self.model[key] = token(self.clock, name, lifetime, grace)
        self.store.save(key, self.model[key])

    @rule(key=keys)
    def load(self, key: str) -> None:
        kept = self.model.get(key)
        if kept is not None and self.clock() >= kept.useful_until and not type(self).keeps_what_has_ended:
            kept = None
        assert self.store.load(key) == kept

    @rule(key=keys)
    def delete(self, key: str) -> None:
        self.model.pop(key, None)
        self.store.delete(key)

    @rule(key=keys)
    def lock(self, key: str) -> None:
        with self.store.lock(key):
            pass

    @rule(seconds=seconds)
    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)


@pytest.mark.parametrize("maker", MAKERS, ids=lambda maker: maker.__name__)
def test_any_order_of_calls(maker: Maker) -> None:
    in_a_server = maker in (in_redis, in_valkey)  # Which ends a record by its own clock alone.
    members = {"maker": staticmethod(maker), "keeps_what_has_ended": in_a_server}
    machine = type("Machine", (StoreMachine,), members)
    run_state_machine_as_test(machine)


@pytest.fixture
def no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


@pytest.mark.usefixtures("no_thread_is_left")
def test_needs_no_thread_of_its_own(maker: Maker, clock: FakeClock) -> None:
    store = maker(clock, LONG)
    store.save("key", token(clock))
    with store.lock("key"):
        store.load("key")
    copy.copy(store)
