"""How a process does whose many sessions come due at once, with their tokens in a Redis that is some way off.

    python -m tools.benchmarks.due_at_once redis://127.0.0.1:6379 --sessions 10000 --milliseconds 10

Prints how many renewals failed, how many locks stayed behind and how many connections were opened.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import logging
import time
from typing import Any

import redis
import requests

from auth_plugins import AuthError, OAuth2RefreshTokenAuth, RedisStore
from auth_plugins.simulators import OAuth2Simulator
from auth_plugins.testing import RequestsAdapter

PREFIX = "due-at-once:"


def distant(seconds: float) -> type[redis.Connection]:
    """Make a kind of connection whose answers take so long."""

    class Distant(redis.Connection):
        def read_response(self, *arguments: Any, **options: Any) -> Any:
            time.sleep(seconds)
            return super().read_response(*arguments, **options)

    return Distant


async def all_at_once(auths: list[OAuth2RefreshTokenAuth]) -> collections.Counter[str]:
    """Ask for all tokens in one event loop; return what came of it, counted."""

    async def renewed(auth: OAuth2RefreshTokenAuth) -> str:
        try:
            await auth.atoken()
        except AuthError as error:
            return str(error)
        return "renewed"

    return collections.Counter(await asyncio.gather(*map(renewed, auths)))


def main() -> None:
    """Make the sessions, renew them at once, and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url")
    parser.add_argument("--sessions", type=int, default=10_000)
    parser.add_argument("--milliseconds", type=float, default=10.0, help="what each command to Redis takes")
    parser.add_argument("--connections", type=int, default=64)
    given = parser.parse_args()
    logging.getLogger("auth_plugins").setLevel(logging.ERROR)
    kind = distant(given.milliseconds / 1000)
    pool = redis.BlockingConnectionPool.from_url(
        given.url, connection_class=kind, max_connections=given.connections, timeout=20, socket_timeout=5
    )
    store, simulator = RedisStore(redis.Redis(connection_pool=pool), prefix=PREFIX), OAuth2Simulator()
    simulator.rotate, simulator.end_family = True, True
    session = requests.Session()
    session.mount("https://", RequestsAdapter(simulator, time.time))
    url, secret = f"https://auth.example{simulator.base_path}/token", "7Fjfp0ZBr1KtDRbnfVdmIw"
    options: dict[str, Any] = {"client_secret": secret, "store": store, "token_client": session}
    tokens = [simulator.consent() for _ in range(given.sessions)]
    auths = [OAuth2RefreshTokenAuth(url, "s6BhdRkqt3", each, **options) for each in tokens]
    begun = time.monotonic()
    outcomes = asyncio.run(all_at_once(auths))
    seconds = time.monotonic() - begun
    near = redis.Redis.from_url(given.url)
    locks = sum(1 for _ in near.scan_iter(f"{PREFIX}*:lock", count=1000))
    print(f"{dict(outcomes)} in {seconds:.1f} s, {locks} locks left, {len(pool._connections)} connections")
    for key in near.scan_iter(f"{PREFIX}*", count=1000):
        near.delete(key)


if __name__ == "__main__":
    main()
