"""`forget_tokens`: every auth object of the process starts as if it had never made a request."""

from __future__ import annotations

import gc
from typing import Any

from auth_plugins.core.token import LONG_AGO
from auth_plugins.core.unauthorized import NO_BACKOFF
from auth_plugins.engine import TokenSource, shared_state
from auth_plugins.engine.shared_state import SharedState
from auth_plugins.engine.snapshot import NO_TOKEN, Snapshot
from auth_plugins.stores import memory

__all__ = ["forget_tokens"]

_PATIENCE = 30.0
"""Seconds to wait for a renewal that is under way, whose token would come back."""


def forget_tokens() -> None:
    """Forget all tokens, refusals and pauses in this process, of auth objects that a module made at import, too.

    Tokens that were passed to the constructor stay. Those in files, key-rings and Redis are not deleted: give tests a
    folder or a database of their own.
    """
    states = list(shared_state._slots.values())
    given: dict[int, Snapshot] = {}
    if states:
        for source in gc.get_referrers(*states):
            if isinstance(source, TokenSource):
                given[id(source.shared)] = source._given(source.shared.key)
    for state in states:
        flight = state.flight
        if flight is not None:
            flight.wait_done(_PATIENCE)
        _reset(state, given.get(id(state), NO_TOKEN))
    for store in list(memory._stores):
        for key in list(store._kept):
            store.delete(key)


def _reset(state: SharedState, given: Snapshot) -> None:
    fresh: dict[str, Any] = {
        "snapshot": given,
        "number": 0,
        "predecessors": b"",
        "rejected": None,
        "rejected_by_server": False,
        "distrust": False,
        "unsaved": None,
        "failure": None,
        "unauthorized": NO_BACKOFF,
        "pauses_matter_until": LONG_AGO,
        "flight": None,
    }
    with state.lock:
        for name, value in fresh.items():
            setattr(state, name, value)
