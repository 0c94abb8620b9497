"""One renewal under way: whoever needs its outcome waits here, from any thread and any event loop.

A flight belongs to nobody. The one that started it waits like all others, and whoever stops waiting, being
cancelled or out of time, leaves it as it is. Waiters of one event loop share one bell, rung through that loop.
"""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Any, Protocol

from ..core.errors import AuthError, TokenEndpointUnavailable
from .snapshot import Snapshot

if TYPE_CHECKING:
    from .context import Context
    from .shared import SharedState

__all__ = ["Flight", "Job", "Outcome"]

Outcome = Snapshot | AuthError
Job = Callable[["Context", "SharedState"], Snapshot]
"""What a flight does."""


class _Bell(Protocol):
    def ring(self) -> None: ...
    async def heard(self, timeout: float) -> None: ...  # noqa: ASYNC109


class _AsyncioBell:
    def __init__(self, asyncio: Any, loop: Any) -> None:
        self._asyncio, self._loop, self._event = asyncio, loop, asyncio.Event()

    def ring(self) -> None:
        self._loop.call_soon_threadsafe(self._event.set)

    async def heard(self, timeout: float) -> None:  # noqa: ASYNC109 - one signature for every loop
        try:
            async with self._asyncio.timeout(timeout):
                await self._event.wait()
        except TimeoutError:
            pass


class _TrioBell:
    def __init__(self, trio: Any) -> None:
        self._trio, self._event, self._token = trio, trio.Event(), trio.lowlevel.current_trio_token()

    def ring(self) -> None:
        self._token.run_sync_soon(self._event.set)

    async def heard(self, timeout: float) -> None:  # noqa: ASYNC109
        with self._trio.move_on_after(timeout):
            await self._event.wait()


class Flight:
    """A renewal's outcome, to come."""

    def __init__(
        self, started: float, job: Job | None = None, *, renews: bool = True, failure: AuthError | None = None
    ) -> None:
        self._job = job
        self.started = started
        """By the steady hand of the clock."""
        self.renews = renews
        """Or it only waits, or looks, for something: whoever needs another token is not served by that."""
        self._failure = failure
        """What whoever waited in vain is told."""
        self.waits_for: AuthError | None = None
        """The same, while the renewal waits for something else than its call."""
        self._published: Snapshot | None = None
        self._teller: int | None = None
        self._guard = threading.Lock()
        self._done = threading.Event()
        self._bells: dict[Hashable, _Bell] = {}
        self._outcome: Outcome | None = None
        self._begun, self._claimed = job is None, False

    @property
    def job(self) -> Job:
        """What the thread that claimed it has to do."""
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

    def claim(self) -> bool:
        """Take it over. Only the first who asks may: it has one job, to be done once."""
        with self._guard:
            claimed, self._claimed = self._claimed, True
        return not claimed

    @property
    def is_done(self) -> bool:
        """Whether its outcome is known, though not everybody may have been told."""
        return self._outcome is not None

    def set_outcome(self, outcome: Outcome) -> None:
        """Write the outcome down; only the first one counts."""
        with self._guard:
            if self._outcome is None:
                self._outcome, self._teller = outcome, threading.get_ident()

    def publish(self, snapshot: Snapshot) -> None:
        """Note the token that requests use already, though the renewal has not ended."""
        self._published = snapshot

    @property
    def is_notified_by_this_thread(self) -> bool:
        """Whether it is this very thread that has yet to tell everybody."""
        return self._teller == threading.get_ident()

    def notify_waiters(self, outcome: Outcome) -> None:
        """Tell everybody."""
        self.set_outcome(outcome)
        with self._guard:
            self._done.set()
            bells = list(self._bells.values())
        for bell in bells:
            # A closed loop raises RuntimeError (asyncio) or RunFinishedError (trio), and another make of loop may raise
            # anything. No task waits in a closed loop; the tasks of the other loops still have to be woken.
            with contextlib.suppress(Exception):
                bell.ring()

    def wait_done(self, timeout: float) -> bool:
        """Wait until everybody was told; `False`: `timeout` seconds were not enough."""
        return self._done.wait(timeout)

    def wait(self, timeout: float, instead: Snapshot | None = None) -> Snapshot:
        """Wait in this thread, at most `timeout` seconds.

        Give the token; or `instead`, or else raise a copy of the failure.
        """
        if not self.is_notified_by_this_thread:
            self._done.wait(timeout)
        return self._result(timeout, instead)

    async def wait_async(self, timeout: float, instead: Snapshot | None = None) -> Snapshot:  # noqa: ASYNC109
        """Do as `wait`, in a task of asyncio or trio."""
        with self._guard:
            bell = None if self._done.is_set() or self.is_notified_by_this_thread else self._bell_here()
        if bell is not None:
            await bell.heard(timeout)
        return self._result(timeout, instead)

    def _bell_here(self) -> _Bell:
        trio = _trio_of_this_task()
        if trio is not None:
            here: Hashable = trio.lowlevel.current_trio_token()
            if here not in self._bells:
                self._bells[here] = _TrioBell(trio)
            return self._bells[here]
        import asyncio  # Not at the top: it takes longer to import than most of the package.

        loop = asyncio.get_running_loop()
        if loop not in self._bells:
            self._bells[loop] = _AsyncioBell(asyncio, loop)
        return self._bells[loop]

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


def _trio_of_this_task() -> Any:
    """Return the module `trio` if the caller is one of its tasks, or None.

    asyncio is asked first. While an asyncio task runs, another thread may be importing trio for the first time, and a
    module that is partly imported stands in `sys.modules`. In a trio task trio is whole, and no asyncio task is
    current, even where trio runs as a guest in an asyncio loop.
    """
    if "asyncio" in sys.modules:
        import asyncio  # Unlike `sys.modules`, an import statement waits until another thread has imported it.

        with contextlib.suppress(RuntimeError):  # No loop of asyncio runs in this thread.
            if asyncio.current_task() is not None:
                return None
    trio = sys.modules.get("trio")
    in_trio_task = getattr(getattr(trio, "lowlevel", None), "in_trio_task", None)
    return trio if in_trio_task is not None and in_trio_task() else None
