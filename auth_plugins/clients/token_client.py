"""The transport for token calls over a client that the user passed as `token_client=`."""

from __future__ import annotations

import requests

from .httpx_flow import library_of
from .httpx_transport import HttpxTransport
from .requests_transport import RequestsTransport

__all__ = ["transport_for"]


def transport_for(client: object) -> RequestsTransport | HttpxTransport | None:
    """Return the transport for a client, or `None` for `None`.

    Raises:
        TypeError: the client is not a synchronous client of requests, httpx or httpx2.
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
