"""A clock that stands still until a test moves it."""

from __future__ import annotations

from threading import Lock


class FakeClock:
    """A wall clock and a monotonic clock. A call returns the wall time. Threads may share the clock."""

    def __init__(self, start: float = 1_800_000_000.0) -> None:
        self._wall = start
        self._monotonic = 0.0
        self._lock = Lock()

    def __call__(self) -> float:
        """Return the wall time, in seconds since the epoch; replaces `time.time`."""
        return self._wall

    def monotonic(self) -> float:
        """Return the monotonic time, in seconds since the clock was made; replaces `time.monotonic`."""
        return self._monotonic

    def advance(self, seconds: float) -> None:
        """Move both clocks forward."""
        if seconds < 0:
            raise ValueError("seconds must not be negative; jump() sets the wall clock back")
        with self._lock:
            self._wall += seconds
            self._monotonic += seconds

    def sleep(self, seconds: float) -> None:
        """Move both clocks forward without waiting; replaces `time.sleep`."""
        self.advance(seconds)

    def jump(self, seconds: float) -> None:
        """Move the wall clock only, forward or back, as an administrator or NTP does."""
        with self._lock:
            self._wall += seconds
