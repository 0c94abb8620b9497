"""`through`: lets a transport of httpx answer for a simulated API, such as one that calls an ASGI or WSGI program."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx

from auth_plugins.simulators import SimRequest, SimResponse

__all__ = ["through"]

_BASE_URL = "http://simulated"
_NOT_PASSED_ON = ("authorization", "content-length", "host", "transfer-encoding")
_NOT_HANDED_BACK = ("content-encoding", "content-length", "transfer-encoding")


class through:
    """A handler for `simulator.api` that passes requests with a valid token to a transport of httpx.

    The transport gets them without the token, and with the path that the simulator got.

    Args:
        transport: an `httpx.WSGITransport`, `httpx.ASGITransport` or `httpx.MockTransport`, or one of your own.
    """

    def __init__(self, transport: httpx.BaseTransport | httpx.AsyncBaseTransport) -> None:
        self._transport = transport

    def __call__(self, request: SimRequest) -> SimResponse:
        """Return the transport's answer."""
        headers = {name: value for name, value in request.headers.items() if name not in _NOT_PASSED_ON}
        target = request.path + (f"?{request.query}" if request.query else "")
        sent: dict[str, Any] = {"content": request.body, "headers": headers}
        if isinstance(self._transport, httpx.BaseTransport):
            with httpx.Client(transport=self._transport, base_url=_BASE_URL) as client:
                answer = client.request(request.method, target, **sent)
        else:
            # In a thread of its own: the caller may be in an event loop.
            with ThreadPoolExecutor(1) as thread:
                answer = thread.submit(asyncio.run, self._ask(request.method, target, sent)).result()
        kept = {name: value for name, value in answer.headers.items() if name not in _NOT_HANDED_BACK}
        return SimResponse(answer.status_code, kept, answer.content)

    async def _ask(self, method: str, target: str, sent: dict[str, Any]) -> httpx.Response:
        assert isinstance(self._transport, httpx.AsyncBaseTransport)  # noqa: S101 - narrows a type
        async with httpx.AsyncClient(transport=self._transport, base_url=_BASE_URL) as client:
            return await client.request(method, target, **sent)
