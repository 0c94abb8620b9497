"""A renewal that waits for a thread of the pool, or runs in one."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

__all__ = ["PATIENCE", "THREADS", "Job"]

THREADS = 20
"""Threads for one server. With more of them, they delay an event loop more than they speed up the renewals."""
PATIENCE = 1.0
"""Seconds for which a worker that waits for a lock counts."""


@dataclass(slots=True, eq=False)
class Job:
    """A renewal to run."""

    run: Callable[[], None] = field(repr=False)
    """Raises nothing."""
    server: Hashable
    at_once: int | None
    """The limit of concurrent calls to `server`, if the user has set one."""
    deadline: float
    """Seconds after which the job no longer counts: no request waits for it any more."""
    is_locked_out: Callable[[], bool]
    """Whether the job waits for the lock of another process."""
    began: float = 0.0

    @property
    def limit(self) -> int:
        """How many jobs for the same server may run. Those above the call limit check the store, or wait for it."""
        return max(THREADS, self.at_once or 0)

    def counts(self, now: float) -> bool:
        """Whether the job takes a place in the pool."""
        age = now - self.began
        return age <= self.deadline and not (age > PATIENCE and self.is_locked_out())
