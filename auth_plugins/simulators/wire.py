"""Requests and responses of simulators as plain values, and the exception for a broken connection."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class SimRequest:
    """A request as the server reads it.

    Header names are lower-case; `url` is absolute, or a path with its query.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(default=b"", repr=False)

    @property
    def path(self) -> str:
        """The path as it was sent, without percent-decoding; never empty."""
        # Not urlsplit: it raises on an unmatched bracket, and a server must accept any input.
        target = self.url.partition("#")[0].partition("?")[0]
        if target.startswith("/"):
            return target
        return "/" + target.partition("://")[2].partition("/")[2]

    @property
    def query(self) -> str:
        """The query, without percent-decoding; empty if the URL has no query."""
        return self.url.partition("#")[0].partition("?")[2]

    @property
    def bearer(self) -> str | None:
        """The token of an `Authorization: Bearer ...` header; `None` if the header or the token is missing."""
        scheme, _, token = self.headers.get("authorization", "").strip().partition(" ")
        return token.strip() or None if scheme.lower() == "bearer" else None


@dataclass(frozen=True, slots=True)
class SimResponse:
    """An answer. The transport waits `delay` seconds before it returns the answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(default=b"", repr=False)
    delay: float = 0.0


class Dropped(Exception):
    """The connection breaks `delay` seconds after the request, and no answer comes."""

    def __init__(self, delay: float = 0.0) -> None:
        super().__init__("the connection broke before an answer came")
        self.delay = delay


def json_response(status: int, content: Mapping[str, Any]) -> SimResponse:
    """Return an answer with a JSON body."""
    return SimResponse(status, {"content-type": "application/json"}, json.dumps(content).encode())


def json_object(body: bytes) -> dict[str, Any] | None:
    """Return the JSON object in a body; `None` if the body contains anything else."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
