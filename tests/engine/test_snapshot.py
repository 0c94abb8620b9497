"""A token as the doors use it."""

from __future__ import annotations

import pickle
import time
from collections.abc import Mapping
from dataclasses import dataclass

import pytest

from auth_plugins import Token
from auth_plugins.engine.clock import SYSTEM_CLOCK
from auth_plugins.engine.snapshot import NO_TOKEN, Snapshot
from auth_plugins.providers.fyatu import FyatuContract
from auth_plugins.testing import FakeClock

THEN = 1_800_000_000.0
TOKEN = Token(access_token="at", issued_at=THEN, expires_at=THEN + 3600)


@dataclass(frozen=True, slots=True)
class Other(FyatuContract):
    carried: tuple[tuple[str, str], ...] = ()

    def headers(self, token: Token) -> Mapping[str, str]:
        return dict(self.carried)


FYATU = FyatuContract("A1B2C3D4E5F6G7H8", "your_secret_key_here", "https://api.example")


def carrying(*headers: tuple[str, str], unproven: bool = False) -> Snapshot:
    contract = Other("A1B2C3D4E5F6G7H8", "your_secret_key_here", "https://api.example", carried=headers)
    return Snapshot.of(TOKEN, contract, FakeClock(THEN), THEN + 3000, unproven=unproven)


def test_one_header_that_is_authorization_is_the_usual_case() -> None:
    snapshot = Snapshot.of(TOKEN, FYATU, FakeClock(THEN), THEN + 3000)
    assert (snapshot.fast_header, snapshot.httpx_header) == ("Bearer at", None)
    assert snapshot.headers == (("Authorization", "Bearer at"),)
    assert not snapshot.unproven


def test_the_raw_header_is_made_when_it_is_asked_for_and_where_it_is_usual() -> None:
    snapshot = Snapshot.of(TOKEN, FYATU, FakeClock(THEN), THEN + 3000)
    snapshot.prepare_for_httpx()
    assert snapshot.httpx_header == (b"Authorization", b"authorization", b"Bearer at")
    unproven = carrying(("Authorization", "Bearer at"), unproven=True)
    unproven.prepare_for_httpx()
    assert unproven.httpx_header is None


@pytest.mark.parametrize(
    "headers",
    [(), (("X-Token", "at"),), (("Authorization", "Bearer at"), ("X-Token", "at")), (("authorization", "Bearer at"),)],
    ids=["none", "another", "two", "spelled otherwise"],
)
def test_any_other_is_for_the_doors(headers: tuple[tuple[str, str], ...]) -> None:
    snapshot = carrying(*headers)
    assert snapshot.fast_header is None
    assert snapshot.headers == headers


def test_what_is_unproven_is_for_the_doors_until_it_is_proven() -> None:
    snapshot = carrying(("Authorization", "Bearer at"), unproven=True)
    assert snapshot.fast_header is None
    assert snapshot.headers == (("Authorization", "Bearer at"),)
    proven = snapshot.proven()
    assert (proven.fast_header, proven.headers, proven.unproven) == ("Bearer at", snapshot.headers, False)
    assert (proven.recheck_at, proven.recheck_at_monotonic, proven.token) == (
        snapshot.recheck_at,
        snapshot.recheck_at_monotonic,
        snapshot.token,
    )
    assert proven.proven().fast_header == "Bearer at"
    assert NO_TOKEN.fast_header is None


def test_what_goes_under_other_names_is_for_the_doors_once_it_is_proven_as_well() -> None:
    snapshot = carrying(("Authorization", "Bearer at"), ("X-Token", "at"), unproven=True)
    proven = snapshot.proven()
    assert (proven.fast_header, proven.headers, proven.unproven) == (None, snapshot.headers, False)


def test_a_snapshot_is_due_when_its_window_begins_by_both_clocks() -> None:
    clock = FakeClock(THEN)
    clock.advance(50)
    snapshot = Snapshot.of(TOKEN, FYATU, clock, THEN + 3000)
    assert (snapshot.wall_minus_monotonic, snapshot.window_opens_at) == (THEN, THEN + 3000)
    assert (snapshot.recheck_at, snapshot.recheck_at_monotonic) == (THEN + 3000, 3000)
    later = snapshot.until(THEN + 3500)
    assert (later.recheck_at, later.recheck_at_monotonic, later.token) == (THEN + 3500, 3500, TOKEN)


def test_a_snapshot_is_due_no_later_than_it_ends() -> None:
    assert Snapshot.of(TOKEN, FYATU, FakeClock(THEN), THEN + 9000).recheck_at == TOKEN.expires_at


def test_a_snapshot_is_fresh_until_either_clock_has_come_to_where_it_is_due() -> None:
    clock = FakeClock(THEN)
    snapshot = Snapshot.of(TOKEN, FYATU, clock, THEN + 3000)
    clock.advance(2999)
    assert snapshot.is_fresh(clock)
    clock.jump(1)
    assert (clock(), snapshot.is_fresh(clock)) == (THEN + 3000, False)
    clock.jump(-500)
    clock.advance(1)
    assert (clock.monotonic(), snapshot.is_fresh(clock)) == (3000, False)
    assert not NO_TOKEN.is_fresh(clock)


def test_a_snapshot_is_as_old_as_the_clock_says_that_has_gone_further() -> None:
    clock = FakeClock(THEN)
    snapshot = Snapshot.of(TOKEN, FYATU, clock, THEN + 3000)
    clock.advance(10)
    assert snapshot.now(clock) == THEN + 10
    clock.jump(-5)
    assert snapshot.now(clock) == THEN + 10
    clock.jump(100)
    assert snapshot.now(clock) == THEN + 105


def test_a_request_carries_it_if_all_its_headers_are_there() -> None:
    snapshot = carrying(("Authorization", "Bearer at"), ("X-Token", "at"))
    assert snapshot.is_carried({"Authorization": "Bearer at", "X-Token": "at"}.get)
    assert not snapshot.is_carried({"Authorization": "Bearer at"}.get)
    assert not NO_TOKEN.is_carried(dict[str, str]().get)


def test_the_machines_clock_is_one_and_tells_its_time() -> None:
    assert repr(SYSTEM_CLOCK) == "SYSTEM_CLOCK"
    assert pickle.loads(pickle.dumps(SYSTEM_CLOCK)) is SYSTEM_CLOCK
    before, steady = time.time(), time.monotonic()
    assert before <= SYSTEM_CLOCK() <= time.time()
    assert steady <= SYSTEM_CLOCK.monotonic() <= time.monotonic()
