"""Fyatu in the demo."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, ClassVar, Unpack

from auth_plugins.providers.fyatu import FyatuAuth
from auth_plugins.simulators import FyatuSimulator

from ..cast import Cast

if TYPE_CHECKING:
    from auth_plugins.auth import Options

__all__ = ["FyatuCast"]


class FyatuCast(Cast):
    """Fyatu API v3."""

    name: ClassVar[str] = "fyatu"
    simulator: FyatuSimulator

    def __init__(self) -> None:
        self._secret_key = secrets.token_urlsafe(24)
        self.simulator = FyatuSimulator(secret_key=self._secret_key)

    def auth(self, base_url: str, *, wrong: bool = False, **options: Unpack[Options]) -> FyatuAuth:
        """Make a `FyatuAuth`. If `wrong`, its secret key is wrong."""
        secret_key = self._secret_key[::-1] if wrong else self._secret_key
        return FyatuAuth(self.simulator.app_id, secret_key, base_url=base_url, **options)

    def let_tokens_live(self, seconds: float) -> None:
        """Set the lifetime of the simulator's tokens, which may have fractions of a second."""
        self.simulator.lifetime = seconds
