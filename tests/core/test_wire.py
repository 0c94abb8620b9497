from __future__ import annotations

import copy
import json
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auth_plugins.core import Purpose, Token, TokenRequest, TokenResponse
from auth_plugins.core.wire import Masked, MaskedBytes

URL = "https://api.example/auth/token"
SECRET = "s3cret-of-sixteen"
TOKEN = Token(access_token="at-s3cret", refresh_token="rt-s3cret", issued_at=0.0, expires_at=60.0)


def request(**more: Any) -> TokenRequest:
    return TokenRequest.json(
        Purpose.LOGIN,
        URL,
        {"secretKey": SECRET},
        headers={"Authorization": f"Bearer {SECRET}", "X-Key": SECRET},
        token=TOKEN,
        secrets=(SECRET,),
        **more,
    )


class TestMasked:
    @given(st.text(min_size=4))
    def test_is_the_text_it_hides(self, hidden: str) -> None:
        assert Masked(hidden) == hidden
        assert str(Masked(hidden)) == hidden
        assert Masked(hidden).encode("utf-8", "surrogatepass") == hidden.encode("utf-8", "surrogatepass")
        assert hidden in {Masked(hidden)}

    @given(st.binary(min_size=4))
    def test_is_the_bytes_it_hides(self, hidden: bytes) -> None:
        assert MaskedBytes(hidden) == hidden
        assert bytes(MaskedBytes(hidden)) == hidden

    @pytest.mark.parametrize("value", [Masked(SECRET), MaskedBytes(SECRET.encode())], ids=["str", "bytes"])
    @pytest.mark.parametrize(
        "around",
        [
            lambda value: value,
            lambda value: {"Authorization": value},
            lambda value: [("name", value)],
            lambda value: {"a": ({"b": [value]},)},
        ],
        ids=["bare", "dict", "pairs", "nested"],
    )
    def test_never_shows_in_a_repr(self, value: object, around: Any) -> None:
        assert SECRET not in repr(around(value))
        assert SECRET not in f"{around(value)!r}"
        assert "***" in repr(around(value))

    def test_reprs_of_different_secrets_are_the_same(self) -> None:
        assert repr(Masked("one")) == repr(Masked("another")) == repr("***")
        assert repr(MaskedBytes(b"one")) == repr(MaskedBytes(b"another")) == repr(b"***")

    @pytest.mark.parametrize("value", [Masked(SECRET), MaskedBytes(SECRET.encode())], ids=["str", "bytes"])
    def test_survives_pickle_and_copies_as_what_it_hides(self, value: object) -> None:
        for again in (pickle.loads(pickle.dumps(value)), copy.copy(value), copy.deepcopy(value)):
            assert again == value

    def test_pickle_needs_nobody_who_knows_the_mask(self) -> None:
        assert type(pickle.loads(pickle.dumps(Masked(SECRET)))) is str

    def test_carries_nothing_else(self) -> None:
        assert not hasattr(Masked(SECRET), "__dict__")
        assert not hasattr(MaskedBytes(SECRET.encode()), "__dict__")


class TestTokenRequest:
    def test_repr_shows_no_secret(self) -> None:
        assert "s3cret" not in repr(request())
        assert URL in repr(request())

    def test_its_parts_show_no_secret_either(self) -> None:
        made = request()
        assert "s3cret" not in repr(made.headers)
        assert "s3cret" not in repr(made.body)
        assert "s3cret" not in repr({"headers": dict(made.headers), "body": made.body})

    def test_body_is_compact_json_and_says_so(self) -> None:
        made = TokenRequest.json(Purpose.LOGIN, URL, {"a": [1, "ü"], "b": None})
        assert made.headers == {"Content-Type": "application/json"}
        assert json.loads(made.body) == {"a": [1, "ü"], "b": None}
        assert b" " not in made.body
        assert made.body.isascii()

    def test_an_empty_object_is_a_body(self) -> None:
        made = TokenRequest.json(Purpose.LOGIN, URL, {})
        assert (made.body, dict(made.headers)) == (b"{}", {"Content-Type": "application/json"})

    def test_no_body_is_none_at_all_and_has_no_content_type(self) -> None:
        made = TokenRequest.json(Purpose.REFRESH, URL, headers={"Authorization": "Bearer at"})
        assert (made.body, dict(made.headers)) == (b"", {"Authorization": "Bearer at"})

    def test_headers_come_after_the_content_type_and_may_replace_it(self) -> None:
        made = TokenRequest.json(Purpose.LOGIN, URL, {}, headers={"Content-Type": "application/vnd.api+json"})
        assert dict(made.headers) == {"Content-Type": "application/vnd.api+json"}

    @pytest.mark.parametrize("body", [None, {"a": 1}], ids=["empty", "json"])
    def test_keeps_what_it_was_told(self, body: dict[str, int] | None) -> None:
        made = TokenRequest.json(Purpose.REVOKE, URL, body, token=TOKEN, secrets=iter(("one", "two")))
        assert (made.purpose, made.url, made.token, made.secrets) == (Purpose.REVOKE, URL, TOKEN, ("one", "two"))

    @pytest.mark.parametrize("body", [None, {"a": 1}], ids=["empty", "json"])
    def test_has_neither_token_nor_secrets_unless_told(self, body: dict[str, int] | None) -> None:
        made = TokenRequest.json(Purpose.LOGIN, URL, body)
        assert (made.token, made.secrets) == (None, ())

    def test_bare_one_is_empty(self) -> None:
        made = TokenRequest(Purpose.LOGIN, URL)
        assert (dict(made.headers), made.body, made.token, made.secrets) == ({}, b"", None, ())

    def test_can_be_hashed(self) -> None:
        assert hash(request()) == hash(request())


class TestTokenResponse:
    def test_repr_shows_neither_headers_nor_body(self) -> None:
        got = TokenResponse(200, {"set-cookie": SECRET}, SECRET.encode())
        assert SECRET not in repr(got)
        assert "200" in repr(got)

    def test_bare_one_is_empty(self) -> None:
        assert (dict(TokenResponse(204).headers), TokenResponse(204).body) == ({}, b"")
        assert hash(TokenResponse(204)) == hash(TokenResponse(204))


@pytest.mark.parametrize("grant", Purpose)
def test_grants_are_named_by_the_words_that_events_and_logs_use(grant: Purpose) -> None:
    assert Purpose(grant.name.lower()) is grant


@pytest.mark.parametrize("part", [slice(0, 3), slice(None), 0], ids=["beginning", "whole", "one"])
def test_a_part_of_what_is_masked_is_masked(part: slice | int) -> None:
    assert repr(Masked("secret")[part]) == "'***'"
    assert Masked("secret")[part] == "secret"[part]


def test_a_piece_of_masked_bytes_is_masked_and_a_pickle_holds_plain_ones() -> None:
    masked = MaskedBytes(b"a-secret")
    assert repr(masked[:4]) == repr(masked) == "b'***'"
    assert (masked[:4], masked[0]) == (b"a-se", ord("a"))
    assert type(pickle.loads(pickle.dumps(masked))) is bytes


def test_a_request_masks_its_headers_and_body_however_it_is_made() -> None:
    request = TokenRequest(Purpose.LOGIN, "https://api.example", {"X-Key": SECRET}, SECRET.encode())
    assert SECRET not in f"{dict(request.headers)} {request.body!r} {request}"
    assert (request.headers["X-Key"], request.body) == (SECRET, SECRET.encode())
