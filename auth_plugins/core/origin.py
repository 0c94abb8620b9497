"""Where a token may go: an origin is a scheme, a host and a port (RFC 6454, RFC 9110 section 4.3.1)."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit

__all__ = ["Origin"]

_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Origin:
    """A scheme, a lower-case host and a port. Two are the same or they are strangers: there are no patterns."""

    scheme: str
    host: str
    port: int

    @classmethod
    def of(cls, url: str) -> Origin | None:
        """Read the origin of an absolute http or https URL; `None` if it has none that can be trusted."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            return None
        scheme, host = parts.scheme.lower(), parts.hostname
        # Parsers disagree about where a backslash ends a host; a token goes only where there is no doubt.
        if scheme not in _DEFAULT_PORTS or not host or "\\" in url or any(ord(c) <= 32 for c in url):
            return None
        if not host.isascii():
            try:
                host = host.encode("idna").decode("ascii")
            except UnicodeError:
                return None
        return cls(scheme, host, _DEFAULT_PORTS[scheme] if port is None else port)

    @property
    def loopback(self) -> bool:
        """Whether it is on this machine, by its name alone."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def prefix(self) -> str:
        """What a normalised URL of this origin begins with, up to and with the path's first slash."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == _DEFAULT_PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{host}{port}/"

    def __str__(self) -> str:
        return self.prefix[:-1]
