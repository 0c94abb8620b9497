"""The clock that tokens are judged by, and its interface."""

from __future__ import annotations

import time
from typing import Protocol, runtime_checkable

__all__ = ["SYSTEM_CLOCK", "Clock", "SystemClock"]


@runtime_checkable
class Clock(Protocol):
    """A wall clock and a monotonic clock. Both are needed: the first may jump, the second may stop during suspend."""

    def __call__(self) -> float:
        """Return the time, in seconds since the epoch."""

    def monotonic(self) -> float:
        """Return the seconds since a fixed but arbitrary moment. The result never decreases."""

    def sleep(self, seconds: float) -> None:
        """Wait for that many seconds."""


class SystemClock:
    """The clocks of the machine: `time.time`, `time.monotonic` and `time.sleep`."""

    __call__ = staticmethod(time.time)
    monotonic = staticmethod(time.monotonic)
    sleep = staticmethod(time.sleep)

    def __repr__(self) -> str:
        return "SYSTEM_CLOCK"

    def __reduce__(self) -> str:
        return "SYSTEM_CLOCK"


SYSTEM_CLOCK = SystemClock()
