"""Every reader is given everything that JSON, or a wire, can hold."""

from __future__ import annotations

import base64
import html
import json
import math
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from auth_plugins.core import (
    Answer,
    AuthError,
    CredentialsRejected,
    ErrorInfo,
    InvalidTokenResponse,
    LoginRequired,
    Purpose,
    TokenEndpointUnavailable,
    TokenRequest,
    TokenResponse,
    as_mapping,
    as_number,
    as_text,
    as_timestamp,
    is_token,
    json_object,
    jwt_claims,
)
from auth_plugins.core.answers import MAX_LIFETIME, retry_after
from auth_plugins.core.statuses import error_for_status

NOW = 1_800_000_000.0
REQUEST = TokenRequest(Purpose.LOGIN, "https://api.example/auth/token")
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
every_character = st.text(st.characters(exclude_categories=[]))


def plain(value: object) -> str:
    """The value as the name of a test: short, and without what a name cannot hold."""
    written = ascii(value).replace("\\", "/")
    return written if len(written) <= 60 else f"{written[:60]} ({len(written)})"


def body(content: bytes) -> TokenResponse:
    return TokenResponse(200, {}, content)


class TestJsonObject:
    @given(st.dictionaries(st.text(), anything))
    def test_gives_back_what_was_written(self, value: dict[str, Any]) -> None:
        written = json.loads(json.dumps(value), parse_constant=lambda _: None)
        assert json_object(body(json.dumps(value).encode())) == written

    @given(st.binary())
    def test_is_some_dictionary_whatever_the_bytes(self, content: bytes) -> None:
        assert isinstance(json_object(body(content)), dict)

    @given(anything.filter(lambda value: not isinstance(value, dict)))
    def test_is_empty_for_json_that_is_no_object(self, value: object) -> None:
        assert json_object(body(json.dumps(value).encode())) == {}

    @pytest.mark.parametrize(
        "content",
        [
            b"",
            b" ",
            b"{",
            b"{'a': 1}",
            b'{"a": 1} {}',
            b'{"a": ' + b"9" * 5000 + b"}",
            b'{"a":' * 100_000,
            b"[" * 100_000,
            b"\xff\xfe{",
            b'{"a": "\xff"}',
            b"<html></html>",
        ],
        ids=["none", "blank", "cut", "quotes", "two", "digits", "deep", "deeper", "utf16", "bytes", "html"],
    )
    def test_is_empty_for_what_is_no_json(self, content: bytes) -> None:
        assert json_object(body(content)) == {}

    @pytest.mark.parametrize("constant", [b"NaN", b"Infinity", b"-Infinity"])
    def test_knows_no_numbers_that_json_does_not(self, constant: bytes) -> None:
        assert json_object(body(b'{"a": ' + constant + b"}")) == {"a": None}

    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
    def test_reads_every_encoding_that_json_ever_had(self, encoding: str) -> None:
        assert json_object(body('{"a": "é"}'.encode(encoding))) == {"a": "é"}


@given(anything)
def test_mapping_gives_objects_and_nothing_else(value: object) -> None:
    if isinstance(value, dict):
        assert as_mapping(value) is value
    else:
        assert as_mapping(value) == {}


class TestText:
    @given(anything)
    def test_gives_a_text_with_something_in_it_or_none(self, value: object) -> None:
        got = as_text(value)
        assert got is None or len(str(got)) > 0

    @pytest.mark.parametrize(
        ("value", "expected"),
        [
            ("CODE", "CODE"),
            (" ", " "),
            ("", None),
            (0, "0"),
            (404, "404"),
            (-1, "-1"),
            (True, None),
            (False, None),
            (1.5, None),
            (None, None),
            ([], None),
            (["CODE"], None),
            ({"code": "CODE"}, None),
        ],
        ids=plain,
    )
    def test_every_kind(self, value: object, expected: str | None) -> None:
        assert as_text(value) == expected

    def test_has_nothing_to_say_of_a_number_too_long_to_be_written(self) -> None:
        assert as_text(10**5000) is None
        assert as_text(-(10**5000)) is None

    def test_a_number_has_at_most_18_digits(self) -> None:
        assert as_text(10**18 - 1) == "9" * 18
        assert as_text(1 - 10**18) == "-" + "9" * 18
        assert as_text(10**18) is None
        assert as_text(-(10**18)) is None


class TestNumber:
    @given(anything)
    def test_gives_a_finite_number_or_none(self, value: object) -> None:
        got = as_number(value)
        assert got is None or math.isfinite(got)

    @given(st.floats(allow_nan=False, allow_infinity=False))
    def test_gives_a_number_also_one_in_a_string(self, value: float) -> None:
        assert as_number(value) == as_number(repr(value)) == value

    @pytest.mark.parametrize(
        ("value", "expected"),
        [
            (0, 0.0),
            (86400, 86400.0),
            ("86400", 86400.0),
            ("-1.5e3", -1500.0),
            (True, None),
            (False, None),
            ("True", None),
            (None, None),
            ("", None),
            ("soon", None),
            ("0x10", None),
            ("nan", None),
            ("inf", None),
            ("-Infinity", None),
            (math.nan, None),
            (math.inf, None),
            (-math.inf, None),
            (10**400, None),
            ("1e400", None),
            (b"5", None),
            ([5], None),
            ({}, None),
        ],
        ids=plain,
    )
    def test_every_kind(self, value: object, expected: float | None) -> None:
        assert as_number(value) == expected


class TestTimestamp:
    @given(anything)
    def test_gives_a_finite_number_or_none(self, value: object) -> None:
        got = as_timestamp(value)
        assert got is None or math.isfinite(got)

    @given(
        st.datetimes(
            min_value=datetime(1900, 1, 1),
            max_value=datetime(2900, 1, 1),
            timezones=st.integers(-840, 840).map(lambda minutes: timezone(timedelta(minutes=minutes))),
        )
    )
    def test_is_the_moment_whatever_the_zone(self, moment: datetime) -> None:
        assert as_timestamp(moment.isoformat()) == moment.timestamp()

    @pytest.mark.parametrize(
        "written",
        [
            "2026-01-06T10:30:00+00:00",
            "2026-01-06T10:30:00Z",
            "2026-01-06T12:30:00+02:00",
            "2026-01-06T02:00:00-08:30",
            "2026-01-06 10:30:00+00:00",
            "20260106T103000Z",
        ],
    )
    def test_one_moment_written_in_many_ways(self, written: str) -> None:
        assert as_timestamp(written) == 1_767_695_400.0

    def test_keeps_fractions_of_a_second(self) -> None:
        assert as_timestamp("2026-01-06T10:30:00.500Z") == 1_767_695_400.5

    @pytest.mark.parametrize(
        "value",
        [
            "2026-01-06T10:30:00",
            "2026-01-06",
            "2026-13-06T10:30:00Z",
            "2026-01-06T10:30:00+99:00",
            "Tue, 06 Jan 2026 10:30:00 GMT",
            "soon",
            "",
            "\ud800",
            "1767695400",
            1767695400,
            None,
            True,
            ["2026-01-06T10:30:00Z"],
            datetime(2026, 1, 6, tzinfo=UTC),
        ],
        ids=plain,
    )
    def test_none_for_a_time_without_zone_and_for_all_else(self, value: object) -> None:
        assert as_timestamp(value) is None

    @pytest.mark.parametrize("written", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
    def test_the_ends_of_time_do_no_harm(self, written: str) -> None:
        got = as_timestamp(written)
        assert got is None or math.isfinite(got)


class TestIsToken:
    @given(anything)
    def test_is_true_or_false_of_anything(self, value: object) -> None:
        assert type(is_token(value)) is bool

    @given(every_character)
    def test_is_visible_ascii_and_nothing_else(self, value: str) -> None:
        assert is_token(value) is (value != "" and all(0x21 <= ord(c) <= 0x7E for c in value))

    @pytest.mark.parametrize("character", [chr(code) for code in (0x21, 0x22, 0x2E, 0x3D, 0x7D, 0x7E)])
    def test_takes_all_that_is_visible(self, character: str) -> None:
        assert is_token(f"a{character}b")

    @pytest.mark.parametrize("odd", ["\r\nX-Evil: 1", "\n", "\r", "\x00", " ", "\t", "\x7f", "\x80", "é", "\ud800"])
    @pytest.mark.parametrize("place", ["{}abc", "ab{}c", "abc{}"])
    def test_refuses_what_could_end_or_break_a_header(self, odd: str, place: str) -> None:
        assert not is_token(place.format(odd))

    @pytest.mark.parametrize(("length", "fits"), [(0, False), (1, True), (16_385, True), (250_000, True)])
    def test_length_on_both_sides_of_each_edge(self, length: int, fits: bool) -> None:
        assert is_token("x" * length) is fits

    @pytest.mark.parametrize("value", [None, True, 5, b"abc", ["abc"], {"abc": 1}], ids=plain)
    def test_refuses_what_is_no_text(self, value: object) -> None:
        assert not is_token(value)


def jwt(claims: bytes, *, padded: bool = False) -> str:
    raw = base64.urlsafe_b64encode(claims).decode()
    return f"e30.{raw if padded else raw.rstrip('=')}.c2ln"


class TestJwtClaims:
    @given(st.dictionaries(st.text(), st.integers() | st.text()), st.booleans())
    def test_gives_the_claims_padded_or_not(self, claims: dict[str, Any], padded: bool) -> None:
        assert jwt_claims(jwt(json.dumps(claims).encode(), padded=padded)) == claims

    def test_knows_the_url_safe_alphabet(self) -> None:
        token = jwt(b'{"a": "~~~???>>>"}')
        assert jwt_claims(token) == {"a": "~~~???>>>"}
        assert jwt_claims(jwt('{"?": "ÿÿÿ>>>>"}'.encode())) == {"?": "ÿÿÿ>>>>"}

    @given(every_character | st.from_regex(r"[A-Za-z0-9_=.-]*"))
    def test_is_some_dictionary_whatever_the_token(self, token: str) -> None:
        assert isinstance(jwt_claims(token), dict)

    @given(st.binary())
    def test_is_some_dictionary_whatever_the_claims(self, claims: bytes) -> None:
        assert isinstance(jwt_claims(jwt(claims)), dict)

    @pytest.mark.parametrize(
        "token",
        ["", ".", "..", "opaque", "e30.e30", "e30.eyJhIjoxfQ", "e30.eyJhIjoxfQ.c.d", "e30.x.c", "e30.é.c"],
    )
    def test_is_empty_for_what_is_no_jwt(self, token: str) -> None:
        assert jwt_claims(token) == {}


def asking(value: str) -> TokenResponse:
    return TokenResponse(429, {"retry-after": value})


class TestRetryAfter:
    @pytest.mark.parametrize(
        ("value", "seconds"),
        [
            ("0", 0.0),
            ("1", 1.0),
            ("120", 120.0),
            (" 120 ", 120.0),
            ("007", 7.0),
            ("99999999999", 99999999999.0),
        ],
    )
    def test_seconds(self, value: str, seconds: float) -> None:
        assert retry_after(asking(value), NOW) == seconds

    @given(st.integers(min_value=-(10**9), max_value=10**9))
    def test_a_date_is_seconds_from_now_and_never_before_it(self, ahead: int) -> None:
        moment = datetime.fromtimestamp(NOW + ahead, UTC)
        assert retry_after(asking(format_datetime(moment, usegmt=True)), NOW) == max(0.0, ahead)

    @pytest.mark.parametrize(
        "written",
        [
            "Fri, 15 Jan 2027 08:01:00 GMT",
            "Fri, 15 Jan 2027 08:01:00 -0000",
            "Fri, 15 Jan 2027 08:01:00",
            "Fri, 15 Jan 2027 10:01:00 +0200",
            "Friday, 15-Jan-27 08:01:00 GMT",
            "Fri Jan 15 08:01:00 2027",
        ],
    )
    def test_reads_every_form_of_date_that_http_knows(self, written: str) -> None:
        assert retry_after(asking(written), NOW) == 60.0

    @pytest.mark.skipif(not hasattr(time, "tzset"), reason="this machine's zone cannot be set")
    def test_a_date_without_a_zone_is_not_of_this_machines_zone(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with monkeypatch.context() as patched:
            patched.setenv("TZ", "EST5")
            time.tzset()
            waits = [retry_after(asking(f"Fri, 15 Jan 2027 08:01:00{zone}"), NOW) for zone in ("", " -0000")]
        time.tzset()
        assert waits == [60.0, 60.0]

    @pytest.mark.parametrize(
        "value",
        [
            "",
            " ",
            "-1",
            "+1",
            "1.5",
            "1e3",
            "1,2",
            "soon",
            "١٢",
            "²",
            "0x10",
            "Fri, 99 Jan 2027 08:01:00 GMT",
            "Fri, 15 Jan 2027 99:01:00 GMT",
            "Fri, 15 Jan 99999 08:01:00 GMT",
            "Fri, 15 Jan 2027 08:01:00 +999999999999",
            "9" * 400,
            "9" * 5000,
        ],
        ids=plain,
    )
    def test_none_for_what_nobody_can_wait_for(self, value: str) -> None:
        assert retry_after(asking(value), NOW) is None

    def test_none_if_it_was_not_asked_for(self) -> None:
        assert retry_after(TokenResponse(429, {"date": "Fri, 15 Jan 2027 08:01:00 GMT"}), NOW) is None

    @given(
        every_character
        | st.from_regex(r"[A-Z][a-z]{2}, [0-9]+ [A-Z][a-z]{2} [0-9]+ [0-9:]+ [+-]?[0-9A-Z]*", fullmatch=True)
    )
    @example("Mon, 01 Jan 0001 00:00:00 +2359")
    @example("Mon, 31 Dec 9999 23:59:59 -2359")
    def test_is_a_finite_wait_or_none_whatever_is_written(self, value: str) -> None:
        got = retry_after(asking(value), NOW)
        assert got is None or (math.isfinite(got) and got >= 0.0)


class TestUnserved:
    SAID = ErrorInfo("CODE", "their words", "req_1")

    def error(self, status: int, **headers: str) -> AuthError | None:
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        return error_for_status(Answer(REQUEST, TokenResponse(status, fields), self.SAID, NOW, NOW))

    @pytest.mark.parametrize("status", range(100, 600))
    def test_every_status(self, status: int) -> None:
        error = self.error(status)
        if status in (407, 408, 425, 429, 451) or status >= 500:
            assert type(error) is TokenEndpointUnavailable
        elif 200 <= status < 300 or 400 <= status < 500:
            assert error is None
        else:
            assert type(error) is InvalidTokenResponse

    @pytest.mark.parametrize("status", [-1, 0, 99, 600, 999])
    def test_a_status_that_is_none_is_an_error_as_well(self, status: int) -> None:
        assert isinstance(self.error(status), AuthError)

    @pytest.mark.parametrize("status", [100, 199, 300, 302, 399, 408, 425, 429, 500, 503, 599])
    def test_carries_the_status_and_the_providers_words(self, status: int) -> None:
        error = self.error(status)
        assert error is not None
        assert error.status == status
        assert (error.provider_code, error.provider_message, error.request_id) == (
            "CODE",
            "their words",
            "req_1",
        )
        assert str(status) in error.message or status in (408, 425, 429)

    @pytest.mark.parametrize("status", [429, 500, 503])
    def test_tells_how_long_to_wait(self, status: int) -> None:
        asked = self.error(status, retry_after="7")
        assert asked is not None
        assert asked.retry_after == 7.0
        unasked = self.error(status)
        assert unasked is not None
        assert unasked.retry_after is None

    def test_a_date_to_wait_for_is_counted_from_now(self) -> None:
        error = self.error(503, retry_after="Fri, 15 Jan 2027 08:01:00 GMT")
        assert error is not None
        assert error.retry_after == 60.0

    def test_what_they_say_is_told_apart(self) -> None:
        errors = [self.error(status) for status in (408, 425, 429, 500)]
        assert len({error.message for error in errors if error is not None}) == 4

    def test_a_redirect_points_to_the_url(self) -> None:
        error = self.error(307, location="https://evil.example")
        assert error is not None
        assert "URL" in error.hint
        assert error.hint != InvalidTokenResponse.default_hint
        assert "evil.example" not in str(error)


def told(said: ErrorInfo, *secrets: str, **more: Any) -> AuthError:
    request = TokenRequest(Purpose.LOGIN, "https://api.example", secrets=secrets)
    return Answer(request, TokenResponse(400), said).error(LoginRequired, "It failed", **more)


class TestFailure:
    def test_is_of_the_kind_asked_for_and_has_all_that_is_known(self) -> None:
        answer = Answer(REQUEST, TokenResponse(403), ErrorInfo("CODE", "their words", "req_1"))
        error = answer.error(CredentialsRejected, "It failed", hint="Do this.", retry_after=5.0)
        assert type(error) is CredentialsRejected
        assert error.message == f"It failed (HTTP 403 from {REQUEST.url})"
        assert error.details() == {
            "hint": "Do this.",
            "status": 403,
            "provider_code": "CODE",
            "provider_message": "their words",
            "request_id": "req_1",
            "retry_after": 5.0,
        }

    def test_what_was_not_said_is_none(self) -> None:
        error = told(ErrorInfo())
        assert (error.provider_code, error.provider_message, error.request_id) == (None, None, None)

    @pytest.mark.parametrize("blank", ["", " ", "\r\n", "\x00\x1b"], ids=plain)
    def test_what_says_nothing_is_none(self, blank: str) -> None:
        error = told(ErrorInfo(blank, blank, blank))
        assert (error.provider_code, error.provider_message, error.request_id) == (None, None, None)

    def test_their_words_are_cut(self) -> None:
        error = told(ErrorInfo("c" * 1000, "m" * 1000, "r" * 1000))
        assert error.provider_code == "c" * 80
        assert error.provider_message == "m" * 300
        assert error.request_id == "r" * 80

    def test_their_words_are_trimmed_before_they_are_cut(self) -> None:
        error = told(ErrorInfo(" " * 100 + "c" * 80 + " "))
        assert error.provider_code == "c" * 80

    def test_their_words_keep_to_one_line(self) -> None:
        error = told(ErrorInfo("a\r\nb", "\x1b[31mred\u2028\u202e\ud800 é", "\ttab\x7f"))
        assert error.provider_code == "a  b"
        assert error.provider_message == "[31mred    é"
        assert error.request_id == "tab"

    @given(every_character, every_character, every_character)
    def test_their_words_are_printable_whatever_they_are(self, code: str, message: str, request_id: str) -> None:
        error = told(ErrorInfo(code, message, request_id))
        for got in (error.provider_code, error.provider_message, error.request_id):
            assert got is None or (got != "" and got.isprintable())
        assert str(error).isprintable()


visible = st.text(st.sampled_from("abcAB01"), min_size=4, max_size=10)


class TestSecretsAreStruckOut:
    @given(st.lists(visible, min_size=1, max_size=4), st.data())
    def test_of_everything_that_is_said(self, secrets: list[str], data: st.DataObject) -> None:
        pieces = st.lists(st.sampled_from([*secrets, " ", "x", "\n", "*"]), max_size=8).map("".join)
        error = told(ErrorInfo(data.draw(pieces), data.draw(pieces), data.draw(pieces)), *secrets)
        shown = "\n".join((str(error), repr(error), repr(error.details())))
        assert not any(secret in shown for secret in secrets)

    @pytest.mark.parametrize("order", [1, -1])
    @pytest.mark.parametrize("inner", ["aaaa", "zzzz"])
    def test_where_one_secret_contains_another_both_are_struck_out(self, inner: str, order: int) -> None:
        outer = f"mmmm{inner}mmmm"
        error = told(ErrorInfo(outer, f"{inner} and {outer}"), *(inner, outer)[::order])
        assert error.provider_code == "***"
        assert error.provider_message == "*** and ***"

    def test_every_time_they_are_said(self) -> None:
        assert told(ErrorInfo(None, "s3cret s3crets3cret"), "s3cret").provider_message == "*** ******"

    def test_before_the_words_are_cut_so_that_no_half_is_left(self) -> None:
        error = told(ErrorInfo("c" * 78 + "s3cret", "m" * 298 + "s3cret", "r" * 78 + "s3cret"), "s3cret")
        assert error.provider_code == "c" * 78 + "**"
        assert error.provider_message == "m" * 298 + "**"
        assert error.request_id == "r" * 78 + "**"

    def test_the_rest_is_left_as_it_was_said(self) -> None:
        assert told(ErrorInfo("CODE", "wrong key", "req_1"), "s3cret").provider_message == "wrong key"

    def test_an_empty_secret_is_none(self) -> None:
        assert told(ErrorInfo("CODE", "wrong key", "req_1"), "", "s3cret").provider_message == "wrong key"


def test_longest_lifetime_is_about_a_year() -> None:
    assert MAX_LIFETIME == 366 * 24 * 60 * 60


@pytest.mark.parametrize("ascii_only", [True, False])
def test_a_secret_that_is_quoted_as_it_stood_in_json_is_struck_out(ascii_only: bool) -> None:
    secret = 'p\u00e4"s\\w'
    request = TokenRequest(Purpose.LOGIN, "https://api.example/login", secrets=(secret,))
    said = ErrorInfo(message=f"You said {json.dumps({'password': secret}, ensure_ascii=ascii_only)}")
    error = Answer(request, TokenResponse(400), said).error(CredentialsRejected, "It failed")
    assert error.provider_message == 'You said {"password": "***"}'


IN_GO = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", '"': '\\"', "\\": "\\\\"}
IN_DOTNET = {each: f"\\u{ord(each):04X}" for each in "\"&'+<>`\u00e4"} | {"\\": "\\\\"}
WRITINGS: dict[str, Callable[[str], str]] = {
    "Go": lambda secret: "".join(IN_GO.get(each, each) for each in secret),
    ".NET": lambda secret: "".join(IN_DOTNET.get(each, each) for each in secret),
    "a URL": lambda secret: quote(secret, safe=""),
    "a form": quote_plus,
    "HTML": html.escape,
}


@pytest.mark.parametrize("way", WRITINGS)
@given(secret=st.text(st.sampled_from("ab <>&+'\"`\\\u00e4%="), min_size=1, max_size=12).map("key-{}-key".format))
def test_a_secret_is_struck_out_as_whatever_quotes_it_writes_it(way: str, secret: str) -> None:
    quoted = WRITINGS[way](secret)
    request = TokenRequest(Purpose.LOGIN, "https://api.example/login", secrets=(secret,))
    error = Answer(request, TokenResponse(400), ErrorInfo(message=f"<{quoted}>")).error(
        CredentialsRejected, "It failed"
    )
    assert error.provider_message == "<***>"


def test_half_a_surrogate_pair_in_a_secret_does_no_harm() -> None:
    request = TokenRequest(Purpose.LOGIN, "https://api.example/login", secrets=("half \ud800",))
    error = Answer(request, TokenResponse(400), ErrorInfo(message="half \ud800 is wrong")).error(
        CredentialsRejected, "It failed"
    )
    assert error.provider_message == "*** is wrong"
