"""Where a door lets a token out, and the warning for what a door cannot send twice."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, MutableMapping
from typing import Any

from ..core.origin import Origin
from ..engine import Snapshot, TokenSource

__all__ = ["AllowedOrigins", "BodyNotReplayed", "attach", "default_port", "warn_not_replayed"]


class BodyNotReplayed(UserWarning):
    """A request got a 401 and was not sent again, since its body cannot be sent twice.

    Where a filter makes it an exception, it is raised in place of the 401, and the connection of the 401 is released.
    """


class AllowedOrigins:
    """The origins that a token belongs to. Everything else is a stranger."""

    def __init__(self, origins: Iterable[Origin]) -> None:
        self.origins = frozenset(origins)
        self._prefixes = tuple(origin.prefix for origin in self.origins)
        self._parts = frozenset((o.scheme, o.host, o.port) for o in self.origins)

    def covers(self, url: str | None) -> bool:
        """Whether the token may go to `url`."""
        if url is None:
            return False
        # A prefix ends in the slash after the authority, so what begins with it cannot name another host.
        return url.startswith(self._prefixes) or Origin.of(url) in self.origins

    def covers_parts(self, scheme: str, host: str, port: int | None) -> bool:
        """Whether the token may go to a URL that its library has taken apart: lower case, IDNA, default port `None`."""
        return (scheme, host, default_port(scheme) if port is None else port) in self._parts


def default_port(scheme: str) -> int:
    """Give the port that a URL of this scheme leaves out."""
    return 443 if scheme == "https" else 80


def attach(headers: MutableMapping[str, Any], snapshot: Snapshot) -> None:
    """Put the token on a request, in place of any other."""
    for name, value in snapshot.headers:
        headers[name] = value


def warn_not_replayed(source: TokenSource, release: Callable[[], object] | None = None) -> None:
    """Warn that the caller gets a 401 since the body cannot be sent again. The renewal goes on without this request.

    `release` gives the connection of the 401 back. It is called if the warning is raised: the 401 is then lost.
    """
    source.not_replayed()
    try:
        warnings.warn("A 401 was not answered: the request's body cannot be sent again", BodyNotReplayed, stacklevel=3)
    except BodyNotReplayed:
        if release is not None:
            release()
        raise
