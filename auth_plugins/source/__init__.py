"""The one room with threads: who renews, who waits, and who uses the old token meanwhile."""

from .channel import Channel
from .clock import SYSTEM_CLOCK, Clock, SystemClock
from .flight import Flight
from .live import Live, Owned, OwnedBytes
from .once import BuiltOnce
from .source import Source

__all__ = [
    "SYSTEM_CLOCK",
    "BuiltOnce",
    "Channel",
    "Clock",
    "Flight",
    "Live",
    "Owned",
    "OwnedBytes",
    "Source",
    "SystemClock",
]
