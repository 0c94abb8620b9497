"""JWTPlus in the demo."""

from __future__ import annotations

import math
import secrets
from typing import TYPE_CHECKING, ClassVar, Unpack

from auth_plugins.providers.jwtplus import JWTPlusAuth
from auth_plugins.simulators import JWTPlusSimulator

from ..cast import Cast

if TYPE_CHECKING:
    from auth_plugins.auth import Options
    from auth_plugins.simulators import Endpoint

__all__ = ["JWTPlusCast"]


class JWTPlusCast(Cast):
    """JWTPlus 1.1. Its sessions can be renewed while they last, and never after."""

    name: ClassVar[str] = "jwtplus"
    revives_by: ClassVar[Endpoint] = "login"
    simulator: JWTPlusSimulator

    def __init__(self) -> None:
        self._app_key = secrets.token_urlsafe(96)
        self.simulator = JWTPlusSimulator(app_key=self._app_key)

    def auth(self, base_url: str, *, wrong: bool = False, **options: Unpack[Options]) -> JWTPlusAuth:
        """Make a `JWTPlusAuth`. If `wrong`, its app key is wrong."""
        return JWTPlusAuth(
            self.simulator.app_id,
            self._app_key[::-1] if wrong else self._app_key,
            base_url=base_url,
            ip="192.0.2.1",
            user_agent="demo",
            subject="user@example.org",
            audience="web-app",
            fresh_after=0,  # This API looks at the signature.
            **options,
        )

    def let_tokens_live(self, seconds: float) -> None:
        """Round up to whole seconds, plus the second that the contract subtracts. Renewals are possible at once."""
        self.simulator.token_expire = math.ceil(seconds) + 1
        self.simulator.refresh_notbefore = 0
