"""Finds the environment's proxy for a token call, by one rule for all libraries."""

from __future__ import annotations

import ipaddress
import os
import socket
from dataclasses import dataclass, field
from urllib.parse import SplitResult, urlsplit
from urllib.request import getproxies

from requests.utils import should_bypass_proxies

from ..core.errors import ConfigurationError
from ..core.wire import Masked

__all__ = ["Proxy", "is_loopback", "proxy_for"]


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy that the environment names."""

    url: str = field(repr=False)
    """The URL, with the user name and the password if the environment has them."""
    variable: str
    """The name of the environment variable, in capitals, or "the system's settings"."""

    @property
    def uses_socks(self) -> bool:
        """Whether it speaks SOCKS and not HTTP."""
        return self.url.lower().startswith("socks")

    def __str__(self) -> str:
        parts = urlsplit(self.url)
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
        return f"{parts.scheme}://{host}{f':{parts.port}' if parts.port else ''}"


def proxy_for(url: str) -> Proxy | None:
    """Return the proxy for a token call to `url`, or None if the call goes directly to the endpoint.

    A call to this machine never uses a proxy of the environment: the proxy would read the credentials.

    Raises:
        ConfigurationError: the value of the variable is not the URL of a proxy.
    """
    parts = urlsplit(url)
    if is_loopback(parts.hostname or ""):
        return None
    proxies = getproxies()
    named = proxies.get(parts.scheme) or proxies.get("all")
    if not named or _goes_straight(url, parts, proxies.get("no", "")):
        return None
    proxy = Proxy(Masked(named if "://" in named else f"http://{named}"), _variable(parts.scheme))
    if not _is_whole(proxy.url):
        raise ConfigurationError(
            f"A token call cannot be sent: the value of {proxy.variable} is not the URL of a proxy",
            hint=f"Set {proxy.variable} to a URL such as http://proxy.internal:3128.",
        )
    return proxy


def is_loopback(host: str) -> bool:
    """Return whether a connection to `host` stays on this machine, by the name or the address alone.

    RFC 6761, section 6.3: `localhost` and the names below it; 127.0.0.0/8 and ::1, also as an IPv4-mapped address, and
    in the short forms that resolvers accept; 0.0.0.0 and ::, which connect to this machine as well.
    """
    name = host.rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    address = _address(name)
    return address is not None and (address.is_loopback or address.is_unspecified)


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        try:  # "127.1" and "2130706433" are addresses to a resolver.
            return ipaddress.IPv4Address(socket.inet_aton(host))
        except (OSError, ValueError):
            return None
    return getattr(address, "ipv4_mapped", None) or address


def _variable(scheme: str) -> str:
    for name in (f"{scheme}_proxy", "all_proxy"):
        if os.environ.get(name) or os.environ.get(name.upper()):
            return name.upper()
    return "the system's settings"


def _is_whole(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and parts.port != 0
    except ValueError:  # The port is not a number, or too large.
        return False


def _goes_straight(url: str, parts: SplitResult, no_proxy: str) -> bool:
    """Return whether `no_proxy` names the endpoint's host, by the rules of requests or by those of httpx."""
    entries = (entry.strip().lower() for entry in no_proxy.split(","))
    return should_bypass_proxies(url, no_proxy=None) or any(_names(entry, parts) for entry in entries if entry)


def _names(entry: str, parts: SplitResult) -> bool:
    """Return whether an entry is `*`, or names the host with a scheme, in brackets, as a wildcard or by its network."""
    scheme, found, rest = entry.rpartition("://")
    if found and scheme not in ("all", parts.scheme):
        return False
    host = parts.hostname or ""
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(rest.replace("[", "").replace("]", ""), strict=False)
    except ValueError:  # The host or the entry is a name.
        rest = rest.removesuffix(f":{parts.port}")
        return rest == "*" or host == rest or host.endswith(f".{rest.removeprefix('*').removeprefix('.')}")
