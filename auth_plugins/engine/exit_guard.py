"""What the end of the program waits for, and for how long: renewals that would lose a session if they were cut off.

Renewals run in daemon threads, so the interpreter ends without them. One that has used a refresh token of which there
is no second one `hold`s the exit until the new token is saved, for a limited time. Once the exit has begun, no
renewal can do so any more, and none may use such a refresh token.
"""

from __future__ import annotations

import atexit
import contextlib
import sys
import threading
import time
from collections.abc import Hashable

from ..core.errors import AuthError
from ..stores.forks import check_process, in_child

__all__ = ["WITH_LEASE", "hold", "is_ending", "release"]

WITH_LEASE = 0.5
"""Seconds for which the exit waits for a renewal that has a lock with a lease, as in Redis. Otherwise other machines
would wait until the lease ends."""


class _Guard:
    def __init__(self) -> None:
        self.changed = threading.Condition(threading.RLock())
        self.held: dict[Hashable, float] = {}
        """The seconds for which the exit waits for each renewal."""
        self.is_ending = self.has_finalizer = False


_guard = _Guard()


def is_ending() -> bool:
    """Whether the exit has begun: it waits for the renewals that hold it already, and for no other."""
    return _guard.is_ending


def hold(renewal: Hashable, seconds: float) -> None:
    """Let the exit of the interpreter wait for `renewal`, until its `release`, for up to `seconds`.

    Raises:
        AuthError: the exit has begun, and would not wait.
    """
    check_process()
    with _guard.changed:
        # The main thread runs the exit handlers: what it does itself is not cut off.
        if _guard.is_ending and threading.current_thread() is not threading.main_thread():
            raise AuthError("The program is ending, so the token was not renewed", hint="The next start renews it.")
        _guard.held[renewal] = max(seconds, _guard.held.get(renewal, 0.0))
        _hold_child_of_multiprocessing()


def release(renewal: Hashable) -> None:
    """Let the exit no longer wait for `renewal`."""
    with _guard.changed:
        _guard.held.pop(renewal, None)
        _guard.changed.notify_all()


def _wait(*, is_last: bool = False) -> None:
    began = time.monotonic()
    with _guard.changed:
        _guard.is_ending = is_last
        while _guard.held:
            left = began + max(_guard.held.values()) - time.monotonic()
            if left <= 0:
                break
            _guard.changed.wait(left)


@atexit.register
def _at_exit() -> None:
    check_process()
    with contextlib.suppress(KeyboardInterrupt):  # A second Ctrl-C ends the wait.
        _wait(is_last=True)


def _hold_child_of_multiprocessing() -> None:
    """Do the same in a child of multiprocessing, which ends without `atexit` handlers but runs its own finalizers."""
    library, util = sys.modules.get("multiprocessing"), sys.modules.get("multiprocessing.util")
    if library is not None and util is not None and not _guard.has_finalizer:
        _guard.has_finalizer = True
        if library.parent_process() is not None:
            util.Finalize(None, _wait, exitpriority=0)


def _after_fork() -> None:
    # The renewals are in threads of the parent, and one of them may hold the lock.
    _guard.__init__()  # type: ignore[misc]


in_child(_after_fork)
