"""The epoch of a Redis server: for how long it has kept all that it was given, as far as that shows."""

from __future__ import annotations

from typing import Any

from .redis_errors import as_store_error
from .redis_scripts import EPOCH

__all__ = ["Epochs"]


class Epochs:
    """Looks at the epoch by one client.

    A new epoch begins when the server is emptied, restarted or failed over: the key of the epoch is gone, or was
    written by a process of Redis with another `run_id`. What the server was given before may then be lost.
    """

    def __init__(self, client: Any, prefix: str, settle_time: float) -> None:
        self._client, self._name, self._settle_time = client, f"{prefix}epoch", settle_time

    def look(self) -> tuple[str, float]:
        """Return the ID of the epoch, and the seconds left until its first `settle_time` seconds are over."""
        name, age = as_store_error(lambda: self._client.eval(EPOCH, 1, self._name))
        return name.decode() if isinstance(name, bytes) else name, max(0.0, self._settle_time - int(age) / 1e6)
