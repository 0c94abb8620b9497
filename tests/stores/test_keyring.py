"""What only a key-ring's store promises: one short secret in the ring, and no loss where the ring fails."""

from __future__ import annotations

import copy
import logging
import pickle
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.fernet import Fernet
from keyring.backend import KeyringBackend
from keyring.backends import fail, null
from keyring.errors import KeyringLocked

from auth_plugins import FileStore, KeyringStore, StoreError, Token

if TYPE_CHECKING:
    from tests.conftest import World
    from tests.stores.conftest import Child

NOW = 1_800_000_000.0
LONG = 30.0
SECRET = "marked-access-token"


class Ring(KeyringBackend):
    """A key-ring in memory, which can be locked, and be asked how often it was asked."""

    priority = 1

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.kept: dict[tuple[str, str], str] = {}
        self.locked: Exception | None = None
        self.forgetful = False

    def get_password(self, service: str, username: str) -> str | None:
        if self.locked is not None:
            raise self.locked
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        if self.locked is not None:
            raise self.locked
        if not self.forgetful:
            self.kept[service, username] = password


class BrokenToWrite(Ring):
    """Gives what it has, and quotes what it is to keep in a refusal."""

    def set_password(self, service: str, username: str, password: str) -> None:
        raise RuntimeError(f"cannot keep {password}")


def token(name: str = SECRET) -> Token:
    return Token(access_token=name, refresh_token=f"{name}-refresh", issued_at=NOW, expires_at=NOW + 60.0)


def a_clock() -> float:
    """A clock that can be pickled."""
    return NOW


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "tokens"


@pytest.fixture
def ring() -> Ring:
    return Ring()


@pytest.fixture
def store(folder: Path, ring: Ring) -> KeyringStore:
    return KeyringStore(folder, backend=ring, clock=a_clock)


def in_use(store: KeyringStore) -> bytes:
    store.save("key", token())
    return store.salt


class TestTheRing:
    def test_holds_44_characters_however_long_the_token_is(self, store: KeyringStore, ring: Ring) -> None:
        for length in (1, 1_000, 100_000):
            store.save("key", token("x" * length))
            assert store.load("key") == token("x" * length)
        assert [len(kept) for kept in ring.kept.values()] == [44]

    def test_holds_one_key_however_many_tokens_there_are(self, store: KeyringStore, ring: Ring) -> None:
        for number in range(5):
            store.save(f"key {number}", token(str(number)))
        assert len(ring.kept) == 1
        Fernet(next(iter(ring.kept.values())))

    def test_shows_the_key_under_the_service_and_the_folder(self, folder: Path, ring: Ring) -> None:
        KeyringStore(folder, backend=ring, service="my-program").save("key", token())
        assert list(ring.kept) == [("my-program", str(folder.resolve()))]

    def test_is_not_asked_by_the_constructor(self, folder: Path) -> None:
        broken = Ring()
        broken.locked = AssertionError("asked")
        KeyringStore(folder, backend=broken)
        assert not folder.exists()

    def test_no_file_shows_a_token_or_the_key(self, store: KeyringStore, folder: Path, ring: Ring) -> None:
        in_use(store)
        key = next(iter(ring.kept.values())).encode()
        for path in folder.iterdir():
            assert SECRET.encode() not in path.read_bytes()
            assert key not in path.read_bytes()

    def test_two_stores_on_one_folder_share_tokens(self, store: KeyringStore, folder: Path, ring: Ring) -> None:
        salt = in_use(store)
        other = KeyringStore(folder, backend=ring, clock=a_clock)
        assert (other.load("key"), other.salt) == (token(), salt)

    @pytest.mark.parametrize("way", ["dots", "link"])
    def test_a_folder_has_one_key_however_it_is_reached(
        self, store: KeyringStore, tmp_path: Path, ring: Ring, way: str
    ) -> None:
        salt = in_use(store)
        (tmp_path / "other").mkdir()
        (tmp_path / "link").symlink_to(tmp_path)
        path = {"dots": tmp_path / "other" / ".." / "tokens", "link": tmp_path / "link" / "tokens"}[way]
        other = KeyringStore(path, backend=ring, clock=a_clock)
        assert (other.load("key"), other.salt) == (token(), salt)
        assert (store.load("key"), len(ring.kept)) == (token(), 1)

    def test_gets_one_key_from_all_who_make_it_at_the_same_moment(self, folder: Path, ring: Ring) -> None:
        start, failures = threading.Barrier(8), []

        def begin(number: int) -> None:
            start.wait(LONG)
            try:
                KeyringStore(folder, backend=ring, clock=a_clock).save(f"key {number}", token(str(number)))
            except StoreError as error:
                failures.append(error)

        threads = [threading.Thread(target=begin, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(LONG)
        assert not failures
        assert len(ring.kept) == 1
        store = KeyringStore(folder, backend=ring, clock=a_clock)
        assert [store.load(f"key {number}") for number in range(8)] == [token(str(number)) for number in range(8)]

    def test_leaves_what_somebody_saves_as_soon_as_there_is_a_key(self, folder: Path) -> None:
        class Quick(Ring):
            def set_password(self, service: str, username: str, password: str) -> None:
                super().set_password(service, username, password)
                KeyringStore(folder, backend=self, clock=a_clock).save("theirs", token("theirs"))

        store = KeyringStore(folder, backend=Quick(), clock=a_clock)
        store.save("ours", token("ours"))
        assert (store.load("ours"), store.load("theirs")) == (token("ours"), token("theirs"))

    def test_gets_one_key_from_processes_too(self, folder: Path, tmp_path: Path, start_child: Any) -> None:
        """The ring is a file that all of them share; making the key takes each of them a while."""
        program = """
import time
from pathlib import Path
from auth_plugins import KeyringStore, Token

ring = Path(folder).parent / "ring"
mine = f"{os.getpid()}"


class Ring:
    def get_password(self, service, user):
        time.sleep(0.02)
        return ring.read_text() if ring.exists() else None

    def set_password(self, service, user, password):
        time.sleep(0.02)
        with (ring.parent / "made").open("a") as made:
            made.write("key\\n")
        ring.write_text(password)


store = KeyringStore(folder, backend=Ring(), clock=lambda: 1.8e9)
say("ready")
sys.stdin.readline()
store.save(mine, Token(access_token=mine, issued_at=0, expires_at=2e9))
say(store.load(mine).access_token == mine)
"""
        children = [start_child(program, folder) for _ in range(2)]
        for child in children:
            assert child.stdout.readline() == '"ready"\n'
        for child in children:
            child.stdin.write("go\n")
            child.stdin.flush()
        said = [child.communicate(timeout=LONG)[0] for child in children]
        assert said == ["true\n"] * 2
        assert (tmp_path / "made").read_text() == "key\n"
        assert not list(folder.glob("*.damaged"))


class TestARingThatFails:
    @pytest.mark.parametrize("kind", ["fail", "null", "locked", "quoting"])
    def test_is_a_store_error_that_says_what_to_do_and_nothing_is_written(
        self, folder: Path, kind: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        locked = Ring()
        locked.locked = KeyringLocked("locked")
        backend: Any = {
            "fail": fail.Keyring,
            "null": null.Keyring,
            "locked": lambda: locked,
            "quoting": BrokenToWrite,
        }[kind]()
        store = KeyringStore(folder, backend=backend)
        for use in (lambda: store.salt, lambda: store.save("key", token())):
            with pytest.raises(StoreError, match="key-ring") as caught:
                use()
            assert "another back-end" in caught.value.hint
            assert "cannot keep" not in str(caught.value)
            assert (caught.value.__cause__, caught.value.__context__) == (None, None)
        assert {path.suffix for path in folder.iterdir()} <= {".lock"}
        assert not caplog.records

    def test_that_was_locked_works_when_it_is_opened(self, store: KeyringStore, ring: Ring) -> None:
        salt = in_use(store)
        ring.locked = KeyringLocked("locked")
        for use in (lambda: store.load("key"), lambda: store.salt, lambda: store.save("key", token("x"))):
            with pytest.raises(StoreError, match="KeyringLocked"):
                use()
        ring.locked = None
        assert (store.load("key"), store.salt) == (token(), salt)

    @pytest.mark.parametrize("backend", [null.Keyring, BrokenToWrite], ids=["null", "refusing"])
    def test_costs_nothing_of_what_another_one_keeps_the_key_of(
        self, store: KeyringStore, folder: Path, backend: type[Any], caplog: pytest.LogCaptureFixture
    ) -> None:
        """As a job of cron finds no session's key-ring, and leaves the tokens of the session alone."""
        salt = in_use(store)
        other = KeyringStore(folder, backend=backend(), clock=a_clock)
        for use in (lambda: other.load("key"), lambda: other.salt):
            with pytest.raises(StoreError, match="key-ring"):
                use()
        assert (store.load("key"), store.salt) == (token(), salt)
        assert not caplog.records

    def test_tells_the_key_in_no_frame_that_is_ours(self, folder: Path) -> None:
        key = "marked-key-that-is-none"
        ring = Ring()
        ring.get_password = lambda *_: key  # type: ignore[method-assign]
        with pytest.raises(StoreError, match="is no key") as caught:
            KeyringStore(folder, backend=ring).save("key", token())
        trace = caught.value.__traceback__
        while trace is not None:
            if trace.tb_frame.f_code.co_filename != __file__:
                assert key not in repr(trace.tb_frame.f_locals)
            trace = trace.tb_next
        assert key not in str(caught.value)

    @pytest.mark.parametrize("garbage", ["", "x", "no key at all", "é" * 44, "A" * 45, "\ud800" * 44])
    def test_that_has_garbage_in_place_of_the_key_is_a_store_error_and_keeps_it(
        self, store: KeyringStore, ring: Ring, garbage: str
    ) -> None:
        in_use(store)
        name = next(iter(ring.kept))
        right, ring.kept[name] = ring.kept[name], garbage
        with pytest.raises(StoreError, match="is no key") as caught:
            store.load("key")
        assert "Remove it" in caught.value.hint
        assert ring.kept == {name: garbage}
        ring.kept[name] = right
        assert store.load("key") == token()

    def test_lets_fyatu_go_on_and_saves_when_it_is_opened(self, one_world: World, folder: Path, ring: Ring) -> None:
        ring.locked = KeyringLocked("locked")
        auth = one_world.auth(store=KeyringStore(folder, backend=ring, clock=one_world.clock))
        before = auth.token()
        assert "save_failed" in one_world.told(auth)
        ring.locked = None
        one_world.clock.advance(61.0)
        assert auth.token() == before
        one_world.told(auth)
        other = one_world.auth(store=KeyringStore(folder, backend=ring, clock=one_world.clock))
        assert other.token() == before
        assert one_world.token_calls == 1


class TestAKeyThatWasRemoved:
    def test_takes_its_tokens_with_it_with_a_warning(
        self, store: KeyringStore, folder: Path, ring: Ring, caplog: pytest.LogCaptureFixture
    ) -> None:
        in_use(store)
        ring.kept.clear()
        assert store.load("key") is None
        assert [each.levelno for each in caplog.records] == [logging.WARNING] * 2
        assert "gone from the key-ring" in caplog.text
        assert len(list(folder.glob("*.damaged"))) == 2
        store.save("key", token("new"))
        assert store.load("key") == token("new")

    def test_means_one_more_login(self, one_world: World, folder: Path, ring: Ring) -> None:
        class OfAnotherProcess(KeyringStore):
            """The same folder, and nothing else in common: a subclass is the same store as no other object."""

        for _ in range(2):
            auth = one_world.auth(store=OfAnotherProcess(folder, backend=ring, clock=one_world.clock))
            assert auth.token().access_token
            ring.kept.clear()
        assert [call.endpoint for call in one_world.fyatu.ledger.calls()] == ["login", "login"]

    def test_leaves_files_alone_that_are_not_the_stores(self, store: KeyringStore, folder: Path, ring: Ring) -> None:
        in_use(store)
        (folder / "api.token").write_text("somebody's")
        ring.kept.clear()
        assert store.load("key") is None
        assert (folder / "api.token").read_text() == "somebody's"


class TestObject:
    def test_repr_shows_the_folder_alone(self, store: KeyringStore, folder: Path, ring: Ring) -> None:
        in_use(store)
        assert repr(store) == f"KeyringStore({str(folder)!r})"
        assert next(iter(ring.kept.values())) not in repr({**vars(store), "_backend": None})

    def test_a_pickle_carries_no_key(self, folder: Path) -> None:
        store = KeyringStore(folder, backend=Ring(), service="my-program", lock_timeout=3.0, clock=a_clock)
        made = pickle.loads(pickle.dumps(store))
        assert type(made) is KeyringStore
        assert made.__getstate__() | {"backend": None} == store.__getstate__() | {"backend": None}

    def test_a_copy_is_the_same_store(self, store: KeyringStore) -> None:
        salt = in_use(store)
        made = copy.copy(store)
        assert (made.load("key"), made.salt) == (token(), salt)

    def test_a_plain_store_on_its_folder_is_refused_and_destroys_nothing(
        self, store: KeyringStore, folder: Path
    ) -> None:
        in_use(store)
        with pytest.raises(StoreError, match="another key"):
            FileStore(folder, clock=a_clock).load("key")
        assert store.load("key") == token()

    def test_whose_key_somebody_replaced_in_the_key_ring_says_what_to_do(
        self, store: KeyringStore, ring: Ring, folder: Path
    ) -> None:
        in_use(store)
        ring.set_password("auth_plugins", str(folder.resolve()), Fernet.generate_key().decode())
        with pytest.raises(StoreError, match="another key") as caught:
            store.load("key")
        assert "key-ring" in caught.value.hint
        assert "encryption_key" not in caught.value.hint

    @pytest.mark.parametrize(
        ("arguments", "kind", "name"),
        [
            ({"encryption_key": "marked-secret"}, TypeError, "encryption_key"),
            ({"service": ""}, ValueError, "service"),
            ({"service": "x" * 129}, ValueError, "service"),
            ({"service": 5}, TypeError, "service"),
            ({"backend": object()}, TypeError, "backend"),
            ({"path": ""}, ValueError, "path"),
            ({"lock_timeout": -1}, ValueError, "lock_timeout"),
        ],
        ids=["key", "empty", "long", "number", "backend", "path", "time"],
    )
    def test_a_wrong_argument_is_named_and_not_shown(
        self, arguments: dict[str, Any], kind: type[Exception], name: str
    ) -> None:
        with pytest.raises(kind, match=rf"^{name} ") as caught:
            KeyringStore(**{"path": "tokens", "backend": Ring(), **arguments})
        assert "marked" not in str(caught.value)

    def test_without_one_of_its_libraries_the_import_error_names_the_extra(self, child: Child) -> None:
        said = child("""
import importlib, importlib.util
import auth_plugins

hidden = ""


class Hides:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == hidden:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


sys.meta_path.insert(0, Hides())
said = []
for hidden in ("keyring", "filelock", "cryptography"):
    for name in [name for name in sys.modules if name.partition(".")[0] == hidden]:
        del sys.modules[name]
    try:
        auth_plugins.KeyringStore("tokens")
    except ImportError as error:
        said.append(str(error))
say(said)
""")
        assert said == ["KeyringStore needs: pip install 'auth-plugins[keyring]'"] * 3
