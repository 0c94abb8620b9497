"""What the demo needs to know of a provider; everything else is the same for all of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, Unpack

if TYPE_CHECKING:
    from auth_plugins.auth import Options, TokenAuth
    from auth_plugins.simulators import Endpoint, Simulator

__all__ = ["Cast"]


class Cast(ABC):
    """A provider's simulator and its auth object. Each scene makes one of its own, without arguments."""

    name: ClassVar[str]
    """What the provider is called on the command line."""
    begins_by: ClassVar[Endpoint] = "login"
    """The call that brings the first token."""
    renews_by: ClassVar[Endpoint] = "refresh"
    """The call that renews a token early, or soon after its end."""
    revives_by: ClassVar[Endpoint | None] = None
    """The call that replaces a token soon after its end, where that is another one."""
    tries: ClassVar[int] = 2
    """The token calls of a renewal that fails: a refresh and then, where the provider has one, a login."""
    simulator: Simulator

    @abstractmethod
    def auth(self, base_url: str, *, wrong: bool = False, **options: Unpack[Options]) -> TokenAuth:
        """Make an auth object for the simulator at `base_url`, with right credentials or with wrong ones."""

    @abstractmethod
    def let_tokens_live(self, seconds: float) -> None:
        """Let the tokens to come live so long; a provider that knows only whole seconds rounds up."""
