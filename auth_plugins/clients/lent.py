"""The client of the user's that makes token calls (`token_client=`)."""

from __future__ import annotations

import requests

from .httpx_flow import library_of
from .httpx_transport import HttpxTransport
from .requests_transport import RequestsTransport

__all__ = ["lent_channel"]


def lent_channel(client: object) -> RequestsTransport | HttpxTransport | None:
    """Return the channel of `token_client`, or None where there is none.

    Raises:
        TypeError: it is not a synchronous client of a library that is supported.
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
