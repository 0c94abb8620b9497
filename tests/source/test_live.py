"""A token as the doors use it."""

from __future__ import annotations

import pickle
import time
from collections.abc import Mapping
from dataclasses import dataclass

import pytest

from auth_plugins import Token
from auth_plugins.providers.fyatu import FyatuContract
from auth_plugins.source.clock import SYSTEM_CLOCK
from auth_plugins.source.live import NOTHING, Live
from auth_plugins.testing import FakeClock

THEN = 1_800_000_000.0
TOKEN = Token(access_token="at", issued_at=THEN, expires_at=THEN + 3600)


@dataclass(frozen=True, slots=True)
class Other(FyatuContract):
    carried: tuple[tuple[str, str], ...] = ()

    def headers(self, token: Token) -> Mapping[str, str]:
        return dict(self.carried)


FYATU = FyatuContract("A1B2C3D4E5F6G7H8", "your_secret_key_here", "https://api.example")


def carrying(*headers: tuple[str, str], unproven: bool = False) -> Live:
    contract = Other("A1B2C3D4E5F6G7H8", "your_secret_key_here", "https://api.example", carried=headers)
    return Live.of(TOKEN, contract, FakeClock(THEN), THEN + 3000, unproven=unproven)


def test_one_header_that_is_authorization_is_the_usual_case() -> None:
    live = Live.of(TOKEN, FYATU, FakeClock(THEN), THEN + 3000)
    assert (live.usual, live.raw) == ("Bearer at", None)
    assert live.headers == (("Authorization", "Bearer at"),)
    assert not live.unproven


def test_the_raw_header_is_made_when_it_is_asked_for_and_where_it_is_usual() -> None:
    live = Live.of(TOKEN, FYATU, FakeClock(THEN), THEN + 3000)
    live.prepare_for_httpx()
    assert live.raw == (b"Authorization", b"authorization", b"Bearer at")
    unproven = carrying(("Authorization", "Bearer at"), unproven=True)
    unproven.prepare_for_httpx()
    assert unproven.raw is None


@pytest.mark.parametrize(
    "headers",
    [(), (("X-Token", "at"),), (("Authorization", "Bearer at"), ("X-Token", "at")), (("authorization", "Bearer at"),)],
    ids=["none", "another", "two", "spelled otherwise"],
)
def test_any_other_is_for_the_doors(headers: tuple[tuple[str, str], ...]) -> None:
    live = carrying(*headers)
    assert live.usual is None
    assert live.headers == headers


def test_what_is_unproven_is_for_the_doors_until_it_is_proven() -> None:
    live = carrying(("Authorization", "Bearer at"), unproven=True)
    assert live.usual is None
    assert live.headers == (("Authorization", "Bearer at"),)
    proven = live.proven()
    assert (proven.usual, proven.headers, proven.unproven) == ("Bearer at", live.headers, False)
    assert (proven.due_at, proven.due_tick, proven.token) == (live.due_at, live.due_tick, live.token)
    assert proven.proven().usual == "Bearer at"
    assert NOTHING.usual is None


def test_what_goes_under_other_names_is_for_the_doors_once_it_is_proven_as_well() -> None:
    live = carrying(("Authorization", "Bearer at"), ("X-Token", "at"), unproven=True)
    proven = live.proven()
    assert (proven.usual, proven.headers, proven.unproven) == (None, live.headers, False)


def test_it_is_due_when_its_window_begins_by_both_hands() -> None:
    clock = FakeClock(THEN)
    clock.advance(50)
    live = Live.of(TOKEN, FYATU, clock, THEN + 3000)
    assert (live.ahead, live.window_at) == (THEN, THEN + 3000)
    assert (live.due_at, live.due_tick) == (THEN + 3000, 3000)
    later = live.until(THEN + 3500)
    assert (later.due_at, later.due_tick, later.token) == (THEN + 3500, 3500, TOKEN)


def test_it_is_due_no_later_than_it_ends() -> None:
    assert Live.of(TOKEN, FYATU, FakeClock(THEN), THEN + 9000).due_at == TOKEN.expires_at


def test_it_is_fresh_until_either_hand_has_come_to_where_it_is_due() -> None:
    clock = FakeClock(THEN)
    live = Live.of(TOKEN, FYATU, clock, THEN + 3000)
    clock.advance(2999)
    assert live.is_fresh(clock)
    clock.jump(1)
    assert (clock(), live.is_fresh(clock)) == (THEN + 3000, False)
    clock.jump(-500)
    clock.advance(1)
    assert (clock.monotonic(), live.is_fresh(clock)) == (3000, False)
    assert not NOTHING.is_fresh(clock)


def test_it_is_as_old_as_the_hand_says_that_has_gone_further() -> None:
    clock = FakeClock(THEN)
    live = Live.of(TOKEN, FYATU, clock, THEN + 3000)
    clock.advance(10)
    assert live.now(clock) == THEN + 10
    clock.jump(-5)
    assert live.now(clock) == THEN + 10
    clock.jump(100)
    assert live.now(clock) == THEN + 105


def test_a_request_carries_it_if_all_its_headers_are_there() -> None:
    live = carrying(("Authorization", "Bearer at"), ("X-Token", "at"))
    assert live.is_carried({"Authorization": "Bearer at", "X-Token": "at"}.get)
    assert not live.is_carried({"Authorization": "Bearer at"}.get)
    assert not NOTHING.is_carried(dict[str, str]().get)


def test_the_machines_clock_is_one_and_tells_its_time() -> None:
    assert repr(SYSTEM_CLOCK) == "SYSTEM_CLOCK"
    assert pickle.loads(pickle.dumps(SYSTEM_CLOCK)) is SYSTEM_CLOCK
    before, steady = time.time(), time.monotonic()
    assert before <= SYSTEM_CLOCK() <= time.time()
    assert steady <= SYSTEM_CLOCK.monotonic() <= time.monotonic()
