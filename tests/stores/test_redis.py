"""What the store in Redis does beside what every store promises: numbers, leases, names, clients."""

from __future__ import annotations

import itertools
import math
import pickle
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import redis
import redis.asyncio
import requests
from cryptography.fernet import Fernet
from redis.crc import key_slot

from auth_plugins import FyatuAuth, MarketigerAuth, RedisStore, RefreshPolicy, StoreError, Token
from auth_plugins.simulators import MarketigerSimulator
from auth_plugins.stores.redis_scripts import ACQUIRE, SAVE
from auth_plugins.testing import RequestsAdapter, settle

if TYPE_CHECKING:
    from tests.conftest import RedisServer

KEY = "ab" * 32
LONG = 30.0
OLD, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()
_numbers = itertools.count()


@pytest.fixture(params=["redis", "valkey"])
def server(request: pytest.FixtureRequest, redis_servers: dict[str, RedisServer]) -> RedisServer:
    return redis_servers[request.param]


@pytest.fixture
def client(server: RedisServer) -> Iterator[Any]:
    with server.client() as made:
        yield made


@pytest.fixture
def prefix() -> str:
    """Others use the same server."""
    return f"test-redis-{next(_numbers)}:"


@pytest.fixture
def store(server: RedisServer, prefix: str) -> RedisStore:
    return RedisStore.from_url(server.url, prefix=prefix)


@pytest.fixture
def name(prefix: str) -> str:
    """Of the hash; the braces make it one node's, together with its lock."""
    return f"{prefix}{{{KEY}}}"


def token(name: str = "at", lifetime: float = 3600.0) -> Token:
    now = time.time() // 1
    return Token(access_token=name, issued_at=now, expires_at=now + lifetime)


def loaded(store: RedisStore) -> str | None:
    found = store.load(KEY)
    return None if found is None else found.access_token


def renew(store: RedisStore, name: str) -> None:
    def elsewhere() -> None:
        with store.lock(KEY):
            store.save(KEY, token(name))

    with ThreadPoolExecutor(1) as pool:
        pool.submit(elsewhere).result(LONG)


class TestAHolderWhoseLockRanOut:
    def test_cannot_save_once_somebody_else_has_had_it(self, store: RedisStore, client: Any, name: str) -> None:
        with store.lock(KEY):
            client.delete(f"{name}:lock")
            renew(store, "newer")
            with pytest.raises(StoreError, match="lock ran out"):
                store.save(KEY, token("older"))
        assert loaded(store) == "newer"

    def test_can_save_while_the_other_one_has_not_saved_yet_but_not_before_a_call(
        self, store: RedisStore, client: Any, name: str
    ) -> None:
        with store.lock(KEY):
            client.delete(f"{name}:lock")
            with ThreadPoolExecutor(1) as pool, store.lock("other"):
                entered, done = threading.Event(), threading.Event()

                def hold() -> None:
                    with store.lock(KEY):
                        entered.set()
                        done.wait(LONG)

                other = pool.submit(hold)
                assert entered.wait(LONG)
                with pytest.raises(StoreError, match="lock ran out"):
                    store.save_numbered(KEY, token("older"), 0, before_call=True)
                assert store.load(KEY) is None
                holder = client.get(f"{name}:lock")
                store.save(KEY, token("renewed meanwhile"))
                assert client.get(f"{name}:lock") == holder
                done.set()
                other.result(LONG)
        assert loaded(store) == "renewed meanwhile"

    def test_can_save_where_nobody_has_had_it(self, store: RedisStore, client: Any, name: str) -> None:
        with store.lock(KEY):
            client.delete(f"{name}:lock")
            store.save(KEY, token("newer"))
        assert loaded(store) == "newer"

    def test_does_not_give_back_what_is_somebody_elses(self, store: RedisStore, client: Any, name: str) -> None:
        with store.lock(KEY):
            client.set(f"{name}:lock", "somebody else")
        assert client.get(f"{name}:lock") == b"somebody else"

    def test_is_told_by_a_number_that_goes_up_even_where_the_last_is_forgotten(
        self, store: RedisStore, client: Any, name: str
    ) -> None:
        numbers = []
        for _ in range(5):
            with store.lock(KEY):
                numbers.append(int(client.hget(name, "number")))
            client.delete(name)  # As FLUSHALL does.
        assert numbers == sorted(set(numbers))

    def test_is_told_by_a_number_that_goes_up_though_the_servers_clock_was_ahead(
        self, store: RedisStore, client: Any, name: str
    ) -> None:
        ahead = int((time.time() + 1e6) * 1e6)
        client.hset(name, "number", ahead)
        for step in (1, 2):
            with store.lock(KEY):
                assert int(client.hget(name, "number")) == ahead + step


class TestLock:
    def test_ends_with_its_lease(self, server: RedisServer, client: Any, prefix: str, name: str) -> None:
        store = RedisStore.from_url(server.url, prefix=prefix, lease=7.0)
        with store.lock(KEY):
            assert 0 < client.pttl(f"{name}:lock") <= 7000
        assert not client.exists(f"{name}:lock")

    def test_of_a_holder_that_is_gone_is_had_after_its_lease(
        self, server: RedisServer, client: Any, prefix: str, name: str
    ) -> None:
        client.eval(ACQUIRE, 2, name, f"{name}:lock", "gone", 100)
        with RedisStore.from_url(server.url, prefix=prefix, lease=7.0).lock(KEY):
            assert client.get(f"{name}:lock") != b"gone"

    def test_is_given_once_more_to_the_same_holder_whose_answer_was_lost(self, client: Any, name: str) -> None:
        first, again = (int(client.eval(ACQUIRE, 2, name, f"{name}:lock", "me", 9000)[0]) for _ in range(2))
        assert 0 < first == again
        assert client.eval(ACQUIRE, 2, name, f"{name}:lock", "somebody else", 9000)[0] == b"0"

    def test_all_that_is_asked_can_be_asked_twice(self, server: RedisServer, prefix: str, name: str) -> None:
        class Twice(redis.Redis):
            """A client whose first answers are lost."""

            def execute_command(self, *args: Any, **options: Any) -> Any:
                super().execute_command(*args, **options)  # type: ignore[no-untyped-call]
                return super().execute_command(*args, **options)  # type: ignore[no-untyped-call]

        with Twice.from_url(server.url) as client:
            store = RedisStore(client, prefix=prefix)
            assert store.salt == store.salt
            with store.lock(KEY):
                store.save(KEY, token("new"))
            assert loaded(store) == "new"
            assert not client.exists(f"{name}:lock")
            store.delete(KEY)
            assert store.load(KEY) is None

    def test_that_nobody_got_leaves_nothing(self, server: RedisServer, client: Any, prefix: str, name: str) -> None:
        client.set(f"{name}:lock", "somebody else", px=60_000)
        store = RedisStore.from_url(server.url, prefix=prefix, lock_timeout=0.05)
        with pytest.raises(StoreError), store.lock(KEY):
            pytest.fail("two at a time")
        assert client.get(f"{name}:lock") == b"somebody else"
        assert not client.exists(name)


class Slow:
    """A client that takes its time to load."""

    def __init__(self, client: Any) -> None:
        self._client, self.seconds = client, 0.0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def hmget(self, *args: Any) -> Any:
        time.sleep(self.seconds)
        return self._client.hmget(*args)


@pytest.mark.slow
@pytest.mark.parametrize("server", ["valkey"], indirect=True)
def test_the_whole_lease_is_there_for_the_token_call_however_long_redis_took_before_it(
    client: Any, prefix: str
) -> None:
    simulator, slow = MarketigerSimulator(), Slow(client)
    simulator.reuse_detection = True
    policy = RefreshPolicy(deadline=1.4, window=1e9, window_share=1.0)

    def auth(client: Any) -> MarketigerAuth:
        session = requests.Session()
        session.mount("https://", RequestsAdapter(simulator, time.time, sleep=time.sleep))
        store = RedisStore(client, prefix=prefix, lease=1.5, settle_time=0.0)
        return MarketigerAuth(
            "user@example.com", "your_password_here", store=store, policy=policy, token_client=session
        )

    one, other = auth(slow), auth(client)
    for each in (one, other):
        each.token()
        settle(each)
    slow.seconds, simulator.latency = 1.3, 1.0
    one.token()  # It is due: a renewal begins beside.
    time.sleep(0.2)
    other.token()
    settle(one)
    settle(other)
    assert simulator.ledger.count("login") == 1
    assert {call.status for call in simulator.ledger.calls("refresh")} == {200}


def test_a_prefix_that_would_part_a_token_from_its_lock_on_a_cluster_is_refused(client: Any) -> None:
    assert len({key_slot(f"app{{}}:{{{KEY}}}{part}".encode()) for part in ("", ":lock")}) == 2
    with pytest.raises(ValueError, match=r"\bprefix\b"):
        RedisStore(client, prefix="app{}:")
    for good in ("app{", "app}", "{app}:", "{a}{b}"):
        RedisStore(client, prefix=good)
        assert len({key_slot(f"{good}{{{KEY}}}{part}".encode()) for part in ("", ":lock")}) == 1


class TestWhatIsKept:
    def test_has_the_prefix_and_one_hash_tag_for_a_token_and_its_lock(
        self, store: RedisStore, client: Any, prefix: str, name: str
    ) -> None:
        with store.lock(KEY):
            store.save(KEY, token())
            assert len(store.salt) == 32
            names = {each.decode() for each in client.scan_iter(f"{prefix}*")}
        assert names == {name, f"{name}:lock", f"{prefix}salt"}

    def test_ends_with_the_token_or_a_minute_later_for_a_clock_that_goes_wrong(
        self, store: RedisStore, client: Any, name: str
    ) -> None:
        store.save(KEY, token(lifetime=100.0))
        assert 100_000 < client.pttl(name) <= 160_000
        with store.lock(KEY):
            assert client.pttl(name) <= 160_000
            store.save(KEY, replace(token(), refreshable_until=token().issued_at + 5000.0))
        assert 5_000_000 < client.pttl(name) <= 5_060_000

    def test_has_no_end_if_no_login_replaces_the_token_and_the_provider_states_no_end(
        self, store: RedisStore, client: Any, name: str
    ) -> None:
        store.save(KEY, token(lifetime=100.0))
        endless = replace(token(), refresh_token="r", refreshable_until=math.inf)
        store.save(KEY, replace(endless, irreplaceable=True))
        assert client.pttl(name) == -1
        store.save(KEY, endless)
        assert 366 * 86_400_000 < client.pttl(name) <= 366 * 86_400_000 + 60_000
        store.save(KEY, token(lifetime=1e18))
        assert client.pttl(name) > 0

    def test_of_a_lock_without_a_token_is_not_for_ever(self, store: RedisStore, client: Any, name: str) -> None:
        with store.lock(KEY):
            pass
        assert 0 < client.pttl(name) <= 86_400_000

    def test_that_is_damaged_is_set_aside(
        self, store: RedisStore, client: Any, name: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        client.hset(name, "token", "no record")
        assert store.load(KEY) is None
        assert client.hget(name, "token") is None
        assert client.hget(name, "damaged") == b"no record"
        assert "damaged" in caplog.text

    def test_in_one_prefix_is_nothing_in_another(self, server: RedisServer, store: RedisStore) -> None:
        store.save(KEY, token())
        other = RedisStore.from_url(server.url, prefix=f"test-redis-{next(_numbers)}:")
        assert other.load(KEY) is None
        assert other.salt != store.salt


class TestEncryptionKeys:
    def make(self, server: RedisServer, prefix: str, *keys: str) -> RedisStore:
        return RedisStore.from_url(server.url, prefix=prefix, encryption_key=keys or None)

    def test_are_replaced_by_one_that_is_put_before_the_old_one(
        self, server: RedisServer, client: Any, prefix: str, name: str
    ) -> None:
        salt = self.make(server, prefix, OLD).salt
        self.make(server, prefix, OLD).save(KEY, token("secret-of-ours"))
        assert b"secret-of-ours" not in client.hget(name, "token")
        both = self.make(server, prefix, NEW, OLD)
        assert (loaded(both), both.salt) == ("secret-of-ours", salt)
        both.save(KEY, token("newer"))
        assert loaded(self.make(server, prefix, NEW)) == "newer"

    @pytest.mark.parametrize("keys", [(), (NEW,)], ids=["none", "another"])
    def test_that_are_missing_are_an_error_and_nothing_is_lost(
        self, server: RedisServer, prefix: str, keys: tuple[str, ...]
    ) -> None:
        ours = self.make(server, prefix, OLD)
        salt = ours.salt
        ours.save(KEY, token())
        stranger = self.make(server, prefix, *keys)
        with pytest.raises(StoreError, match="another key"):
            stranger.load(KEY)
        with pytest.raises(StoreError, match="another key"):
            _ = stranger.salt
        assert (loaded(ours), ours.salt) == ("at", salt)

    def test_that_are_old_can_be_dropped_once_they_have_been_replaced(self, server: RedisServer, prefix: str) -> None:
        salt = self.make(server, prefix, OLD).salt
        assert self.make(server, prefix, NEW, OLD).salt == salt
        assert self.make(server, prefix, NEW).salt == salt

    def test_that_come_to_a_fleet_at_once_give_it_one_salt(self, server: RedisServer, client: Any, prefix: str) -> None:
        stores = [self.make(server, prefix, NEW) for _ in range(8)]
        for _ in range(20):
            client.set(f"{prefix}salt", "damaged")
            start = threading.Barrier(8)

            def salt(store: RedisStore, start: threading.Barrier = start) -> bytes:
                start.wait(LONG)
                return store.salt

            with ThreadPoolExecutor(8) as pool:
                assert len({*pool.map(salt, stores), stores[0].salt}) == 1


class Coroutines:
    """A client as aioredis and coredis have one, which are no modules of a name `asyncio`."""

    async def get(self, name: str) -> bytes | None:
        return None

    set = hget = hdel = eval = delete = get


class Entered:
    """A client whose methods return awaitable objects, though they are ordinary functions."""

    def get(self, name: str) -> Any:
        raise NotImplementedError

    set = hget = hdel = eval = delete = get

    async def __aenter__(self) -> Any:
        return self

    async def __aexit__(self, *_: object) -> None: ...


class TestClient:
    def test_may_decode_its_answers(self, server: RedisServer, prefix: str) -> None:
        with redis.Redis.from_url(server.url, decode_responses=True) as client:
            for key in (None, NEW):
                store = RedisStore(client, prefix=f"{prefix}{key}", encryption_key=key)
                assert store.salt == store.salt
                with store.lock(KEY):
                    store.save(KEY, token("new"))
                assert loaded(store) == "new"

    def test_may_be_of_valkey_py(self, server: RedisServer, prefix: str) -> None:
        valkey = pytest.importorskip("valkey")
        with valkey.Valkey.from_url(server.url) as client:
            store = RedisStore(client, prefix=prefix)
            with store.lock(KEY):
                store.save(KEY, token("new"))
            assert loaded(store) == "new"

    @pytest.mark.parametrize(
        "client",
        [
            redis.asyncio.Redis(),
            redis.asyncio.RedisCluster("127.0.0.1"),
            redis.Redis().pipeline(),
            Coroutines(),
            Entered(),
            object(),
            None,
        ],
        ids=[
            "asynchronous",
            "asynchronous-cluster",
            "pipeline",
            "of-coroutines",
            "entered-by-async-with",
            "none",
            "null",
        ],
    )
    def test_of_another_kind_is_refused(self, client: object) -> None:
        with pytest.raises(TypeError, match=r"^client must be"):
            RedisStore(client)

    def test_that_fails_is_told_by_its_kind_alone(self, store: RedisStore, client: Any, name: str) -> None:
        client.set(name, "no hash, but a secret")
        with pytest.raises(StoreError) as caught:
            store.load(KEY)
        assert "secret" not in str(caught.value)
        assert caught.value.__cause__ is caught.value.__context__ is None


class TestURL:
    @pytest.mark.parametrize("option", ["socket_timeout=hunter2", "sockettimeout=1"])
    def test_with_a_wrong_option_is_refused_by_the_options_name(self, option: str) -> None:
        with pytest.raises(ValueError, match=option.partition("=")[0]) as caught:
            RedisStore.from_url(f"redis://:hunter2@h?{option}")
        assert "hunter2" not in str(caught.value)

    @pytest.mark.parametrize(
        "url",
        ["http://:hunter2@h", "redis://:hunter2@h:port", "hunter2", "", "redis://:hunter2@h?socket_timeout=x"],
        ids=["scheme", "port", "none", "empty", "option"],
    )
    def test_that_is_wrong_is_told_without_being_shown(self, url: str) -> None:
        with pytest.raises(ValueError, match=r"^url must be") as caught:
            RedisStore.from_url(url)
        assert "hunter2" not in repr(caught.value)
        assert caught.value.__cause__ is caught.value.__context__ is None

    def test_must_be_text(self) -> None:
        with pytest.raises(TypeError, match=r"^url must be a str"):
            RedisStore.from_url(b"redis://h")  # type: ignore[arg-type]

    def test_never_shows(self, prefix: str) -> None:
        store = RedisStore.from_url("redis://user:hunter2@127.0.0.1:1", prefix=prefix)
        with pytest.raises(StoreError) as caught:
            store.load(KEY)
        assert "hunter2" not in f"{store!r} {caught.value!r} {vars(store)!r}"

    def test_travels_with_a_pickle_and_so_do_the_settings(self, server: RedisServer, prefix: str) -> None:
        store = RedisStore.from_url(server.url, prefix=prefix, lease=77.0, encryption_key=[NEW, OLD])
        store.save(KEY, token())
        copied = pickle.loads(pickle.dumps(pickle.loads(pickle.dumps(store))))
        assert (loaded(copied), copied.salt, copied.lease) == ("at", store.salt, 77.0)


def test_a_lease_that_ends_before_a_renewal_does_is_refused(server: RedisServer) -> None:
    store = RedisStore.from_url(server.url, lease=40.0)  # Its client's time-outs are 5 seconds each.
    with pytest.raises(ValueError, match=r"^store must have a lease"):
        FyatuAuth("A1B2C3D4E5F6G7H8", "your_secret_key_here", store=store)
    FyatuAuth("A1B2C3D4E5F6G7H8", "your_secret_key_here", store=store, policy=RefreshPolicy(deadline=29.0))


def test_a_lease_is_as_long_as_redis_can_keep_it(server: RedisServer, prefix: str) -> None:
    with RedisStore.from_url(server.url, prefix=prefix, lease=315_360_000).lock(KEY):
        pass
    with pytest.raises(ValueError, match=r"^lease must be a finite number above zero, and at most 315,360,000$"):
        RedisStore.from_url(server.url, lease=315_360_001)


class TestALateSave:
    def test_changes_nothing_once_the_lock_was_given_back_and_sets_no_lock(
        self, store: RedisStore, client: Any, name: str
    ) -> None:
        with store.lock(KEY):
            number, holder = client.hget(name, "number"), client.get(f"{name}:lock")
            store.save(KEY, token("old"))
            record = client.hget(name, "token")
            renewed = int(number) + 1
            assert store.save_numbered(KEY, token("new"), renewed) is None
        late = (name, f"{name}:lock", number, record, 9000, holder, 60_000)
        assert client.eval(SAVE, 2, *late, 0)[:2] == [b"0", str(renewed).encode()]
        assert not client.exists(f"{name}:lock")
        assert loaded(store) == "new"

    def test_before_a_call_is_refused_once_the_lock_was_given_back(
        self, store: RedisStore, client: Any, name: str
    ) -> None:
        with store.lock(KEY):
            holder = client.get(f"{name}:lock")
        assert client.eval(SAVE, 2, name, f"{name}:lock", 10**16, "late", 9000, holder, 60_000, 1) == [b"-1"]
        assert store.load(KEY) is None


class TestANumber:
    def test_of_a_newer_token_keeps_an_older_one_out_which_gets_the_newer_one(self, store: RedisStore) -> None:
        assert store.load_numbered(KEY) == (None, -1)
        assert store.save_numbered(KEY, token("newer"), 7) is None
        assert store.save_numbered(KEY, token("older"), 6) == (token("newer"), 7)
        assert store.load_numbered(KEY) == (token("newer"), 7)

    def test_is_kept_by_a_save_without_one(self, store: RedisStore) -> None:
        store.save_numbered(KEY, token("one"), 7)
        store.save(KEY, token("two"))
        assert store.load_numbered(KEY) == (token("two"), 7)

    def test_of_a_damaged_token_keeps_nothing_out(self, store: RedisStore, client: Any, name: str) -> None:
        client.hset(name, mapping={"token": "no record", "saved": 7})
        assert store.save_numbered(KEY, token("older"), 6) is None
        assert store.load_numbered(KEY) == (token("older"), 6)

    @pytest.mark.parametrize("forgets", [True, False], ids=["forgotten", "given back"])
    def test_of_a_lock_that_was_waited_for_shows_whether_the_server_has_forgotten_it(
        self, store: RedisStore, client: Any, name: str, *, forgets: bool
    ) -> None:
        holder = client.eval(ACQUIRE, 2, name, f"{name}:lock", "another holder", 60_000)

        def needed() -> bool:
            client.delete(f"{name}:lock", *([name] if forgets else []))
            return True

        with store.lock_if(KEY, needed) as got:
            assert got
            assert store.lock_numbers(KEY)[1] == (int(holder[0]) if forgets else 0)


class TestALockThatIsKept:
    def test_is_not_given_back_until_its_token_is_saved_and_is_continued_by_its_permit(
        self, store: RedisStore, client: Any, name: str
    ) -> None:
        with store.lock(KEY):
            permit = store.permit(KEY)
        assert client.exists(f"{name}:lock")
        with store.lock_if(KEY, lambda: True, permit) as got:
            assert got
            store.save(KEY, token("new"))
        assert not client.exists(f"{name}:lock")

    def test_shows_the_record_to_those_who_wait_for_it(self, store: RedisStore, client: Any, name: str) -> None:
        client.set(f"{name}:lock", "a holder that was killed after its save", px=60_000)
        store.save(KEY, token("new"))
        with store.lock_if(KEY, lambda: loaded(store) != "new") as got:
            assert not got
        assert client.get(f"{name}:lock").startswith(b"a holder")


class TestTheEndOfASession:
    def test_keeps_a_save_from_before_out_for_a_day_and_shows_its_number(
        self, store: RedisStore, client: Any, name: str
    ) -> None:
        store.save_numbered(KEY, token("last"), 6)
        assert store.delete_numbered(KEY, 7, ends=True)
        assert store.load_numbered(KEY) == (None, 7)
        assert store.save_numbered(KEY, token("late"), 6) == (None, 7)
        assert 0 < client.pttl(name) <= 86_400_000
        assert store.save_numbered(KEY, token("of the next session"), 8) is None

    @pytest.mark.parametrize("ends", [True, False])
    def test_leaves_a_token_with_a_higher_number(self, store: RedisStore, *, ends: bool) -> None:
        store.save_numbered(KEY, token("newer"), 7)
        assert not store.delete_numbered(KEY, 6, ends=ends)
        assert store.load_numbered(KEY) == (token("newer"), 7)


class TestWhatIsOver:
    def test_ends_within_a_day(self, store: RedisStore, client: Any, name: str) -> None:
        for end in (store.retire, store.delete):
            with store.lock(KEY):
                store.save(KEY, token(lifetime=1e7))
            assert client.pttl(name) > 86_400_000
            end(KEY)
            assert 0 < client.pttl(name) <= 86_400_000

    def test_is_not_for_the_clock_of_a_host_to_say(self, store: RedisStore, client: Any, name: str) -> None:
        past = replace(token("behind"), issued_at=time.time() - 50_000, expires_at=time.time() - 46_400)
        store.save(KEY, past)
        assert loaded(store) == "behind"
        assert 3_600_000 <= client.pttl(name) <= 3_700_000


class TestSalt:
    def test_that_is_lost_is_the_same_for_a_store_that_starts(
        self, server: RedisServer, client: Any, prefix: str
    ) -> None:
        for key in (None, NEW):
            made = [RedisStore.from_url(server.url, prefix=f"{prefix}{key}", encryption_key=key) for _ in range(2)]
            before = made[0].salt
            client.delete(f"{prefix}{key}salt")
            assert made[1].salt == before

    def test_that_was_random_is_written_back_by_a_process_that_knows_it(
        self, server: RedisServer, client: Any, prefix: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("auth_plugins.stores.redis_salt._LOOKS", 0.0)
        client.set(f"{prefix}salt", "ab" * 32)
        store = RedisStore.from_url(server.url, prefix=prefix)
        assert store.salt == bytes.fromhex("ab" * 32)
        client.delete(f"{prefix}salt")
        assert store.salt == bytes.fromhex("ab" * 32)
        assert client.get(f"{prefix}salt") == b"ab" * 32


class TestWhatAnOperatorIsShown:
    def test_is_the_first_word_of_the_servers_answer(self, redis_server: RedisServer) -> None:
        with redis_server.client() as admin:
            admin.execute_command("ACL", "SETUSER", "app", "on", ">secret", "~*", "+@all", "-persist")
            url = redis_server.url.replace("unix://", "unix://app:secret@")
            with pytest.raises(StoreError, match="NOPERM"), RedisStore.from_url(url).lock(KEY):
                pytest.fail("a command is missing")
            with pytest.raises(StoreError, match="WRONGPASS"):
                RedisStore.from_url(redis_server.url.replace("unix://", "unix://app:wrong@")).load(KEY)
            admin.config_set("maxmemory", "1")
            with pytest.raises(StoreError, match="OOM"):
                RedisStore.from_url(redis_server.url).save(KEY, token())

    # redis-py 5.0 leaves the socket of a server that has stopped to the garbage collector.
    @pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
    def test_is_a_log_line_when_a_lock_could_not_be_given_back(
        self, redis_server: RedisServer, caplog: pytest.LogCaptureFixture
    ) -> None:
        with RedisStore.from_url(redis_server.url).lock(KEY):
            redis_server.stop()
        assert "could not be given back" in caplog.text

    def test_is_a_warning_about_a_pool_that_does_not_wait(
        self, server: RedisServer, caplog: pytest.LogCaptureFixture
    ) -> None:
        with server.client() as client:
            RedisStore(client)
        assert "BlockingConnectionPool" in caplog.text


def test_a_token_is_saved_only_once_the_replicas_have_it(redis_server: RedisServer) -> None:
    store = RedisStore.from_url(redis_server.url, wait_replicas=1)
    with store.lock(KEY), pytest.raises(StoreError, match="0 of 1 replicas"):
        store.save(KEY, token())
