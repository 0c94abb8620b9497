"""Refresh tokens that are used once: the renewal is one, and what it brought is never lost on the way."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
import requests
import trio

from auth_plugins import FileStore, MemoryStore, OAuth2RefreshTokenAuth
from auth_plugins.simulators import OAuth2Simulator
from auth_plugins.testing import FakeClock, RequestsAdapter, mock_transport, settle

ISSUER = "https://issuer.example"


class Rotating:
    """A user's session at a server that ends it as soon as a refresh token comes a second time."""

    def __init__(self) -> None:
        self.clock, self.server = FakeClock(), OAuth2Simulator(rotate=True)
        self.server.end_family = True
        self.server.latency = 0.2
        self.auth = OAuth2RefreshTokenAuth(
            f"{ISSUER}{self.server.base_path}/token",
            "s6BhdRkqt3",
            self.server.consent(),
            client_secret="7Fjfp0ZBr1KtDRbnfVdmIw",
            token_client=httpx.Client(transport=mock_transport(self.server, self.clock, sleep=time.sleep)),
            clock=self.clock,
            store=MemoryStore(clock=self.clock),
        )
        self.auth.token()
        self.server.ledger.clear()

    def get(self) -> int:
        with requests.Session() as session:
            session.mount("https://", RequestsAdapter(self.server, self.clock))
            return session.get(f"{ISSUER}/x", auth=self.auth).status_code

    def client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=mock_transport(self.server, self.clock), auth=self.auth)


def test_with_a_file_store_a_clock_far_ahead_sends_no_refresh_token_a_second_time(tmp_path: Path) -> None:
    """A process that starts on such a machine finds a session that seems to have ended, and goes on with it."""
    clock, server, fast = FakeClock(), OAuth2Simulator(rotate=True), FakeClock()
    server.end_family, first = True, server.consent()

    def in_a_process(now: FakeClock, lock_timeout: float) -> OAuth2RefreshTokenAuth:
        return OAuth2RefreshTokenAuth(
            f"{ISSUER}{server.base_path}/token",
            server.client_id,
            first,
            client_secret=server.secret,
            token_client=httpx.Client(transport=mock_transport(server, clock)),
            clock=now,
            store=FileStore(tmp_path / "tokens", clock=now, lock_timeout=lock_timeout),  # Another one each time.
        )

    in_a_process(clock, 60).token()
    fast.jump(400 * 86_400)
    in_a_process(fast, 61).token()
    clock.advance(3600)
    in_a_process(clock, 62).token()
    assert {call.status for call in server.ledger.calls("refresh")} == {200}


@pytest.fixture
def rotating() -> Rotating:
    return Rotating()


def expire(rotating: Rotating) -> None:
    rotating.clock.advance(3600)


def revoke(rotating: Rotating) -> None:
    rotating.server.revoke_all()


@pytest.mark.parametrize("spoil", [expire, revoke])
def test_twenty_threads_refresh_once_and_none_of_them_ends_the_session(
    rotating: Rotating, spoil: Callable[[Rotating], None]
) -> None:
    for _ in range(5):
        spoil(rotating)
        with ThreadPoolExecutor(20) as pool:
            assert set(pool.map(lambda _: rotating.get(), range(20))) == {200}
    assert [call.status for call in rotating.server.ledger.calls("refresh")] == [200] * 5


def cancel_on_asyncio(rotating: Rotating) -> None:
    async def main() -> None:
        async with rotating.client() as client:
            request = asyncio.create_task(client.get(f"{ISSUER}/x"))
            await asyncio.sleep(0.05)
            request.cancel()
            with pytest.raises(asyncio.CancelledError):
                await request

    asyncio.run(main())


def cancel_on_trio(rotating: Rotating) -> None:
    async def main() -> None:
        async with rotating.client() as client:
            with trio.move_on_after(0.05):
                await client.get(f"{ISSUER}/x")

    trio.run(main)


@pytest.mark.parametrize("cancel", [cancel_on_asyncio, cancel_on_trio])
def test_the_token_that_a_cancelled_task_was_waiting_for_is_kept(rotating: Rotating, cancel: Any) -> None:
    for _ in range(3):
        expire(rotating)
        cancel(rotating)
        settle(rotating.auth)
        assert rotating.get() == 200
    assert [call.status for call in rotating.server.ledger.calls("refresh")] == [200] * 3
