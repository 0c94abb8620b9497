"""The scene of the herd: threads, asyncio and trio together, one auth object, one token that has ended."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from threading import Barrier
from typing import Any

import httpx
import httpx2
import requests
import trio
from requests.adapters import HTTPAdapter

from ..stage import Counts, Scene, Stage
from ..users import PATIENCE, httpx_options
from .expiry import outlive_a_token

__all__ = ["HERD"]

_THREADS, _ASYNCIO, _TRIO = 64, 1000, 100
_PER_CLIENT = 50
"""Requests for each client: an httpx client becomes slower with every request that waits."""
_CONNECTIONS = 4
"""Connections of each client: a process may open a few hundred files, and both ends are in this process."""


class _Herd:
    """Senders that wait for each other and then send at the same time."""

    def __init__(self, stage: Stage) -> None:
        self.auth: Any = stage.auth()
        self.url = stage.url
        self.gate = Barrier(_THREADS + 2, timeout=PATIENCE)

    def thread(self, session: requests.Session) -> None:
        """Send one request."""
        self.gate.wait()
        session.get(self.url, timeout=PATIENCE)

    async def asyncio_tasks(self) -> None:
        """Send a request from each of a thousand tasks, through httpx."""
        async with AsyncExitStack() as stack:
            clients = [await stack.enter_async_context(each) for each in self._clients(httpx, _ASYNCIO)]
            self.gate.wait()
            async with asyncio.TaskGroup() as tasks:
                for number in range(_ASYNCIO):
                    tasks.create_task(clients[number // _PER_CLIENT].get(self.url))

    async def trio_tasks(self) -> None:
        """Send a request from each of a hundred tasks, through httpx2."""
        async with AsyncExitStack() as stack:
            clients = [await stack.enter_async_context(each) for each in self._clients(httpx2, _TRIO)]
            self.gate.wait()
            async with trio.open_nursery() as nursery:
                for number in range(_TRIO):
                    nursery.start_soon(clients[number // _PER_CLIENT].get, self.url)

    def _clients(self, library: Any, tasks: int) -> list[Any]:
        limits = library.Limits(max_connections=_CONNECTIONS)
        options = httpx_options()
        return [library.AsyncClient(auth=self.auth, limits=limits, **options) for _ in range(0, tasks, _PER_CLIENT)]


def _herd(stage: Stage) -> tuple[Counts, Counts]:
    herd = _Herd(stage)
    outlive_a_token(stage, herd.auth)
    stage.simulator.latency = 0.3
    with requests.Session() as session, ThreadPoolExecutor(_THREADS + 2) as pool:
        session.auth, session.trust_env = herd.auth, False
        session.mount("http://", HTTPAdapter(pool_maxsize=4 * _CONNECTIONS, pool_block=True))
        runs = [pool.submit(asyncio.run, herd.asyncio_tasks()), pool.submit(trio.run, herd.trio_tasks)]
        runs += [pool.submit(herd.thread, session) for _ in range(_THREADS)]
        for run in runs:
            run.result()
    expected = {"token calls": 1, "answers 401": 0, "answers 200": _THREADS + _ASYNCIO + _TRIO}
    counted = {"token calls": stage.ledger.token_calls}
    return expected, counted | {f"answers {status}": stage.answers(status) for status in (401, 200)}


HERD = Scene(
    "herd",
    f"{_THREADS} threads, {_ASYNCIO:,} asyncio tasks and {_TRIO} trio tasks find the token ended,"
    " all at once, with one auth object.",
    _herd,
)
