"""How a test waits for a renewal that nobody else waits for."""

from __future__ import annotations

from auth_plugins.auth import TokenAuth

__all__ = ["settle"]


def settle(auth: TokenAuth, timeout: float = 30.0) -> None:
    """Wait until the renewal that runs beside the requests, if there is one, has ended, well or not, and was told.

    Raises:
        TimeoutError: it did not end within `timeout` seconds.
    """
    flight = auth._source.shared.flight
    if flight is not None and not flight.wait_done(timeout):
        raise TimeoutError(f"The renewal did not end within {timeout:g} seconds")
