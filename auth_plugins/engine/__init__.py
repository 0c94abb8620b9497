"""The package that starts threads: it renews tokens, and decides which requests wait and which use the old token."""

from .clock import SYSTEM_CLOCK, Clock, SystemClock
from .flight import Flight
from .once import BuiltOnce
from .owned_header import OwnedBytes, OwnedHeader
from .snapshot import Snapshot
from .token_source import TokenSource
from .token_transport import TokenTransport

__all__ = [
    "SYSTEM_CLOCK",
    "BuiltOnce",
    "Clock",
    "Flight",
    "OwnedBytes",
    "OwnedHeader",
    "Snapshot",
    "SystemClock",
    "TokenSource",
    "TokenTransport",
]
