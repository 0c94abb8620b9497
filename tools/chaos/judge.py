"""Why a session ended, by what the provider, the workers and the faults have written down."""

from __future__ import annotations

from typing import Any

from .provider import Provider

__all__ = ["OURS", "why"]

OURS = "a living process had the newest token"
"""Never excused: no worker is killed, and each of them can reach the store again before it settles."""
ON_THE_WIRE = "no process had the newest token yet: the store had lost the lock of the call that fetched it"
LEASE_ENDED = "no process had the newest token yet, and the store had lost nothing: the lease ended during the call"
_HAS = ("refreshed", "adopted", "save_failed", "saved")
"""What a worker writes down once it has a token."""


def why(session: int, provider: Provider, lines: list[dict[str, Any]], losses: list[tuple[float, float]]) -> str:
    """Return why a session ended; `losses`: from when to when the store lost what was saved."""
    at, used = provider.ended[session]
    issued, newest = [(when, each) for when, each in provider.given_out[session] if when < at][-1]
    own = [line for line in lines if line["session"] == session and line["at"] < at]
    # The request that ended the session left when its process had saved the old token, a latency before it was judged.
    asked = [line["at"] for line in own if line["what"] == "saved" and line["token"] == used]
    sent = max((when for when in asked if at - 1.0 < when), default=at)
    if any(line["what"] in _HAS and line["token"] == newest and line["at"] < sent for line in own):
        return OURS
    began = issued - provider.latency
    return ON_THE_WIRE if any(end > began and begin < at for begin, end in losses) else LEASE_ENDED
