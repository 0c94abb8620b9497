"""Ctrl-C between any two lines of what starts a renewal: other threads and later requests get their token."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from linecache import getline
from types import FrameType
from typing import Any

import pytest

from auth_plugins.engine import flight_runner as launching
from auth_plugins.engine import token_source as sources
from auth_plugins.engine import worker_pool
from tests.engine.test_token_source import Room

WATCHED = (launching.__file__, sources.__file__, worker_pool.__file__)


@contextmanager
def interrupted_at(line: int) -> Iterator[list[int]]:
    """Raise KeyboardInterrupt before the line of that number, as lines are counted when they are run."""
    count = [0]

    def on_line(frame: FrameType, event: str, _arg: object) -> Any:
        # The interpreter looks for signals after calls and when a function begins, and not between the end of a block
        # and the call of its lock's `__exit__`, where a line is counted once more for `with`.
        if event == "line" and not getline(frame.f_code.co_filename, frame.f_lineno).lstrip().startswith("with "):
            count[0] += 1
            if count[0] == line:
                raise KeyboardInterrupt
        return on_line

    def on_call(frame: FrameType, _event: str, _arg: object) -> Any:
        return on_line if frame.f_code.co_filename in WATCHED else None

    before = sys.gettrace()
    sys.settrace(on_call)
    try:
        yield count
    finally:
        sys.settrace(before)


def lines() -> int:
    with interrupted_at(0) as count:
        Room().auth.token()
    return count[0]


def test_a_renewal_that_is_interrupted_while_it_starts_is_finished_or_started_by_the_next() -> None:
    interrupted = 0
    for line in range(1, lines() + 1):
        room = Room()
        room.hurry()
        try:
            with interrupted_at(line):
                room.auth.token()
        except KeyboardInterrupt:
            interrupted += 1
        assert room.auth.token().access_token, f"interrupted at line {line}"
        assert room.fyatu.ledger.token_calls == 1
    assert interrupted > 20


def test_who_joined_a_renewal_whose_start_was_interrupted_gets_its_token(monkeypatch: pytest.MonkeyPatch) -> None:
    room = Room()
    start = launching._enqueue

    def interrupted(*arguments: Any) -> None:
        monkeypatch.setattr(launching, "_enqueue", start)
        raise KeyboardInterrupt

    monkeypatch.setattr(launching, "_enqueue", interrupted)
    with pytest.raises(KeyboardInterrupt):
        room.auth.token()
    flight = room.shared.flight
    assert flight is None or flight.wait_done(10.0)
    assert room.auth.token().access_token
    assert room.fyatu.ledger.token_calls == 1
