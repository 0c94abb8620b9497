"""What stores keep: any token comes back as it was, and what was altered is never taken for one."""

from __future__ import annotations

import hashlib
import json
import math
from contextlib import AbstractContextManager, suppress
from dataclasses import fields, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auth_plugins import FileStore, StoreError, Token
from auth_plugins.stores.encryption import Encryption
from auth_plugins.stores.record import CorruptRecord, decode, encode

KEY = "4f" * 32
FERNET_KEY = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
PLAIN = Token(access_token="at/1", issued_at=1_800_000_000.0, expires_at=1_800_003_600.0)
FULL = replace(
    PLAIN,
    valid_from=1_800_000_001.25,
    token_type="bearer",
    refresh_token='rt "quoted" \\ äöü',
    refreshable_from=1_800_000_060.5,
    refreshable_until=math.inf,
    refresh_once=True,
    scopes=("read", "write"),
    extra={"app_type": "collection"},
)
TOKENS = {"plain": PLAIN, "full": FULL}

# Whatever a provider sends: quotation marks, line ends, halves of surrogate pairs.
texts = st.text(st.characters(), max_size=20)
times = st.floats(allow_nan=False) | st.integers(min_value=-(2**53), max_value=2**53)
tokens = st.builds(
    Token,
    access_token=st.text(st.characters(exclude_categories=("C", "Z")), max_size=20),
    issued_at=times,
    expires_at=times,
    valid_from=times,
    token_type=texts,
    refresh_token=st.none() | texts,
    refreshable_from=times,
    refreshable_until=times,
    refresh_once=st.booleans(),
    scopes=st.lists(texts, max_size=3).map(tuple),
    extra=st.dictionaries(texts, texts, max_size=3),
)


@given(key=texts, token=tokens)
def test_any_token_comes_back_as_it_was(key: str, token: Token) -> None:
    assert decode(key, encode(key, token)) == token


@given(one=texts, other=texts, token=tokens)
def test_a_record_serves_under_its_own_key_alone(one: str, other: str, token: Token) -> None:
    if one != other:
        with pytest.raises(CorruptRecord):
            decode(other, encode(one, token))


def outcome(raw: bytes, token: Token) -> str:
    """What becomes of a record that was altered; anything but the two names is an error of the test."""
    try:
        return "equal" if decode(KEY, raw) == token else "another token"
    except CorruptRecord:
        return "damaged"


@pytest.mark.parametrize("name", TOKENS)
class TestAltered:
    def test_a_record_that_was_cut_off_anywhere_is_damaged(self, name: str) -> None:
        raw = encode(KEY, TOKENS[name])
        assert {outcome(raw[:length], TOKENS[name]) for length in range(len(raw))} == {"damaged"}

    def test_a_bit_that_fell_over_anywhere_never_makes_another_token(self, name: str) -> None:
        raw = bytes(encode(KEY, TOKENS[name]))
        for place in range(len(raw)):
            for bit in range(8):
                altered = raw[:place] + bytes([raw[place] ^ 1 << bit]) + raw[place + 1 :]
                assert outcome(altered, TOKENS[name]) in ("damaged", "equal"), (place, bit)

    def test_a_byte_too_many_or_too_few_never_makes_another_token(self, name: str) -> None:
        raw = bytes(encode(KEY, TOKENS[name]))
        for place in range(len(raw)):
            for altered in (raw[:place] + raw[place + 1 :], raw[:place] + raw[place : place + 1] + raw[place:]):
                assert outcome(altered, TOKENS[name]) in ("damaged", "equal"), place

    def test_a_block_of_zeros_as_a_power_cut_leaves_it_is_damaged(self, name: str) -> None:
        raw = bytes(encode(KEY, TOKENS[name]))
        for begin in range(0, len(raw), 16):
            zeroed = raw[:begin] + bytes(len(raw[begin : begin + 64])) + raw[begin + 64 :]
            assert outcome(zeroed, TOKENS[name]) == "damaged", begin

    def test_a_sealed_record_that_was_altered_is_damaged_or_of_another_key(self, name: str) -> None:
        seal = Encryption(FERNET_KEY)
        raw = bytes(seal.encrypt(encode(KEY, TOKENS[name])))
        for place in range(len(raw)):
            altered = raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :]
            # The last digits of base64 may have bits that count for nothing.
            with (
                pytest.raises((CorruptRecord, StoreError))
                if altered.rstrip(b"=")[:-1] != raw.rstrip(b"=")[:-1]
                else _any()
            ):
                decode(KEY, seal.decrypt(altered))


@given(raw=st.binary(max_size=200))
def test_noise_is_damaged(raw: bytes) -> None:
    with pytest.raises(CorruptRecord):
        decode(KEY, raw)


def _any() -> AbstractContextManager[None]:
    return suppress(CorruptRecord, StoreError)


def written(record: object) -> bytes:
    """What another version writes."""
    content = json.dumps(record).encode()
    return hashlib.blake2b(content, digest_size=16).hexdigest().encode() + b" " + content


MEMBERS = {"access_token": "at/1", "issued_at": 1_800_000_000.0, "expires_at": 1_800_003_600.0}


class TestVersions:
    """Two versions of the package share one store."""

    def test_what_a_later_one_added_is_passed_over(self) -> None:
        members = {**MEMBERS, "dpop_key": {"kty": "EC"}, "nonce": None}
        assert decode(KEY, written({"format": 1, "key": KEY, "token": members, "writer": "0.9"})) == PLAIN

    def test_what_an_earlier_one_did_not_know_has_its_default(self) -> None:
        assert decode(KEY, written({"format": 1, "key": KEY, "token": MEMBERS})) == PLAIN

    def test_what_has_its_default_is_not_written(self) -> None:
        content = json.loads(encode(KEY, PLAIN).partition(b" ")[2])
        assert content == {"format": 1, "key": KEY, "token": MEMBERS}

    @pytest.mark.parametrize("name", MEMBERS)
    def test_without_what_every_token_has_it_is_damaged(self, name: str) -> None:
        members = {each: value for each, value in MEMBERS.items() if each != name}
        with pytest.raises(CorruptRecord):
            decode(KEY, written({"format": 1, "key": KEY, "token": members}))

    @pytest.mark.parametrize("field", [field.name for field in fields(Token)])
    @pytest.mark.parametrize("value", [None, {"a": 1}, [1], "nan"], ids=["null", "object", "list", "text"])
    def test_a_member_of_another_type_is_damaged(self, field: str, value: object) -> None:
        if isinstance(value, str) and isinstance(getattr(FULL, field), str):
            value = 1
        with pytest.raises(CorruptRecord):
            decode(KEY, written({"format": 1, "key": KEY, "token": {**MEMBERS, field: value}}))

    @pytest.mark.parametrize("token", ["a\r\nX-Admin: 1", "a\nb", "a\0", "a\x7f"], ids=ascii)
    def test_a_token_that_would_end_its_header_is_damaged(self, token: str) -> None:
        with pytest.raises(CorruptRecord):
            decode(KEY, written({"format": 1, "key": KEY, "token": {**MEMBERS, "access_token": token}}))

    @pytest.mark.parametrize("number", [0, -1, 1.5, "1", None, [1]], ids=str)
    def test_a_format_that_never_was_is_damaged(self, number: object) -> None:
        with pytest.raises(CorruptRecord):
            decode(KEY, written({"format": number, "key": KEY, "token": MEMBERS}))

    @pytest.mark.parametrize(
        "record", [{"format": 2}, {"format": 3, "key": KEY, "token": "sealed"}], ids=["bare", "full"]
    )
    def test_one_of_a_later_format_is_an_error_and_stays_where_it_is(
        self, record: dict[str, object], tmp_path: Path
    ) -> None:
        store = FileStore(tmp_path / "tokens")
        store.save(KEY, PLAIN)
        (place,) = store_files(tmp_path / "tokens")
        place.write_bytes(written(record))
        with pytest.raises(StoreError, match="later version"):
            store.load(KEY)
        assert place.read_bytes() == written(record)
        assert store_files(tmp_path / "tokens") == [place]


def store_files(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.suffix in (".token", ".damaged")]
