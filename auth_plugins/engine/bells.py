"""How a thread wakes the tasks that wait for a flight, through the event loop of these tasks: asyncio's or trio's."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Hashable
from typing import Any, Protocol

__all__ = ["Bell", "bell_of_this_task"]


class Bell(Protocol):
    """Wakes the tasks of one event loop that wait for a flight."""

    def ring(self) -> None:
        """Wake the tasks, from any thread."""

    async def heard(self, timeout: float) -> None:  # noqa: ASYNC109
        """Wait in a task for the bell, at most `timeout` seconds."""


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


def bell_of_this_task() -> tuple[Hashable, Callable[[], Bell]]:
    """Return what identifies the event loop of the calling task, and what makes a bell for it."""
    trio = _trio_of_this_task()
    if trio is not None:
        return trio.lowlevel.current_trio_token(), lambda: _TrioBell(trio)
    import asyncio  # Imported late: it takes longer to import than most of the package.

    loop = asyncio.get_running_loop()
    return loop, lambda: _AsyncioBell(asyncio, loop)


def _trio_of_this_task() -> Any:
    """Return the module `trio` if the caller is one of its tasks, or None.

    asyncio is checked first. While an asyncio task runs, another thread may be importing trio for the first time, and
    a partly imported module is in `sys.modules`. In a trio task, trio is imported completely, and there is no current
    asyncio task, even if trio runs as a guest in an asyncio loop.
    """
    if "asyncio" in sys.modules:
        import asyncio  # Unlike `sys.modules`, an import statement waits until another thread has imported it.

        with contextlib.suppress(RuntimeError):  # No loop of asyncio runs in this thread.
            if asyncio.current_task() is not None:
                return None
    trio = sys.modules.get("trio")
    in_trio_task = getattr(getattr(trio, "lowlevel", None), "in_trio_task", None)
    return trio if in_trio_task is not None and in_trio_task() else None
