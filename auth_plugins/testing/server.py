"""Simulators behind a real HTTP server on 127.0.0.1, for tests that need a socket."""

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
    simulators: Simulator | Mapping[str, Simulator] | None = None, *, clock: Clock = time.time, port: int = 0
) -> Iterator[SimulatorServer]:
    """Run a server on 127.0.0.1, in the background, until the block ends.

    Args:
        simulators: A simulator for all paths, or one for each path prefix ("" for all other paths); `mount` adds more.
        clock: Returns the true time, which is passed to the simulators.
        port: The port, from 1 to 65535; 0: any that is free.

    Raises:
        OSError: The port is in use.
    """
    if isinstance(simulators, Simulator):
        simulators = {"": simulators}
    server = SimulatorServer(clock, port)
    with server.running():
        for prefix, simulator in (simulators or {}).items():
            server.mount(prefix, simulator)
        yield server


class SimulatorServer:
    """A server on a port of 127.0.0.1. Many tests can share it if each uses another prefix."""

    def __init__(self, clock: Clock, port: int = 0) -> None:
        self._clock = clock
        self._mounted: dict[str, tuple[Simulator, Clock]] = {}
        # Listening starts here, so that no client connects too early and the port is known at once.
        # asyncio turns off Nagle's algorithm, which costs 40 ms for each answer, only if the protocol is named.
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        try:
            self._socket.bind(("127.0.0.1", port))
        except OSError:
            self._socket.close()
            raise
        self._socket.listen(_BACKLOG)
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    def mount(self, prefix: str, simulator: Simulator, *, clock: Clock | None = None) -> str:
        """Let a simulator answer the requests below `prefix`. The simulator sees paths without the prefix.

        Returns:
            The base URL of the simulated API, for a provider's `base_url`.
        """
        prefix = "/" + prefix.strip("/") if prefix.strip("/") else ""
        self._mounted[prefix] = (simulator, clock or self._clock)
        simulator.base_url = self.url + prefix + simulator.base_path
        return simulator.base_url

    def unmount(self, prefix: str) -> None:
        """Answer requests below `prefix` with 404 again."""
        self._mounted.pop("/" + prefix.strip("/") if prefix.strip("/") else "", None)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Serve in a thread while the block runs. Calls that are open at its end have a second to finish."""
        config = uvicorn.Config(
            self._application,
            interface="asgi3",  # uvicorn guesses wrong for a bound method
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
            # Wait until the connection is closed: otherwise uvicorn would send a 500.
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
        if getattr(simulator, "api", None) is not None:  # The user's handlers may block.
            return await asyncio.to_thread(simulator.handle, request, clock())
        return simulator.handle(request, clock())


async def _read_body(receive: ASGIReceiveCallable) -> bytes | None:
    """Return the body of a request; `None` if the client disconnected before its end."""
    body = bytearray()  # Adding to bytes would copy the whole body with every 64 kB.
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        body += message["body"]
        if not message["more_body"]:
            return bytes(body)


def _headers(scope: HTTPScope) -> dict[str, str]:
    """Return the headers by name. Repeated headers are joined by a comma (RFC 9110, section 5.3)."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


class _Server(uvicorn.Server):
    """Sets `ready` after its start: a server that is stopped before that leaves its sockets open."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        self.ready.set()


class _Protocol(H11Protocol):
    """Lets the application close the connection, for which ASGI has no message."""

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.app_state = {**self.app_state, "close": transport.close}
