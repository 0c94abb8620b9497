"""Runs functions in a forked child, also where the fork did not run Python's own hooks.

`os.register_at_fork` covers `os.fork` and everything that uses it. A program in C that embeds Python and calls
`fork(2)` itself, such as uWSGI, runs those hooks only if it is told to. So each state that a fork breaks (a lock that a
thread of the parent holds, a renewal in such a thread) calls `check_process` before it is used.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

__all__ = ["check_process", "in_child"]

_handlers: list[Callable[[], None]] = []
_locks: dict[int, threading.RLock] = {}
"""A lock for each process that has to be put in order; the parent's may be held by a thread that the child lacks."""
_process = os.getpid()
_getpid = os.getpid


def in_child(handler: Callable[[], None]) -> None:
    """Call `handler` in every child that is forked from now on, before the states of this package are used there."""
    _handlers.append(handler)


def check_process() -> None:
    """Call the handlers if this process is a child in which they have not been called."""
    if _getpid() != _process:
        _put_in_order()


def _put_in_order() -> None:
    global _process
    pid = _getpid()
    with _locks.setdefault(pid, threading.RLock()):
        if pid == _process:
            return
        for handler in _handlers:
            handler()
        _process = pid
    _locks.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_put_in_order)
