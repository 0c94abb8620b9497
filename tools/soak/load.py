"""Eight threads and a thousand tasks that make requests, and what is judged of each: did it have a valid token?"""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import httpx
import httpx2
import requests
import trio

from auth_plugins import AuthError, FyatuAuth

THREADS = ("requests", "requests", "requests", "requests anew", "httpx", "httpx", "httpx2", "httpx2")
"""The client of each thread; "anew": with an auth object that is made for every request."""
TASKS = {"asyncio, httpx": 400, "asyncio, httpx2": 400, "trio, httpx": 200}
"""How many tasks there are, by event loop and library."""
APP = ("A1B2C3D4E5F6G7H8", "your_secret_key_here")


@dataclass
class Tally:
    """What became of the requests."""

    counts: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)
    """The promise was broken: a request failed though it had a token that was valid from its beginning to its end."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def judge(self, auth: FyatuAuth, token: Any, outcome: str) -> None:
        """Write down how a request ended that began when `token` was at hand."""
        had_one = token is not None and time.time() < token.expires_at
        good = outcome == "200"
        with self.lock:
            self.counts["served" if good else f"failed without a valid token: {outcome}"] += not had_one or good
            self.counts["had a valid token"] += had_one
            if had_one and not good and len(self.broken) < 100:
                self.broken.append(outcome)


def at_hand(auth: FyatuAuth) -> Any:
    """Give the token that a request would find now."""
    return auth._source.shared.snapshot.token


def told(error: Exception) -> str:
    """Name an error shortly."""
    return error.code if isinstance(error, AuthError) else type(error).__name__


class Load:
    """All who make requests, until `over` is set."""

    def __init__(self, url: str) -> None:
        self.url, self.tally, self.over = url, Tally(), threading.Event()
        self.workers = [threading.Thread(target=self._thread, args=(kind,)) for kind in THREADS]
        self.workers += [
            threading.Thread(target=lambda: asyncio.run(self._asyncio())),
            threading.Thread(target=lambda: trio.run(self._trio)),
        ]

    def auth(self) -> FyatuAuth:
        """Make one of many objects with the same credentials: they share one token."""
        return FyatuAuth(*APP, base_url=self.url)

    def start(self) -> None:
        """Begin."""
        for worker in self.workers:
            worker.start()

    def stop(self) -> None:
        """Let every request end that was begun."""
        self.over.set()
        for worker in self.workers:
            worker.join(90)

    def _thread(self, kind: str) -> None:
        library, _, anew = kind.partition(" ")
        made: Any = (
            requests.Session() if library == "requests" else {"httpx": httpx, "httpx2": httpx2}[library].Client()
        )
        auth = self.auth()
        with made as client:
            while not self.over.wait(random.uniform(0.05, 0.15)):  # noqa: S311
                auth = self.auth() if anew else auth
                token = at_hand(auth)
                try:
                    outcome = str(client.get(f"{self.url}/x", auth=auth, timeout=60).status_code)
                except Exception as error:
                    outcome = told(error)
                self.tally.judge(auth, token, outcome)

    async def _task(self, client: Any, auth: FyatuAuth, sleep: Any) -> None:
        while not self.over.is_set():
            await sleep(random.uniform(2.0, 6.0))  # noqa: S311
            token = at_hand(auth)
            try:
                outcome = str((await client.get(f"{self.url}/x")).status_code)
            except Exception as error:
                outcome = told(error)
            self.tally.judge(auth, token, outcome)

    def _client(self, library: Any, auth: FyatuAuth) -> Any:
        limits = library.Limits(max_connections=100, max_keepalive_connections=100)
        return library.AsyncClient(auth=auth, timeout=60, limits=limits)

    async def _asyncio(self) -> None:
        async with AsyncExitStack() as clients, asyncio.TaskGroup() as tasks:
            for name, library in (("asyncio, httpx", httpx), ("asyncio, httpx2", httpx2)):
                auth = self.auth()
                client = await clients.enter_async_context(self._client(library, auth))
                for _ in range(TASKS[name]):
                    tasks.create_task(self._task(client, auth, asyncio.sleep))

    async def _trio(self) -> None:
        auth = self.auth()
        async with self._client(httpx, auth) as client, trio.open_nursery() as nursery:
            for _ in range(TASKS["trio, httpx"]):
                nursery.start_soon(self._task, client, auth, trio.sleep)
