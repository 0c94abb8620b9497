"""Which tokens a store in memory drops first: those that have ended, then the least recently used."""

from __future__ import annotations

from collections.abc import Callable

from cachetools import TLRUCache

from ..core.token import Token

__all__ = ["Ranks"]


class Ranks(TLRUCache[str, Token]):
    """A bounded cache that says what it had to drop.

    Args:
        maxsize: how many tokens it holds.
        timer: returns the time, in seconds since the epoch.
    """

    def __init__(self, maxsize: int, timer: Callable[[], float]) -> None:
        super().__init__(maxsize, ttu=_useful_until, timer=timer)
        self.dropped: list[tuple[str, Token]] = []
        """Those that had not ended, and had to make room."""

    def popitem(self) -> tuple[str, Token]:
        """Drop the least recently used one."""
        item = super().popitem()
        self.dropped.append(item)
        return item


def _useful_until(_key: str, token: Token, _now: float) -> float:
    return token.useful_until
