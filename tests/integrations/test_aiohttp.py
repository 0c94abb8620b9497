from __future__ import annotations

import asyncio
import io
import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
import requests

from auth_plugins import BodyNotReplayed, TokenAuth, TokenEndpointUnavailable
from auth_plugins.core import Token
from auth_plugins.integrations.aiohttp import TokenMiddleware
from auth_plugins.providers.fyatu import FyatuContract
from auth_plugins.simulators import FyatuSimulator, SimRequest, SimResponse
from auth_plugins.testing import serve

if TYPE_CHECKING:
    from auth_plugins.testing.server import SimulatorServer
    from tests.conftest import World


@asynccontextmanager
async def session_with(auth: TokenAuth, **options: Any) -> AsyncIterator[aiohttp.ClientSession]:
    timeout = aiohttp.ClientTimeout(total=20)
    async with aiohttp.ClientSession(middlewares=[TokenMiddleware(auth)], timeout=timeout, **options) as session:
        yield session


def run(auth: TokenAuth, work: Callable[[aiohttp.ClientSession], Awaitable[Any]], **options: Any) -> Any:
    async def main() -> Any:
        async with session_with(auth, **options) as session:
            return await work(session)

    return asyncio.run(main())


def revoked(world: World, **options: Any) -> TokenAuth:
    auth = world.auth(**options)
    auth.token()
    world.fyatu.revoke_all()
    return auth


async def status_of(session: aiohttp.ClientSession, url: str) -> int:
    async with session.get(url) as answer:
        return answer.status


async def chunks() -> AsyncIterator[bytes]:
    yield b"ab"
    yield b"cd"


def multipart(*values: Any) -> aiohttp.FormData:
    form = aiohttp.FormData(default_to_multipart=True)
    for number, value in enumerate(values):
        form.add_field(f"field{number}", value)
    return form


class Pipe(io.RawIOBase):
    """What can be read once, as a pipe can."""

    def __init__(self) -> None:
        self._left = io.BytesIO(b"once")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._left.readinto(buffer)


def test_an_argument_that_is_no_auth_object_is_refused() -> None:
    wrong: Any = ("user", "secret")
    with pytest.raises(TypeError, match="auth must be an auth object of auth_plugins"):
        TokenMiddleware(wrong)


def test_aiohttp_and_requests_share_one_login(one_world: World) -> None:
    auth = one_world.auth()

    async def get(session: aiohttp.ClientSession) -> list[int]:
        return await asyncio.gather(*[status_of(session, f"{one_world.url}/x") for _ in range(40)])

    assert set(run(auth, get)) == {200}
    assert requests.get(f"{one_world.url}/x", auth=one_world.auth(), timeout=5).status_code == 200
    assert one_world.token_calls == 1


BODIES: dict[str, Callable[[Path], Any]] = {
    "text": lambda _: "abc",
    "bytearray": lambda _: bytearray(b"abc"),
    "fields": lambda _: {"a": "b"},
    "bytesio": lambda _: io.BytesIO(b"abc"),
    "stringio": lambda _: io.StringIO("abc"),
    "file": lambda path: path.open("rb"),
    "text file": lambda path: path.open(),
    "raw file": lambda path: path.open("rb", buffering=0),
    "multipart": lambda path: multipart("abc", path.open("rb")),
}


@pytest.mark.parametrize("make", BODIES.values(), ids=BODIES)
def test_a_body_that_can_be_sent_twice_is_sent_again_byte_for_byte(
    one_world: World, tmp_path: Path, make: Callable[[Path], Any]
) -> None:
    path = tmp_path / "body"
    path.write_bytes(b"0123456789" * 9000)

    async def post(session: aiohttp.ClientSession) -> int:
        async with session.post(f"{one_world.url}/x", data=make(path)) as answer:
            return answer.status

    assert run(revoked(one_world), post) == 200
    first, second = one_world.fyatu.ledger.calls("api")
    assert (first.status, second.status) == (401, 200)
    assert first.body_sha256 == second.body_sha256


def test_a_file_is_sent_again_from_where_it_began(one_world: World, tmp_path: Path) -> None:
    path = tmp_path / "body"
    path.write_bytes(b"0123456789")

    async def post(session: aiohttp.ClientSession) -> Any:
        with path.open("rb") as file:
            file.seek(4)
            async with session.post(f"{one_world.url}/x", data=file) as answer:
                return (await answer.json())["data"]["length"]

    assert run(revoked(one_world), post) == 6


ONCE: dict[str, Callable[[], Any]] = {
    "generator": chunks,
    "pipe": Pipe,
    "multipart with a generator": lambda: multipart("abc", chunks()),
    "multipart with a pipe": lambda: multipart("abc", Pipe()),
}


@pytest.mark.parametrize("make", ONCE.values(), ids=ONCE)
def test_a_body_that_can_be_sent_once_gets_its_401_and_the_next_request_a_new_token(
    one_world: World, make: Callable[[], Any]
) -> None:
    async def post(session: aiohttp.ClientSession) -> tuple[int, int]:
        with pytest.warns(BodyNotReplayed):
            async with session.post(f"{one_world.url}/x", data=make()) as first:
                assert first.status == 401
        async with session.post(f"{one_world.url}/x", data=make()) as second:
            return first.status, second.status

    assert run(revoked(one_world), post) == (401, 200)
    assert [call.status for call in one_world.fyatu.ledger.calls("api")] == [401, 200]


def test_the_connection_of_a_401_is_free_during_the_renewal(one_world: World) -> None:
    async def main(auth: TokenAuth) -> list[int]:
        async with session_with(auth, connector=aiohttp.TCPConnector(limit=1)) as session:
            return await asyncio.gather(*[status_of(session, f"{one_world.url}/x") for _ in range(5)])

    assert asyncio.run(main(revoked(one_world))) == [200] * 5
    assert one_world.token_calls == 2


def test_a_rejected_request_shows_the_token_that_was_rejected(one_world: World) -> None:
    auth, seen = revoked(one_world), []

    async def note(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        seen.append(await handler(request))
        return seen[-1]

    async def main() -> None:
        async with (
            aiohttp.ClientSession(middlewares=[TokenMiddleware(auth), note]) as session,
            session.get(f"{one_world.url}/x"),
        ):
            pass

    asyncio.run(main())
    rejected, accepted = (str(each.request_info.headers["Authorization"]) for each in seen)
    assert rejected != accepted == str(auth.token().access_token).join(("Bearer ", ""))
    assert "eyJ" not in repr(seen[1].request_info.headers)


def test_cookies_of_a_401_go_along_with_the_replay(server: SimulatorServer, one_world: World) -> None:
    class Baking(FyatuSimulator):
        def refuse_bearer(self, request: SimRequest) -> SimResponse:
            refusal = super().refuse_bearer(request)
            return replace(refusal, headers={**refusal.headers, "set-cookie": "shard=7; Path=/"})

        def handle(self, request: SimRequest, now: float) -> SimResponse:
            cookies.append(request.headers.get("cookie"))
            return super().handle(request, now)

    cookies: list[str | None] = []
    fyatu = Baking()
    url = server.mount("/baking", fyatu, clock=one_world.clock)
    auth = one_world.auth(base_url=url)
    auth.token()
    fyatu.revoke_all()

    async def main() -> int:
        async with (
            session_with(auth, cookie_jar=aiohttp.CookieJar(unsafe=True)) as session,
            session.get(f"{url}/x", headers={"Cookie": "own=1"}) as answer,
        ):
            return answer.status

    cookies.clear()
    assert asyncio.run(main()) == 200
    assert (cookies[0], sorted((cookies[-1] or "").split("; "))) == ("own=1", ["own=1", "shard=7"])


class OwnHeader(FyatuContract):
    """A contract whose token travels in another header."""

    def headers(self, token: Token) -> dict[str, str]:
        return {"X-Token": token.access_token}


def test_a_token_in_another_header_stays_at_its_origin(one_world: World, stranger: SimulatorServer) -> None:
    seen: list[dict[str, str]] = []

    class Watching(FyatuSimulator):
        def handle(self, request: SimRequest, now: float) -> SimResponse:
            seen.append(dict(request.headers))
            return super().handle(request, now)

        def token_of(self, request: SimRequest) -> str | None:
            return request.headers.get("x-token")

    url = one_world.server.mount("/own-header", Watching(), clock=one_world.clock)
    elsewhere = stranger.mount("/own-header", Watching(), clock=one_world.clock)
    contract = OwnHeader("A1B2C3D4E5F6G7H8", "your_secret_key_here", base_url=url)
    auth = TokenAuth(contract, clock=one_world.clock, store=one_world.store)

    async def get(session: aiohttp.ClientSession) -> None:
        async with session.get(f"{url}/redirect", params={"to": f"{elsewhere}/x"}) as answer:
            assert answer.status == 401
        taken = dict(answer.history[0].request_info.headers)
        assert "X-Token" in taken
        async with session.get(f"{elsewhere}/x", headers=taken) as answer:
            assert answer.status == 401

    run(auth, get)
    assert ["x-token" in headers for headers in seen] == [False, True, False, False]


class EarlyRefusal:
    """A server that refuses the headers of a first upload, and reads on only when the second has arrived."""

    def __init__(self, size: int) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        self.arrived = b""
        self._size = size
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    async def finished(self) -> None:
        await asyncio.to_thread(self._thread.join)

    def _serve(self) -> None:
        with self._listening, self._listening.accept()[0] as refused:
            self._begun(refused)
            refused.sendall(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n")
            with self._listening.accept()[0] as accepted:
                self.arrived = self._begun(accepted)
                while len(self.arrived) < self._size:
                    self.arrived += accepted.recv(1_000_000)
                accepted.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            while refused.recv(1_000_000):  # What the client has buffered, so that it can close.
                pass

    def _begun(self, connection: socket.socket) -> bytes:
        data = b""
        while b"\r\n\r\n" not in data:
            data += connection.recv(65_536)
        return data.partition(b"\r\n\r\n")[2]


def test_a_401_that_comes_before_the_body_was_sent_is_answered(one_world: World) -> None:
    body = b"x" * 20_000_000
    server = EarlyRefusal(len(body))
    auth = one_world.auth(origins=[server.url])
    auth.token()

    async def post(session: aiohttp.ClientSession) -> int:
        async with session.post(f"{server.url}/x", data=io.BytesIO(body)) as answer:
            status = answer.status
        await server.finished()
        return status

    assert run(auth, post) == 200
    assert server.arrived == body


def test_a_cancelled_task_does_not_end_the_login_that_others_wait_for(one_world: World) -> None:
    one_world.fyatu.latency = 0.2

    async def main(session: aiohttp.ClientSession) -> int:
        first = asyncio.create_task(status_of(session, f"{one_world.url}/x"))
        second = asyncio.create_task(status_of(session, f"{one_world.url}/x"))
        await asyncio.sleep(0.05)
        first.cancel()
        return await second

    assert run(one_world.auth(), main) == 200
    assert one_world.token_calls == 1


def test_the_timeout_of_a_request_bounds_its_wait_for_a_token(one_world: World) -> None:
    one_world.fyatu.latency = 1.0

    async def main(session: aiohttp.ClientSession) -> None:
        with pytest.raises(TimeoutError):
            await session.get(f"{one_world.url}/x", timeout=aiohttp.ClientTimeout(total=0.05))

    run(one_world.auth(), main)


def test_a_websocket_is_opened_with_the_token(one_world: World) -> None:
    async def main(session: aiohttp.ClientSession) -> None:
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:  # The simulator answers 200 and does not upgrade.
            await session.ws_connect(f"{one_world.url}/x")
        assert caught.value.status == 200

    run(revoked(one_world), main)


def test_an_error_is_aiohttps_own_and_no_other_request_fails_for_it(one_world: World) -> None:
    one_world.fyatu.outage = "drop"

    async def main(session: aiohttp.ClientSession) -> None:
        with pytest.raises(aiohttp.ClientConnectionError) as caught:
            await session.get(f"{one_world.url}/x")
        assert isinstance(caught.value, TokenEndpointUnavailable)
        with serve(FyatuSimulator()) as other:
            assert await status_of(session, f"{other.url}/x") == 401

    run(one_world.auth(), main)
