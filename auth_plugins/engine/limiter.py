"""Limits the concurrent token calls of this process to one server: some servers fail under many of them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from weakref import WeakValueDictionary

from ..core.errors import TokenEndpointUnavailable
from ..core.origin import Origin
from ..core.provider import Provider
from ..stores.forks import check_process, in_child
from .clock import Clock

__all__ = ["call_permit"]

_Key = tuple[Origin | None, int]
_lock = threading.Lock()
_semaphores: WeakValueDictionary[_Key, threading.BoundedSemaphore] = WeakValueDictionary()
"""The semaphores in use: a thread holds them or waits for them."""


@contextmanager
def call_permit(provider: Provider, at_once: int | None, deadline: float, clock: Clock) -> Iterator[float]:
    """Wait until fewer than `at_once` calls to the same server are under way; yield the rest of `deadline`, in seconds.

    The wait takes at most half of the deadline: a call that times out may use up a refresh token without an answer.
    `at_once` of `None` is no limit.

    Raises:
        TokenEndpointUnavailable: the wait took that long.
    """
    if at_once is None:
        yield deadline
        return
    check_process()
    server, began = Origin.of(provider.base_url), clock.monotonic()
    with _lock:
        turns = _semaphores.setdefault((server, at_once), threading.BoundedSemaphore(at_once))
    if not turns.acquire(timeout=deadline / 2):
        raise TokenEndpointUnavailable(f"No token call could start at {server}: {at_once} under way")
    try:
        yield deadline - (clock.monotonic() - began)
    finally:
        turns.release()


def _after_fork() -> None:
    global _lock, _semaphores
    # The parent's threads that hold permits do not exist in the child, and so never release them there.
    _lock, _semaphores = threading.Lock(), WeakValueDictionary()


in_child(_after_fork)
