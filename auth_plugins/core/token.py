"""`Token`: an access token with the times at which it was issued, expires and can be renewed."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

__all__ = ["LONG_AGO", "NO_EXTRA", "Token"]

LONG_AGO = -math.inf
"""Minus infinity: earlier than any time."""


class _NoExtra(Mapping[str, str]):
    """An empty, immutable mapping that all tokens can share."""

    __slots__ = ()

    def __getitem__(self, name: str) -> str:
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0

    def __hash__(self) -> int:
        return 0

    def __repr__(self) -> str:
        return "{}"

    def __reduce__(self) -> str:
        return "NO_EXTRA"

    def __deepcopy__(self, memo: dict[int, object]) -> dict[str, str]:
        return {}  # `dataclasses.asdict` calls this, and its result must be serialisable as JSON.


NO_EXTRA = _NoExtra()
"""The default of `Token.extra`: a shared, immutable empty mapping."""

_MOMENTS = ("issued_at", "expires_at", "valid_from", "refreshable_from", "refreshable_until")


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """An access token and its properties. All times are in seconds since the epoch.

    The `repr` does not show `access_token`, `refresh_token` and `extra`.

    Raises:
        ValueError: a time is NaN.
    """

    access_token: str = field(repr=False)
    """The value that requests carry (RFC 6750, section 2.1)."""
    issued_at: float
    """When the token call was sent: the server cannot have issued the token earlier."""
    expires_at: float
    """The time from which the token is no longer valid."""
    valid_from: float = LONG_AGO
    """The time from which the token is accepted. An earlier 401 means "too early", and a renewal would not help."""
    token_type: str = "Bearer"  # noqa: S105 - the scheme's name
    refresh_token: str | None = field(default=None, repr=False)
    """The refresh token; `None` if the access token renews itself (Fyatu) or cannot be renewed."""
    refreshable_from: float = LONG_AGO
    """The time from which a refresh can succeed (JWTPlus: the refresh token's `nbf`)."""
    refreshable_until: float = LONG_AGO
    """The time from which a refresh cannot succeed any more; `-inf`: the token can never be refreshed; `inf`: the
    provider has not stated an end."""
    refresh_once: bool = False
    """Whether a failed refresh is never repeated (JWTPlus): the server may have used the refresh token up."""
    scopes: tuple[str, ...] = ()
    extra: Mapping[str, str] = field(default=NO_EXTRA, repr=False, hash=False)
    """Further properties that the provider stated, such as `app_type` and `request_id` (Fyatu)."""
    irreplaceable: bool = field(default=False, compare=False)
    """Whether the loss of this token ends the session: there are no credentials to log in with, and the refresh token
    that the user supplied has been replaced. The engine sets it, not the provider. A store that drops tokens to stay
    small must keep this one until it ends."""

    answer_lost: bool = field(default=False, compare=False)
    """Whether a refresh of this token was sent, and no answer has shown what became of it. The engine sets it."""

    def __post_init__(self) -> None:
        for name in _MOMENTS:
            if math.isnan(getattr(self, name)):
                raise ValueError(f"{name} must be a number of seconds, or infinite, and not NaN")

    def refreshable(self, now: float, *, rejected: bool = False) -> bool:
        """Whether a refresh can succeed at `now` (seconds since the epoch).

        A token without a refresh token renews itself, and cannot do so if the server has `rejected` it. The end of an
        irreplaceable token is not taken from a clock, which may be wrong: the server is asked. If the clock was set
        back since the token was issued, it does not show the beginning either.
        """
        if rejected and self.refresh_token is None:
            return False
        if self.is_beyond_clocks:
            return self.refreshable_from <= now or now < self.issued_at
        return self.refreshable_from <= now < self.refreshable_until

    @property
    def is_beyond_clocks(self) -> bool:
        """Whether only the server ends this token: it is irreplaceable, and its refresh token is not used up."""
        return self.irreplaceable and self.refreshable_until > LONG_AGO

    def is_useful(self, now: float) -> bool:
        """Whether the token is worth keeping at `now` (seconds since the epoch): it can be used, or a refresh tried."""
        return now < self.useful_until or self.is_beyond_clocks

    @property
    def useful_until(self) -> float:
        """The time from which the token can neither be used nor refreshed, as far as its times are right."""
        return max(self.expires_at, self.refreshable_until)
