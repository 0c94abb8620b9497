"""Which store objects are one store: those that say so, and no others."""

from __future__ import annotations

import os
import pickle
import sys
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from cryptography.fernet import Fernet

from auth_plugins import (
    CredentialsRejected,
    FileStore,
    FyatuAuth,
    KeyringStore,
    MemoryStore,
    RedisStore,
    Store,
    Token,
)
from auth_plugins.engine import shared_state as slots
from auth_plugins.engine.same_store import SameStores, identity_of
from auth_plugins.simulators import FyatuSimulator
from auth_plugins.testing import FakeClock, mock_transport
from tests.stores.test_memory import in_a_fork

if TYPE_CHECKING:
    from tests.conftest import RedisServer

APP = ("A1B2C3D4E5F6G7H8", "your_secret_key_here")
KEY, OTHER_KEY = Fernet.generate_key(), Fernet.generate_key()


class Tasks:
    """Tasks that each make their own objects."""

    def __init__(self, make: Callable[[], Store], secret: str = APP[1]) -> None:
        self.make, self.secret, self.clock, self.server = make, secret, FakeClock(), FyatuSimulator()
        self.client = httpx.Client(transport=mock_transport(self.server, self.clock))

    def auth(self) -> FyatuAuth:
        return FyatuAuth(APP[0], self.secret, store=self.make(), token_client=self.client, clock=self.clock)

    @property
    def calls(self) -> int:
        return self.server.ledger.token_calls


def slot_of(store: Store) -> Any:
    return FyatuAuth(*APP, store=store)._source.shared


class TestAStoreMadeAnewInEachTask:
    def test_of_refused_credentials_costs_one_login(self, tmp_path: Path) -> None:
        tasks = Tasks(lambda: FileStore(tmp_path / "t"), "not_the_secret_key")
        for _ in range(10):
            with pytest.raises(CredentialsRejected):
                tasks.auth().token()
        assert tasks.calls == 1

    def test_costs_one_login_and_one_look_into_the_store(self, tmp_path: Path) -> None:
        tasks = Tasks(lambda: FileStore(tmp_path / "t"))
        token = tasks.auth().token()
        (tmp_path / "t").rename(tmp_path / "away")
        for _ in range(10):
            assert tasks.auth().token() == token
        assert tasks.calls == 1
        assert not (tmp_path / "t").exists()

    def test_keeps_one_connection_to_redis(self, redis_servers: dict[str, RedisServer], tmp_path: Path) -> None:
        with redis_servers["redis"].client() as client:
            before = len(client.client_list())
            tasks = Tasks(lambda: RedisStore.from_url(redis_servers["redis"].url, prefix=f"{tmp_path.name}:"))
            auths = []
            for _ in range(50):
                auths.append(tasks.auth())
                auths[-1].invalidate()  # So that each of them has something to ask of the store.
                auths[-1].token()
            assert len(client.client_list()) <= before + 1
        assert tasks.calls == 50

    def test_is_the_same_after_a_fork(self, tmp_path: Path) -> None:
        tasks = Tasks(lambda: FileStore(tmp_path / "t"), "not_the_secret_key")
        with pytest.raises(CredentialsRejected):
            tasks.auth().token()

        def task() -> bool:
            with pytest.raises(CredentialsRejected):
                tasks.auth().token()
            return tasks.calls == 1

        assert in_a_fork(task) == "True"


def folders(tmp_path: Path) -> dict[str, Callable[[], Store]]:
    return {
        "file": lambda: FileStore(tmp_path / "t"),
        "encrypted file": lambda: FileStore(tmp_path / "t", encryption_key=[KEY, OTHER_KEY]),
        "key-ring": lambda: KeyringStore(tmp_path / "t"),
        "redis": lambda: RedisStore.from_url("redis://user:s3cret@127.0.0.1:1/0", prefix="p:"),
    }


@pytest.mark.parametrize("kind", folders(Path()))
class TestStoresWithEqualSettings:
    def test_are_one_store(self, kind: str, tmp_path: Path) -> None:
        make = folders(tmp_path)[kind]
        assert slot_of(make()) is slot_of(make())

    def test_are_one_store_with_their_pickles(self, kind: str, tmp_path: Path) -> None:
        store = folders(tmp_path)[kind]()
        assert slot_of(pickle.loads(pickle.dumps(store))) is slot_of(store)

    def test_say_so_without_a_secret(self, kind: str, tmp_path: Path) -> None:
        said = repr(identity_of(folders(tmp_path)[kind]()))
        assert not any(secret in said for secret in ("s3cret", KEY.decode(), OTHER_KEY.decode()))

    def test_are_others_than_those_of_a_subclass_which_are_others_from_one_another(
        self, kind: str, tmp_path: Path
    ) -> None:
        plain = folders(tmp_path)[kind]()
        derived = type("Derived", (type(plain),), {})
        found = [plain, *(as_a(derived, plain) for _ in range(2))]
        assert len({id(slot_of(store)) for store in found}) == 3


def as_a(kind: Any, store: Any) -> Any:
    made = kind.__new__(kind)
    made.__setstate__(store.__getstate__())
    return made


class TestStoresThatDiffer:
    @pytest.mark.parametrize(
        "options",
        [{"encryption_key": KEY}, {"lock_timeout": 61.0}, {"clock": FakeClock()}],
        ids=["by their key", "by their lock_timeout", "by their clock"],
    )
    def test_are_two(self, tmp_path: Path, options: Any) -> None:
        assert slot_of(FileStore(tmp_path / "t")) is not slot_of(FileStore(tmp_path / "t", **options))

    def test_by_the_order_of_their_keys_are_two_since_the_first_one_writes(self, tmp_path: Path) -> None:
        one, other = (FileStore(tmp_path / "t", encryption_key=keys) for keys in ([KEY, OTHER_KEY], [OTHER_KEY, KEY]))
        assert slot_of(one) is not slot_of(other)

    @pytest.mark.parametrize("options", [{"prefix": "q:"}, {"lease": 61.0}, {"encryption_key": KEY}])
    def test_in_redis_are_two(self, options: Any) -> None:
        url = "redis://127.0.0.1:1/0"
        assert slot_of(RedisStore.from_url(url)) is not slot_of(RedisStore.from_url(url, **options))

    def test_by_the_password_in_their_url_are_two(self) -> None:
        one, other = (RedisStore.from_url(f"redis://user:{each}@127.0.0.1:1/0") for each in ("a", "b"))
        assert slot_of(one) is not slot_of(other)

    def test_in_memory_are_always_two(self) -> None:
        assert slot_of(MemoryStore()) is not slot_of(MemoryStore())


class TestAFolder:
    @pytest.mark.skipif(sys.platform == "win32", reason="links need privileges there")
    def test_that_is_reached_by_a_link_is_the_same_one(self, tmp_path: Path) -> None:
        (tmp_path / "real").mkdir()
        (tmp_path / "link").symlink_to(tmp_path / "real")
        assert slot_of(FileStore(tmp_path / "link" / "t")) is slot_of(FileStore(tmp_path / "real" / "t"))

    def test_that_is_reached_from_here_is_the_same_one(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("HOME", str(tmp_path))
        paths = ("t", tmp_path / "t", "~/t", os.path.join(".", "x", "..", "t"))
        assert len({id(slot_of(FileStore(path))) for path in paths}) == 1

    @pytest.mark.skipif(sys.platform == "win32", reason="links need privileges there")
    def test_stays_the_one_it_was_though_the_link_above_it_leads_to_another_one_now(self, tmp_path: Path) -> None:
        for each in ("one", "two"):
            (tmp_path / each).mkdir()
        (tmp_path / "current").symlink_to(tmp_path / "one")
        store = FileStore(tmp_path / "current" / "t")
        (tmp_path / "current").unlink()
        (tmp_path / "current").symlink_to(tmp_path / "two")
        store.save("key", Token(access_token="at", issued_at=0.0, expires_at=float("inf")))
        assert (tmp_path / "one" / "t").is_dir()
        assert slot_of(FileStore(tmp_path / "current" / "t")) is not slot_of(store)


class Plain:
    """A store of somebody else's, as it is written today."""

    lease = float("inf")

    def __init__(self, kept: Store) -> None:
        self.kept = kept

    @property
    def salt(self) -> bytes:
        return self.kept.salt

    def load(self, key: str) -> Token | None:
        return self.kept.load(key)

    def save(self, key: str, token: Token) -> None:
        self.kept.save(key, token)

    def delete(self, key: str) -> None:
        self.kept.delete(key)

    def lock(self, key: str) -> AbstractContextManager[None]:
        return self.kept.lock(key)


class Wrapping(Plain):
    """It passes on what it has not itself."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self.kept, name)


class Named(Plain):
    def __init__(self, kept: Store, identity: Any) -> None:
        super().__init__(kept)
        self.identity = identity


class TestAStoreOfSomebodyElses:
    @pytest.mark.parametrize("kind", [Plain, Wrapping])
    def test_without_the_member_is_itself_alone(self, tmp_path: Path, kind: type[Plain]) -> None:
        inner = FileStore(tmp_path / "t")
        stores: list[Store] = [inner, kind(inner), kind(inner)]
        assert len({id(slot_of(store)) for store in stores}) == 3

    @pytest.mark.parametrize("kind", [Plain, Wrapping])
    def test_without_the_member_is_used_as_before(self, kind: type[Plain]) -> None:
        store = kind(MemoryStore())
        tasks = Tasks(lambda: store)
        assert tasks.auth().token() == tasks.auth().token()
        assert tasks.calls == 1

    def test_with_the_member_is_the_same_as_its_equals(self) -> None:
        kept = MemoryStore()
        tasks = Tasks(lambda: Named(kept, ("vault", "tenant-1")), "not_the_secret_key")
        for _ in range(3):
            with pytest.raises(CredentialsRejected):
                tasks.auth().token()
        assert tasks.calls == 1
        assert slot_of(Named(kept, "a")) is not slot_of(Named(kept, "b"))

    def test_of_another_type_is_another_store_though_its_name_is_the_same(self) -> None:
        class Other(Named):
            pass

        kept = MemoryStore()
        assert slot_of(Named(kept, "a")) is not slot_of(Other(kept, "a"))

    def test_whose_identity_cannot_be_hashed_is_itself_alone(self) -> None:
        kept = MemoryStore()
        assert slot_of(Named(kept, ["a"])) is not slot_of(Named(kept, ["a"]))

    def test_to_which_no_weak_reference_can_be_made_is_itself_alone(self) -> None:
        class Slotted:
            __slots__ = ("identity",)

        stores, slotted = SameStores(), [Slotted(), Slotted()]
        found: list[Any] = [stores.one_for(each, "a") for each in slotted]  # type: ignore[arg-type]
        assert found == slotted


def test_the_first_object_is_let_go_once_nothing_uses_it(tmp_path: Path) -> None:
    slot_of(FileStore(tmp_path / "t"))
    slots._slots.clear()
    slots._recent.__init__()  # type: ignore[misc]
    again = FileStore(tmp_path / "t")
    assert slot_of(again).store is again


def test_stores_made_in_many_threads_at_once_are_one(tmp_path: Path) -> None:
    start, found = threading.Barrier(8), []

    def make() -> None:
        start.wait(30.0)
        found.append(slot_of(FileStore(tmp_path / "t")))

    threads = [threading.Thread(target=make) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30.0)
    assert len({id(shared) for shared in found}) == 1
