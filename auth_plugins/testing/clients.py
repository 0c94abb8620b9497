"""A common interface for every kind of client, so that the same test runs with all of them."""

from __future__ import annotations

import importlib
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Protocol

import requests

from auth_plugins.simulators import Simulator

from .transports import Clock, RequestsAdapter, mock_transport

__all__ = ["CLIENT_KINDS", "INTEGRATION_KINDS", "AnyClient", "Reply", "open_client"]

CLIENT_KINDS = (
    "requests",
    "httpx",
    "httpx-asyncio",
    "httpx-trio",
    "httpx2",
    "httpx2-asyncio",
    "httpx2-trio",
)
"""The kinds of client that `open_client` knows: a library, and the event loop of its asynchronous client."""

INTEGRATION_KINDS = ("aiohttp-asyncio", "niquests", "niquests-asyncio", "urllib3")
"""Further kinds, of libraries in `auth_plugins.integrations`. Their requests go over the network."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A response, with the same attributes for every library."""

    status: int
    body: bytes
    history: tuple[int, ...]
    url: str
    sent: Mapping[str, str] = field(repr=False)
    """The headers of the last request, by lower-case name."""

    @property
    def data(self) -> Any:
        """The `data` member of a simulator's answer."""
        import json

        return json.loads(self.body)["data"]


class AnyClient(Protocol):
    """A client of any kind. It raises the exceptions of its library."""

    def send(self, method: str, url: str, **sending: Any) -> Reply:
        """Send one request. `sending` may contain `content`, `headers` and `follow_redirects` (default: `False`)."""

    def send_many(self, count: int, method: str, url: str, **sending: Any) -> list[Reply]:
        """Send `count` requests at the same time, in threads or in tasks of the same event loop."""


@contextmanager
def open_client(
    kind: str, auth: Any, *, simulator: Simulator | None = None, clock: Clock = time.time, **options: Any
) -> Iterator[AnyClient]:
    """Open a client of this kind.

    Args:
        kind: One of `CLIENT_KINDS` or `INTEGRATION_KINDS`.
        auth: The `auth` of the client.
        simulator: Answers the requests without a network. `None`: the requests go over the network.
        clock: Returns the true time, which is passed to the simulator.
        **options: Further arguments of the library's constructor (httpx, httpx2).
    """
    if kind in INTEGRATION_KINDS:
        opened = _integration(kind, auth, simulator)
    elif kind not in CLIENT_KINDS:
        raise ValueError(f"kind must be one of {', '.join((*CLIENT_KINDS, *INTEGRATION_KINDS))}")
    elif kind == "requests":
        opened = _session(auth, simulator, clock)
    else:
        opened = _httpx_client(kind, auth, simulator, clock, options)
    with opened as client:
        yield client


def _integration(kind: str, auth: Any, simulator: Simulator | None) -> AbstractContextManager[AnyClient]:
    from .integration_clients import open_integration

    if simulator is not None:
        raise ValueError(f"simulator must be None: the requests of {kind} go over the network")
    return open_integration(kind, auth)


@contextmanager
def _session(auth: Any, simulator: Simulator | None, clock: Clock) -> Iterator[AnyClient]:
    with requests.Session() as session:
        session.auth = auth
        session.trust_env = False
        if simulator is not None:
            for scheme in ("https://", "http://"):
                session.mount(scheme, RequestsAdapter(simulator, clock))
        yield _Requests(session)


@contextmanager
def _httpx_client(
    kind: str, auth: Any, simulator: Simulator | None, clock: Clock, options: dict[str, Any]
) -> Iterator[AnyClient]:
    name, _, loop = kind.partition("-")
    library = importlib.import_module(name)
    settings = {"auth": auth, "timeout": 30.0, "trust_env": False, "verify": _tls(library), **options}
    if simulator is not None:
        settings["transport"] = mock_transport(simulator, clock, library)
    if not loop:
        with library.Client(**settings) as client:
            yield _Httpx(client)
    else:
        with (
            portal_for(loop) as portal,
            portal.wrap_async_context_manager(library.AsyncClient(**settings)) as client,
        ):
            yield _AsyncHttpx(client, portal)


@lru_cache
def _tls(library: Any) -> Any:
    return library.create_ssl_context()


def portal_for(loop: str) -> AbstractContextManager[Any]:
    from anyio.from_thread import start_blocking_portal

    return start_blocking_portal(backend=loop)


def in_threads(count: int, work: Callable[[], Reply]) -> list[Reply]:
    together = threading.Barrier(count)

    def once() -> Reply:
        together.wait(30)
        return work()

    with ThreadPoolExecutor(count) as pool:
        return [future.result() for future in [pool.submit(once) for _ in range(count)]]


class _Requests:
    def __init__(self, session: requests.Session) -> None:
        self._session = session

    def send(self, method: str, url: str, **sending: Any) -> Reply:
        response = self._session.request(
            method,
            url,
            data=sending.get("content"),
            headers=sending.get("headers"),
            allow_redirects=sending.get("follow_redirects", False),
            timeout=30,
        )
        sent = {name.lower(): str(value) for name, value in response.request.headers.items()}
        history = tuple(each.status_code for each in response.history)
        return Reply(response.status_code, response.content, history, response.url, sent)

    def send_many(self, count: int, method: str, url: str, **sending: Any) -> list[Reply]:
        return in_threads(count, lambda: self.send(method, url, **sending))


class _Httpx:
    def __init__(self, client: Any) -> None:
        self._client = client

    def send(self, method: str, url: str, **sending: Any) -> Reply:
        return _reply(self._client.request(method, url, **sending))

    def send_many(self, count: int, method: str, url: str, **sending: Any) -> list[Reply]:
        return in_threads(count, lambda: self.send(method, url, **sending))


class _AsyncHttpx:
    def __init__(self, client: Any, portal: Any) -> None:
        self._client, self._portal = client, portal

    def send(self, method: str, url: str, **sending: Any) -> Reply:
        return _reply(self._portal.call(lambda: self._client.request(method, url, **sending)))

    def send_many(self, count: int, method: str, url: str, **sending: Any) -> list[Reply]:
        work: Callable[[], Awaitable[Any]] = lambda: self._client.request(method, url, **sending)  # noqa: E731
        return [_reply(response) for response in self._portal.call(all_of, count, work)]


async def all_of(count: int, work: Callable[[], Awaitable[Any]]) -> list[Any]:
    import anyio

    found: list[Any] = []
    failed: list[Exception] = []

    async def once() -> None:
        try:
            found.append(await work())
        except Exception as error:  # As with threads: the other tasks continue.
            failed.append(error)

    async with anyio.create_task_group() as tasks:
        for _ in range(count):
            tasks.start_soon(once)
    if failed:
        raise failed[0]
    return found


def _reply(response: Any) -> Reply:
    sent = {name.lower(): value for name, value in response.request.headers.items()}
    history = tuple(each.status_code for each in response.history)
    return Reply(response.status_code, response.content, history, str(response.url), sent)
