"""Whatever a token endpoint says: the right error or a token that can be used; nothing kept of a failure, no secret."""

from __future__ import annotations

import codecs
import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.faults.answers.conftest import Room

matrix = pytest.mark.matrix
INVALID = "`InvalidTokenResponse`"


def case(what: str, outcome: str, *values: Any) -> Any:
    return pytest.param(*values, marks=matrix(case=what, outcome=outcome), id=what)


@matrix(group="The token endpoint's answer: the token")
@pytest.mark.parametrize(
    "access",
    [
        case("no token", INVALID, ...),
        case("null for a token", INVALID, None),
        case("an empty token", INVALID, ""),
        case("a number for a token", INVALID, 12345),
        case("true for a token", INVALID, True),
        case("a list for a token", INVALID, ["a.b.c"]),
        case("an object for a token", INVALID, {"token": "a.b.c"}),
        case("a token of a megabyte", INVALID, "x" * 1_000_000),
        case("CR and LF in a token", INVALID, "abc\r\nX-Injected: yes"),
        case("a NUL in a token", INVALID, "abc\0def"),
        case("a blank in a token", INVALID, "abc def"),
        case("a token with letters beyond ASCII", INVALID, "tökén"),
        case("half a surrogate pair in a token", INVALID, "abc\ud800"),
    ],
)
def test_what_is_no_token_is_refused(room: Room, access: Any) -> None:
    room.says(room.good(access=access))
    room.fails("invalid_token_response")


@matrix(group="The token endpoint's answer: its body")
@pytest.mark.parametrize(
    "body",
    [
        case("an empty body", INVALID, b""),
        case("blanks alone", INVALID, b" \r\n"),
        case("JSON that is cut", INVALID, b'{"success": true, "data": {"acc'),
        case("an HTML page with status 200", INVALID, b"<!doctype html><title>Welcome</title>"),
        case("a JSON list", INVALID, b'[{"access_token": "a.b.c", "token_type": "Bearer"}]'),
        case("a JSON string", INVALID, b'"a.b.c"'),
        case("null", INVALID, b"null"),
        case("a number", INVALID, b"1e999"),
        case("an empty object", INVALID, b"{}"),
        case("bytes that are no text", INVALID, b'{"access_token": "\xff\xfe\xfa"}'),
        case("nesting of 100,000 lists", INVALID, b"[" * 100_000 + b"]" * 100_000),
        case("nesting of 40,000 objects", INVALID, b'{"a":' * 40_000 + b"1" + b"}" * 40_000),
        case("a number of 5,000 digits", INVALID, b'{"data": %s}' % (b"9" * 5000)),
        case("a form instead of JSON", INVALID, b"access_token=a.b.c&token_type=bearer"),
        case("zeros of 100 kB", INVALID, bytes(100_000)),
    ],
)
def test_what_is_no_answer_is_refused(room: Room, body: bytes) -> None:
    room.says(body)
    room.fails("invalid_token_response")


@matrix(group="The token endpoint's answer: its body", case="text after the JSON", outcome=INVALID)
def test_what_goes_on_after_its_end_is_refused(room: Room) -> None:
    room.says(json.dumps(room.good()).encode() + b"</html>")
    room.fails("invalid_token_response")


USED = "the token is used"


@matrix(group="The token endpoint's answer: its body")
@pytest.mark.parametrize(
    ("write", "content_type"),
    [
        case("JSON that says it is HTML", USED, "utf-8", "text/html"),
        case("JSON without a content type", USED, "utf-8", ""),
        case("JSON that says another charset", USED, "utf-8", "application/json; charset=utf-16"),
        case("a byte order mark", USED, "utf-8-sig", "application/json"),
        case("JSON in UTF-16", USED, "utf-16", "application/json"),
    ],
)
def test_what_can_be_read_is_read_whatever_it_calls_itself(room: Room, write: str, content_type: str) -> None:
    room.says(codecs.encode(json.dumps(room.good()), write), content_type=content_type)
    room.survives()


@matrix(group="The token endpoint's answer: its body", case="keys that come twice", outcome="the last one counts")
def test_of_keys_that_come_twice_the_last_counts(room: Room) -> None:
    name = "data" if room.provider in ("fyatu", "marketiger") else "access_token"
    name = "auth_token" if room.provider == "jwtplus" else name
    room.says(b'{"%s": {"a": "first"}, ' % name.encode() + json.dumps(room.good()).encode()[1:])
    room.survives()


@matrix(group="The token endpoint's answer: its body", case="members that nobody knows, 5,000", outcome=USED)
def test_what_nobody_knows_is_passed_over(room: Room) -> None:
    room.says({**{f"unknown_{each}": None for each in range(5000)}, **room.good(also="unknown")})
    room.survives()


@matrix(group="The token endpoint's answer: the type of the token")
@pytest.mark.parametrize("kind", [case(f"`{kind}`", INVALID, kind) for kind in ("mac", "DPoP", "N_A")])
def test_a_token_of_another_type_is_refused(typed_room: Room, kind: str) -> None:
    typed_room.says(typed_room.good(token_type=kind))
    typed_room.fails("invalid_token_response")


@matrix(group="The token endpoint's answer: the type of the token")
@pytest.mark.parametrize("kind", [case("a number", INVALID, 1), case("a list", INVALID, ["Bearer"])])
def test_a_type_that_is_no_text_is_refused(typed_room: Room, kind: Any) -> None:
    typed_room.says(typed_room.good(token_type=kind))
    typed_room.fails("invalid_token_response")


OAUTH_ONLY = f"{INVALID}; of OAuth 2.0 {USED}"


@matrix(group="The token endpoint's answer: the type of the token")
@pytest.mark.parametrize(
    "kind", [case("null", OAUTH_ONLY, None), case("`Bearer `", OAUTH_ONLY, "Bearer "), case("``", OAUTH_ONLY, "")]
)
def test_a_type_that_says_nothing_is_bearer_of_an_oauth_server_alone(typed_room: Room, kind: Any) -> None:
    typed_room.says(typed_room.good(token_type=kind))
    if typed_room.provider == "oauth2":
        typed_room.survives()
    else:
        typed_room.fails("invalid_token_response")


@matrix(group="The token endpoint's answer: the type of the token")
@pytest.mark.parametrize("kind", [case(f"`{kind}`", USED, kind) for kind in ("bearer", "BEARER")])
def test_the_types_case_does_not_matter(typed_room: Room, kind: str) -> None:
    typed_room.says(typed_room.good(token_type=kind))
    typed_room.survives()
