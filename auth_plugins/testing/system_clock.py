"""Puts a clock that a test moves in the place of the system's, in auth objects that exist already, too."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from auth_plugins.clients import fast_path
from auth_plugins.engine import SystemClock
from auth_plugins.stores import memory

from .clock import FakeClock

__all__ = ["stopped_clock"]

_PARTS = ("__call__", "monotonic", "sleep")
Hands = tuple[Callable[[], float], Callable[[], float]]


@contextmanager
def stopped_clock(clock: FakeClock | None = None) -> Iterator[FakeClock]:
    """Let all auth objects of this process, and all `MemoryStore`s, read `clock` until the block ends.

    Auth objects that have a `clock=` of their own keep it. All other code keeps the clock of the system.

    Args:
        clock: the clock. `None`: a new one, which stands still at the present time.
    """
    clock = clock or FakeClock(time.time())
    system: dict[str, Any] = {name: vars(SystemClock)[name] for name in _PARTS}
    for name in _PARTS:
        setattr(SystemClock, name, staticmethod(getattr(clock, name)))
    _replace_hands((time.time, time.monotonic), (clock.__call__, clock.monotonic))
    try:
        yield clock
    finally:
        for name, part in system.items():
            setattr(SystemClock, name, part)
        _replace_hands((clock.__call__, clock.monotonic), (time.time, time.monotonic))


def _replace_hands(old: Hands, new: Hands) -> None:
    # The fast path and the stores hold the functions themselves.
    for home in gc.get_objects():
        if type(home) is fast_path._HomeOrigin and home.wall == old[0]:
            home.wall, home.monotonic = new
    for store in list(memory._stores):
        if store._clock == old[0]:
            store._clock = new[0]
