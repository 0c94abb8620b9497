"""What an auth object tells whoever listens (`on_event=`): facts, never secrets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from .errors import AuthError
from .token import Token

__all__ = ["Event", "EventKind", "Listener"]


class EventKind(Enum):
    """What happened."""

    LOGGED_IN = "logged_in"
    REFRESHED = "refreshed"
    ADOPTED = "adopted"
    """A token that somebody else renewed was taken from the store."""
    RENEWAL_FAILED = "renewal_failed"
    """A renewal brought no token; requests go on with the old one while it lasts."""
    STILL_UNAUTHORIZED = "still_unauthorized"
    """A request that was sent again with another token got a 401 as well."""
    NOT_REPLAYED = "not_replayed"
    """A 401 was handed to the caller because the request's body cannot be sent twice."""
    SAVE_FAILED = "save_failed"
    """The store failed. The token is used all the same, and saved when the store is well again."""
    LOGGED_OUT = "logged_out"


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened, and to which provider's token."""

    kind: EventKind
    provider: str
    token: Token | None = None
    error: AuthError | None = None


Listener = Callable[[Event], None]
"""Called in the thread in which the thing happened. What it raises is logged and goes no further."""
