"""A token as the doors use it: with its headers made, and the moment at which to think again."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from ..core.provider import Provider
from ..core.token import Token
from ..core.wire import Masked
from .clock import Clock

__all__ = ["NOTHING", "Live"]


@dataclass(frozen=True, slots=True, eq=False)
class Live:
    """A snapshot that is replaced, never changed: a request that holds one is not disturbed by a renewal."""

    token: Token | None = None
    authorization: Masked | None = field(default=None, repr=False)
    """What goes on a request under this name ..."""
    others: tuple[tuple[str, Masked], ...] = field(default=(), repr=False)
    """... and what under other names."""
    window_at: float = -math.inf
    """When the renewal window begins, in seconds since the epoch."""
    due_at: float = -math.inf
    """When to think again, by the wall clock ..."""
    due_tick: float = -math.inf
    """... and by the steady one; whichever comes first."""
    wall: float = 0.0
    tick: float = 0.0
    """Both hands of the clock when the token came."""
    unproven: bool = False
    """It was fetched on a 401, and no request has been answered otherwise since."""
    usual: Masked | None = field(init=False, repr=False)
    """`authorization`, where that is all there is to do: no other header, nothing to be proven."""
    raw: tuple[bytes, bytes, bytes] | None = field(init=False, repr=False)
    """The same as httpx keeps it, once it was asked for: how the name is spelled, the name, and the value."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "usual", None if self.others or self.unproven else self.authorization)
        object.__setattr__(self, "raw", None)

    @classmethod
    def of(cls, token: Token, provider: Provider, clock: Clock, window_at: float, *, unproven: bool = False) -> Live:
        """Make the snapshot of a token that has just come."""
        headers = {name: Masked(value) for name, value in provider.headers(token).items()}
        authorization, others = headers.pop("Authorization", None), tuple(headers.items())
        live = cls(token, authorization, others, window_at, wall=clock(), tick=clock.tick(), unproven=unproven)
        return live.until(min(window_at, token.expires_at))

    @property
    def headers(self) -> tuple[tuple[str, Masked], ...]:
        """What goes on a request."""
        return self.others if self.authorization is None else (("Authorization", self.authorization), *self.others)

    def prepare_for_httpx(self) -> None:
        """Make `raw` of what is usual: whoever uses requests alone has no need of it."""
        if self.usual is not None and self.raw is None:
            object.__setattr__(self, "raw", (b"Authorization", b"authorization", self.usual.encode()))

    def is_fresh(self, clock: Clock) -> bool:
        """Whether there is nothing to think of yet."""
        return clock() < self.due_at and clock.tick() < self.due_tick

    def is_carried(self, header: Callable[[str], Any]) -> bool:
        """Whether a request carries this token, given what finds its headers by name."""
        return self.token is not None and all(header(name) == value for name, value in self.headers)

    def until(self, due_at: float) -> Live:
        """Give the same snapshot with another moment to think again."""
        return replace(self, due_at=due_at, due_tick=self.tick + (due_at - self.wall))

    def now(self, clock: Clock) -> float:
        """Tell the time for this token, by the hand that has gone further since it came.

        A wall clock set back does not make it younger, nor does a machine's sleep, in which the other stands still.
        """
        return max(clock(), self.wall + (clock.tick() - self.tick))


NOTHING = Live()
"""No token."""
