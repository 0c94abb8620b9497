"""When to renew, when to leave an endpoint alone, and how long anything may take: one frozen value."""

from __future__ import annotations

from dataclasses import dataclass, fields

from .checks import check_count, check_seconds
from .token import Token

__all__ = ["Backoff", "RefreshPolicy"]

_DAY = 86_400.0
"""Seconds. No socket waits for longer than 24 days, and no lock for longer than 292 years."""
_MOST = {"tries": 100, "max_response_bytes": 2**30}


@dataclass(frozen=True, slots=True)
class Backoff:
    """A pause that doubles: `first` seconds after the first failure, at most `cap`."""

    first: float
    cap: float

    def __post_init__(self) -> None:
        check_seconds("first", self.first, above_zero=True)
        check_seconds("cap", self.cap, above_zero=True)
        if self.cap < self.first:
            raise ValueError("cap must not be less than first")

    def delay(self, failures: int) -> float:
        """Seconds to pause after this many failures in a row, 1 or more."""
        return min(self.cap, self.first * 2.0 ** min(failures - 1, 64))


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshPolicy:
    """How an auth object renews. All times in seconds.

    Raises `ValueError` naming the field where a value is out of range, `TypeError` where it is of a wrong type.
    """

    window: float = 300.0
    """A token is renewed when less than this remains of it (Fyatu's own advice) ..."""
    window_share: float = 0.2
    """... or less than this share of its lifetime, whichever is shorter, so that a token that lives
    for a minute is not renewed at every request."""
    jitter: float = 0.2
    """The window is widened at random by up to this share, so that a fleet does not renew at once; and the pause of
    an `outage` is shortened."""
    early_backoff: Backoff = Backoff(5.0, 60.0)
    """The pause after a failed early renewal. Requests use the old token meanwhile."""
    credentials_backoff: Backoff = Backoff(30.0, 900.0)
    """How long refused credentials, or a dead refresh token, are not tried again."""
    outage_backoff: Backoff = Backoff(0.25, 8.0)
    """How long an endpoint that brought no token is left alone by requests that have none, from its second failure
    in a row on: one failure may be a mishap, and the next request tries again at once."""
    unauthorized_backoff: Backoff = Backoff(1.0, 300.0)
    """How long no token is renewed on a 401 after a renewal on a 401 that did not help."""
    retry_after_cap: float = 300.0
    """The longest `Retry-After` that is believed."""
    tries: int = 2
    """Token calls in one renewal, 100 at most; though a refresh that fails is followed by a login, if there is one."""
    connect_timeout: float = 5.0
    """How long a token call waits for its connection, at most a day ..."""
    read_timeout: float = 10.0
    """... and for each piece of its answer, likewise."""
    deadline: float = 30.0
    """The longest that a request waits for a renewal, at most a day."""
    max_response_bytes: int = 262_144
    """A longer answer of a token endpoint is refused. At most 1 GB."""
    max_concurrent_calls: int | None = None
    """How many renewals call one server (the origin of `base_url`) at once from this process, whatever the credentials;
    the others wait for their turn, for half of the deadline. `None`: any number. `JWTPlusAuth` has 8 of its own accord:
    its server ends under a few hundred."""

    def __post_init__(self) -> None:
        for name in ("window", "retry_after_cap"):
            check_seconds(name, getattr(self, name))
        for name in ("window_share", "jitter"):
            check_seconds(name, getattr(self, name), at_most=1.0)
        for name in ("connect_timeout", "read_timeout", "deadline"):
            check_seconds(name, getattr(self, name), above_zero=True, at_most=_DAY)
        for name, most in _MOST.items():
            check_count(name, getattr(self, name), at_most=most)
        if self.max_concurrent_calls is not None:
            check_count("max_concurrent_calls", self.max_concurrent_calls)
        for field in fields(self):
            if field.type == "Backoff" and not isinstance(getattr(self, field.name), Backoff):
                raise TypeError(f"{field.name} must be a Backoff")

    def due_at(self, token: Token, jitter_fraction: float = 0.0) -> float:
        """When the renewal window of `token` begins; `jitter_fraction`, from 0 to 1, is this token's share of the jitter.

        It never begins before a renewal can succeed, if one can succeed before the token ends. Where the refresh
        token ends before the token does (Marketiger allows it), it begins as long before that end.
        """
        lifetime = token.expires_at - token.issued_at
        window = min(self.window, lifetime * self.window_share) * (1.0 + self.jitter * jitter_fraction)
        due_at = max(token.issued_at, token.expires_at - window)
        # Not where the token came within that time: what a renewal brings would be due at once, too.
        if token.issued_at < token.refreshable_until - window < due_at:
            due_at = token.refreshable_until - window
        if due_at < token.refreshable_from < token.expires_at:
            return token.refreshable_from
        return due_at
