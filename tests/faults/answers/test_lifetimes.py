"""What a token endpoint says of a token's end is believed as far as it can be true."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from auth_plugins.core.answers import MAX_LIFETIME

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.faults.answers.conftest import Room

    MakeRoom = Callable[[str, str], Room]

matrix = pytest.mark.matrix
OWN = "an hour: what the token itself says, or else what the provider's pages say"
ENDED = "the token is used for the request that waits for it, and renewed before the next"
CAPPED = "a year at most"


def case(what: str, outcome: str, *values: Any) -> Any:
    return pytest.param(*values, marks=matrix(case=what, outcome=outcome), id=what)


@matrix(group="The token endpoint's answer: `expires_in`")
@pytest.mark.parametrize(
    ("expires_in", "lifetime"),
    [
        case("absent", OWN, ..., 3600),
        case("null", OWN, None, 3600),
        case("true", OWN, True, 3600),
        case("garbage", OWN, "soon", 3600),
        case("an empty string", OWN, "", 3600),
        case("a list", OWN, [60], 3600),
        case("an object", OWN, {"seconds": 60}, 3600),
        case("NaN", OWN, float("nan"), 3600),
        case("Infinity", OWN, float("inf"), 3600),
        case("`NaN` as a string", OWN, "NaN", 3600),
        case("a whole number of 400 digits", OWN, 10**400, 3600),
        case("a number as a string", "the number", "1800", 1800),
        case("a fraction", "the fraction", 1800.5, 1800.5),
        case("one second", "one second", 1, 1),
        case("zero", ENDED, 0, 0),
        case("negative", ENDED, -5, 0),
        case("next to nothing (1e-9)", ENDED, 1e-9, 1e-9),
        case("a thousand years", CAPPED, 1000 * 365 * 86_400, MAX_LIFETIME),
        case("1e300", CAPPED, 1e300, MAX_LIFETIME),
    ],
)
def test_a_lifetime_is_believed_as_far_as_it_can_be_true(typed_room: Room, expires_in: Any, lifetime: float) -> None:
    typed_room.says(typed_room.good(expires_in=expires_in))
    token = typed_room.survives()
    assert token.expires_at - token.issued_at == pytest.approx(lifetime, abs=1e-6)
    if lifetime < 0.1:
        typed_room.asked.clear()
        typed_room.survives()


@matrix(group="The token endpoint's answer: `expires_in`", case="twice, and different", outcome="the last one counts")
def test_of_two_lifetimes_the_last_counts(typed_room: Room) -> None:
    written = json.dumps(typed_room.good(expires_in=5)).replace('": 5', '": 5, "expiresIn": 50, "expires_in": 50')
    typed_room.says(written.encode())
    token = typed_room.survives()
    assert token.expires_at - token.issued_at == 50


@matrix(group="The token endpoint's answer: an absolute end (Fyatu's `expiresAt`)")
@pytest.mark.parametrize(
    ("moment", "lifetime"),
    [
        case("in UTC, as `Z`", "that moment", "2027-01-15T10:00:00Z", 7200),
        case("in UTC, as an offset", "that moment", "2027-01-15T10:00:00+00:00", 7200),
        case("in another zone, to the east", "that moment", "2027-01-15T15:30:00+05:30", 7200),
        case("in another zone, to the west", "that moment", "2027-01-14T22:00:00-12:00", 7200),
        case("with fractions of a second", "that moment", "2027-01-15T10:00:00.500Z", 7200.5),
        case("in the past", ENDED, "2020-01-01T00:00:00Z", 0),
        case("in the year 9999", CAPPED, "9999-12-31T23:59:59Z", MAX_LIFETIME),
        case("without a zone", OWN, "2027-01-15T10:00:00", 3600),
        case("garbage", OWN, "next Tuesday", 3600),
        case("a day that is none", OWN, "2027-02-30T10:00:00Z", 3600),
        case("a leap second", OWN, "2027-06-30T23:59:60Z", 3600),
        case("a number", OWN, 1_800_007_200, 3600),
        case("null", OWN, None, 3600),
        case("before all time", OWN, "0000-00-00T00:00:00Z", 3600),
    ],
)
@pytest.mark.parametrize("kind", ["requests", "httpx", "httpx2"])
def test_an_absolute_end_is_read_in_its_own_zone(make_room: MakeRoom, kind: str, moment: Any, lifetime: float) -> None:
    room = make_room("fyatu", kind)
    room.says(room.good(expires_in=..., expiresAt=moment))
    token = room.survives()
    assert token.expires_at - token.issued_at == pytest.approx(lifetime, abs=1e-6)


@matrix(group="The token endpoint's answer: the end in a JWT (Marketiger)")
@pytest.mark.parametrize(
    ("claims", "lifetime"),
    [
        case("`exp` and `iat`", "their difference", {"iat": 1000, "exp": 2800}, 1800),
        case("`exp` alone", "that moment", {"exp": 1_800_001_800}, 1800),
        case("`exp` in the past, of a wrong clock", "the difference to `iat`", {"iat": 0, "exp": 60}, 60),
        case("`exp` in the past, without `iat`", "a quarter of an hour, which is assumed", {"exp": 60}, 900),
        case("no `exp`", "a quarter of an hour, which is assumed", {}, 900),
        case("`exp` is garbage", "a quarter of an hour, which is assumed", {"exp": "soon"}, 900),
        case("`exp` is NaN", "a quarter of an hour, which is assumed", {"exp": float("nan")}, 900),
        case("`exp` is beyond all measure", CAPPED, {"iat": 0, "exp": 1e300}, MAX_LIFETIME),
    ],
)
@pytest.mark.parametrize("kind", ["requests", "httpx", "httpx2"])
def test_the_end_in_a_jwt_is_believed_as_far_as_it_can_be_true(
    make_room: MakeRoom, kind: str, claims: dict[str, Any], lifetime: float
) -> None:
    room = make_room("marketiger", kind)
    room.says(room.good(access=room.jwt(**claims)))
    token = room.survives()
    assert token.expires_at - token.issued_at == pytest.approx(lifetime, abs=1e-6)
