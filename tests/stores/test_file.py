"""What only a store of files promises: whose they are, that they are whole, and what happens when the disk does not."""

from __future__ import annotations

import copy
import json
import logging
import math
import os
import pickle
import re
import secrets
import stat
import subprocess
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from cryptography.fernet import Fernet

from auth_plugins import FileStore, MarketigerAuth, StoreError, Token
from auth_plugins.simulators import MarketigerSimulator
from auth_plugins.stores import private_files, record
from auth_plugins.testing import FakeClock, mock_transport, open_client

if TYPE_CHECKING:
    from tests.conftest import World
    from tests.stores.conftest import Child

NOW = 1_800_000_000.0
LONG = 30.0
SECRET = "marked-access-token"
DIGEST = r"[0-9a-f]{64}"


def a_clock() -> float:
    """A clock that can be pickled."""
    return NOW


def token(name: str = SECRET, ends: float = NOW + 60.0) -> Token:
    return Token(access_token=name, refresh_token=f"{name}-refresh", issued_at=NOW, expires_at=ends)


class OfAnotherProcess(FileStore):
    """The same folder, and nothing else in common: a subclass is the same store as no other object."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "tokens"


@pytest.fixture
def store(folder: Path) -> FileStore:
    return FileStore(folder, clock=a_clock)


def in_use(store: FileStore, folder: Path) -> dict[str, Path]:
    """Let a store make all its private_files, and give them by what they are."""
    with store.lock("key"):
        store.save("key", token())
    assert store.salt
    name = next(folder.glob("*.token")).stem
    return {"token": folder / f"{name}.token", "lock": folder / f"{name}.lock", "salt": folder / "salt"}


def use(store: FileStore, kind: str) -> None:
    if kind == "token":
        store.load("key")
    elif kind == "lock":
        with store.lock("key"):
            pass
    else:
        assert store.salt


def calls(store: FileStore) -> list[Callable[[], object]]:
    return [
        lambda: store.load("key"),
        lambda: store.save("key", token("other")),
        lambda: store.delete("key"),
        lambda: store.salt,
        lambda: store.lock("key").__enter__(),
    ]


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


@pytest.fixture
def umask() -> Iterator[Callable[[int], int]]:
    before = os.umask(0o022)
    yield os.umask
    os.umask(before)


class TestWhoMayLook:
    @pytest.mark.parametrize("taken", [0o000, 0o022, 0o077, 0o777], ids=oct)
    def test_the_folder_is_0700_and_its_files_are_0600_whatever_the_umask(
        self, store: FileStore, folder: Path, umask: Callable[[int], int], taken: int
    ) -> None:
        umask(taken)
        made = in_use(store, folder)
        umask(0o022)
        assert mode(folder) == 0o700
        assert {kind: mode(path) for kind, path in made.items()} == dict.fromkeys(made, 0o600)
        assert store.load("key") == token()

    def test_folders_above_that_were_not_there_are_ours_alone_as_well(
        self, tmp_path: Path, umask: Callable[[int], int]
    ) -> None:
        umask(0)
        FileStore(tmp_path / "a" / "b" / "c").save("key", token())
        assert [mode(tmp_path / each) for each in ("a", "a/b", "a/b/c")] == [0o700] * 3

    @pytest.mark.parametrize("loose", [0o701, 0o710, 0o750, 0o770, 0o777], ids=oct)
    def test_a_folder_that_others_may_look_into_is_refused(self, store: FileStore, folder: Path, loose: int) -> None:
        in_use(store, folder)
        folder.chmod(loose)
        for refused in calls(store):
            with pytest.raises(StoreError, match="open to other users") as caught:
                refused()
            assert "chmod 700" in caught.value.hint
        folder.chmod(0o700)
        assert store.load("key") == token()

    @pytest.mark.parametrize("loose", [0o601, 0o640, 0o604, 0o666], ids=oct)
    @pytest.mark.parametrize("kind", ["token", "salt", "lock"])
    def test_a_file_that_others_may_open_is_refused(
        self, store: FileStore, folder: Path, kind: str, loose: int
    ) -> None:
        path = in_use(store, folder)[kind]
        path.chmod(loose)
        with pytest.raises(StoreError, match="open to other users") as caught:
            use(store, kind)
        assert "chmod 600" in caught.value.hint

    def test_what_belongs_to_another_user_is_refused(self, child: Child) -> None:
        """A plain user finds root's folder and root's file."""
        said = child("""
from pathlib import Path
from auth_plugins import FileStore, StoreError
from auth_plugins.stores import private_files

drop_privileges()
said = []
for look in (lambda: FileStore("/").load("key"), lambda: private_files.read(Path("/etc/passwd"))):
    try:
        look()
    except StoreError as error:
        said.append([error.message, error.hint])
say(said)
""")
        hint = "Each user needs a place of their own."
        assert said == [["/ belongs to another user", hint], ["/etc/passwd belongs to another user", hint]]


class TestSomethingElseInItsPlace:
    @pytest.mark.parametrize("kind", ["token", "salt", "lock"])
    @pytest.mark.parametrize("there", [True, False], ids=["to-a-file", "to-nothing"])
    def test_a_symlink_is_refused_and_its_target_untouched(
        self, store: FileStore, folder: Path, tmp_path: Path, kind: str, there: bool
    ) -> None:
        path = in_use(store, folder)[kind]
        target = tmp_path / "target"
        before = path.read_bytes()
        path.unlink()
        if there:
            target.write_bytes(before)
            target.chmod(0o600)
        path.symlink_to(target)
        with pytest.raises(StoreError, match="is not a plain file") as caught:
            use(store, kind)
        assert "Something else stands in its place" in caught.value.hint
        store.save("key", token("new"))
        store.delete("key")
        assert target.exists() == there
        assert not there or target.read_bytes() == before

    @pytest.mark.parametrize("kind", ["token", "salt", "lock"])
    @pytest.mark.parametrize("make", [os.mkfifo, os.mkdir], ids=["fifo", "folder"])
    def test_neither_a_pipe_nor_a_folder_is_taken_for_a_file(
        self, store: FileStore, folder: Path, kind: str, make: Callable[[Path], None]
    ) -> None:
        path = in_use(store, folder)[kind]
        path.unlink()
        make(path)
        open_before = len(os.listdir("/dev/fd"))
        for _ in range(3):
            with pytest.raises(StoreError, match="is not a plain file"):
                use(store, kind)
        assert len(os.listdir("/dev/fd")) == open_before
        assert path.exists()

    def test_a_symlink_to_a_folder_is_no_folder_and_what_it_leads_to_is_untouched(
        self, store: FileStore, folder: Path, tmp_path: Path
    ) -> None:
        in_use(store, folder)
        before = {path: path.read_bytes() for path in folder.iterdir()}
        (tmp_path / "link").symlink_to(folder)
        led = FileStore(tmp_path / "link", clock=a_clock)
        for refused in calls(led):
            with pytest.raises(StoreError, match="is not a directory"):
                refused()
        assert {path: path.read_bytes() for path in folder.iterdir()} == before

    def test_a_file_is_no_folder(self, store: FileStore, folder: Path) -> None:
        folder.write_text("a letter")
        with pytest.raises(StoreError, match="is not a directory"):
            store.save("key", token())
        assert folder.read_text() == "a letter"


def changed(raw: bytes) -> dict[str, bytes]:
    return {
        "empty": b"",
        "binary": secrets.token_bytes(300),
        "zeroes": bytes(300),
        "foreign": b'{"access_token": "foreign", "expires_at": 9999999999}',
        "list": b"[]",
        "deep": b"[" * 100_000,
        "huge": raw + b" " * private_files.LARGEST,
        "twice": raw + raw,
    }


class TestDamage:
    @pytest.fixture(autouse=True)
    def log(self, caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
        caplog.set_level(logging.WARNING, "auth_plugins")
        return caplog

    @pytest.mark.parametrize("how", sorted(changed(b"")))
    def test_is_set_aside_with_a_warning_and_the_next_one_is_kept(
        self, store: FileStore, folder: Path, log: pytest.LogCaptureFixture, how: str
    ) -> None:
        path = in_use(store, folder)["token"]
        path.write_bytes(changed(path.read_bytes())[how])
        assert store.load("key") is None
        assert not path.exists()
        assert path.with_suffix(".damaged").exists()
        assert [(each.name, each.levelname) for each in log.records] == [("auth_plugins", "WARNING")]
        assert path.name in log.text
        assert SECRET not in log.text
        store.save("key", token("new"))
        assert store.load("key") == token("new")

    def test_a_token_cut_off_at_any_byte_is_never_used(self, store: FileStore, folder: Path) -> None:
        path = in_use(store, folder)["token"]
        raw = path.read_bytes()
        used = []
        for length in range(len(raw)):
            path.write_bytes(raw[:length])
            path.chmod(0o600)
            used.append(store.load("key"))
        assert used == [None] * len(raw)

    @pytest.mark.parametrize("bit", [1, 4, 32])
    @pytest.mark.parametrize("key", [None, Fernet.generate_key()], ids=["plain", "encrypted"])
    def test_a_token_with_any_byte_altered_is_never_used(self, folder: Path, key: bytes | None, bit: int) -> None:
        store = FileStore(folder, encryption_key=key, clock=a_clock)
        path = in_use(store, folder)["token"]
        raw = path.read_bytes()
        for place in range(len(raw)):
            path.write_bytes(raw[:place] + bytes([raw[place] ^ bit]) + raw[place + 1 :])
            path.chmod(0o600)
            try:
                assert store.load("key") in (None, token()), place
            except StoreError:  # The name of the key itself, so it seems to be another one.
                assert key is not None
                assert place < 32

    @pytest.mark.parametrize("place", range(0, 80, 7))
    def test_an_altered_salt_is_never_used(
        self, store: FileStore, folder: Path, log: pytest.LogCaptureFixture, place: int
    ) -> None:
        path = in_use(store, folder)["salt"]
        before, raw = store.salt, path.read_bytes()
        path.write_bytes(raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :])
        after = store.salt
        assert len(after) == 32
        assert after != before
        assert store.salt == after
        assert (folder / "salt.damaged").exists()
        assert "salt" in log.text

    def test_of_the_salt_found_by_many_at_once_makes_one_new_salt(self, store: FileStore, folder: Path) -> None:
        in_use(store, folder)["salt"].write_bytes(b"")
        start, found = threading.Barrier(8), []

        def look() -> None:
            start.wait(LONG)
            found.append(FileStore(folder).salt)

        threads = [threading.Thread(target=look) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(LONG)
        assert len(found) == 8
        assert set(found) == {store.salt}

    def test_another_keys_record_copied_over_this_one_is_not_used(self, store: FileStore, folder: Path) -> None:
        path = in_use(store, folder)["token"]
        store.save("other", token("others"))
        other = next(each for each in folder.glob("*.token") if each != path)
        path.write_bytes(other.read_bytes())
        assert store.load("key") is None
        assert store.load("other") == token("others")
        assert path.with_suffix(".damaged").exists()

    def test_the_folder_keeps_one_damaged_file_of_each_kind(self, store: FileStore, folder: Path) -> None:
        path = in_use(store, folder)["token"]
        for turn in range(3):
            store.save("key", token())
            path.write_text(f"damage {turn}")
            assert store.load("key") is None
        assert [each.read_text() for each in folder.glob("*.damaged")] == ["damage 2"]

    def test_that_cannot_be_set_aside_is_a_store_error_that_carries_no_other(
        self, store: FileStore, folder: Path
    ) -> None:
        path = in_use(store, folder)["token"]
        path.write_text(SECRET)
        path.with_suffix(".damaged").mkdir()
        with pytest.raises(StoreError) as caught:
            store.load("key")
        assert (caught.value.__cause__, caught.value.__context__) == (None, None)
        assert SECRET not in str(caught.value)

    def test_a_record_of_a_later_format_is_a_store_error_and_stays_as_it_is(
        self, store: FileStore, folder: Path, monkeypatch: pytest.MonkeyPatch, log: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setattr(record, "FORMAT", record.FORMAT + 1)
        path = in_use(store, folder)["token"]
        monkeypatch.undo()
        before = path.read_bytes()
        with pytest.raises(StoreError, match="later version") as caught:
            store.load("key")
        assert caught.value.hint == "Use that version here, too."
        assert path.read_bytes() == before
        assert not log.records
        for frame, _ in traceback.walk_tb(caught.value.__traceback__):
            if frame.f_code.co_filename != __file__:
                assert SECRET not in repr(frame.f_locals)

    def test_the_next_renewal_goes_on(self, one_world: World, tmp_path: Path) -> None:
        auth = one_world.auth(store=FileStore(tmp_path / "t", clock=one_world.clock))
        auth.token()
        next((tmp_path / "t").glob("*.token")).write_text("{}")
        other = one_world.auth(store=OfAnotherProcess(tmp_path / "t", clock=one_world.clock))
        assert other.token() != auth.token()
        assert one_world.token_calls == 2
        again = one_world.auth(store=OfAnotherProcess(tmp_path / "t", clock=one_world.clock))
        assert again.token() == other.token()


class TestScratch:
    def test_what_killed_writers_left_does_not_matter_and_goes_when_it_is_old(
        self, store: FileStore, folder: Path
    ) -> None:
        path = in_use(store, folder)["token"]
        old, new = (folder / f"{path.stem}.{each * 16}.tmp" for each in "ab")
        salt, foreign = folder / f"salt.{'c' * 16}.tmp", folder / "letter.tmp"
        for each in (old, new, salt, foreign):
            each.write_bytes(path.read_bytes()[:20])
        for each in (old, salt, foreign):
            os.utime(each, (0, 0))
        again = FileStore(folder, clock=a_clock)
        assert again.load("key") == token()
        assert {each.name for each in folder.glob("*.tmp")} == {new.name, foreign.name}

    def test_a_writer_leaves_none(self, store: FileStore, folder: Path) -> None:
        in_use(store, folder)
        with pytest.raises(StoreError, match="longer than"):
            store.save("key", token("x" * private_files.LARGEST))
        path = next(folder.glob("*.token"))
        path.unlink()
        path.mkdir()
        with pytest.raises(StoreError, match="directory"):
            store.save("key", token())
        assert not list(folder.glob("*.tmp"))


class TestDurability:
    @pytest.fixture
    def quick_folder(self, tmp_path: Path) -> Iterator[Path]:
        """In memory, where there is such a place: a thousand calls of fsync take their time on a disk."""
        memory = Path("/dev/shm")  # noqa: S108 - what is made there has a name of its own
        with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else tmp_path) as made:
            yield Path(made) / "tokens"

    def test_the_file_is_on_the_disk_before_it_has_its_name_and_the_name_before_save_returns(
        self, store: FileStore, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        in_use(store, folder)
        done: list[str] = []
        fsync, rename = os.fsync, os.replace

        def note_fsync(descriptor: int) -> None:
            is_folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
            done.append("folder" if is_folder else f"file of {os.fstat(descriptor).st_size}")
            fsync(descriptor)

        def note_rename(source: Path, target: Path) -> None:
            done.append(f"rename to {target.suffix}")
            rename(source, target)

        monkeypatch.setattr(os, "fsync", note_fsync)
        monkeypatch.setattr(os, "replace", note_rename)
        store.save("key", token("new"))
        size = next(folder.glob("*.token")).stat().st_size
        assert done == [f"file of {size}", "rename to .token", "folder"]

    def test_a_reader_in_another_process_never_sees_half_a_token(
        self, quick_folder: Path, start_child: Callable[..., subprocess.Popen[str]]
    ) -> None:
        folder = quick_folder
        store = FileStore(folder, clock=a_clock)
        in_use(store, folder)
        writer = start_child(
            """
import itertools, select
from auth_plugins import FileStore, Token

store = FileStore(folder, clock=lambda: 1.8e9)
for number in itertools.count():
    if number >= 500 and select.select([sys.stdin], [], [], 0)[0]:
        break  # The reader has seen enough.
    name = f"{number}-" * (1 + number % 7 * 300)
    store.save("key", Token(access_token=name, refresh_token=f"{name}-refresh", issued_at=0, expires_at=2e9))
say("done")
""",
            folder,
        )
        assert writer.stdin is not None
        seen = set()
        while writer.poll() is None:
            found = store.load("key")
            assert found is not None
            assert found.refresh_token == f"{found.access_token}-refresh"
            seen.add(found.access_token)
            if len(seen) == 20:
                writer.stdin.close()
        assert writer.returncode == 0
        assert not list(folder.glob("*.damaged"))


HOLD = """
from auth_plugins import FileStore

store = FileStore(folder)
with store.lock("key"):
    if {forks} and os.fork() == 0:
        say("held")
        sys.stdin.read()
        os._exit(0)
    if not {forks}:
        say("held")
    sys.stdin.read()
"""


COUNT = """
from pathlib import Path

from auth_plugins import FileStore

store, counter = FileStore(folder), Path(folder).parent / "counter"
for _ in range(100):
    with store.lock("key"):
        count = int(counter.read_text())
        counter.write_text(str(count + 1))
say("done")
"""


class TestLock:
    def test_its_file_goes_with_it_if_no_token_is_kept(self, store: FileStore, folder: Path) -> None:
        with store.lock("key"):
            assert [path.suffix for path in folder.iterdir()] == [".lock"]
        assert not list(folder.iterdir())

    def test_its_file_goes_with_the_lock_under_which_the_token_was_deleted(
        self, store: FileStore, folder: Path
    ) -> None:
        in_use(store, folder)
        with store.lock("key"):
            store.delete("key")
        assert [path.name for path in folder.iterdir()] == ["salt"]

    def test_keeps_processes_apart_though_its_file_is_made_anew_each_time(
        self, folder: Path, start_child: Callable[..., subprocess.Popen[str]]
    ) -> None:
        (folder.parent / "counter").write_text("0")
        children = [start_child(COUNT, folder) for _ in range(4)]
        for child in children:
            assert child.communicate(timeout=50)[0].strip() == '"done"'
        assert (folder.parent / "counter").read_text() == "400"
        assert not list(folder.iterdir())

    def test_leaves_a_file_alone_that_has_come_in_place_of_its_own(self, store: FileStore, folder: Path) -> None:
        with store.lock("key"):
            (path,) = folder.iterdir()
            path.rename(folder / "away")
            path.touch(0o600)
        assert path.exists()

    def test_leaves_a_file_alone_whose_content_is_the_lock(self, store: FileStore, folder: Path) -> None:
        with store.lock("key"):
            (path,) = folder.iterdir()
            path.write_text("1234")
        assert path.exists()

    def test_its_file_stays_while_there_is_a_token(self, store: FileStore, folder: Path) -> None:
        path = in_use(store, folder)["lock"]
        before = path.stat().st_ino
        for _ in range(3):
            with store.lock("key"):
                assert path.stat().st_ino == before
        assert path.stat().st_ino == before

    @pytest.mark.parametrize("forks", [False, True], ids=["alone", "with-a-forked-child-that-lives-on"])
    def test_keeps_other_processes_out_and_is_given_back_when_the_holder_is_killed(
        self, folder: Path, start_child: Callable[..., subprocess.Popen[str]], forks: bool
    ) -> None:
        holder = start_child(HOLD.format(forks=forks), folder)
        assert holder.stdout is not None
        assert json.loads(holder.stdout.readline()) == "held"
        with pytest.raises(StoreError, match="did not end"), FileStore(folder, lock_timeout=0.05).lock("key"):
            pytest.fail("two at a time")
        holder.kill()
        holder.wait(LONG)
        began = time.monotonic()
        with FileStore(folder, lock_timeout=LONG).lock("key"):
            assert time.monotonic() - began < LONG / 2

    def test_keeps_other_objects_of_this_process_out(self, store: FileStore, folder: Path) -> None:
        with store.lock("key"):
            other = FileStore(folder, lock_timeout=0.05)
            with pytest.raises(StoreError, match="did not end"), other.lock("key"):
                pytest.fail("two at a time")
            with other.lock("another key"):
                pass

    def test_lasts_as_long_as_its_holder(self, store: FileStore) -> None:
        assert store.lease == math.inf


class TestNames:
    def test_of_files_are_digests_and_tell_nothing(self, one_world: World, tmp_path: Path) -> None:
        store = FileStore(tmp_path / "t", clock=one_world.clock)
        one_world.auth(store=store).token()
        names = sorted(path.name for path in (tmp_path / "t").iterdir())
        unlike = [name for name in names if not re.fullmatch(rf"{DIGEST}\.(token|lock)|salt", name)]
        assert not unlike
        assert sum(name.endswith(".token") for name in names) == 1

    def test_are_others_in_each_store(self, one_world: World, tmp_path: Path) -> None:
        for each in "ab":
            one_world.auth(store=FileStore(tmp_path / each, clock=one_world.clock)).token()
        one, other = (next((tmp_path / each).glob("*.token")).name for each in "ab")
        assert one != other

    def test_no_key_chooses_one(self, store: FileStore, folder: Path) -> None:
        for key in ("../../escaped", "/etc/passwd", "a\0b", "\ud800", "x" * 10_000, ""):
            store.save(key, token(f"for {key!r}"))
            assert store.load(key) == token(f"for {key!r}")
        assert all(re.fullmatch(rf"{DIGEST}\.token", path.name) for path in folder.iterdir())

    def test_a_plain_salt_holds_no_credential_and_no_token(self, one_world: World, tmp_path: Path) -> None:
        auth = one_world.auth(store=FileStore(tmp_path / "t", clock=one_world.clock))
        raw = (auth.token(), (tmp_path / "t" / "salt").read_bytes())[1]
        assert re.fullmatch(rb"[0-9a-f]+", raw)


class TestObject:
    def test_repr_shows_the_folder_and_no_key(self, folder: Path) -> None:
        key = Fernet.generate_key()
        shown = repr(FileStore(folder, encryption_key=key))
        assert shown == f"FileStore({str(folder)!r})"
        assert key.decode() not in repr(vars(FileStore(folder, encryption_key=key)))

    @pytest.mark.parametrize("how", ["pickle", "copy", "deepcopy"])
    def test_a_copy_is_the_same_store(self, folder: Path, how: str) -> None:
        key = Fernet.generate_key()
        store = FileStore(folder, encryption_key=[key, Fernet.generate_key()], lock_timeout=0.05, clock=a_clock)
        store.save("key", token())
        made: FileStore = {
            "pickle": lambda each: pickle.loads(pickle.dumps(each)),
            "copy": copy.copy,
            "deepcopy": copy.deepcopy,
        }[how](store)
        assert repr(made) == repr(store)
        assert made.load("key") == token()
        assert made.salt == store.salt
        with store.lock("key"), pytest.raises(StoreError), made.lock("key"):
            pytest.fail("two at a time")

    def test_a_pickle_carries_the_keys_as_those_of_auth_objects_carry_credentials(self, folder: Path) -> None:
        key = Fernet.generate_key()
        assert key in pickle.dumps(FileStore(folder, encryption_key=key))

    def test_a_relative_path_is_the_one_it_was_when_the_store_was_made(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        store = FileStore("tokens", clock=a_clock)
        (tmp_path / "elsewhere").mkdir()
        monkeypatch.chdir(tmp_path / "elsewhere")
        store.save("key", token())
        assert (tmp_path / "tokens").is_dir()

    @pytest.mark.parametrize(
        ("arguments", "kind", "name"),
        [
            ({"path": b"tokens"}, TypeError, "path"),
            ({"path": 3}, TypeError, "path"),
            ({"path": ""}, ValueError, "path"),
            ({"path": "a\0b"}, ValueError, "path"),
            ({"path": "\ud800"}, ValueError, "path"),
            ({"path": "~nobody-of-this-name/x"}, ValueError, "path"),
            ({"lock_timeout": 0}, ValueError, "lock_timeout"),
            ({"lock_timeout": "1"}, TypeError, "lock_timeout"),
            ({"clock": 5}, TypeError, "clock"),
        ],
        ids=["bytes", "number", "empty", "nul", "surrogate", "nobody", "no-time", "text", "no-clock"],
    )
    def test_a_wrong_argument_is_named(self, arguments: dict[str, Any], kind: type[Exception], name: str) -> None:
        with pytest.raises(kind, match=rf"^{name} "):
            FileStore(**{"path": "tokens", **arguments})

    def test_without_filelock_the_import_error_names_the_extra(self, child: Child) -> None:
        said = child("""
sys.modules["filelock"] = None
import auth_plugins
try:
    auth_plugins.FileStore("tokens")
except ImportError as error:
    say(str(error))
""")
        assert "auth-plugins[file]" in said


class TestWholeEngine:
    def test_two_objects_with_two_stores_on_one_path_share_one_token(self, one_world: World, tmp_path: Path) -> None:
        auths = [one_world.auth(store=FileStore(tmp_path / "t", clock=one_world.clock)) for _ in range(2)]
        for _ in range(3):
            sent = []
            for kind, auth in zip(("requests", "httpx"), auths, strict=True):
                with open_client(kind, auth) as client:
                    reply = client.send("GET", f"{one_world.url}/x")
                    assert reply.status == 200
                    sent.append(reply.sent["authorization"])
            assert sent[0] == sent[1]
            one_world.clock.advance(86_400 + 60)
        assert [call.endpoint for call in one_world.fyatu.ledger.calls()] == [
            *("login", "api", "api"),
            *("refresh", "api", "api"),
            *("refresh", "api", "api"),
        ]

    def test_a_constructor_touches_no_file(self, one_world: World, tmp_path: Path) -> None:
        auth = one_world.auth(store=FileStore(tmp_path / "t", encryption_key=Fernet.generate_key()))
        repr(auth)
        copy.copy(auth)
        pickle.dumps(one_world.auth(store=FileStore(tmp_path / "t"), clock=None, on_event=None))
        assert not list(tmp_path.iterdir())
        auth.token()
        assert (tmp_path / "t").is_dir()

    def test_a_request_with_a_valid_token_touches_no_file(self, one_world: World, tmp_path: Path) -> None:
        auth = one_world.auth(store=FileStore(tmp_path / "t", clock=one_world.clock))
        before = auth.token()
        (tmp_path / "t").rename(tmp_path / "away")
        assert auth.token() == before
        assert not (tmp_path / "t").exists()

    def test_logout_takes_the_file_away(self, one_world: World, tmp_path: Path) -> None:
        auth = one_world.auth(store=FileStore(tmp_path / "t", clock=one_world.clock))
        auth.token()
        auth.logout()
        assert not list((tmp_path / "t").glob("*.token"))

    def test_a_disk_that_fills_while_a_token_is_rotated_costs_no_session(self, tmp_path: Path) -> None:
        """The pair that is shown to the provider was saved just before; the one that comes back was not."""
        clock, provider = FakeClock(), MarketigerSimulator()
        provider.reuse_detection = True
        lent = httpx.Client(transport=mock_transport(provider, clock))
        options: dict[str, Any] = {"base_url": "https://api.example/v2", "token_client": lent, "clock": clock}
        first = MarketigerAuth(provider.email, "your_password_here", **options).token()

        class FillsUp(FileStore):
            saved = 0

            def save(self, key: str, token: Token) -> None:
                self.saved += 1
                if self.saved == 2:
                    raise StoreError("No space left on device")
                super().save(key, token)

        pair: dict[str, Any] = {"access_token": first.access_token, "refresh_token": first.refresh_token}
        auth = MarketigerAuth(**pair, store=FillsUp(tmp_path / "t", clock=clock), **options)
        clock.advance(3600)
        second = auth.token()
        clock.advance(3600)
        assert auth.token() not in (first, second)
        calls = [(call.endpoint, call.status) for call in provider.ledger.calls()]
        assert calls == [("login", 200), ("refresh", 200), ("refresh", 200)]


TROUBLES = """
import resource
import httpx
from auth_plugins import FileStore, FyatuAuth, MarketigerAuth, StoreError
from auth_plugins.simulators import FyatuSimulator, MarketigerSimulator
from auth_plugins.testing import FakeClock, mock_transport, settle

# What libraries import at their first call must be there before the privileges go.
FyatuAuth("A1B2C3D4E5F6G7H8", "your_secret_key_here",
          token_client=httpx.Client(transport=mock_transport(FyatuSimulator(), FakeClock()))).token()
class OfAnotherProcess(FileStore):
    pass


drop_privileges()
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]


def trouble(place, there):
    if {kind!r} == "disk-full":
        # No file grows beyond its 40th byte: the kernel breaks a write off in its middle, as it does on a full disk.
        resource.setrlimit(resource.RLIMIT_FSIZE, (40 if there else hard, hard))
    else:
        os.chmod(place, {mode} if there else 0o700)


def life(provider, make, lifetime):
    place, clock, told, got = f"{{folder}}/{{provider.base_path[1:].replace('/', '-')}}", FakeClock(), [], []
    lent = httpx.Client(transport=mock_transport(provider, clock))

    def auth():
        return make(store=OfAnotherProcess(place, clock=clock), token_client=lent, clock=clock,
                    on_event=lambda event: told.append(event.kind.value))

    def ask(one, seconds):
        clock.advance(seconds)
        try:
            settled = one.token().access_token
            settle(one)
            got.append(settled)
        except StoreError as error:
            got.append(f"{{error.code}}: {{error.message.replace(place, 'PLACE')}}: {{error.hint}}")

    one = auth()
    ask(one, 0)
    trouble(place, True)
    ask(one, lifetime - 10)  # In the window: the token is valid.
    ask(one, 9)
    ask(one, 1)  # It has ended.
    calls = [call.endpoint for call in provider.ledger.calls()]
    trouble(place, False)
    ask(one, 61)
    ask(auth(), 0)
    left = [name for name in os.listdir(place) if name.endswith((".tmp", ".damaged"))]
    # By number: the same token has the same one.
    known = list(dict.fromkeys(got))
    return {{
        "got": [each if each.startswith("store_error") else known.index(each) for each in got],
        "told": told, "calls": calls, "later": [call.endpoint for call in provider.ledger.calls()][len(calls):],
        "left": left,
    }}


fyatu, marketiger = FyatuSimulator(), MarketigerSimulator()
marketiger.reuse_detection = True
say([
    life(fyatu, lambda **o: FyatuAuth(fyatu.app_id, "your_secret_key_here", base_url="https://a.example/api/v3", **o),
         86400),
    life(marketiger, lambda **o: MarketigerAuth(
        marketiger.email, "your_password_here", base_url="https://a.example/v2", **o), 3600),
])
"""


@pytest.mark.parametrize(
    ("kind", "taken", "why"),
    [
        ("disk-full", 0, "File too large"),
        ("read-only", 0o500, "Permission denied"),
        ("forbidden", 0o000, "Permission denied"),
    ],
    ids=["disk-full", "read-only", "forbidden"],
)
def test_a_disk_that_does_not_take_a_token_costs_no_request_whose_token_was_valid_and_no_session(
    child: Child, anybodys_folder: Path, kind: str, taken: int, why: str
) -> None:
    fyatu, marketiger = child(TROUBLES.format(kind=kind, mode=taken), anybodys_folder)
    # Fyatu's tokens do not rotate: it goes on, and the token is saved once there is room again, for others to find.
    assert all(isinstance(each, int) for each in fyatu["got"])
    assert fyatu["calls"] == ["login", "refresh"]
    assert "save_failed" in fyatu["told"]
    assert fyatu["later"] == []
    assert fyatu["got"][-1] == fyatu["got"][-2]
    assert fyatu["told"][-1] == "adopted"
    # Marketiger's do: nothing is sent before the new one has a place; who has a valid token uses it.
    assert marketiger["got"][:3] == [0, 0, 0]
    assert marketiger["got"][3].startswith("store_error: PLACE")
    assert why in marketiger["got"][3]
    assert "Look at the store" in marketiger["got"][3]
    assert marketiger["calls"] == ["login"]
    assert marketiger["later"] == ["refresh"]
    assert marketiger["got"][-1] == marketiger["got"][-2] > 0
    assert "renewal_failed" in marketiger["told"]
    assert fyatu["left"] == marketiger["left"] == []


class TestDamageThatTwoFind:
    """They look without a lock, so one may be slower than the other."""

    @staticmethod
    def _slowly(store: FileStore, meanwhile: Callable[[], object], monkeypatch: pytest.MonkeyPatch) -> None:
        unsealed = store._encryption.decrypt
        todo = [meanwhile]

        def slowly(raw: bytes) -> bytes:
            if todo:
                todo.pop()()
            return unsealed(raw)

        seal = type("Slow", (), {"decrypt": staticmethod(slowly), "encrypt": store._encryption.encrypt})()
        monkeypatch.setattr(store, "_current_encryption", lambda: seal)

    def test_is_set_aside_by_one_and_the_other_finds_nothing(
        self, store: FileStore, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = in_use(store, folder)["token"]
        path.write_bytes(b"damage")
        self._slowly(store, lambda: FileStore(folder, clock=a_clock).load("key"), monkeypatch)
        assert store.load("key") is None
        assert path.with_suffix(".damaged").read_bytes() == b"damage"

    def test_is_not_taken_for_what_somebody_has_put_in_its_place(
        self, store: FileStore, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = in_use(store, folder)["token"]
        path.write_bytes(b"damage")
        self._slowly(store, lambda: FileStore(folder, clock=a_clock).save("key", token("new")), monkeypatch)
        assert store.load("key") == token("new")
        assert not path.with_suffix(".damaged").exists()

    def test_may_be_gone_at_the_very_moment_at_which_it_is_set_aside(self, folder: Path) -> None:
        folder.mkdir()
        assert private_files.set_aside(folder / "gone.token") is None


def test_where_a_file_that_is_open_cannot_be_replaced_one_tries_again_for_a_moment(
    store: FileStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on Windows, where another process that reads it is enough."""
    path, replace, refusals = in_use(store, folder)["token"], os.replace, [13, 13]

    def refusing(source: Any, target: Any) -> None:
        if refusals:
            raise PermissionError(refusals.pop(), "Access is denied")
        replace(source, target)

    monkeypatch.setattr(private_files, "_PAUSES", (0.001, 0.001))
    monkeypatch.setattr(os, "replace", refusing)
    store.save("key", token("new"))
    assert store.load("key") == token("new")
    refusals += [13, 13, 13]
    with pytest.raises(StoreError, match="denied"):
        store.save("key", token("newer"))
    refusals.clear()
    assert store.load("key") == token("new")
    assert path.exists()


def test_a_lock_file_that_vanishes_while_it_is_looked_at_is_no_failure(folder: Path) -> None:
    private_files.check_if_there(folder / "gone.lock")


class TestRetire:
    def test_ends_within_a_day_what_the_provider_has_declared_over(self, tmp_path: Path) -> None:
        clock = FakeClock()
        store = FileStore(tmp_path / "tokens", clock=clock)
        store.retire("key")
        now = clock()
        session = Token(
            access_token="at",
            issued_at=now,
            expires_at=now + 60.0,
            refresh_token="r",
            refreshable_until=math.inf,
            irreplaceable=True,
        )
        store.save("key", session)
        store.retire("key")
        clock.advance(86_399.0)
        assert store.load("key") is not None
        clock.advance(1.0)
        assert store.load("key") is None

    def test_gives_a_refresh_token_that_is_used_up_no_new_life(self, tmp_path: Path) -> None:
        store = FileStore(tmp_path / "tokens", clock=FakeClock())
        used = Token(access_token="at", issued_at=0.0, expires_at=4e9, refresh_token="r")
        store.save("key", used)
        store.retire("key")
        assert store.load("key") == used


class TestAWaitForALock:
    def test_ends_as_soon_as_the_token_is_there_whatever_its_holder_does(self, tmp_path: Path) -> None:
        store, other = (FileStore(tmp_path / "tokens", lock_timeout=30.0) for _ in range(2))
        asked = list[Token | None]()

        def needed() -> bool:
            asked.append(other.load("key"))
            return asked[-1] is None

        def wait() -> bool:
            with other.lock_if("key", needed) as got:
                held = got
            return held

        with ThreadPoolExecutor(1) as pool, store.lock("key"):
            waiter = pool.submit(wait)
            while not asked:
                time.sleep(0.01)
            token = Token(access_token="at", issued_at=0.0, expires_at=4e9)
            store.save("key", token)
            assert waiter.result(10.0) is False, "the lock is still held"
        assert asked == [None, token], "it looks again only when the file has changed"

    def test_gets_the_lock_if_there_is_no_token(self, tmp_path: Path) -> None:
        store = FileStore(tmp_path / "tokens")
        with store.lock_if("key", lambda: True) as got:
            assert got
