"""What the status of a token endpoint's answer means, whatever its body says."""

from __future__ import annotations

from email.utils import formatdate
from typing import TYPE_CHECKING, Any

import pytest

from auth_plugins import AuthError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.faults.answers.conftest import Room

    MakeRoom = Callable[[str, str], Room]

matrix = pytest.mark.matrix
UNAVAILABLE, INVALID = "`TokenEndpointUnavailable`", "`InvalidTokenResponse`"
REFUSED = "`CredentialsRejected`, and silence until the cool-down ends"
GATEWAY = b"<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>"


def case(what: str, outcome: str, *values: Any) -> Any:
    return pytest.param(*values, marks=matrix(case=what, outcome=outcome), id=what)


@matrix(group="The token endpoint's answer: redirects")
@pytest.mark.parametrize(
    "status", [case(str(status), f"{INVALID}; it is not followed", status) for status in (301, 302, 303, 307, 308)]
)
def test_a_redirect_is_not_followed(room: Room, status: int) -> None:
    room.says(room.good(), status, location=f"{room.url}/elsewhere")
    error = room.fails("invalid_token_response")
    assert error.status == status
    assert not any("elsewhere" in path for path in room.asked)


@matrix(group="The token endpoint's answer: redirects", case="without `Location`, or 304", outcome=INVALID)
@pytest.mark.parametrize("status", [300, 302, 304])
def test_a_redirect_to_nowhere_is_refused(room: Room, status: int) -> None:
    room.says(b"", status)
    room.fails("invalid_token_response")


@matrix(group="The token endpoint's answer: the status")
@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        case("500 with an empty body", UNAVAILABLE, 500, b"", "token_endpoint_unavailable"),
        case("502 with an HTML page", UNAVAILABLE, 502, GATEWAY, "token_endpoint_unavailable"),
        case("503 without `Retry-After`", UNAVAILABLE, 503, b"{}", "token_endpoint_unavailable"),
        case("504", UNAVAILABLE, 504, b"upstream timed out", "token_endpoint_unavailable"),
        case("599", UNAVAILABLE, 599, b"{}", "token_endpoint_unavailable"),
        case("429 without `Retry-After`", UNAVAILABLE, 429, b"{}", "token_endpoint_unavailable"),
        case("404 with an HTML page", INVALID, 404, b"<h1>Not Found</h1>", "invalid_token_response"),
        case("405", INVALID, 405, b"", "invalid_token_response"),
        case("204", INVALID, 204, b"", "invalid_token_response"),
        case("202 without a token", INVALID, 202, b"{}", "invalid_token_response"),
        case("403 with an HTML page", UNAVAILABLE, 403, GATEWAY, "token_endpoint_unavailable"),
        case("407", UNAVAILABLE, 407, b"", "token_endpoint_unavailable"),
        case("451", UNAVAILABLE, 451, b"", "token_endpoint_unavailable"),
    ],
)
def test_a_status_is_told_by_its_meaning(room: Room, status: int, body: bytes, code: str) -> None:
    room.says(body, status)
    error = room.fails(code)
    assert error.status == status


@matrix(
    group="The token endpoint's answer: the status",
    case="403 with an empty body",
    outcome=f"{UNAVAILABLE}; of OAuth 2.0 `CredentialsRejected`",
)
def test_an_empty_403_is_a_refusal_of_an_oauth_server_alone(room: Room) -> None:
    room.says(b"", 403)
    room.fails("credentials_rejected" if room.provider == "oauth2" else "token_endpoint_unavailable")


@matrix(group="The token endpoint's answer: the status", case="500 with a token in it", outcome=UNAVAILABLE)
def test_a_token_in_a_failure_is_not_taken(room: Room) -> None:
    room.says(room.good(), 500)
    room.fails("token_endpoint_unavailable")


@matrix(group="The token endpoint's answer: the status", case="201 with a token", outcome="the token is used")
def test_any_success_with_a_token_is_one(room: Room) -> None:
    room.says(room.good(), 201)
    room.survives()


@matrix(group="The token endpoint's answer: the status", case="200 that says `success: false`", outcome=REFUSED)
@pytest.mark.parametrize("kind", ["requests", "httpx", "httpx2"])
@pytest.mark.parametrize("provider", ["fyatu", "marketiger"])
def test_a_success_that_says_it_is_none_is_none(make_room: MakeRoom, provider: str, kind: str) -> None:
    room = make_room(provider, kind)
    room.says({**room.good(), "success": False, "error": {"code": "NO", "type": "AUTHENTICATION"}})
    room.fails("credentials_rejected")


@matrix(group="The token endpoint's answer: the status", case="200 that names an error", outcome=REFUSED)
@pytest.mark.parametrize("kind", ["requests", "httpx", "httpx2"])
@pytest.mark.parametrize("provider", ["oauth2", "vault"])
def test_a_success_that_names_an_error_is_none(make_room: MakeRoom, provider: str, kind: str) -> None:
    room = make_room(provider, kind)
    room.says({"error": "invalid_grant" if provider == "vault" else "invalid_client"})
    room.fails("credentials_rejected")


BELIEVED = f"{UNAVAILABLE}; no call before that moment"
CAPPED = f"{UNAVAILABLE}; no call for `retry_after_cap` (5 minutes)"
NOT_READ = f"{UNAVAILABLE}; the next request tries again"


@matrix(group="The token endpoint's answer: `Retry-After`")
@pytest.mark.parametrize(
    ("said", "pause"),
    [
        case("seconds", BELIEVED, "20", 20),
        case("a date", BELIEVED, formatdate(1_800_000_020, usegmt=True), 20),
        case("a date in another zone", BELIEVED, "Fri, 15 Jan 2027 10:00:20 +0200", 20),
        case("a date of the old kind (RFC 850)", BELIEVED, "Friday, 15-Jan-27 08:00:20 GMT", 20),
        case("a date in the past", NOT_READ, formatdate(0, usegmt=True), 0),
        case("zero", NOT_READ, "0", 0),
        case("a year", CAPPED, "31536000", 300),
        case("the year 9999", CAPPED, "Fri, 31 Dec 9999 23:59:59 GMT", 300),
        case("a number of 400 digits", NOT_READ, "9" * 400, 0),
        case("negative", NOT_READ, "-20", 0),
        case("a fraction", NOT_READ, "20.5", 0),
        case("garbage", NOT_READ, "when it is cooler", 0),
        case("empty", NOT_READ, "", 0),
        case("digits that are not ASCII", NOT_READ, "٢٠", 0),
        case("two of them", NOT_READ, "20, 40", 0),
    ],
)
def test_retry_after_is_respected_as_far_as_it_can_be_read(room: Room, said: str, pause: float) -> None:
    room.says(b"{}", 429 if room.provider == "fyatu" else 503, retry_after=said)
    with room.client() as client:
        for _ in range(3):
            with pytest.raises(AuthError) as caught:
                client.send("GET", f"{room.url}/x")
            room.told(caught, "token_endpoint_unavailable", room.world.kind)
        assert len(room.asked) == (1 if pause else 2), "the second failure is an outage"
        room.world.clock.advance(max(0, pause - 1))
        room.says(room.good())
        if pause:
            with pytest.raises(AuthError):
                client.send("GET", f"{room.url}/x")
        room.world.clock.advance(1)
        assert client.send("GET", f"{room.url}/x").status == 200


SECRET = "your_secret_key_here"
STRUCK = "the error's text has `***` in its place"
SHORT = "the error's text is short and can be printed"


@matrix(group="The token endpoint's answer: what an error says")
@pytest.mark.parametrize(
    "words",
    [
        case("the secret", STRUCK, f"no such key: {SECRET}!"),
        case("the secret, many times", STRUCK, SECRET * 50),
        case("a text of 20 kB", SHORT, "x" * 20_000),
        case("control characters", SHORT, "a\0b\r\nc\x1b[31mred"),
        case("half a surrogate pair", SHORT, "\ud800"),
        case("a number for a text", SHORT, 7),
        case("an object for a text", SHORT, {"text": SECRET}),
        case("text that runs from right to left", SHORT, "\u202egnp.exe"),
    ],
)
def test_an_errors_words_are_shown_short_and_without_secrets(room: Room, words: Any) -> None:
    error = {"code": "NO", "message": words, "type": words}
    oauth = {"error": "invalid_client", "error_description": words, "errors": words}
    room.says({"success": False, "message": words, **oauth, **({"error": error} if "data" in room.good() else {})}, 403)
    # JWTPlus's own words on a key are one of three texts: any other is an intermediary's.
    text = str(room.fails("token_endpoint_unavailable" if room.provider == "jwtplus" else "credentials_rejected"))
    assert len(text) < 1000
    assert text.isprintable()
    text.encode()
