"""Makes the transport of `token_client=`, the user's own client for token calls."""

from __future__ import annotations

import requests

from .httpx_transport import HttpxTransport
from .library import library_of
from .requests_transport import RequestsTransport

__all__ = ["transport_for"]


def transport_for(client: object) -> RequestsTransport | HttpxTransport | None:
    """Return the transport for `token_client`, or None if it is None.

    Raises:
        TypeError: it is not a synchronous client of requests, httpx or httpx2.
    """
    if client is None:
        return None
    if isinstance(client, requests.Session):
        return RequestsTransport(client)
    for kind in type(client).__mro__:
        root = kind.__module__.partition(".")[0]
        if root in ("httpx", "httpx2") and kind.__name__ == "Client":
            return HttpxTransport(library_of(type(client)), client)
    raise TypeError("token_client must be a requests.Session, an httpx.Client or an httpx2.Client")
