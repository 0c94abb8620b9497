"""How many token calls this process makes at once at one server: some end under a herd of them."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

from ..core.errors import TokenEndpointUnavailable
from ..core.origin import Origin
from ..core.provider import Provider
from .clock import Clock

__all__ = ["turn"]


@lru_cache(256)
def _turns_at(_server: Origin | None, at_once: int) -> threading.BoundedSemaphore:
    return threading.BoundedSemaphore(at_once)


@contextmanager
def turn(provider: Provider, at_once: int | None, timeout: float, clock: Clock) -> Iterator[float]:
    """Wait, at most `timeout` seconds, until fewer than `at_once` others call the same server; give what is left of it.

    Raises:
        TokenEndpointUnavailable: they all went on for that long.
    """
    if at_once is None:
        yield timeout
        return
    server, began = Origin.of(provider.base_url), clock.tick()
    turns = _turns_at(server, at_once)
    if not turns.acquire(timeout=timeout):
        raise TokenEndpointUnavailable(f"No turn came for a token call at {server}: {at_once} were under way")
    try:
        yield timeout - (clock.tick() - began)
    finally:
        turns.release()


if hasattr(os, "register_at_fork"):
    # Those of the parent that are taken no thread of the child's will give back.
    os.register_at_fork(after_in_child=_turns_at.cache_clear)
