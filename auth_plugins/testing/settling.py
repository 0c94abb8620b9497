"""How a test waits for a renewal that nobody else waits for."""

from __future__ import annotations

from contextlib import suppress

from auth_plugins.auth import TokenAuth
from auth_plugins.core import AuthError

__all__ = ["settle"]


def settle(auth: TokenAuth, timeout: float = 30.0) -> None:
    """Wait until the renewal that runs beside the requests, if there is one, has ended, well or not."""
    flight = auth._source.slot.flight
    if flight is not None:
        with suppress(AuthError):
            flight.wait(timeout)
