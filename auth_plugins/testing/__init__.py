"""The test kit: a clock that the test moves, and simulators in place of the network.

Each name is imported on first use: `responses` and `uvicorn` are needed only by the parts that use them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .cassettes import cassette_filter
    from .clients import CLIENT_KINDS, INTEGRATION_KINDS, AnyClient, Reply, open_client
    from .clock import FakeClock
    from .forgetting import forget_tokens
    from .handlers import through
    from .responses_mock import register as register_responses
    from .server import serve
    from .settling import settle
    from .system_clock import stopped_clock
    from .transports import RequestsAdapter, mock_transport

__all__ = [
    "CLIENT_KINDS",
    "INTEGRATION_KINDS",
    "AnyClient",
    "FakeClock",
    "Reply",
    "RequestsAdapter",
    "cassette_filter",
    "forget_tokens",
    "mock_transport",
    "open_client",
    "register_responses",
    "serve",
    "settle",
    "stopped_clock",
    "through",
]

_HOMES = {
    "cassette_filter": ("cassettes", "cassette_filter"),
    "forget_tokens": ("forgetting", "forget_tokens"),
    "stopped_clock": ("system_clock", "stopped_clock"),
    "through": ("handlers", "through"),
    "AnyClient": ("clients", "AnyClient"),
    "CLIENT_KINDS": ("clients", "CLIENT_KINDS"),
    "INTEGRATION_KINDS": ("clients", "INTEGRATION_KINDS"),
    "FakeClock": ("clock", "FakeClock"),
    "Reply": ("clients", "Reply"),
    "RequestsAdapter": ("transports", "RequestsAdapter"),
    "mock_transport": ("transports", "mock_transport"),
    "open_client": ("clients", "open_client"),
    "register_responses": ("responses_mock", "register"),
    "serve": ("server", "serve"),
    "settle": ("settling", "settle"),
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, attribute = _HOMES[name]
    return getattr(import_module(f".{module}", __name__), attribute)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
