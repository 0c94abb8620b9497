"""The route of a token call: endpoint, library and proxy."""

from __future__ import annotations

from dataclasses import dataclass

from ..core.errors import TokenEndpointUnavailable
from ..core.origin import Origin
from .environment import Proxy, proxy_for

__all__ = ["Route"]


@dataclass(frozen=True, slots=True)
class Route:
    """The route of a token call."""

    endpoint: Origin | None
    library: str
    """requests, httpx or httpx2."""
    own_client: bool
    """Whether the user's `token_client` makes the call, with the proxy and the authorities that it was set up with."""
    proxy: Proxy | None = None
    """The environment's proxy; always None for a `token_client`."""

    @classmethod
    def of(cls, url: str, library: str, *, own_client: bool) -> Route:
        """Return the route to `url`.

        Raises:
            ConfigurationError: the environment's proxy is not the URL of a proxy.
        """
        return cls(Origin.of(url), library, own_client, None if own_client else proxy_for(url))

    def silence(self, why: str, hint: str) -> TokenEndpointUnavailable:
        """Return the error for a call that did not reach the endpoint, with the reason `why`."""
        made = TokenEndpointUnavailable(f"The token endpoint at {self.endpoint} gave no answer: {why}", hint=hint)
        made.unsent = True
        return made

    @property
    def far_end(self) -> str:
        """The peer of the connection, as text for a message: the endpoint or the proxy."""
        if self.proxy is None:
            return "it"
        return f"{'it, or ' if self.proxy.uses_socks else ''}the proxy {self.proxy}"

    @property
    def proxy_hint(self) -> str:
        """A hint on how to set or avoid the proxy."""
        if self.proxy is None:
            return "Check the proxy of the token_client."
        return f"Check {self.proxy.variable}, or name the endpoint's host in NO_PROXY, or pass a token_client=."
