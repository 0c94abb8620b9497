"""The kit for your own tests: a clock that you move, and simulators in the place of the network.

Nothing is imported before it is used: `responses` and `uvicorn` need not be there for the rest to work.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .clock import FakeClock
    from .responses_mock import register as register_responses
    from .server import serve
    from .transports import RequestsAdapter, mock_transport

__all__ = ["FakeClock", "RequestsAdapter", "mock_transport", "register_responses", "serve"]

_HOMES = {
    "FakeClock": ("clock", "FakeClock"),
    "RequestsAdapter": ("transports", "RequestsAdapter"),
    "mock_transport": ("transports", "mock_transport"),
    "register_responses": ("responses_mock", "register"),
    "serve": ("server", "serve"),
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, attribute = _HOMES[name]
    return getattr(import_module(f".{module}", __name__), attribute)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
