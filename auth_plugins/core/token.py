"""What a token is: when it was issued, when it ends, and while it can be renewed."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

__all__ = ["LONG_AGO", "NO_EXTRA", "Token"]

LONG_AGO = -math.inf
"""Before every other moment, so that what ended then was never there."""


class _NoExtra(Mapping[str, str]):
    """An empty mapping, one for all tokens, which nobody can write into."""

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
        return {}  # Of `dataclasses.asdict`, too, which may go on to JSON.


NO_EXTRA = _NoExtra()
"""What most providers say of a token beside what has a name in `Token`."""

_MOMENTS = ("issued_at", "expires_at", "valid_from", "refreshable_from", "refreshable_until")


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """One access token and what is known of it. All times are seconds since the epoch.

    The secrets (`access_token`, `refresh_token`) and `extra` never show in its `repr`.

    Raises:
        ValueError: a time is NaN, which is neither before nor after anything.
    """

    access_token: str = field(repr=False)
    """What goes on the wire (RFC 6750, section 2.1)."""
    issued_at: float
    """When the request that brought the token was sent: the server cannot have issued it earlier."""
    expires_at: float
    """The first moment at which the token is no longer valid."""
    valid_from: float = LONG_AGO
    """The first moment at which it is accepted: a 401 before it means "too early", and no renewal would help."""
    token_type: str = "Bearer"  # noqa: S105 - the scheme's name
    refresh_token: str | None = field(default=None, repr=False)
    """What renews it; `None` where the access token renews itself (Fyatu) or nothing does."""
    refreshable_from: float = LONG_AGO
    """The first moment at which a renewal can succeed (JWTPlus: the refresh token's `nbf`)."""
    refreshable_until: float = LONG_AGO
    """The first moment at which a renewal cannot succeed any more; `-inf`: it never could."""
    refresh_once: bool = False
    """Whether a renewal is never tried again once it failed (JWTPlus): its answer may have been lost on the way."""
    scopes: tuple[str, ...] = ()
    extra: Mapping[str, str] = field(default=NO_EXTRA, repr=False, hash=False)
    """What else the provider said of the token, by our names (`app_type`, `request_id`)."""
    irreplaceable: bool = field(default=False, compare=False)
    """Whether its loss ends the session: there are no credentials to log in with, and the refresh token that the user
    supplied has been replaced. Not the provider's word but the engine's, for a store that drops tokens to stay small:
    it must not drop this one before its end."""

    def __post_init__(self) -> None:
        for name in _MOMENTS:
            if math.isnan(getattr(self, name)):
                raise ValueError(f"{name} must be a number of seconds, or infinite, and not NaN")

    def refreshable(self, now: float, *, rejected: bool = False) -> bool:
        """Whether a renewal can succeed at `now`.

        A token that is its own refresh token cannot renew itself once the server has rejected it.
        """
        if rejected and self.refresh_token is None:
            return False
        return self.refreshable_from <= now < self.refreshable_until

    @property
    def useful_until(self) -> float:
        """The moment after which the token serves for nothing: neither to call with nor to renew."""
        return max(self.expires_at, self.refreshable_until)
