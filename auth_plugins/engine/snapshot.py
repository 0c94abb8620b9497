"""A token as the doors use it: with its headers made, and the moment at which to think again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

from ..core.provider import Provider
from ..core.token import LONG_AGO, Token
from ..core.wire import Masked, MaskedBytes
from .clock import Clock

__all__ = ["NO_TOKEN", "OwnedBytes", "OwnedHeader", "Snapshot"]


class OwnedHeader(Masked):
    """What carries a token in a header; whose it is can be seen from it as long as nobody copies its characters."""

    __slots__ = ("owner",)
    owner: bytes
    sent_early: ClassVar[bool] = False
    """Whether the request was signed before the token's `valid_from`."""

    def __new__(cls, value: str, owner: bytes) -> Self:
        """`owner`: the key of the slot that has the token."""
        made = super().__new__(cls, value)
        made.owner = owner
        return made

    def encode(self, encoding: str = "utf-8", errors: str = "strict") -> OwnedBytes:
        """Return the same header value as bytes, tagged with the same owner: httpx keeps headers as bytes."""
        return OwnedBytes(super().encode(encoding, errors), self.owner)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self


class OwnedEarly(OwnedHeader):
    """The header value of a request that was signed before the token's `valid_from`."""

    __slots__ = ()
    sent_early: ClassVar[bool] = True


class OwnedBytes(MaskedBytes):
    """The bytes of an `Owned`. Copies of `httpx.Headers` hold this very object, so the tag is not lost there."""

    owner: bytes

    def __new__(cls, value: bytes, owner: bytes) -> Self:
        """`owner`: the key of the slot that has the token."""
        made = super().__new__(cls, value)
        made.owner = owner
        return made

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """A snapshot that is replaced, never changed: a request that holds one is not disturbed by a renewal."""

    token: Token | None = None
    fast_header: Masked | None = field(default=None, repr=False)
    """What goes on a request as `Authorization`, where that is all there is to do ..."""
    slow_headers: tuple[tuple[str, Masked], ...] = field(default=(), repr=False)
    """... and else all that goes on it: there is another header, or something to be proven."""
    window_opens_at: float = LONG_AGO
    """When the renewal window begins, in seconds since the epoch."""
    recheck_at: float = LONG_AGO
    """When to think again, by the wall clock ..."""
    recheck_at_monotonic: float = LONG_AGO
    """... and by the steady one; whichever comes first."""
    wall_minus_monotonic: float = 0.0
    """By how much the wall clock was ahead of the steady one when the token came, in seconds."""
    arrived_valid: bool = False
    """It had not ended yet when it came."""
    unproven: bool = False
    """It was fetched on a 401, and no request has been answered otherwise since."""
    watched: bool = False
    """Its requests do not take the short way, so that their answers are seen: it is unproven, or not valid yet, or
    renewals on a 401 back off."""
    httpx_header: tuple[bytes, bytes, bytes] | None = field(default=None, init=False, repr=False)
    """What is usual as httpx keeps it, once it was asked for: how the name is spelled, the name, and the value."""

    @classmethod
    def of(
        cls,
        token: Token,
        provider: Provider,
        clock: Clock,
        window_at: float,
        *,
        owner: bytes = b"",
        unproven: bool = False,
        watched: bool = False,
    ) -> Snapshot:
        """Make the snapshot of a token that has just come."""
        headers = tuple((name, OwnedHeader(value, owner)) for name, value in provider.headers(token).items())
        wall = clock()
        wall_minus_monotonic, arrived_valid = wall - clock.monotonic(), wall < token.expires_at
        snapshot = cls(
            token,
            None,
            headers,
            window_at,
            wall_minus_monotonic=wall_minus_monotonic,
            arrived_valid=arrived_valid,
            unproven=unproven,
            watched=True,
        )
        snapshot = snapshot.until(min(window_at, token.expires_at))
        return snapshot if unproven or watched or wall < token.valid_from else snapshot.proven()

    def proven(self, *, watched: bool = False) -> Snapshot:
        """Return the same snapshot once there is nothing left to be proven."""
        if watched or [name for name, _ in self.headers] != ["Authorization"]:
            return replace(self, unproven=False, watched=watched)
        return replace(self, unproven=False, watched=False, fast_header=self.headers[0][1], slow_headers=())

    def watch(self) -> Snapshot:
        """Return the same snapshot without the short way."""
        if self.watched:
            return self
        return replace(self, watched=True, fast_header=None, slow_headers=self.headers)

    def is_early(self, clock: Clock) -> bool:
        """Whether the token is not valid yet."""
        return self.token is not None and self.now(clock) < self.token.valid_from

    def signing(self, clock: Clock) -> Snapshot:
        """Return the snapshot for a request that is signed now: it says so if that is before `valid_from`."""
        if not self.watched or not self.is_early(clock):
            return self
        return replace(
            self, slow_headers=tuple((name, OwnedEarly(value, _owner(value))) for name, value in self.headers)
        )

    @property
    def sent_early(self) -> bool:
        """Whether the request that holds this snapshot was signed before the token's `valid_from`."""
        return any(isinstance(value, OwnedEarly) for _, value in self.slow_headers)

    @property
    def headers(self) -> tuple[tuple[str, Masked], ...]:
        """What goes on a request."""
        return self.slow_headers if self.fast_header is None else (("Authorization", self.fast_header),)

    def prepare_for_httpx(self) -> None:
        """Make `raw` of what is usual: whoever uses requests alone has no need of it."""
        if self.fast_header is not None and self.httpx_header is None:
            object.__setattr__(self, "raw", (b"Authorization", b"authorization", self.fast_header.encode()))

    def is_fresh(self, clock: Clock) -> bool:
        """Whether there is nothing to think of yet."""
        return clock() < self.recheck_at and clock.monotonic() < self.recheck_at_monotonic

    def is_carried(self, header: Callable[[str], Any]) -> bool:
        """Whether a request carries this token, given what finds its headers by name."""
        return self.token is not None and all(header(name) == value for name, value in self.headers)

    def until(self, due_at: float) -> Snapshot:
        """Give the same snapshot with another moment to think again."""
        return replace(self, due_at=due_at, recheck_at_monotonic=due_at - self.wall_minus_monotonic)

    def now(self, clock: Clock) -> float:
        """Tell the time for this token, by the hand that has gone further since it came.

        A wall clock set back does not make it younger, nor does a machine's sleep, in which the other stands still.
        """
        return max(clock(), clock.monotonic() + self.wall_minus_monotonic)


def _owner(value: Masked) -> bytes:
    return value.owner if isinstance(value, OwnedHeader) else b""


NO_TOKEN = Snapshot()
"""No token."""
