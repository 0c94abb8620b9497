"""The server's process, and its knobs."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import requests

__all__ = ["World", "world"]


class World:
    """Where the endpoints are. Counters are the server's own."""

    def __init__(self, port: int) -> None:
        self.home = f"http://127.0.0.1:{port}"
        self.token_url, self.api, self.open = f"{self.home}/token", f"{self.home}/api", f"{self.home}/open"
        self._session = requests.Session()

    def close(self) -> None:
        """Close the connection to the knobs."""
        self._session.close()

    def control(self, **knobs: float) -> dict[str, Any]:
        """Turn `lifetime`, `delay`, `down`, `revoke`, `reset`; tell `calls` and `rejected` as they were before."""
        told: dict[str, Any] = self._session.get(f"{self.home}/control", params=knobs, timeout=30).json()
        return told


@contextmanager
def world() -> Iterator[World]:
    """Run the server while the block runs."""
    with subprocess.Popen([sys.executable, "-m", "bench.server"], stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            with closing(World(int(server.stdout.readline()))) as found:
                yield found
        finally:
            server.terminate()
