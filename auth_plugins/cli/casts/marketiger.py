"""Marketiger 3D in the demo."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, ClassVar, Unpack

from auth_plugins.providers.marketiger import MarketigerAuth
from auth_plugins.simulators import MarketigerSimulator

from ..cast import Cast

if TYPE_CHECKING:
    from auth_plugins.auth import Options

__all__ = ["MarketigerCast"]


class MarketigerCast(Cast):
    """Marketiger 3D, API v2."""

    name: ClassVar[str] = "marketiger"
    simulator: MarketigerSimulator

    def __init__(self) -> None:
        self._password = secrets.token_urlsafe(24)
        self.simulator = MarketigerSimulator(password=self._password)

    def auth(self, base_url: str, *, wrong: bool = False, **options: Unpack[Options]) -> MarketigerAuth:
        """Make a `MarketigerAuth`. If `wrong`, its password is wrong."""
        password = self._password[::-1] if wrong else self._password
        return MarketigerAuth(self.simulator.email, password, base_url=base_url, **options)

    def let_tokens_live(self, seconds: float) -> None:
        """Set the lifetime of the simulator's tokens, which may have fractions of a second."""
        self.simulator.lifetime = seconds
