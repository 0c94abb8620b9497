"""A plugin of pytest: what the package keeps for the life of a process is forgotten before each test.

Else only the first test would seem to reach what made it, and none would notice that it is made in another way.
"""

from __future__ import annotations

import sys
from typing import Any


def pytest_runtest_setup() -> None:
    """Begin cold."""
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] == "auth_plugins":
            for kept in list(vars(module).values()):
                if callable(clear := getattr(kept, "cache_clear", None)):
                    clear()
    fast_path: Any = sys.modules.get("auth_plugins.clients.fast_path")
    if fast_path is not None:
        fast_path._BYTES_BODIES.clear()
        fast_path._LIST_HEADERS.clear()
