"""The scenes of the demo, which are the same for every provider."""

from __future__ import annotations

from ..stage import Scene
from . import cache, expiry, herd, rejection, stranger, window

__all__ = ["SCENES"]

SCENES: tuple[Scene, ...] = (
    cache.FIRST,
    cache.NEXT,
    cache.SHARED,
    window.EARLY,
    expiry.ENDED,
    rejection.REVOKED,
    herd.HERD,
    window.OUTAGE,
    stranger.REDIRECT,
    rejection.REFUSED,
)
"""All scenes, in the order in which they are played."""
