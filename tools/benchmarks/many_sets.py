"""How a program fares whose many credential sets need a token at the same time.

    python -m tools.benchmarks.many_sets [--sets 100 1000 10000] [--latency 0.1] [--rounds 3]

Each figure comes from a process of its own. For comparison: the same requests with a constant header, and as many
token calls by one shared `httpx.Client` in 32 threads, each measured alone; their times are added. The rounds take
turns, and the medians are printed, as a table in Markdown. Needs nothing but the package and httpx.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import ssl
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import httpx
import requests

from auth_plugins import FyatuAuth, MemoryStore
from auth_plugins.core import RefreshPolicy
from auth_plugins.engine.worker_pool import WORKER_NAME
from auth_plugins.testing import FakeClock

LIFETIME = 86_400
STATES = {"cold": None, "due": LIFETIME - 60, "expired": LIFETIME + 60}
USER_THREADS = 64
CLIENTS, CONNECTIONS = 50, 4
"""Of the event loop: the queue of one httpx pool is searched again and again, which takes longest of all."""


class Server:
    """Answers to requests at once, and to token calls after `latency` seconds."""

    def __init__(self) -> None:
        self.latency = 0.0

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
                length = head.partition("content-length: ")[2].partition("\r\n")[0]
                await reader.readexactly(int(length or 0))
                body = json.dumps(await self.answer(head.split(" ", 2)[1])).encode()
                kind = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
                writer.write(kind % len(body) + body)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def answer(self, path: str) -> dict[str, Any]:
        """Return the body of the answer to a request for `path`."""
        if path.startswith("/latency/"):
            self.latency = float(path.rpartition("/")[2])
        if "/auth/" not in path:
            return {}
        await asyncio.sleep(self.latency)
        token = {"accessToken": os.urandom(16).hex(), "tokenType": "Bearer", "expiresIn": LIFETIME}
        return {"success": True, "data": token}


async def serve() -> None:
    """Print the port, and serve until the process is ended."""
    server = await asyncio.start_server(Server(), "127.0.0.1", 0, backlog=8192)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


class Constant(requests.auth.AuthBase, httpx.Auth):
    """Sets the same header on every request."""

    def __call__(self, r: requests.PreparedRequest) -> requests.PreparedRequest:
        """Sign a request of requests."""
        r.headers["Authorization"] = "Bearer constant"
        return r

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Sign a request of httpx."""
        request.headers["Authorization"] = "Bearer constant"
        yield request


class Peak:
    """The largest number of the package's threads, the longest lag of an event loop, and its time, in seconds."""

    def __init__(self) -> None:
        self.threads, self.lag, self.wall = 0, 0.0, 0.0

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Count threads in the block."""
        ended = threading.Event()

        def watch() -> None:
            while not ended.wait(0.005):
                names = [each.name for each in threading.enumerate()]
                self.threads = max(self.threads, names.count(WORKER_NAME))

        watcher = threading.Thread(target=watch)
        watcher.start()
        yield
        ended.set()
        watcher.join()

    async def watch_loop(self) -> None:
        """Measure the lag of the running loop until the task is cancelled."""
        while True:
            began = time.perf_counter()
            await asyncio.sleep(0.01)
            self.lag = max(self.lag, time.perf_counter() - began - 0.01)


async def in_one_loop(auths: list[Any], url: str, peak: Peak) -> int:
    """Send a request with each auth object, all at once; return how many failed."""
    limits, tls = httpx.Limits(max_connections=CONNECTIONS), ssl.create_default_context()
    clients = [httpx.AsyncClient(limits=limits, timeout=None, verify=tls) for _ in range(CLIENTS)]  # noqa: S113
    for client in clients:
        await client.get(f"{url}/warm")
    watcher = asyncio.create_task(peak.watch_loop())
    await asyncio.sleep(0.05)
    peak.lag, began = 0.0, time.perf_counter()
    sent = [clients[each % CLIENTS].get(f"{url}/x", auth=auth) for each, auth in enumerate(auths)]
    answers = await asyncio.gather(*sent, return_exceptions=True)
    peak.wall = time.perf_counter() - began
    watcher.cancel()
    for client in clients:
        await client.aclose()
    return sum(not isinstance(each, httpx.Response) or each.status_code != 200 for each in answers)


def in_threads(auths: list[Any], url: str) -> int:
    """Do the same with requests, in `USER_THREADS` threads with a session each."""
    failed = list[object]()
    remaining = iter(auths)

    def send() -> None:
        with requests.Session() as session:
            for auth in remaining:
                try:
                    session.get(f"{url}/x", auth=auth, timeout=60).raise_for_status()
                except requests.RequestException as error:
                    failed.append(error)

    threads = [threading.Thread(target=send) for _ in range(USER_THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return len(failed)


def token_calls(count: int, url: str) -> None:
    """Make token calls with one client, in as many threads as the package would use."""
    with httpx.Client(timeout=60) as client, ThreadPoolExecutor(32) as threads:
        list(threads.map(lambda number: client.post(f"{url}/auth/token", json={"id": number}), range(count)))


def prepared(count: int, state: str, url: str) -> list[Any]:
    """Return auth objects whose tokens are in `state`."""
    clock, store = FakeClock(time.time()), MemoryStore(maxsize=2 * count)
    policy = RefreshPolicy(jitter=0.0)
    options: dict[str, Any] = {"base_url": url, "store": store, "policy": policy}
    if state != "cold":
        options["clock"] = clock
    auths = [FyatuAuth(f"A1B2C3D4E5F6G{each:05d}", "a-secret-key-of-this-set", **options) for each in range(count)]
    age = STATES[state]
    if age is not None:
        with ThreadPoolExecutor(8) as threads:
            list(threads.map(lambda auth: auth.token(), auths))
        clock.advance(age)
    return auths


def run_one(how: str, way: str, count: int, url: str, latency: float) -> dict[str, float]:
    """Measure one cell, in this process."""
    requests.get(f"{url}/latency/0", timeout=10)
    auths = [Constant()] * count if how in ("constant", "calls") else prepared(count, how, url)
    requests.get(f"{url}/latency/{latency}", timeout=10)
    time.sleep(1.2)  # The threads that prepared the tokens end.
    peak, failed, before = Peak(), 0, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    act: Callable[[], Any] = lambda: in_threads(auths, url)  # noqa: E731
    if how == "calls":
        act = lambda: token_calls(count, url)  # noqa: E731
    elif way == "loop":
        act = lambda: asyncio.run(in_one_loop(auths, url, peak))  # noqa: E731
    with peak.watching():
        began = time.perf_counter()
        failed = act() or 0
        wall = peak.wall or time.perf_counter() - began
    memory = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    return {"wall": wall, "failed": failed, "threads": peak.threads, "lag": peak.lag, "memory": memory}


def measured(how: str, way: str, count: int, url: str, latency: float) -> dict[str, float]:
    """Measure one cell, in a process of its own."""
    command = [sys.executable, __file__, "--one", how, way, str(count), url, str(latency)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def median(rounds: list[dict[str, float]]) -> dict[str, float]:
    """Return the medians of all figures; the largest number of failures and threads."""
    pick = {"failed": max, "threads": max}
    return {name: pick.get(name, statistics.median)([each[name] for each in rounds]) for name in rounds[0]}


def compare(count: int, way: str, url: str, latency: float, rounds: int) -> None:
    """Print the rows for one number of sets."""
    found: dict[str, list[dict[str, float]]] = {how: [] for how in ("calls", "constant", *STATES)}
    for _ in range(rounds):
        for how, rows in found.items():
            rows.append(measured(how, way, count, url, latency))
    calls, constant = median(found["calls"]), median(found["constant"])
    theory = calls["wall"] + constant["wall"]
    in_loop = way == "loop"

    def row(what: str, cell: dict[str, float], wall: float, ratio: str) -> str:
        lag = f"{1000 * cell['lag']:.0f} ms" if in_loop else ""
        figures = f"{wall:.2f} s | {ratio} | {cell['failed']:.0f} | {lag} | {cell['threads']:.0f}"
        return f"| {count:,} | {way} | {what} | {figures} | {cell['memory']:.0f} MB |"

    print(row("constant header, and the token calls", constant, theory, "1"), flush=True)
    for state in STATES:
        cell = median(found[state])
        print(row(state, cell, cell["wall"], f"{cell['wall'] / theory:.2f}"), flush=True)


def main() -> None:
    """Start the server, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", type=int, nargs="+", default=[100, 1000, 10_000])
    parser.add_argument("--latency", type=float, default=0.1, help="of a token call, in seconds")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--ways", nargs="+", default=["loop", "threads"])
    given = parser.parse_args()
    with subprocess.Popen([sys.executable, __file__, "--serve"], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None, "it was asked for"
        url = f"http://127.0.0.1:{server.stdout.readline().strip()}"
        print("| sets | in | tokens | wall | ratio | failed | longest lag | threads | memory |")
        print("|---:|---|---|---:|---:|---:|---:|---:|---:|")
        for count in given.sets:
            for way in given.ways:
                compare(count, way, url, given.latency, given.rounds)
        server.terminate()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        asyncio.run(serve())
    elif sys.argv[1:2] == ["--one"]:
        how, way, count, url, latency = sys.argv[2:]
        print(json.dumps(run_one(how, way, int(count), url, float(latency))))
    else:
        main()
