"""Where a token may go: an origin is a scheme, a host and a port (RFC 6454, RFC 9110 section 4.3.1)."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

__all__ = ["Origin"]

_DEFAULT_PORTS = {"http": 80, "https": 443}
# Narrower than RFC 3986: where two libraries may read two hosts out of one URL, there is no origin at all.
_AUTHORITY = re.compile(
    r"(?P<scheme>https?)://(?:[^/?#@\[\]]*@)?(?P<host>[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::(?P<port>[0-9]{0,5}))?(?=[/?#]|\Z)",
    re.IGNORECASE | re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Origin:
    """A scheme, a lower-case host and a port. Two are the same or they are strangers: there are no patterns."""

    scheme: str
    host: str
    port: int

    @classmethod
    def of(cls, url: str) -> Origin | None:
        """Read the origin of an absolute http or https URL; `None` if it has none that can be trusted."""
        found = _AUTHORITY.match(url)
        if found is None or any(not "!" <= character <= "~" or character == "\\" for character in url):
            return None
        scheme, host = found["scheme"].lower(), found["host"].lower()
        port = int(found["port"]) if found["port"] else _DEFAULT_PORTS[scheme]
        return cls(scheme, host.strip("[]"), port) if port <= 65_535 else None

    @property
    def is_loopback(self) -> bool:
        """Whether it is on this machine, by its name alone."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def is_secure(self) -> bool:
        """Whether nobody on the way can read what goes there."""
        return self.scheme == "https" or self.is_loopback

    @property
    def prefix(self) -> str:
        """What a normalised URL of this origin begins with, up to and with the path's first slash."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == _DEFAULT_PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{host}{port}/"

    def __str__(self) -> str:
        return self.prefix[:-1]
