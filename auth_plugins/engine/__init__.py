"""The one room with threads: who renews, who waits, and who uses the old token meanwhile."""

from .clock import SYSTEM_CLOCK, Clock, SystemClock
from .flight import Flight
from .once import BuiltOnce
from .snapshot import OwnedBytes, OwnedHeader, Snapshot
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
