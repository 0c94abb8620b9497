"""Clients of the libraries in `auth_plugins.integrations`, with the interface of `open_client`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from typing import Any

from .clients import AnyClient, Reply, all_of, in_threads, portal_for

__all__ = ["open_integration"]

_TIMEOUT = 30.0
_statuses: ContextVar[list[int]] = ContextVar("_statuses")
"""The statuses of all answers to a request. Only requests and its relatives keep a 401 in the history."""


@contextmanager
def open_integration(kind: str, auth: Any) -> Iterator[AnyClient]:
    """Open a client of this kind, one of `INTEGRATION_KINDS`. Its requests go over the network."""
    with _OPENERS[kind](auth) as client:
        yield client


@contextmanager
def _aiohttp(auth: Any) -> Iterator[AnyClient]:
    with portal_for("asyncio") as portal, portal.wrap_async_context_manager(_aiohttp_session(auth)) as session:
        yield _Aiohttp(session, portal)


@asynccontextmanager
async def _aiohttp_session(auth: Any) -> AsyncIterator[Any]:
    import aiohttp

    from auth_plugins.integrations.aiohttp import TokenMiddleware

    async def note(request: Any, handler: Any) -> Any:
        response = await handler(request)
        _statuses.get().append(response.status)
        return response

    middlewares: list[Any] = [TokenMiddleware(auth), note]
    async with aiohttp.ClientSession(middlewares=middlewares, timeout=aiohttp.ClientTimeout(_TIMEOUT)) as session:
        yield session


class _Aiohttp:
    def __init__(self, session: Any, portal: Any) -> None:
        self._session, self._portal = session, portal

    def send(self, method: str, url: str, **sending: Any) -> Reply:
        return self._portal.call(self._send, method, url, sending)  # type: ignore[no-any-return]

    def send_many(self, count: int, method: str, url: str, **sending: Any) -> list[Reply]:
        return self._portal.call(all_of, count, lambda: self._send(method, url, sending))  # type: ignore[no-any-return]

    async def _send(self, method: str, url: str, sending: dict[str, Any]) -> Reply:
        statuses: list[int] = []
        _statuses.set(statuses)
        async with self._session.request(
            method,
            url,
            data=sending.get("content"),
            headers=sending.get("headers"),
            allow_redirects=sending.get("follow_redirects", False),
        ) as response:
            sent = _text(response.request_info.headers)
            return Reply(response.status, await response.read(), tuple(statuses[:-1]), str(response.url), sent)


@contextmanager
def _niquests(auth: Any) -> Iterator[AnyClient]:
    import niquests

    from auth_plugins.integrations.niquests import NiquestsAuth

    with niquests.Session() as session:
        session.auth, session.trust_env = NiquestsAuth(auth), False
        yield _Niquests(session)


class _Niquests:
    def __init__(self, session: Any) -> None:
        self._session = session

    def send(self, method: str, url: str, **sending: Any) -> Reply:
        return _reply_of_niquests(self._session.request(method, url, **_for_niquests(sending)))

    def send_many(self, count: int, method: str, url: str, **sending: Any) -> list[Reply]:
        return in_threads(count, lambda: self.send(method, url, **sending))


@contextmanager
def _async_niquests(auth: Any) -> Iterator[AnyClient]:
    with portal_for("asyncio") as portal, portal.wrap_async_context_manager(_niquests_session(auth)) as session:
        yield _AsyncNiquests(session, portal)


@asynccontextmanager
async def _niquests_session(auth: Any) -> AsyncIterator[Any]:
    import niquests

    from auth_plugins.integrations.niquests import AsyncNiquestsAuth

    async with niquests.AsyncSession() as session:
        session.auth, session.trust_env = AsyncNiquestsAuth(auth), False
        yield session


class _AsyncNiquests:
    def __init__(self, session: Any, portal: Any) -> None:
        self._session, self._portal = session, portal

    def send(self, method: str, url: str, **sending: Any) -> Reply:
        return self._portal.call(self._send, method, url, sending)  # type: ignore[no-any-return]

    def send_many(self, count: int, method: str, url: str, **sending: Any) -> list[Reply]:
        return self._portal.call(all_of, count, lambda: self._send(method, url, sending))  # type: ignore[no-any-return]

    async def _send(self, method: str, url: str, sending: dict[str, Any]) -> Reply:
        return _reply_of_niquests(await self._session.request(method, url, **_for_niquests(sending)))


@contextmanager
def _urllib3(auth: Any) -> Iterator[AnyClient]:
    from auth_plugins.integrations.urllib3 import TokenPoolManager

    with TokenPoolManager(auth, timeout=_TIMEOUT, retries=False, maxsize=32) as manager:
        yield _Urllib3(manager)


class _Urllib3:
    def __init__(self, manager: Any) -> None:
        self._manager = manager
        sending = manager.connection_from_host

        def noting(*args: Any, **options: Any) -> Any:
            pool = sending(*args, **options)
            return _NotingPool(pool)

        manager.connection_from_host = noting

    def send(self, method: str, url: str, **sending: Any) -> Reply:
        from urllib3 import Retry

        sent: list[tuple[int, dict[str, Any]]] = []
        _sent.set(sent)
        follow = sending.get("follow_redirects", False)
        retries = Retry(None, connect=0, read=0, redirect=10) if follow else False
        response = self._manager.request(
            method, url, body=sending.get("content"), headers=sending.get("headers"), redirect=follow, retries=retries
        )
        history = tuple(status for status, _ in sent[:-1])
        return Reply(response.status, response.data, history, response.geturl() or url, _text(sent[-1][1]))

    def send_many(self, count: int, method: str, url: str, **sending: Any) -> list[Reply]:
        return in_threads(count, lambda: self.send(method, url, **sending))


_sent: ContextVar[list[tuple[int, dict[str, Any]]]] = ContextVar("_sent")


class _NotingPool:
    """A connection pool that notes the status of each answer and the headers of its request."""

    def __init__(self, pool: Any) -> None:
        self._pool = pool

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pool, name)

    def urlopen(self, method: str, url: str, **sending: Any) -> Any:
        response = self._pool.urlopen(method, url, **sending)
        _sent.get().append((response.status, dict(sending["headers"].items())))
        return response


def _text(headers: Any) -> dict[str, str]:
    return {name.lower(): str(value) for name, value in headers.items()}


def _for_niquests(sending: dict[str, Any]) -> dict[str, Any]:
    return {
        "data": sending.get("content"),
        "headers": sending.get("headers"),
        "allow_redirects": sending.get("follow_redirects", False),
        "timeout": _TIMEOUT,
    }


def _reply_of_niquests(response: Any) -> Reply:
    history = tuple(each.status_code for each in response.history)
    return Reply(response.status_code, response.content, history, response.url, _text(response.request.headers))


_OPENERS: dict[str, Callable[..., Any]] = {
    "aiohttp-asyncio": _aiohttp,
    "niquests": _niquests,
    "niquests-asyncio": _async_niquests,
    "urllib3": _urllib3,
}
