"""`settle`: waits for a renewal in the background."""

from __future__ import annotations

from auth_plugins.auth import TokenAuth

__all__ = ["settle"]


def settle(auth: TokenAuth, timeout: float = 30.0) -> None:
    """Wait until the renewal in the background, if there is one, has succeeded or failed, and the listener was called.

    Raises:
        TimeoutError: the renewal did not end within `timeout` seconds.
    """
    flight = auth._source.shared.flight
    if flight is not None and not flight.wait_done(timeout):
        raise TimeoutError(f"The renewal did not end within {timeout:g} seconds")
