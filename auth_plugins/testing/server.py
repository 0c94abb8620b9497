"""Simulators behind a real HTTP server on 127.0.0.1, for what only a socket can show."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from threading import Event, Thread
from typing import TYPE_CHECKING

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from auth_plugins.simulators import Dropped, SimRequest, SimResponse, Simulator

from .transports import Clock, seconds_there

if TYPE_CHECKING:
    from asyncio import Transport

    from uvicorn._types import ASGIReceiveCallable, ASGISendCallable, HTTPScope

_BACKLOG = 2048
_NOT_FOUND = SimResponse(404, {"content-type": "text/plain"}, b"no simulator is mounted here")


@contextmanager
def serve(
    simulators: Simulator | Mapping[str, Simulator] | None = None, *, clock: Clock = time.time
) -> Iterator[SimulatorServer]:
    """Run a server in the background until the block ends.

    Args:
        simulators: One for all paths, or one for each path prefix ("" is all the rest); `mount` adds more.
        clock: The true time that the simulators are told.
    """
    if isinstance(simulators, Simulator):
        simulators = {"": simulators}
    server = SimulatorServer(clock)
    with server.running():
        for prefix, simulator in (simulators or {}).items():
            server.mount(prefix, simulator)
        yield server


class SimulatorServer:
    """A server on a free port of 127.0.0.1; many tests can share one, each with a prefix of its own."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._mounted: dict[str, tuple[Simulator, Clock]] = {}
        # Listening starts here, so that a client never comes too early and the port is known at once.
        # The protocol is named, for only then does asyncio turn off Nagle's algorithm: 40 ms for each answer.
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.listen(_BACKLOG)
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    def mount(self, prefix: str, simulator: Simulator, *, clock: Clock | None = None) -> str:
        """Let a simulator answer what comes below `prefix`, which it does not see.

        Returns:
            The base URL of the simulated API: what a provider's `base_url` is to be.
        """
        prefix = "/" + prefix.strip("/") if prefix.strip("/") else ""
        self._mounted[prefix] = (simulator, clock or self._clock)
        return self.url + prefix + simulator.base_path

    @contextmanager
    def running(self) -> Iterator[None]:
        """Serve in a thread while the block runs; calls still open at its end get a second to finish."""
        config = uvicorn.Config(
            self._application,
            interface="asgi3",  # what uvicorn would guess of a bound method is wrong
            loop="asyncio",
            http=_Protocol,
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="critical",
            access_log=False,
            proxy_headers=False,
            server_header=False,
            date_header=False,
            backlog=_BACKLOG,
            timeout_keep_alive=60,
            timeout_graceful_shutdown=1,
        )
        server = _Server(config)
        thread = Thread(target=server.run, args=([self._socket],), name="simulators", daemon=True)
        thread.start()
        try:
            if not server.ready.wait(10):
                raise RuntimeError("the simulators' server did not start within 10 seconds")
            yield
        finally:
            server.should_exit = True
            thread.join(10)
            self._socket.close()

    async def _application(self, scope: HTTPScope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        body = await _read_body(receive)
        if body is None:
            return
        try:
            answer = await self._answer(scope, body)
        except Dropped as dropped:
            await asyncio.sleep(dropped.delay)
            scope["state"]["close"]()
            # Not back before the connection is gone: uvicorn would still send a 500 in our name.
            await receive()
            return
        await asyncio.sleep(answer.delay)
        fields = {**answer.headers, "content-length": str(len(answer.body))}
        headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in fields.items()]
        await send({"type": "http.response.start", "status": answer.status, "headers": headers, "trailers": False})
        await send({"type": "http.response.body", "body": answer.body, "more_body": False})

    async def _answer(self, scope: HTTPScope, body: bytes) -> SimResponse:
        path = scope["raw_path"].decode("ascii")
        prefix = path
        while prefix not in self._mounted:
            if not prefix:
                return _NOT_FOUND
            prefix = prefix.rpartition("/")[0]
        simulator, clock = self._mounted[prefix]
        query = scope["query_string"].decode("ascii")
        url = (path[len(prefix) :] or "/") + (f"?{query}" if query else "")
        request = SimRequest(scope["method"], url, _headers(scope), body)
        await asyncio.sleep(seconds_there(simulator, request))
        return simulator.handle(request, clock())


async def _read_body(receive: ASGIReceiveCallable) -> bytes | None:
    """The whole body of a request; None if the client went away before its end."""
    body = bytearray()  # To add to bytes would copy all that came before, every 64 kB.
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        body += message["body"]
        if not message["more_body"]:
            return bytes(body)


def _headers(scope: HTTPScope) -> dict[str, str]:
    """The headers by name; what came twice is joined by a comma, as RFC 9110 reads it."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


class _Server(uvicorn.Server):
    """Tells when it is ready: one that is asked to stop before that leaves its sockets open."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        self.ready.set()


class _Protocol(H11Protocol):
    """Hands the application the one thing that ASGI has no message for: breaking the connection."""

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.app_state = {**self.app_state, "close": transport.close}
