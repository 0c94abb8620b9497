"""A token with its headers, and the time at which it has to be checked again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from ..core.provider import Provider
from ..core.token import LONG_AGO, Token
from ..core.wire import Masked
from .clock import Clock
from .owned_header import EarlyHeader, OwnedHeader

__all__ = ["NO_TOKEN", "Snapshot"]


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """An immutable token with its headers. A renewal replaces it, so requests that hold it are not affected."""

    token: Token | None = None
    fast_header: Masked | None = field(default=None, repr=False)
    """The `Authorization` value for the fast path; `None` if there are other headers, or the token is watched."""
    slow_headers: tuple[tuple[str, Masked], ...] = field(default=(), repr=False)
    """All headers, for the slow path; empty if there is a `fast_header`."""
    window_opens_at: float = LONG_AGO
    """The start of the renewal window, in seconds since the epoch."""
    recheck_at: float = LONG_AGO
    """When the token has to be checked again, by the wall clock, in seconds since the epoch."""
    recheck_at_monotonic: float = LONG_AGO
    """The same time by the monotonic clock. The clock that reaches its time first counts."""
    wall_minus_monotonic: float = 0.0
    """The wall clock minus the monotonic clock when the token arrived, in seconds."""
    arrived_valid: bool = False
    """Whether the token had not expired when it arrived."""
    unproven: bool = False
    """Whether the token was fetched on a 401, and no request with it has had another answer than a 401 since."""
    watched: bool = False
    """Whether its requests leave the fast path, so that their answers are seen: the token is unproven, or not valid
    yet, or renewals on a 401 back off."""
    httpx_header: tuple[bytes, bytes, bytes] | None = field(default=None, init=False, repr=False)
    """The `fast_header` as httpx stores it: name as written, name in lower case, value. See `prepare_for_httpx`."""

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
    ) -> Snapshot:
        """Return the snapshot of a token that has just arrived."""
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
        return snapshot if unproven or wall < token.valid_from else snapshot.proven()

    def proven(self, *, watched: bool = False) -> Snapshot:
        """Return a copy whose token is no longer unproven. Its requests take the fast path, unless it is `watched`."""
        if watched or [name for name, _ in self.headers] != ["Authorization"]:
            return replace(self, unproven=False, watched=watched)
        return replace(self, unproven=False, watched=False, fast_header=self.headers[0][1], slow_headers=())

    def watch(self) -> Snapshot:
        """Return a copy whose requests leave the fast path."""
        if self.watched:
            return self
        return replace(self, watched=True, fast_header=None, slow_headers=self.headers)

    def is_early(self, clock: Clock) -> bool:
        """Whether the token is not valid yet."""
        return self.token is not None and self.now(clock) < self.token.valid_from

    def signing(self, clock: Clock) -> Snapshot:
        """Return the snapshot for a request that is signed now. Before `valid_from` its headers are marked so."""
        if not self.watched or not self.is_early(clock):
            return self
        headers = tuple((name, EarlyHeader(value, getattr(value, "owner", b""))) for name, value in self.headers)
        return replace(self, slow_headers=headers)

    @property
    def sent_early(self) -> bool:
        """Whether a request that was signed with this snapshot was signed before the token's `valid_from`."""
        return any(isinstance(value, EarlyHeader) for _, value in self.slow_headers)

    @property
    def headers(self) -> tuple[tuple[str, Masked], ...]:
        """All headers for a request."""
        return self.slow_headers if self.fast_header is None else (("Authorization", self.fast_header),)

    def prepare_for_httpx(self) -> None:
        """Set `httpx_header`. Done on demand: a program that uses only requests does not need it."""
        if self.fast_header is not None and self.httpx_header is None:
            object.__setattr__(self, "httpx_header", (b"Authorization", b"authorization", self.fast_header.encode()))

    def is_fresh(self, clock: Clock) -> bool:
        """Whether the token can be used without a further check."""
        return clock() < self.recheck_at and clock.monotonic() < self.recheck_at_monotonic

    def is_carried(self, header: Callable[[str], Any]) -> bool:
        """Whether a request carries this token. `header` returns the value of its header of a given name."""
        return self.token is not None and all(header(name) == value for name, value in self.headers)

    def until(self, due_at: float) -> Snapshot:
        """Return a copy that is checked again at `due_at`, in seconds since the epoch."""
        return replace(self, recheck_at=due_at, recheck_at_monotonic=due_at - self.wall_minus_monotonic)

    def now(self, clock: Clock) -> float:
        """Return the time, in seconds since the epoch, by the clock that has advanced further since the token arrived.

        So a token does not become younger if the wall clock is set back, or if the machine sleeps, during which the
        monotonic clock may stop.
        """
        return max(clock(), clock.monotonic() + self.wall_minus_monotonic)


NO_TOKEN = Snapshot()
"""The snapshot without a token."""
