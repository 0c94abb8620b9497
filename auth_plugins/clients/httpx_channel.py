"""How a token call travels through httpx, or httpx2."""

from __future__ import annotations

import os
import time
from contextlib import nullcontext
from types import ModuleType
from typing import Any

from ..core.policy import RefreshPolicy
from ..core.wire import TokenRequest, TokenResponse
from .reading import read_whole, told_safely

__all__ = ["HttpxChannel"]


_contexts: dict[tuple[str | None, ...], Any] = {}


def _tls(library: Any) -> Any:
    """Give the library's own TLS settings: to make them is most of what a client costs, so they are made once."""
    settings = (library.__name__, os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))
    if settings not in _contexts:
        _contexts[settings] = library.create_ssl_context()
    return _contexts[settings]


class HttpxChannel:
    """A client for each call, with the environment's proxies and CA settings; or one that the user lends.

    It is synchronous for asynchronous doors, too: a token call runs in a thread of its own.
    """

    def __init__(self, library: ModuleType, lent: Any = None) -> None:
        self._library: Any = library
        self._lent = lent

    def send(self, request: TokenRequest, policy: RefreshPolicy) -> TokenResponse:
        """Keep the promises of `Channel`."""
        return told_safely(request, lambda: self._send(request, policy))

    def _send(self, request: TokenRequest, policy: RefreshPolicy) -> TokenResponse:
        ends = time.monotonic() + policy.deadline
        with (
            nullcontext(self._lent)
            if self._lent is not None
            else self._library.Client(verify=_tls(self._library)) as client,
            client.stream(
                "POST",
                request.url,
                content=request.body,
                headers={"Accept": "application/json", "Accept-Encoding": "identity", **request.headers},
                auth=None,
                follow_redirects=False,
                timeout=self._library.Timeout(policy.read_timeout, connect=policy.connect_timeout),
            ) as response,
        ):
            body = read_whole(response.iter_bytes(16_384), ends, policy.max_response_bytes)
            return TokenResponse(response.status_code, {k.lower(): v for k, v in response.headers.items()}, body)
