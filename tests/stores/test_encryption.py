"""Encryption at rest: what stands in the folder, which key reads it, and how one key follows another."""

from __future__ import annotations

import base64
import logging
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from auth_plugins import FileStore, StoreError, Token
from auth_plugins.stores.encryption import Encryption
from auth_plugins.stores.record import CorruptRecord

if TYPE_CHECKING:
    from tests.conftest import World
    from tests.stores.conftest import Child

NOW = 1_800_000_000.0
SECRET = "marked-access-token"
OLD, NEW, STRANGE = (base64.urlsafe_b64encode(bytes([number]) * 32) for number in (1, 2, 3))


def token(name: str = SECRET) -> Token:
    return Token(access_token=name, refresh_token=f"{name}-refresh", issued_at=NOW, expires_at=NOW + 60.0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "tokens"


def store(folder: Path, *keys: bytes) -> FileStore:
    return FileStore(folder, encryption_key=keys or None, clock=lambda: NOW)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


class TestAtRest:
    def test_no_file_shows_a_token(self, folder: Path) -> None:
        plain, sealed = store(folder / "plain"), store(folder / "sealed", NEW)
        for each in (plain, sealed):
            each.save("key", token())
        assert any(SECRET.encode() in raw for raw in contents(folder / "plain").values())
        assert not any(SECRET.encode() in raw for raw in contents(folder / "sealed").values())
        assert sealed.load("key") == token()

    def test_no_file_shows_the_salt_or_a_key(self, folder: Path) -> None:
        one = store(folder, NEW, OLD)
        salt = one.salt
        one.save("key", token())
        for raw in contents(folder).values():
            for secret in (salt, salt.hex().encode(), NEW, OLD, b"\2" * 32):
                assert secret not in raw

    def test_the_same_token_is_never_written_the_same_way_twice(self, folder: Path) -> None:
        one = store(folder, NEW)
        one.save("key", token())
        before = contents(folder)
        one.save("key", token())
        assert contents(folder) != before

    def test_a_whole_renewal_leaves_nothing_to_read(self, one_world: World, folder: Path) -> None:
        auth = one_world.auth(store=FileStore(folder, encryption_key=NEW, clock=one_world.clock))
        secret = auth.token().access_token.encode()
        assert not any(secret in raw or b"eyJ" in raw for raw in contents(folder).values())
        other = one_world.auth(store=FileStore(folder, encryption_key=NEW, clock=one_world.clock))
        assert other.token() == auth.token()
        assert one_world.token_calls == 1


class TestWrongKey:
    @pytest.mark.parametrize("keys", [(STRANGE,), ()], ids=["another", "none"])
    def test_is_a_store_error_that_says_what_to_do_and_destroys_nothing(
        self, folder: Path, keys: tuple[bytes, ...]
    ) -> None:
        right = store(folder, OLD)
        salt = right.salt
        right.save("key", token())
        before = contents(folder)
        wrong = store(folder, *keys)
        for look in (lambda: wrong.load("key"), lambda: wrong.salt):
            with pytest.raises(StoreError, match="another key") as caught:
                look()
            assert "encryption_key" in caught.value.hint
        assert {name: raw for name, raw in contents(folder).items() if name in before} == before
        assert right.load("key") == token()
        assert right.salt == salt

    def test_lets_tokens_be_renewed_that_do_not_rotate_and_leaves_the_others_alone(
        self, one_world: World, folder: Path
    ) -> None:
        one_world.auth(store=FileStore(folder, encryption_key=OLD, clock=one_world.clock)).token()
        before = contents(folder)
        auth = one_world.auth(store=FileStore(folder, encryption_key=STRANGE, clock=one_world.clock))
        assert auth.token().access_token
        assert one_world.token_calls == 2
        assert "save_failed" in one_world.told(auth)
        assert contents(folder) == before

    def test_shows_in_no_frame_of_the_error(self, folder: Path) -> None:
        store(folder, OLD).save("key", token())
        with pytest.raises(StoreError) as caught:
            store(folder, STRANGE).load("key")
        for frame, _ in traceback.walk_tb(caught.value.__traceback__):
            if frame.f_code.co_filename != __file__:
                assert STRANGE.decode() not in repr(frame.f_locals)

    def test_an_altered_record_is_damage_whoever_altered_it(self) -> None:
        seal = Encryption(NEW)
        raw = seal.encrypt(b"record")
        for altered in (raw[:-1], raw[:-5] + b"AAAA=", raw.replace(b"gAAA", b"gAAB")):
            with pytest.raises(CorruptRecord):
                seal.decrypt(altered)


class TestRotation:
    def test_the_first_key_writes_and_all_of_them_read(self, folder: Path) -> None:
        store(folder, OLD).save("key", token("old"))
        both = store(folder, NEW, OLD)
        assert both.load("key") == token("old")
        both.save("key", token("new"))
        assert store(folder, NEW).load("key") == token("new")
        with pytest.raises(StoreError, match="another key"):
            store(folder, OLD).load("key")

    def test_the_old_key_can_go_when_the_tokens_are_new(self, folder: Path) -> None:
        """The salt is of the day the folder was made: were it left behind, nobody could do without that day's key."""
        one = store(folder, OLD)
        salt = one.salt
        one.save("key", token())
        both = store(folder, NEW, OLD)
        assert both.salt == salt
        both.save("key", token())
        last = store(folder, NEW)
        assert last.salt == salt
        assert last.load("key") == token()

    def test_costs_no_login_step_by_step_in_processes_that_are_told_one_after_the_other(
        self, one_world: World, folder: Path
    ) -> None:
        for steps in ((OLD,), (OLD, NEW), (NEW, OLD), (NEW,)):
            if steps == (NEW,):
                one_world.clock.advance(86_400)  # All tokens are new.
                self.renew(one_world, folder, NEW, OLD)
            self.renew(one_world, folder, *steps)
        calls = [call.endpoint for call in one_world.fyatu.ledger.calls()]
        assert calls == ["login", "refresh"]

    def renew(self, world: World, folder: Path, *keys: bytes) -> None:
        assert world.auth(store=FileStore(folder, encryption_key=keys, clock=world.clock)).token().access_token

    def test_a_key_is_the_same_however_it_is_written(self, folder: Path) -> None:
        """One that was read from a file ends with a line end; one in standard base64 has other signs for two."""
        raw = bytes(range(220, 252))
        key = base64.urlsafe_b64encode(raw)
        assert b"-" in key or b"_" in key
        FileStore(folder, encryption_key=key).save("key", token())
        for written in (key + b"\n", key.decode(), base64.b64encode(raw)):
            assert FileStore(folder, encryption_key=written, clock=lambda: NOW).load("key") == token()

    def test_a_plain_record_under_a_key_is_an_error_and_stays(self, folder: Path) -> None:
        """Its writer had no key, so it is not used; it may be from before there was one, so it is not lost."""
        plain = store(folder)
        salt = plain.salt
        plain.save("key", token())
        sealed = store(folder, NEW)
        for read in (lambda: sealed.load("key"), lambda: sealed.salt):
            with pytest.raises(StoreError, match="not encrypted"):
                read()
        assert (plain.load("key"), plain.salt) == (token(), salt)

    def test_what_is_no_record_under_a_key_is_set_aside(self, folder: Path, caplog: pytest.LogCaptureFixture) -> None:
        plain = store(folder)
        plain.save("key", token())
        (record,) = folder.glob("*.token")
        record.write_bytes(b"")  # As a disk leaves a file after a power cut.
        assert store(folder, NEW).load("key") is None
        assert [each.levelno for each in caplog.records] == [logging.WARNING]


class TestArguments:
    @pytest.mark.parametrize(
        ("given", "kind"),
        [
            ("marked-secret", ValueError),
            (b"marked-secret", ValueError),
            (b"\xff\xfemarked-secret", ValueError),
            ("marked-sécret", ValueError),
            ("", ValueError),
            ([], ValueError),
            ([OLD, "marked-secret"], ValueError),
            (base64.urlsafe_b64encode(b"marked-secret" * 3), ValueError),
            (42, TypeError),
            ([42], TypeError),
            ([None], ValueError),
            (bytearray(OLD), TypeError),
        ],
        ids=[
            *("text", "bytes", "no-ascii", "accent", "empty", "no-key", "second", "too-long"),
            *("number", "numbers", "none", "bytearray"),
        ],
    )
    def test_a_bad_key_is_named_and_not_shown(self, given: Any, kind: type[Exception]) -> None:
        with pytest.raises(kind, match=r"^encryption_key ") as caught:
            FileStore("tokens", encryption_key=given)
        shown = "".join(traceback.format_exception_only(caught.value))
        assert "marked" not in shown
        assert OLD.decode() not in shown
        assert caught.value.__context__ is None or caught.value.__suppress_context__

    @pytest.mark.parametrize(
        "given", [OLD, OLD.decode(), [OLD, NEW.decode()], (OLD,), iter([OLD])], ids=["b", "s", "list", "tuple", "iter"]
    )
    def test_keys_may_be_text_or_bytes_one_or_several(self, folder: Path, given: Any) -> None:
        FileStore(folder, encryption_key=given).save("key", token())
        assert store(folder, OLD).load("key") == token()

    def test_a_seal_without_keys_lets_records_pass(self) -> None:
        assert Encryption().decrypt(Encryption().encrypt(b"record")) == b"record"

    def test_without_cryptography_the_import_error_names_the_extra_and_a_plain_store_works(self, child: Child) -> None:
        said = child("""
sys.modules["cryptography"] = None
sys.modules["cryptography.fernet"] = None
import auth_plugins
auth_plugins.FileStore("tokens")
try:
    auth_plugins.FileStore("tokens", encryption_key="a-marked-key")
except ImportError as error:
    say(str(error))
""")
        assert "auth-plugins[encryption]" in said
        assert "marked" not in said
