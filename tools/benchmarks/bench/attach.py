"""What it costs to attach a valid token, without any network; and what a whole request costs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import httpx
import requests

from .candidates import Candidate, of_library
from .measure import Row, interleaved, summary
from .world import World

__all__ = ["attach", "end_to_end"]

_ANSWER = httpx.Response(200)
Signer = Callable[[Any, list[Any]], None]


def _requests_made(url: str, count: int) -> list[Any]:
    one = requests.Request("GET", url, headers={"Accept": "*/*", "User-Agent": "x"}).prepare()
    made = [one.copy() for _ in range(count)]
    for each in made:
        each.hooks = {"response": []}
    return made


def _httpx_made(url: str, count: int) -> list[Any]:
    with httpx.Client() as client:
        return [client.build_request("GET", url) for _ in range(count)]


def _sign_requests(auth: Any, made: list[Any]) -> None:
    for each in made:
        auth(each)


def _sign_httpx(auth: Any, made: list[Any]) -> None:
    for each in made:
        flow = auth.sync_auth_flow(each)
        next(flow)
        try:
            flow.send(_ANSWER)
        except StopIteration:
            pass
        flow.close()


async def _sign_httpx_async(auth: Any, made: list[Any]) -> None:
    for each in made:
        flow = auth.async_auth_flow(each)
        await flow.__anext__()
        try:
            await flow.asend(_ANSWER)
        except StopAsyncIteration:
            pass
        await flow.aclose()


def _turn(auth: Any, make: Callable[[], list[Any]], sign: Signer, threads: int) -> Callable[[], float]:
    def turn() -> float:
        loads = [make() for _ in range(threads)]
        count = sum(map(len, loads))
        if threads == 1:
            began = time.perf_counter_ns()
            sign(auth, loads[0])
            return (time.perf_counter_ns() - began) / count
        together = Barrier(threads + 1)

        def run(load: list[Any]) -> None:
            together.wait()
            sign(auth, load)
            together.wait()

        with ThreadPoolExecutor(threads) as pool:
            runs = [pool.submit(run, load) for load in loads]
            together.wait()  # All of them have begun: a pool that has an idle thread would start no other.
            began = time.perf_counter_ns()
            together.wait()
            took = time.perf_counter_ns() - began
            for each in runs:
                each.result()
            return took / count

    return turn


def attach(world: World, quick: bool) -> list[Row]:
    """Nanoseconds for each request that is signed with a valid token, and the ratio to the constant header."""
    world.control(lifetime=86_400)
    turns, load = (5, 100) if quick else (300, 200)
    loop = asyncio.new_event_loop()

    def in_loop(auth: Any, made: list[Any]) -> None:
        loop.run_until_complete(_sign_httpx_async(auth, made))

    rows: list[Row] = []
    ways: list[tuple[str, bool, Callable[[str, int], list[Any]], Signer, tuple[int, ...]]] = [
        ("requests", True, _requests_made, _sign_requests, (1, 2, 8)),
        ("httpx", True, _httpx_made, _sign_httpx, (1, 2, 8)),
        ("httpx", False, _httpx_made, in_loop, (1,)),
    ]
    for library, sync, make, sign, threads in ways:
        prime = _primed if sync else lambda each, world: loop.run_until_complete(_primed_async(each, world))
        auths = {each.name: prime(each, world) for each in of_library(library)}
        for count in threads:
            # Threads take turns of five milliseconds: a load has to be longer than that, or they would never meet.
            size = load if count == 1 else load * 100 // count
            work = {n: _turn(a, lambda m=make, s=size: m(world.api, s), sign, count) for n, a in auths.items()}
            found = interleaved(turns if count == 1 else max(3, turns // 30), work)
            name = library if sync else f"{library} async"
            rows += _ratios(found, {"client": name, "threads": count})
    loop.close()
    return rows


def _primed(candidate: Candidate, world: World) -> Any:
    client = candidate.open(world, True)
    for _ in range(2):
        assert client.get(world.api).status_code == 200, candidate.name
    return candidate.auth(client)


async def _primed_async(candidate: Candidate, world: World) -> Any:
    async with candidate.open(world, False) as client:
        for _ in range(2):
            assert (await client.get(world.api)).status_code == 200, candidate.name
        return candidate.auth(client)


def _ratios(found: dict[str, list[float]], what: Row) -> list[Row]:
    floor = summary(found["constant header"])["median"]
    rows = []
    for name, values in found.items():
        of = summary(values)
        spread = f"{of['low']:,.0f} to {of['high']:,.0f}"
        rows.append({**what, "candidate": name, "ns": of["median"], "quartiles": spread, "ratio": of["median"] / floor})
    return rows


def end_to_end(world: World, quick: bool) -> list[Row]:
    """Requests per second through a real connection, one after the other."""
    world.control(lifetime=86_400)
    turns, load = (3, 20) if quick else (40, 100)
    rows: list[Row] = []
    for library in ("requests", "httpx"):
        clients = {each.name: each.open(world, True) for each in of_library(library)}

        def turn(client: Any) -> float:
            began = time.perf_counter()
            for _ in range(load):
                client.get(world.api)
            return load / (time.perf_counter() - began)

        for client in clients.values():
            turn(client)
        found = interleaved(turns, {name: lambda c=client: turn(c) for name, client in clients.items()})
        for row in _ratios(found, {"client": library}):
            rows.append({("requests/s" if key == "ns" else key): value for key, value in row.items()})
    return rows
