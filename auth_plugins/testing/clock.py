"""A clock that stands still until a test moves it."""

from __future__ import annotations

from threading import Lock


class FakeClock:
    """A wall clock and a monotonic clock. Call it for the wall time; threads may share it."""

    def __init__(self, start: float = 1_800_000_000.0) -> None:
        self._wall = start
        self._monotonic = 0.0
        self._lock = Lock()

    def __call__(self) -> float:
        """The wall time, in seconds since the epoch: stands in for `time.time`."""
        return self._wall

    def monotonic(self) -> float:
        """The monotonic time, in seconds since the clock was made: stands in for `time.monotonic`."""
        return self._monotonic

    def advance(self, seconds: float) -> None:
        """Let time pass: both clocks move on."""
        if seconds < 0:
            raise ValueError("seconds: time does not pass backwards; jump() sets the wall clock back")
        with self._lock:
            self._wall += seconds
            self._monotonic += seconds

    def sleep(self, seconds: float) -> None:
        """Let time pass, without waiting for it: stands in for `time.sleep`."""
        self.advance(seconds)

    def jump(self, seconds: float) -> None:
        """Set the wall clock on or back, as an administrator or NTP does; no time passes."""
        with self._lock:
            self._wall += seconds
