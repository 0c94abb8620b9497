"""`RefreshPolicy`: when to renew, how long to pause after failures, and the time-outs of token calls."""

from __future__ import annotations

from dataclasses import dataclass, fields

from .checks import check_count, check_seconds
from .token import Token

__all__ = ["Backoff", "RefreshPolicy"]

_DAY = 86_400.0
"""Seconds. The limit of time-outs: sockets accept at most 24 days, locks 292 years."""
_MOST = {"tries": 100, "max_response_bytes": 2**30}


@dataclass(frozen=True, slots=True)
class Backoff:
    """A pause that doubles with each failure: `first` seconds after the first one, at most `cap` seconds."""

    first: float
    cap: float

    def __post_init__(self) -> None:
        check_seconds("first", self.first, above_zero=True)
        check_seconds("cap", self.cap, above_zero=True)
        if self.cap < self.first:
            raise ValueError("cap must not be less than first")

    def delay(self, failures: int) -> float:
        """Return the seconds to pause after `failures` consecutive failures, 1 or more."""
        return min(self.cap, self.first * 2.0 ** min(failures - 1, 64))


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshPolicy:
    """How an auth object renews its token. All times are in seconds.

    Raises:
        TypeError: a value is of a wrong type. The message names the field.
        ValueError: a value is out of range. The message names the field.
    """

    window: float = 300.0
    """A token is renewed when less than this remains of it (Fyatu's own advice) ..."""
    window_share: float = 0.2
    """... or less than this share of its lifetime, whichever is shorter. The share keeps a token that lives for a
    minute from being renewed at every request."""
    jitter: float = 0.2
    """The window is widened, and the pause of `outage_backoff` shortened, at random by up to this share, so that many
    processes do not call at the same time."""
    early_backoff: Backoff = Backoff(5.0, 60.0)
    """The pause after a failed early renewal. Until it ends, requests use the old token."""
    credentials_backoff: Backoff = Backoff(30.0, 900.0)
    """The pause after `CredentialsRejected` and `LoginRequired`."""
    outage_backoff: Backoff = Backoff(0.25, 8.0)
    """The pause for requests without a valid token after `TokenEndpointUnavailable` and `InvalidTokenResponse`, from
    the second failure in a row on. After a single failure the next request tries again at once."""
    unauthorized_backoff: Backoff = Backoff(1.0, 300.0)
    """The pause between renewals while the API keeps answering 401 to new tokens."""
    retry_after_cap: float = 300.0
    """The maximum of `Retry-After`; a longer one is shortened to this."""
    tries: int = 2
    """The maximum of token calls in one renewal, 1 to 100. A failed refresh may always be followed by one login, if the
    provider can log in."""
    connect_timeout: float = 5.0
    """How long a token call waits for its connection, at most a day."""
    read_timeout: float = 10.0
    """How long a token call waits for each part of the answer, at most a day."""
    deadline: float = 30.0
    """How long a request waits for a renewal, at most a day. Where thousands of sets of credentials are renewed at the
    same time, a renewal waits for a thread first. That time does not count, as long as the same server answers to other
    token calls."""
    exit_timeout: float = 5.0
    """How long the exit of the program waits for the answer to a refresh that has been sent for a token that rotates:
    without the answer, the session may be lost. It waits for no other renewal. At most a day."""
    max_response_bytes: int = 262_144
    """The maximum length of a token endpoint's answer, at most 1 GiB. A longer answer is refused."""
    max_concurrent_calls: int | None = None
    """The maximum of renewals that call the same server (the origin of `base_url`) from this process at the same time,
    with any credentials. Further renewals wait, for half of the deadline. `None`: 20, which is the number of threads
    for one server; a higher number allows as many threads. The default policy of `JWTPlusAuth` sets 8, because its
    server crashes under a few hundred calls."""

    def __post_init__(self) -> None:
        for name in ("window", "retry_after_cap"):
            check_seconds(name, getattr(self, name))
        check_seconds("exit_timeout", self.exit_timeout, at_most=_DAY)
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
        """Return when the renewal window of `token` opens, in seconds since the epoch.

        The window opens no earlier than `token.refreshable_from`, unless the token expires before that. If the refresh
        token expires before the access token, as Marketiger allows, the window ends when the refresh token does.

        Args:
            token: the token to renew.
            jitter_fraction: the part of `jitter` by which the window is widened, from 0 to 1.
        """
        lifetime = token.expires_at - token.issued_at
        window = min(self.window, lifetime * self.window_share) * (1.0 + self.jitter * jitter_fraction)
        due_at = max(token.issued_at, token.expires_at - window)
        # Not if the token is younger than that: a renewed token would be due at once, too.
        if token.issued_at < token.refreshable_until - window < due_at:
            due_at = token.refreshable_until - window
        if due_at < token.refreshable_from < token.expires_at:
            return token.refreshable_from
        return due_at
