"""The key under which a token is shared: what must share it does, and nothing else ever."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, make_dataclass, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auth_plugins.core import Token, bearer, fingerprint
from auth_plugins.core.wire import Masked
from auth_plugins.providers.fyatu import FyatuContract

SALT = b"0123456789abcdef"
SECRET = "s3cret-of-sixteen"


def plain(value: object) -> str:
    """The value as the name of a test: short, and without what a name cannot hold."""
    written = ascii(value).replace("\\", "/")
    return written if len(written) <= 60 else f"{written[:60]} ({len(written)})"


@dataclass(frozen=True)
class Contract:
    first: Any
    second: Any = field(repr=False)
    third: Any = "default"
    many: tuple[str, ...] = field(default_factory=tuple)

    name = "acme"
    base_url = "https://api.acme.example"


def make(kind: str, fields: list[Any], name: str = "acme") -> Any:
    """A contract of this module, whose class is made on the spot."""
    return make_dataclass(kind, fields, namespace={"name": name, "base_url": Contract.base_url})


def key(contract: Any, salt: bytes = SALT) -> str:
    return fingerprint(contract, salt)


values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.text(max_size=8),
    st.dictionaries(st.text(max_size=2), st.text(max_size=2), max_size=3),
    st.tuples(st.text(max_size=4), st.text(max_size=4)),
)
contracts = st.builds(Contract, values, values, values, st.tuples(st.text(max_size=4)))


@given(contracts)
def test_is_64_hexadecimal_digits_and_always_the_same(contract: Contract) -> None:
    assert re.fullmatch(r"[0-9a-f]{64}", key(contract))
    assert key(contract) == key(replace(contract))


@given(contracts, contracts)
def test_is_equal_only_if_every_field_is(one: Contract, other: Contract) -> None:
    same_types = [type(a) for a in vars(one).values()] == [type(b) for b in vars(other).values()]
    if one == other and same_types:
        assert key(one) == key(other)
    if one != other:
        assert key(one) != key(other)


@pytest.mark.parametrize("name", ["first", "second", "third", "many"])
def test_covers_each_field_also_those_that_a_repr_leaves_out(name: str) -> None:
    changed: dict[str, Any] = {name: "other"}
    assert key(Contract("a", "b")) != key(replace(Contract("a", "b"), **changed))


class TestNothingRunsTogether:
    @pytest.mark.parametrize(
        ("one", "other"),
        [
            (Contract("ab", "c"), Contract("a", "bc")),
            (Contract("", "abc"), Contract("abc", "")),
            (Contract("a", "b"), Contract("b", "a")),
            (Contract("a'", "b"), Contract("a", "'b")),
            (Contract("a', 'b", "c"), Contract("a", "b', 'c")),
            (Contract("1", "x"), Contract(1, "x")),
            (Contract("None", "x"), Contract(None, "x")),
            (Contract("a", "x", many=("b", "c")), Contract("a", "x", many=("bc",))),
            (Contract("a", "x", many=("b, c",)), Contract("a", "x", many=("b", "c"))),
            (Contract("a", "x", third="many", many=()), Contract("a", "x", many=("third",))),
        ],
        ids=plain,
    )
    def test_neither_fields_nor_values_nor_types(self, one: Contract, other: Contract) -> None:
        assert key(one) != key(other)

    @given(st.text(max_size=6), st.integers(min_value=0, max_value=6), st.integers(min_value=0, max_value=6))
    def test_wherever_the_same_text_is_cut(self, whole: str, here: int, there: int) -> None:
        one, other = (Contract(whole[:cut], whole[cut:]) for cut in (here, there))
        assert (key(one) == key(other)) is (one == other)


class TestSecrets:
    def test_do_not_stand_in_the_key(self) -> None:
        assert SECRET not in key(Contract("id", SECRET))
        assert SECRET.encode().hex() not in key(Contract("id", SECRET))

    def test_another_salt_makes_another_key(self) -> None:
        assert key(Contract("id", SECRET), b"a" * 16) != key(Contract("id", SECRET), b"b" * 16)

    @pytest.mark.parametrize("length", [16, 32, 64])
    def test_any_salt_a_store_may_have_will_do(self, length: int) -> None:
        assert re.fullmatch(r"[0-9a-f]{64}", key(Contract("id", SECRET), b"s" * length))

    def test_one_whose_repr_hides_it_counts_as_well(self) -> None:
        one, other = (FyatuContract("A1B2C3D4", Masked(secret * 16)) for secret in "xy")
        assert one != other
        assert key(one) != key(other)

    def test_ones_within_a_tuple_or_a_mapping_count_as_well(self) -> None:
        for wrap in (lambda secret: (secret,), lambda secret: {"key": secret}):
            one, other = (Contract("id", wrap(Masked(secret))) for secret in "xy")
            assert key(one) != key(other)

    def test_equal_ones_make_equal_keys_whatever_they_are_wrapped_in(self) -> None:
        plain, masked = FyatuContract("A1B2C3D4", SECRET), FyatuContract("A1B2C3D4", Masked(SECRET))
        assert plain == masked
        assert key(plain) == key(masked)


def test_the_order_of_a_mapping_does_not_count() -> None:
    one, other = ({"a": 1, "b": {"c": 2, "d": 3}}, {"b": {"d": 3, "c": 2}, "a": 1})
    assert key(Contract(one, "x")) == key(Contract(other, "x"))


@pytest.mark.parametrize("value", [b"bytes", frozenset("a"), ..., Contract("a", "b"), {("a",): 1}, ({1},)], ids=plain)
def test_a_field_of_another_kind_is_refused(value: object) -> None:
    with pytest.raises(TypeError):
        key(Contract(value, "x"))


class TestDefaults:
    def test_are_left_out_so_that_a_later_version_may_add_a_field(self) -> None:
        older = make("Later", [("first", str)])
        newer = make("Later", [("first", str), ("added", str, field(default="new"))])
        assert key(older("a")) == key(newer("a"))
        assert key(older("a")) != key(newer("a", "other"))

    def test_made_by_a_factory_are_left_out_as_well(self) -> None:
        older = make("Later", [("first", str)])
        newer = make("Later", [("first", str), ("added", list[str], field(default_factory=list))])
        assert key(older("a")) == key(newer("a"))
        assert key(older("a")) != key(newer("a", ["other"]))

    def test_a_value_that_is_missing_nowhere_is_kept(self) -> None:
        assert key(Contract(None, None)) != key(Contract("", ""))


class TestContract:
    def test_two_of_different_providers_never_share_a_token(self) -> None:
        fields = [("first", str)]
        ours, theirs, namesake = make("Ours", fields), make("Theirs", fields), make("Ours", fields, "other")
        assert len({key(kind("a")) for kind in (ours, theirs, namesake)}) == 3

    @pytest.mark.parametrize("part", ["__module__", "__qualname__"])
    def test_namesakes_in_two_modules_or_two_scopes_never_share_a_token(self, part: str) -> None:
        ours, theirs = make("Contract", [("first", str)]), make("Contract", [("first", str)])
        assert key(ours("a")) == key(theirs("a"))
        setattr(theirs, part, "elsewhere")
        assert key(ours("a")) != key(theirs("a"))

    def test_a_program_and_the_children_it_spawns_share_a_token(self) -> None:
        program, child = make("Contract", [("first", str)]), make("Contract", [("first", str)])
        program.__module__, child.__module__ = "__main__", "__mp_main__"
        assert key(program("a")) == key(child("a"))

    def test_the_origin_of_base_url_counts_though_it_is_no_field(self) -> None:
        ours, theirs = make("Contract", [("first", str)]), make("Contract", [("first", str)])
        theirs.base_url = "https://api.other.example"
        assert key(ours("a")) != key(theirs("a"))

    def test_the_origin_of_base_url_counts_though_it_is_the_default_of_a_field(self) -> None:
        older, newer = (
            make_dataclass("Contract", [("base_url", str, url)], namespace={"name": "acme"})
            for url in ("https://v1.acme.example", "https://v2.acme.example")
        )
        assert key(older()) != key(newer())

    @pytest.mark.parametrize("value", [None, "text", ..., Contract, {"first": 1}], ids=plain)
    def test_what_is_no_instance_of_a_dataclass_is_refused(self, value: Any) -> None:
        with pytest.raises(TypeError, match=r"\bprovider\b"):
            key(value)

    def test_text_of_any_kind_has_a_key(self) -> None:
        assert key(Contract("\ud800", "é😀\x00")) != key(Contract("\udfff", "é😀\x00"))


def test_bearer_is_the_header_of_rfc_6750() -> None:
    token = Token(access_token="at", issued_at=0.0, expires_at=1.0, token_type="bearer")
    assert bearer(token) == {"Authorization": "Bearer at"}
