"""Why a session ended, by what the provider, the workers and the faults have written down."""

from __future__ import annotations

from typing import Any

from .provider import Provider

__all__ = ["OURS", "why"]

OURS = "a living process had the newest token, and the store had not lost anything since, or had been used by it"


def why(session: int, provider: Provider, lines: list[dict[str, Any]], losses: list[tuple[float, float]]) -> str:
    """Return why a session ended; `losses`: from when to when the store lost what was saved."""
    at, used = provider.ended[session]
    issued, newest = [(when, each) for when, each in provider.given_out[session] if when < at][-1]
    own = [line for line in lines if line["session"] == session and line["at"] < at and line.get("token") == newest]
    holders = sorted(line["at"] for line in own if line["what"] in ("refreshed", "adopted", "save_failed", "saved"))
    answered = holders[0] if holders else None
    lost = [end for begin, end in losses if end > issued - provider.latency and begin < at]
    if not lost:
        return OURS if answered is not None else "the answer had not arrived, and the store had lost nothing"
    if answered is None or answered > lost[-1]:
        return "the store lost a lock while its holder's call was under way"
    # The request that ended the session left when its process had saved the old token, a latency before it was judged.
    asked = [each["at"] for each in lines if each["session"] == session and each.get("token") == used]
    sent = max((when for when in asked if at - 1.0 < when < at), default=at)
    if any(line["what"] == "saved" and lost[-1] < line["at"] < sent for line in own):
        return OURS
    return "the store lost a token, and the process that has it has not used the store since"
