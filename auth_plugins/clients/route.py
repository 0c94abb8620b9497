"""How a token call travels: to which endpoint, with which library, through which proxy."""

from __future__ import annotations

from dataclasses import dataclass

from ..core.errors import TokenEndpointUnavailable
from ..core.origin import Origin
from .environment import Proxy, proxy_for

__all__ = ["Route"]


@dataclass(frozen=True, slots=True)
class Route:
    """How a token call travels."""

    endpoint: Origin | None
    library: str
    """requests, httpx or httpx2."""
    own_client: bool
    """Whether the user's `token_client` makes the call, with a proxy and authorities of its own."""
    proxy: Proxy | None = None
    """The environment's proxy; always None for a `token_client`."""

    @classmethod
    def of(cls, url: str, library: str, *, own_client: bool) -> Route:
        """Find the route to `url`.

        Raises:
            ConfigurationError: the environment names a proxy that cannot be one.
        """
        return cls(Origin.of(url), library, own_client, None if own_client else proxy_for(url))

    def silence(self, why: str, hint: str) -> TokenEndpointUnavailable:
        """Return the error that says why there was no answer."""
        return TokenEndpointUnavailable(f"The token endpoint at {self.endpoint} gave no answer: {why}", hint=hint)

    @property
    def far_end(self) -> str:
        """What the connection was made to."""
        if self.proxy is None:
            return "it"
        return f"{'it, or ' if self.proxy.uses_socks else ''}the proxy {self.proxy}"

    @property
    def proxy_hint(self) -> str:
        """How the proxy is set, or avoided."""
        if self.proxy is None:
            return "Check the proxy of the token_client."
        return f"Check {self.proxy.variable}, or name the endpoint's host in NO_PROXY, or pass a token_client=."
