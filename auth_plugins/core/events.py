"""The events that an auth object passes to its listener (`on_event=`). They show no secrets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from .errors import AuthError
from .token import Token

__all__ = ["Event", "EventKind", "Listener"]


class EventKind(Enum):
    """The kind of an event."""

    LOGGED_IN = "logged_in"
    REFRESHED = "refreshed"
    ADOPTED = "adopted"
    """A token that another process or object renewed was taken from the store."""
    RENEWAL_FAILED = "renewal_failed"
    """A renewal failed. Requests use the old token while it is valid."""
    STILL_UNAUTHORIZED = "still_unauthorized"
    """A request that was sent again with another token got a 401 again."""
    NOT_REPLAYED = "not_replayed"
    """A 401 was returned to the caller because the request's body cannot be sent twice."""
    SAVE_FAILED = "save_failed"
    """The store failed. The token is used all the same, and saved again later."""
    LOGGED_OUT = "logged_out"


@dataclass(frozen=True, slots=True)
class Event:
    """An event, with the name of the provider, and the token or the error that it is about."""

    kind: EventKind
    provider: str
    token: Token | None = None
    error: AuthError | None = None


Listener = Callable[[Event], None]
"""Called in the thread in which the event happened. An exception that it raises is logged and not propagated."""
