"""How many token calls this process makes at once at one server: some end under a herd of them."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from weakref import WeakValueDictionary

from ..core.errors import TokenEndpointUnavailable
from ..core.origin import Origin
from ..core.provider import Provider
from .clock import Clock

__all__ = ["call_permit"]

_Key = tuple[Origin | None, int]
_lock = threading.Lock()
_semaphores: WeakValueDictionary[_Key, threading.BoundedSemaphore] = WeakValueDictionary()
"""Those that somebody has, or waits for."""


@contextmanager
def call_permit(provider: Provider, at_once: int | None, deadline: float, clock: Clock) -> Iterator[float]:
    """Wait until fewer than `at_once` others call the same server; give what is left of `deadline`, in seconds.

    One waits for half of it at most: a call that has no time left may use a refresh token up and bring nothing.

    Raises:
        TokenEndpointUnavailable: they all went on for that long.
    """
    if at_once is None:
        yield deadline
        return
    server, began = Origin.of(provider.base_url), clock.monotonic()
    with _lock:
        turns = _semaphores.setdefault((server, at_once), threading.BoundedSemaphore(at_once))
    if not turns.acquire(timeout=deadline / 2):
        raise TokenEndpointUnavailable(f"No turn came for a token call at {server}: {at_once} were under way")
    try:
        yield deadline - (clock.monotonic() - began)
    finally:
        turns.release()


def _after_fork() -> None:
    global _lock, _semaphores
    # Turns that are taken in the parent no thread of the child's will give back.
    _lock, _semaphores = threading.Lock(), WeakValueDictionary()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
