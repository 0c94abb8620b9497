"""How a process does whose many sessions come due at once, with their tokens in a Redis that is some way off.

    python -m tools.benchmarks.due_at_once redis://127.0.0.1:6379 --sessions 10000 --milliseconds 10

Prints how many renewals failed, how many locks stayed behind and how many connections were opened. Then the Redis is
emptied, and the time is measured in which the process puts its tokens back.
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
    """Make a kind of connection on which each round trip takes so long."""

    class Distant(redis.Connection):
        def send_packed_command(self, *arguments: Any, **options: Any) -> None:
            time.sleep(seconds)
            super().send_packed_command(*arguments, **options)

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


def _records(client: redis.Redis) -> int:
    return sum(1 for _ in client.scan_iter(f"{PREFIX}{{*}}", count=1000))


def main() -> None:
    """Make the sessions, renew them at once, and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url")
    parser.add_argument("--sessions", type=int, default=10_000)
    parser.add_argument("--milliseconds", type=float, default=10.0, help="what each round trip to Redis takes")
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
    near.delete(*near.scan_iter(f"{PREFIX}*", count=1000))
    begun = time.monotonic()
    while time.monotonic() < begun + 60.0 and _records(near) < len(auths):
        time.sleep(0.1)
    print(f"emptied: {_records(near)} put back in {time.monotonic() - begun:.1f} s")
    near.delete(*near.scan_iter(f"{PREFIX}*", count=1000))


if __name__ == "__main__":
    main()
