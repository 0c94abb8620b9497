"""The clients of the demo: a common interface to all HTTP libraries."""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

import requests

if TYPE_CHECKING:
    from collections.abc import Callable

    from auth_plugins.auth import TokenAuth

__all__ = ["LIBRARIES", "PATIENCE", "Send", "httpx_options", "sleep_until", "using"]

LIBRARIES = ("requests", "httpx", "httpx2")
PATIENCE = 60.0
"""Seconds. The time-out of requests, long enough for a slow machine."""


class Send(Protocol):
    """Sends a request, follows redirects, and returns the status of the last answer."""

    def __call__(self, method: str, url: str, body: Any = None, headers: Mapping[str, str] | None = None) -> int:
        """Send a request; `body` is bytes or a file."""


@contextmanager
def using(library: str, auth: TokenAuth | Callable[..., Any]) -> Iterator[Send]:
    """Open a client of `library` with `auth` as its auth, and yield a function that sends."""
    with _requests(auth) if library == "requests" else _httpx(library, auth) as send:
        yield send


@contextmanager
def _requests(auth: Any) -> Iterator[Send]:
    with requests.Session() as session:
        session.auth, session.trust_env = auth, False

        def send(method: str, url: str, body: Any = None, headers: Mapping[str, str] | None = None) -> int:
            return session.request(method, url, data=body, headers=headers, timeout=PATIENCE).status_code

        yield send


@contextmanager
def _httpx(library: str, auth: Any) -> Iterator[Send]:
    with import_module(library).Client(auth=auth, **httpx_options()) as client:

        def send(method: str, url: str, body: Any = None, headers: Mapping[str, str] | None = None) -> int:
            return int(client.request(method, url, content=body, headers=headers).status_code)

        yield send


def httpx_options() -> dict[str, Any]:
    """Return the arguments of all clients of httpx and httpx2."""
    return {"verify": _tls(), "trust_env": False, "timeout": PATIENCE, "follow_redirects": True}


@cache
def _tls() -> ssl.SSLContext:
    # The demo does not use TLS, and loading the CA certificates for each client would take longer than a scene.
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def sleep_until(moment: float) -> None:
    """Sleep until the wall clock shows `moment`, and a little longer."""
    while (left := moment + 0.02 - time.time()) > 0:
        time.sleep(left)
