"""Origins, which limit where a token is sent: a scheme, a host and a port (RFC 6454; RFC 9110, section 4.3.1)."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

__all__ = ["Origin"]

_DEFAULT_PORTS = {"http": 80, "https": 443}
# Stricter than RFC 3986: a URL in which two libraries may find different hosts has no origin.
_AUTHORITY = re.compile(
    r"(?P<scheme>https?)://(?:[^/?#@\[\]]*@)?(?P<host>[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::(?P<port>[0-9]{0,5}))?(?=[/?#]|\Z)",
    re.IGNORECASE | re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Origin:
    """A scheme, a lower-case host and a port. All three must be equal: there are no patterns."""

    scheme: str
    host: str
    port: int

    @classmethod
    def of(cls, url: str) -> Origin | None:
        """Return the origin of an absolute http or https URL; `None` if the URL is invalid or ambiguous."""
        found = _AUTHORITY.match(url)
        if found is None or any(not "!" <= character <= "~" or character == "\\" for character in url):
            return None
        scheme, host = found["scheme"].lower(), found["host"].lower()
        port = int(found["port"]) if found["port"] else _DEFAULT_PORTS[scheme]
        return cls(scheme, host.strip("[]"), port) if port <= 65_535 else None

    @property
    def is_loopback(self) -> bool:
        """Whether the host is `localhost` or a loopback address. No name is looked up."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def is_secure(self) -> bool:
        """Whether requests to this origin cannot be read in transit: https, or this machine."""
        return self.scheme == "https" or self.is_loopback

    @property
    def prefix(self) -> str:
        """The beginning of every normalised URL of this origin, including the first slash of the path."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == _DEFAULT_PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{host}{port}/"

    def __str__(self) -> str:
        return self.prefix[:-1]
