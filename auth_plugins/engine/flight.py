"""A renewal under way. Requests wait here for its outcome, in any thread and any event loop.

A flight has no owner: the request that started it waits like all others, and a request that stops waiting, because
it was cancelled or timed out, does not affect it. Waiters in one event loop share one bell, which is rung through
that loop.
"""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Protocol

from ..core.errors import AuthError, TokenEndpointUnavailable
from .bells import Bell, bell_of_this_task
from .snapshot import Snapshot

if TYPE_CHECKING:
    from .context import Context
    from .shared_state import SharedState

__all__ = ["Flight", "Job", "Outcome", "Place"]

Outcome = Snapshot | AuthError
Job = Callable[["Context", "SharedState"], Snapshot]
"""The function that a flight runs. It returns the new snapshot or raises an `AuthError`."""


class Place(Protocol):
    """The place of a flight in the queue for a thread."""

    @property
    def advanced_at(self) -> float:
        """When the queue last went on, by `time.monotonic`: a token call to the same server got an answer."""

    def hurry(self) -> None:
        """Go ahead of the flights that no request waits for."""

    def run_here(self, *, may_block: bool) -> None:
        """Run the flight in this thread, if it would wait for a thread in vain.

        Raises:
            ConfigurationError: no thread can be started, and this one must not block.
        """


class Flight:
    """The future outcome of a renewal: a snapshot or an error."""

    def __init__(
        self,
        started: float,
        job: Job | None = None,
        *,
        renews: bool = True,
        failure: AuthError | None = None,
        awaited: bool = True,
    ) -> None:
        self._job = job
        self.started = started
        """The start, by the monotonic clock, in seconds; set again when a thread takes over the job."""
        self.awaited = awaited
        """Whether a request waits for it. False for a renewal in the background, as long as no request needs it."""
        self.place: Place | None = None
        """The place of the job in the queue for a thread."""
        self.renews = renews
        """False for a store check or a wait until a token is valid, which do not ask for a new token."""
        self._failure = failure
        """Raised on time-out instead of the default error."""
        self.waits_for: AuthError | None = None
        """Also raised on time-out, if there is no such error: what the renewal waits for before its token call."""
        self._published: Snapshot | None = None
        self._teller: int | None = None
        self._guard = threading.Lock()
        self._done = threading.Event()
        self._bells: dict[Hashable, Bell] = {}
        self._outcome: Outcome | None = None
        self._begun, self._claimed = job is None, False
        self._claimed_at = -math.inf

    @property
    def job(self) -> Job:
        """The function for the thread that claimed the flight to run."""
        assert self._job is not None, "a flight without a job cannot be claimed"  # noqa: S101 - narrows a type
        return self._job

    def begin(self) -> bool:
        """Return whether the caller has to start the job: True for the first caller only."""
        with self._guard:
            begins, self._begun = not self._begun, True
        return begins

    @property
    def is_claimed(self) -> bool:
        """Whether a thread has taken over the job."""
        return self._claimed

    @property
    def is_queued(self) -> bool:
        """Whether the job waits for a thread."""
        return self.place is not None and not self._claimed

    def claim(self) -> bool:
        """Take over the job. Return True for the first caller only, so that the job is run once."""
        with self._guard:
            claimed, self._claimed = self._claimed, True
            if not claimed:
                self._claimed_at = time.monotonic()
        return not claimed

    @property
    def is_done(self) -> bool:
        """Whether the outcome is set. The waiters may not have been notified yet."""
        return self._outcome is not None

    def set_outcome(self, outcome: Outcome) -> None:
        """Set the outcome, unless it is set already."""
        with self._guard:
            if self._outcome is None:
                self._outcome, self._teller = outcome, threading.get_ident()

    def publish(self, snapshot: Snapshot) -> None:
        """Set the token that waiters return if they time out: requests use it already."""
        self._published = snapshot

    @property
    def is_notified_by_this_thread(self) -> bool:
        """Whether the outcome was set by this thread, which also notifies the waiters: it must not wait for itself."""
        return self._teller == threading.get_ident()

    def notify_waiters(self, outcome: Outcome) -> None:
        """Wake all waiters, in threads and in event loops. Set the outcome, unless it is set already."""
        self.set_outcome(outcome)
        with self._guard:
            self._done.set()
            bells = list(self._bells.values())
        for bell in bells:
            # A closed loop raises RuntimeError (asyncio) or RunFinishedError (trio), and other event loops may raise
            # anything. No task waits in a closed loop; the tasks of the other loops still have to be woken.
            with contextlib.suppress(Exception):
                bell.ring()

    def wait_done(self, timeout: float) -> bool:
        """Wait until the waiters are notified. Return False if that takes longer than `timeout` seconds."""
        return self._done.wait(timeout)

    def wait(self, timeout: float, instead: Snapshot | None = None) -> Snapshot:
        """Wait in this thread, and return the token.

        The wait ends `timeout` seconds after it or the flight has begun, whichever is later. Until the flight begins,
        it also goes on while other token calls to the same server get answers.
        If the renewal failed or timed out, return `instead`, unless it is `None`.

        Raises:
            AuthError: the renewal failed or timed out, and `instead` is `None`. A new object for each waiter.
        """
        if not self.is_notified_by_this_thread:
            began = self._begin_wait(may_block=True)
            while (left := self._left(began, timeout)) > 0 and not self._done.wait(left):
                pass
        return self._result(timeout, instead)

    async def wait_async(self, timeout: float, instead: Snapshot | None = None) -> Snapshot:  # noqa: ASYNC109
        """Like `wait`, for a task of asyncio or trio."""
        with self._guard:
            bell = None if self._done.is_set() or self.is_notified_by_this_thread else self._bell_here()
        if bell is not None:
            began = self._begin_wait(may_block=False)
            while (left := self._left(began, timeout)) > 0 and not self._done.is_set():
                await bell.heard(left)
        return self._result(timeout, instead)

    def _begin_wait(self, *, may_block: bool) -> float:
        began = time.monotonic()
        if self.place is not None and not self._claimed:
            if not self.awaited:
                self.awaited = True
                self.place.hurry()
            self.place.run_here(may_block=may_block)
        return began

    def _left(self, began: float, timeout: float) -> float:
        """Return the seconds for which a request that began to wait at `began` waits from now on."""
        since = max(began, self._claimed_at)
        if self.place is not None and self.is_queued:
            since = max(since, self.place.advanced_at)
        return since + timeout - time.monotonic()

    def _bell_here(self) -> Bell:
        here, make = bell_of_this_task()
        if here not in self._bells:
            self._bells[here] = make()
        return self._bells[here]

    def _result(self, timeout: float, instead: Snapshot | None) -> Snapshot:
        outcome = self._outcome
        if isinstance(outcome, Snapshot):
            return outcome
        if self._published is not None:
            return self._published
        if instead is not None:
            return instead
        failure = self._failure or self.waits_for
        if outcome is None and failure is not None:
            raise failure.clone()
        if outcome is None:
            raise TokenEndpointUnavailable(f"The renewal did not end within {timeout:g} seconds")
        raise outcome.clone()
