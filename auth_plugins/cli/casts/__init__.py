"""The providers of the demo: a file for each, and a line in this table."""

from __future__ import annotations

from collections.abc import Mapping

from ..cast import Cast
from .fyatu import FyatuCast
from .jwtplus import JWTPlusCast
from .marketiger import MarketigerCast
from .vault import VaultCast

__all__ = ["CASTS"]

_ALL: tuple[type[Cast], ...] = (FyatuCast, VaultCast, JWTPlusCast, MarketigerCast)

CASTS: Mapping[str, type[Cast]] = {cast.name: cast for cast in _ALL}
"""By name, in the order in which they are shown."""
