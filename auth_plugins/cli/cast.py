"""The properties of a provider that the demo needs; all other code is the same for all providers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, Unpack

if TYPE_CHECKING:
    from auth_plugins.auth import Options, TokenAuth
    from auth_plugins.simulators import Endpoint, Simulator

__all__ = ["Cast"]


class Cast(ABC):
    """A provider's simulator and its auth objects. Each scene makes a new cast, without arguments."""

    name: ClassVar[str]
    """The provider's name on the command line."""
    begins_by: ClassVar[Endpoint] = "login"
    """The call that returns the first token."""
    renews_by: ClassVar[Endpoint] = "refresh"
    """The call that renews a token early, or soon after its end."""
    revives_by: ClassVar[Endpoint | None] = None
    """The call that replaces a token soon after its end; `None`: the same as `renews_by`."""
    tries: ClassVar[int] = 2
    """The token calls of a renewal that fails: a refresh and, if the provider has a login, a login."""
    simulator: Simulator

    @abstractmethod
    def auth(self, base_url: str, *, wrong: bool = False, **options: Unpack[Options]) -> TokenAuth:
        """Return an auth object for the simulator at `base_url`, with the right credentials or with wrong ones."""

    @abstractmethod
    def let_tokens_live(self, seconds: float) -> None:
        """Set the lifetime of new tokens. A provider that has only whole seconds rounds up."""
