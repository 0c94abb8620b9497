"""The order in which renewals get a thread: by whether a request waits for them, and in turn by server."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Hashable

from .job import Job

__all__ = ["FairQueue"]

_BACKGROUND_TURN = 4
"""Every so many turns, a renewal in the background goes before those that requests wait for."""


class FairQueue:
    """Jobs that requests wait for come first, but every fourth turn is for the background. Not thread-safe.

    Within each of these two, servers take turns, so a server with thousands of jobs does not hold up another server.
    The jobs of one server keep their order.
    """

    def __init__(self) -> None:
        self._awaited: OrderedDict[Hashable, deque[Job]] = OrderedDict()
        self._background: OrderedDict[Hashable, deque[Job]] = OrderedDict()
        self._turn = 0

    def __bool__(self) -> bool:
        return bool(self._awaited or self._background)

    def push(self, job: Job, *, awaited: bool) -> None:
        """Add a job at the end of its server's line."""
        lines = self._awaited if awaited else self._background
        lines.setdefault(job.server, deque()).append(job)

    def pop(self, may_run: Callable[[Job], bool], may_run_in_background: Callable[[Job], bool]) -> Job | None:
        """Remove and return the next job that may run, or None. Only the first job of each server is asked about."""
        lines = [(self._awaited, may_run), (self._background, may_run_in_background)]
        self._turn = (self._turn + 1) % _BACKGROUND_TURN
        if self._turn == 0:
            lines.reverse()
        return _pop(*lines[0]) or _pop(*lines[1])


def _pop(lines: OrderedDict[Hashable, deque[Job]], may_run: Callable[[Job], bool]) -> Job | None:
    for server, line in lines.items():
        if may_run(line[0]):
            job = line.popleft()
            lines.move_to_end(server)
            if not line:
                del lines[server]
            return job
    return None
