"""The order in which a memory store drops tokens: expired tokens first, then the least recently used."""

from __future__ import annotations

from collections.abc import Callable

from cachetools import TLRUCache

from ..core.token import Token

__all__ = ["Ranks"]


class Ranks(TLRUCache[str, Token]):
    """A bounded cache that records which tokens it had to drop.

    Args:
        maxsize: the maximum number of tokens.
        timer: returns the time, in seconds since the epoch.
    """

    def __init__(self, maxsize: int, timer: Callable[[], float]) -> None:
        super().__init__(maxsize, ttu=_useful_until, timer=timer)
        self.dropped: list[tuple[str, Token]] = []
        """The keys and tokens that were dropped before they expired, because the cache was full."""

    def popitem(self) -> tuple[str, Token]:
        """Drop the least recently used token, and return it with its key."""
        item = super().popitem()
        self.dropped.append(item)
        return item


def _useful_until(_key: str, token: Token, _now: float) -> float:
    return token.useful_until
