"""Vault in the demo."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, ClassVar, Unpack

from auth_plugins.providers.vault import VaultAuth
from auth_plugins.simulators import VaultSimulator

from ..cast import Cast

if TYPE_CHECKING:
    from auth_plugins.auth import Options

__all__ = ["VaultCast"]


class VaultCast(Cast):
    """Vault, by email and password; a refresh token serves once."""

    name: ClassVar[str] = "vault"
    simulator: VaultSimulator

    def __init__(self) -> None:
        self._password = secrets.token_urlsafe(24)
        self.simulator = VaultSimulator(password=self._password)
        self.simulator.reuse_detection = True

    def auth(self, base_url: str, *, wrong: bool = False, **options: Unpack[Options]) -> VaultAuth:
        """Make a `VaultAuth`. If `wrong`, its password is wrong."""
        return VaultAuth(
            self.simulator.partner_id,
            base_url=base_url,
            email=self.simulator.email,
            password=self._password[::-1] if wrong else self._password,
            **options,
        )

    def let_tokens_live(self, seconds: float) -> None:
        """Set the lifetime of the simulator's tokens, which may have fractions of a second."""
        self.simulator.lifetime = seconds
