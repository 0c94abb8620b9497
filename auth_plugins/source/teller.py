"""How what happens is told: to the log, and to whoever listens."""

from __future__ import annotations

import logging

from ..core.errors import AuthError
from ..core.events import Event, EventKind, Listener
from ..core.token import Token

__all__ = ["Teller"]

_log = logging.getLogger("auth_plugins")
_log.addHandler(logging.NullHandler())  # A library is silent in a program that never asked for its log.


class Teller:
    """Tells of one auth object's tokens."""

    def __init__(self, provider: str, listener: Listener | None) -> None:
        self._provider, self._listener = provider, listener

    def __call__(self, kind: EventKind, token: Token | None = None, error: AuthError | None = None) -> None:
        """Log what happened, and tell the listener, whose own failures end here."""
        level = logging.DEBUG if error is None else logging.WARNING
        _log.log(level, "%s: %s%s", self._provider, kind.value, f": {error}" if error is not None else "")
        if self._listener is not None:
            try:
                self._listener(Event(kind, self._provider, token, error))
            except Exception as failure:
                _log.error("on_event raised %s", type(failure).__name__)
