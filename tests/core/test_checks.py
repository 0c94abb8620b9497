from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Callable
from fractions import Fraction
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auth_plugins.core import Origin, check_text, check_url
from auth_plugins.core.checks import (
    check_bool,
    check_callable,
    check_count,
    check_json_text,
    check_origins,
    check_seconds,
)

NAME = "the_parameter"
MARK = "s3cret"
visible = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=50)


def refusal(kind: type[Exception], check: Callable[..., object], *args: Any, **more: Any) -> str:
    """What the check says; it must name the parameter, and neither show the value nor drag it along."""
    with pytest.raises((TypeError, ValueError)) as caught:
        check(*args, **more)
    assert type(caught.value) is kind
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    said = str(caught.value)
    assert MARK not in said
    return said


def refusal_names(name: str, kind: type[Exception], check: Callable[..., object], *args: Any, **more: Any) -> bool:
    return re.search(rf"\b{name}\b", refusal(kind, check, *args, **more)) is not None


class TestText:
    @given(visible)
    def test_gives_what_it_accepts(self, value: str) -> None:
        assert check_text(NAME, value) == value

    def test_accepts_every_visible_ascii_character(self) -> None:
        every = "".join(map(chr, range(0x21, 0x7F)))
        assert check_text(NAME, every) == every

    @given(
        before=st.just(MARK),
        odd=st.one_of(
            st.characters(max_codepoint=0x20),
            st.characters(min_codepoint=0x7F, exclude_categories=[]),
        ),
        after=st.sampled_from(["", "x"]),
    )
    def test_refuses_every_other_character_anywhere(self, before: str, odd: str, after: str) -> None:
        for value in (before + odd + after, odd + before):
            assert refusal_names(NAME, ValueError, check_text, NAME, value)

    @pytest.mark.parametrize("odd", [" ", "\x00", "\x1f", "\n", "\r\n", "\t", "\x7f", "\x80", "\xa0", "é", "😀"])
    def test_refuses_what_is_pasted_along(self, odd: str) -> None:
        assert refusal_names(NAME, ValueError, check_text, NAME, MARK + odd)

    @pytest.mark.parametrize("value", [None, MARK.encode(), 5, 5.0, True, [MARK], {MARK: MARK}, ...])
    def test_refuses_what_is_no_text(self, value: object) -> None:
        assert refusal_names(NAME, TypeError, check_text, NAME, value)

    @pytest.mark.parametrize(("length", "fits"), [(0, False), (3, False), (4, True), (7, True), (8, False)])
    def test_length_on_both_sides_of_each_edge(self, length: int, fits: bool) -> None:
        value = (MARK * 2)[:length]
        if fits:
            assert check_text(NAME, value, at_least=4, at_most=7) == value
        else:
            said = refusal(ValueError, check_text, NAME, value, at_least=4, at_most=7)
            assert NAME in said
            assert "4" in said
            assert "7" in said

    def test_is_not_empty_and_at_most_4096_long_unless_told_otherwise(self) -> None:
        assert check_text(NAME, "x") == "x"
        assert check_text(NAME, "x" * 4096) == "x" * 4096
        assert refusal_names(NAME, ValueError, check_text, NAME, "")
        assert refusal_names(NAME, ValueError, check_text, NAME, "x" * 4097)


class TestJsonText:
    """For what goes into a JSON string and nowhere else: it need not be fit for a header."""

    written = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1, max_size=50)

    @given(written)
    def test_gives_what_it_accepts_as_it_is(self, value: str) -> None:
        assert check_json_text(NAME, value) is value
        assert json.loads(json.dumps(value)) == value
        value.encode()

    @pytest.mark.parametrize(
        "value",
        [" ", " in and around ", "Zo\u00eb", "Zoe\u0308", "\u5bc6\u7801", "\U0001f511", "\xa0", '"\\/', "\u200d"],
    )
    def test_accepts_blanks_and_every_script(self, value: str) -> None:
        assert check_json_text(NAME, value) is value

    @pytest.mark.parametrize("odd", ["\x00", "\t", "\n", "\r\n", "\x1f", "\x7f", "\x85", "\u2028", "\u2029", "\ud83d"])
    @pytest.mark.parametrize("blanks", [True, False])
    def test_refuses_what_is_no_writing(self, odd: str, blanks: bool) -> None:
        for value in (MARK + odd, odd + MARK):
            assert refusal_names(NAME, ValueError, check_json_text, NAME, value, blanks=blanks)

    @pytest.mark.parametrize("blank", [" ", "\xa0", "\u3000", "\u2003"])
    def test_refuses_blanks_where_there_must_be_none(self, blank: str) -> None:
        for value in (MARK + blank, blank + MARK, f"{MARK}{blank}{MARK}"):
            assert "blanks" in refusal(ValueError, check_json_text, NAME, value, blanks=False)
        assert check_json_text(NAME, "zo\u00eb@ex\u00e4mple.example", blanks=False)

    @pytest.mark.parametrize("value", [None, MARK.encode(), 5, True, [MARK], {MARK: MARK}, ...])
    def test_refuses_what_is_no_text(self, value: object) -> None:
        assert refusal_names(NAME, TypeError, check_json_text, NAME, value)

    @pytest.mark.parametrize(("length", "fits"), [(0, False), (1, True), (4096, True), (4097, False)])
    def test_length_on_both_sides_of_each_edge(self, length: int, fits: bool) -> None:
        value = (MARK * 700)[:length]
        if fits:
            assert check_json_text(NAME, value) is value
        else:
            assert "4096" in refusal(ValueError, check_json_text, NAME, value)
        assert check_json_text(NAME, MARK, at_most=len(MARK)) == MARK
        assert NAME in refusal(ValueError, check_json_text, NAME, MARK, at_most=len(MARK) - 1)


class TestUrl:
    @pytest.mark.parametrize(
        ("given_url", "kept"),
        [
            ("https://api.example", "https://api.example"),
            ("https://api.example/", "https://api.example"),
            ("https://api.example/v3/", "https://api.example/v3"),
            ("https://api.example/v3//", "https://api.example/v3"),
            ("https://api.example/vX", "https://api.example/vX"),
            ("HTTPS://API.Example:8443/v3", "HTTPS://API.Example:8443/v3"),
            ("https://[::1]:8443/v3", "https://[::1]:8443/v3"),
            ("http://localhost:8000/x", "http://localhost:8000/x"),
            ("http://127.0.0.1/x", "http://127.0.0.1/x"),
            ("http://127.8.9.10/x", "http://127.8.9.10/x"),
            ("http://[::1]/x", "http://[::1]/x"),
        ],
    )
    def test_gives_what_it_accepts_without_its_last_slash(self, given_url: str, kept: str) -> None:
        assert check_url(NAME, given_url) == kept

    @pytest.mark.parametrize(
        "url",
        [
            f"{MARK}",
            f"/{MARK}",
            f"//{MARK}.example",
            f"ftp://{MARK}.example",
            f"javascript:{MARK}",
            f"https:{MARK}.example",
            f"https:/{MARK}.example",
            f"https:///{MARK}.example",
            f"https://:443/{MARK}",
            f"https://{MARK}.example:99999",
            f"https://{MARK}.example:-1",
            f"https://{MARK}.example:x",
            f"https://{MARK}.example\\@evil.example",
            f"https://[{MARK}",
            f"https://me:{MARK}@api.example",
            f"https://{MARK}@api.example",
            f"https://@api.example/{MARK}",
            f"https://api.example/?{MARK}",
            f"https://api.example/{MARK}?",
            f"https://api.example/{MARK}#",
            f"https://api.example/#{MARK}",
            f"https://api.example/{MARK}@x",
            f"http://{MARK}.example",
            f"http://localhost.{MARK}.example",
            f"http://127.0.0.1.{MARK}.example",
            f"http://10.0.0.1/{MARK}",
            f"https://api.example/ {MARK}",
            f"https://{MARK}.example\n",
            f"https://bücher.example/{MARK}",
            "",
        ],
    )
    def test_refuses_what_is_no_place_for_a_token(self, url: str) -> None:
        assert refusal_names(NAME, ValueError, check_url, NAME, url)

    @pytest.mark.parametrize("value", [None, MARK.encode(), 5, [MARK]])
    def test_refuses_what_is_no_text(self, value: object) -> None:
        assert refusal_names(NAME, TypeError, check_url, NAME, value)

    def test_plain_http_to_other_machines_must_be_allowed(self) -> None:
        url = f"http://{MARK}.example/v3"
        assert refusal_names(NAME, ValueError, check_url, NAME, url, allow_http=False)
        assert check_url(NAME, url, allow_http=True) == url

    def test_allowing_http_allows_nothing_else(self) -> None:
        assert refusal_names(NAME, ValueError, check_url, NAME, f"ftp://{MARK}.example", allow_http=True)
        assert refusal_names(NAME, ValueError, check_url, NAME, f"http://{MARK}@api.example", allow_http=True)


class TestOrigins:
    BASE = "https://api.example/v3"

    def test_that_of_the_base_url_is_always_among_them(self) -> None:
        assert check_origins(self.BASE, (), allow_http=False) == {Origin("https", "api.example", 443)}

    @pytest.mark.parametrize("kind", [list, tuple, set, iter, dict.fromkeys])
    def test_adds_those_of_any_iterable(self, kind: Callable[[list[str]], object]) -> None:
        urls = kind(["https://files.example/x", "https://api.example:8443", self.BASE])
        assert check_origins(self.BASE, urls, allow_http=False) == {
            Origin("https", "api.example", 443),
            Origin("https", "api.example", 8443),
            Origin("https", "files.example", 443),
        }

    @pytest.mark.parametrize("value", [MARK, MARK.encode(), None, 5, True, ...], ids=repr)
    def test_refuses_what_is_no_iterable_of_urls(self, value: object) -> None:
        assert refusal_names("origins", TypeError, check_origins, self.BASE, value, allow_http=False)

    @pytest.mark.parametrize("value", [None, MARK.encode(), 5])
    def test_refuses_what_is_no_url_among_them(self, value: object) -> None:
        assert refusal_names("origins", TypeError, check_origins, self.BASE, [value], allow_http=False)

    def test_refuses_a_bad_url_among_good_ones(self) -> None:
        urls = ["https://files.example", f"https://{MARK}@files.example"]
        assert refusal_names("origins", ValueError, check_origins, self.BASE, urls, allow_http=False)

    def test_plain_http_must_be_allowed_for_each(self) -> None:
        urls = ["http://files.example"]
        assert refusal_names("origins", ValueError, check_origins, self.BASE, urls, allow_http=False)
        assert Origin("http", "files.example", 80) in check_origins(self.BASE, urls, allow_http=True)

    def test_checks_the_base_url_as_well(self) -> None:
        assert refusal_names("base_url", ValueError, check_origins, f"http://{MARK}.example", (), allow_http=False)
        assert refusal_names("base_url", TypeError, check_origins, None, (), allow_http=False)
        assert check_origins("http://api.example", (), allow_http=True) == {Origin("http", "api.example", 80)}


class TestBool:
    def test_gives_what_it_accepts(self) -> None:
        assert check_bool(NAME, True) is True
        assert check_bool(NAME, False) is False

    @pytest.mark.parametrize("value", [None, 0, 1, "", MARK, "false", [], ...], ids=repr)
    def test_refuses_what_only_counts_as_one(self, value: object) -> None:
        assert refusal_names(NAME, TypeError, check_bool, NAME, value)


class TestSeconds:
    @given(st.floats(min_value=0.0, allow_infinity=False) | st.integers(min_value=0, max_value=10**300))
    def test_gives_what_it_accepts_as_a_float(self, value: float) -> None:
        kept = check_seconds(NAME, value)
        assert type(kept) is float
        assert kept == float(value)

    @given(
        st.floats(max_value=-5e-324)
        | st.sampled_from([math.inf, math.nan, -math.inf])
        | st.integers(max_value=-1, min_value=-(10**300))
    )
    def test_refuses_what_is_no_time(self, value: float) -> None:
        for above_zero in (False, True):
            assert refusal_names(NAME, ValueError, check_seconds, NAME, value, above_zero=above_zero)

    def test_accepts_the_largest_number_that_a_float_can_hold(self) -> None:
        assert check_seconds(NAME, sys.float_info.max) == sys.float_info.max

    def test_may_have_an_end(self) -> None:
        assert check_seconds(NAME, 60, at_most=60.0) == 60.0
        with pytest.raises(ValueError, match=rf"^{NAME} must be a finite number not below zero, and at most 60$"):
            check_seconds(NAME, 60.1, at_most=60.0)
        with pytest.raises(ValueError, match=rf"^{NAME} must be a finite number above zero$"):
            check_seconds(NAME, 0, above_zero=True)

    @pytest.mark.parametrize("zero", [0, 0.0, -0.0], ids=repr)
    def test_zero_only_where_it_means_something(self, zero: float) -> None:
        assert check_seconds(NAME, zero) == 0.0
        assert refusal_names(NAME, ValueError, check_seconds, NAME, zero, above_zero=True)
        assert check_seconds(NAME, 5e-324, above_zero=True) == 5e-324

    @pytest.mark.parametrize("value", [10**400, -(10**400)], ids=["huge", "hugely negative"])
    def test_refuses_a_number_that_no_float_can_hold(self, value: int) -> None:
        assert refusal_names(NAME, ValueError, check_seconds, NAME, value)

    @pytest.mark.parametrize("value", [None, True, False, MARK, "5", b"5", 5j, Fraction(5), [5], ...], ids=repr)
    def test_refuses_what_is_no_number(self, value: object) -> None:
        assert refusal_names(NAME, TypeError, check_seconds, NAME, value)


class TestCount:
    @given(st.integers(min_value=1))
    def test_gives_what_it_accepts(self, value: int) -> None:
        assert check_count(NAME, value) == value

    def test_may_have_an_end(self) -> None:
        assert check_count(NAME, 3, at_most=3) == 3
        with pytest.raises(ValueError, match=rf"^{NAME} must be 1 to 3$"):
            check_count(NAME, 4, at_most=3)
        with pytest.raises(ValueError, match=rf"^{NAME} must be 1 or more$"):
            check_count(NAME, 0)

    @given(st.integers(max_value=0))
    def test_refuses_less_than_one(self, value: int) -> None:
        assert refusal_names(NAME, ValueError, check_count, NAME, value)

    @pytest.mark.parametrize("value", [None, True, False, 1.0, MARK, "1", b"1", [1], ...], ids=repr)
    def test_refuses_what_is_no_whole_number(self, value: object) -> None:
        assert refusal_names(NAME, TypeError, check_count, NAME, value)


class TestCallable:
    @pytest.mark.parametrize("value", [None, print, str, lambda: None])
    def test_accepts_none_and_whatever_can_be_called(self, value: object) -> None:
        check_callable(NAME, value)

    @pytest.mark.parametrize("value", [MARK, 0, 1, True, False, "", [], ...], ids=repr)
    def test_refuses_the_rest_also_what_is_false(self, value: object) -> None:
        assert refusal_names(NAME, TypeError, check_callable, NAME, value)

    def test_refuses_what_would_have_to_be_awaited(self) -> None:
        async def asynchronous(_: object) -> None: ...

        class Asynchronous:
            async def __call__(self, _: object) -> None: ...

        for value in (asynchronous, partial(asynchronous, 1), Asynchronous(), Asynchronous().__call__):
            assert refusal_names(NAME, TypeError, check_callable, NAME, value)
        check_callable(NAME, Asynchronous)
