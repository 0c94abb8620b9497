"""The origins that a token may be sent to, and the warning for a body that cannot be sent again."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, MutableMapping
from typing import Any

from ..core.origin import Origin
from ..engine import Snapshot, TokenSource

__all__ = ["AllowedOrigins", "BodyNotReplayed", "attach", "default_port", "warn_not_replayed"]


class BodyNotReplayed(UserWarning):
    """A request got a 401 and was not sent again, since its body cannot be sent twice.

    If a filter turns the warning into an exception, it is raised in place of the 401, whose connection is released.
    """


class AllowedOrigins:
    """The origins that a token may be sent to. It is never sent to any other."""

    def __init__(self, origins: Iterable[Origin]) -> None:
        self.origins = frozenset(origins)
        self._prefixes = tuple(origin.prefix for origin in self.origins)
        self._parts = frozenset((o.scheme, o.host, o.port) for o in self.origins)

    def covers(self, url: str | None) -> bool:
        """Whether the token may be sent to `url`."""
        if url is None:
            return False
        # A prefix ends with the slash after the authority, so a URL that begins with it cannot name another host.
        return url.startswith(self._prefixes) or Origin.of(url) in self.origins

    def covers_parts(self, scheme: str, host: str, port: int | None) -> bool:
        """Whether the token may be sent to a URL that was parsed: lower case, IDNA, `None` for the default port."""
        return (scheme, host, default_port(scheme) if port is None else port) in self._parts


def default_port(scheme: str) -> int:
    """Return the default port of `scheme` (http or https)."""
    return 443 if scheme == "https" else 80


def attach(headers: MutableMapping[str, Any], snapshot: Snapshot) -> None:
    """Set the headers of the token on a request. They replace headers of the same name."""
    for name, value in snapshot.headers:
        headers[name] = value


def warn_not_replayed(source: TokenSource, release: Callable[[], object] | None = None) -> None:
    """Warn that the caller gets the 401 because the body cannot be sent again. The renewal is not affected.

    `release` releases the connection of the 401. It is called if the warning is raised, since the caller then does not
    get the 401.
    """
    source.not_replayed()
    try:
        warnings.warn("A 401 was not answered: the request's body cannot be sent again", BodyNotReplayed, stacklevel=3)
    except BodyNotReplayed:
        if release is not None:
            release()
        raise
