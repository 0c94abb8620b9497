"""How a token call travels through httpx, or httpx2."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from types import ModuleType
from typing import Any

from ..core.policy import RefreshPolicy
from ..core.wire import TokenRequest, TokenResponse
from .reading import Deadline, read_whole, told_safely

__all__ = ["HttpxChannel"]


def _make_context(library: Any, *_environment: str | None) -> Any:
    return library.create_ssl_context()


# To make them is most of what a client costs, so they are made once.
_context = cache(_make_context)


def _tls(library: Any) -> Any:
    """Give the library's own TLS settings."""
    return _context(library, os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))


class HttpxChannel:
    """A client for each call, with the environment's proxies and CA settings; or one that the user lends.

    It is synchronous for asynchronous doors, too: a token call runs in a thread of its own.
    """

    def __init__(self, library: ModuleType, lent: Any = None) -> None:
        self._library: Any = library
        self.lent = lent

    def send(self, request: TokenRequest, policy: RefreshPolicy) -> TokenResponse:
        """Keep the promises of `Channel`."""
        return told_safely(request, lambda: self._send(request, policy))

    def _send(self, request: TokenRequest, policy: RefreshPolicy) -> TokenResponse:
        deadline = Deadline.after(policy.deadline)
        with (
            self._client(deadline) as client,
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
            headers = {name.lower(): value for name, value in response.headers.items()}
            encoding = headers.get("content-encoding", "")
            chunks = response.iter_raw()  # As they come: to fill pieces of a size, it would wait.
            if response.is_stream_consumed:  # A mock's answer that was read, and unpacked, when it was made.
                encoding, chunks = "", response.iter_bytes()
            body = read_whole(chunks, deadline, policy.max_response_bytes, encoding)
            return TokenResponse(response.status_code, headers, body)

    def _client(self, deadline: Deadline) -> AbstractContextManager[Any]:
        if self.lent is not None:
            return nullcontext(self.lent)
        client = self._library.Client(verify=_tls(self._library))
        # A client takes no network backend of ours unless it is made without the environment's proxies.
        for transport in (client._transport, *client._mounts.values()):
            if transport is not None:
                transport._pool._network_backend = _Backend(transport._pool._network_backend, deadline)
        return client  # type: ignore[no-any-return]


class _Backend:
    """Its streams end by the deadline. A time-out of the library's own begins anew with every byte that drips."""

    def __init__(self, backend: Any, deadline: Deadline) -> None:
        self._backend, self._deadline = backend, deadline

    def connect_tcp(self, host: str, port: int, timeout: float | None = None, **more: Any) -> _Stream:
        connected = self._backend.connect_tcp(host, port, timeout=self._deadline.cut(timeout), **more)
        return _Stream(connected, self._deadline)


class _Stream:
    def __init__(self, stream: Any, deadline: Deadline) -> None:
        self._stream, self._deadline = stream, deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> Any:
        return self._stream.read(max_bytes, self._deadline.cut(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._deadline.cut(timeout))

    def start_tls(self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None) -> _Stream:
        secured = self._stream.start_tls(ssl_context, server_hostname, self._deadline.cut(timeout))
        return _Stream(secured, self._deadline)

    def close(self) -> None:
        self._stream.close()

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
