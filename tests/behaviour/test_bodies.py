"""A request is sent again byte for byte, or not at all."""

from __future__ import annotations

import io
import threading
from collections.abc import AsyncIterator, Iterator
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiofiles.threadpool  # type: ignore[import-untyped]
import anyio
import httpx
import httpx2
import pytest
import requests
import trio

from auth_plugins import BodyNotReplayed
from auth_plugins.testing import CLIENT_KINDS

if TYPE_CHECKING:
    from auth_plugins.simulators import FyatuSimulator
    from tests.conftest import World

LIBRARIES = [httpx, httpx2]
WHOLE = b"0123456789" * 1000


def digests(fyatu: FyatuSimulator) -> list[str]:
    return [call.body_sha256 for call in fyatu.ledger.calls("api")]


def revoked(world: World, **options: Any) -> Any:
    auth = world.auth(**options)
    auth.token()
    world.fyatu.revoke_all()
    return auth


@pytest.mark.matrix(
    group="Bodies and streams", case="bytes: none, empty, few, a megabyte", outcome="sent again, byte for byte"
)
@pytest.mark.parametrize("content", [None, b"", b"abc", WHOLE * 100], ids=["none", "empty", "bytes", "large"])
def test_bytes_are_sent_again_as_they_were(world: World, content: bytes | None) -> None:
    with world.client(revoked(world)) as client:
        reply = client.send("POST", f"{world.url}/x", content=content)
    assert (reply.status, reply.history) == (200, (401,))
    assert digests(world.fyatu) == [sha256(content or b"").hexdigest()] * 2


@pytest.mark.matrix(
    group="Bodies and streams",
    case="a file, from its beginning or its middle",
    outcome="sent again, byte for byte",
    client="requests",
)
@pytest.mark.parametrize("begin", [0, 4321])
def test_requests_sends_a_file_again_from_where_it_began(one_world: World, tmp_path: Path, begin: int) -> None:
    (tmp_path / "body").write_bytes(WHOLE)
    with (tmp_path / "body").open("rb") as file, requests.Session() as session:
        file.seek(begin)
        session.auth = revoked(one_world)
        assert session.post(f"{one_world.url}/x", data=file).status_code == 200
    assert digests(one_world.fyatu) == [sha256(WHOLE[begin:]).hexdigest()] * 2


@pytest.mark.matrix(
    group="Bodies and streams", case="a file, from its beginning or its middle", outcome="sent again, byte for byte"
)
@pytest.mark.parametrize("library", LIBRARIES, ids=["httpx", "httpx2"])
def test_httpx_sends_a_file_again_from_where_it_began(one_world: World, library: Any) -> None:
    begin = 4321 if library is httpx2 else 0  # httpx announces the length of the whole file, wherever it begins.
    file = io.BytesIO(WHOLE)
    file.seek(begin)
    with library.Client(auth=revoked(one_world)) as client:
        assert client.post(f"{one_world.url}/x", content=file).status_code == 200
    assert digests(one_world.fyatu) == [sha256(WHOLE[begin:]).hexdigest()] * 2


@pytest.mark.matrix(group="Bodies and streams", case="a multipart form with files", outcome="sent again, byte for byte")
@pytest.mark.parametrize("library", LIBRARIES, ids=["httpx", "httpx2"])
def test_a_multipart_form_with_files_is_sent_again_whole(one_world: World, library: Any) -> None:
    with library.Client(auth=revoked(one_world)) as client:
        files = {"a": ("a.bin", io.BytesIO(WHOLE)), "b": ("b.bin", b"bytes")}
        assert client.post(f"{one_world.url}/x", data={"field": "1"}, files=files).status_code == 200
    first, second = digests(one_world.fyatu)
    assert first == second != sha256(b"").hexdigest()


@pytest.mark.matrix(
    group="Bodies and streams",
    case="a multipart form with files",
    outcome="sent again, byte for byte",
    client="requests",
)
def test_requests_sends_a_multipart_form_again_whole(one_world: World) -> None:
    with requests.Session() as session:
        session.auth = revoked(one_world)
        files = {"a": ("a.bin", io.BytesIO(WHOLE))}
        assert session.post(f"{one_world.url}/x", data={"field": "1"}, files=files).status_code == 200
    first, second = digests(one_world.fyatu)
    assert first == second != sha256(b"").hexdigest()


@pytest.mark.matrix(
    group="Bodies and streams", case="a list of bytes, sent in chunks", outcome="sent again, byte for byte"
)
@pytest.mark.parametrize("library", LIBRARIES, ids=["httpx", "httpx2"])
def test_what_can_be_iterated_anew_is_sent_again(one_world: World, library: Any) -> None:
    with library.Client(auth=revoked(one_world)) as client:
        assert client.post(f"{one_world.url}/x", content=[b"ab", b"cd"]).status_code == 200
    assert digests(one_world.fyatu) == [sha256(b"abcd").hexdigest()] * 2


ASYNCHRONOUS = ["httpx-asyncio", "httpx-trio", "httpx2-asyncio", "httpx2-trio"]


@pytest.mark.matrix(
    group="Bodies and streams",
    case="an asynchronous file (anyio, trio, aiofiles), from its beginning or its middle",
    outcome="sent again, byte for byte",
)
@pytest.mark.parametrize("begin", [0, 4321])
@pytest.mark.parametrize("of_the_loop", [False, True], ids=["anyio", "own"])
@pytest.mark.parametrize("kind", ASYNCHRONOUS)
def test_an_asynchronous_file_is_sent_again_from_where_it_began(
    make_world: Any, kind: str, of_the_loop: bool, begin: int, tmp_path: Path
) -> None:
    own: Any = trio.wrap_file if kind.endswith("trio") else aiofiles.threadpool.wrap
    wrap = own if of_the_loop else anyio.wrap_file
    world = make_world(kind)
    (tmp_path / "body").write_bytes(WHOLE)
    with (tmp_path / "body").open("rb") as file, world.client(revoked(world)) as client:
        file.seek(begin)
        reply = client.send("POST", f"{world.url}/x", content=wrap(file))
    assert (reply.status, reply.history) == (200, (401,))
    assert digests(world.fyatu) == [sha256(WHOLE[begin:]).hexdigest()] * 2


@pytest.mark.matrix(
    group="Bodies and streams",
    case="a bytearray, or a view of some memory",
    outcome="sent again, byte for byte",
    client="requests",
)
@pytest.mark.parametrize("make", [bytearray, memoryview])
def test_requests_sends_a_piece_of_memory_again(one_world: World, make: Any) -> None:
    with requests.Session() as session:
        session.auth = revoked(one_world)
        assert session.post(f"{one_world.url}/x", data=make(b"abcd")).status_code == 200
    assert digests(one_world.fyatu) == [sha256(b"abcd").hexdigest()] * 2


def used_up() -> Iterator[bytes]:
    yield b"ab"
    yield b"cd"


async def used_up_too() -> AsyncIterator[bytes]:
    for part in used_up():
        yield part


def once(kind: str) -> Iterator[bytes] | AsyncIterator[bytes]:
    """What this kind of client can send, once."""
    return used_up_too() if kind.endswith(("-asyncio", "-trio")) else used_up()


class Upload:
    """Makes an iterator for each turn; the first one leaves nothing."""

    def __init__(self) -> None:
        self._left = [b"ab", b"cd"]

    def __iter__(self) -> Iterator[bytes]:
        while self._left:
            yield self._left.pop(0)


class AsyncUpload:
    """The same, asynchronously."""

    def __init__(self) -> None:
        self._upload = Upload()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for part in self._upload:
            yield part


class Pipe(io.RawIOBase):
    """What cannot be wound back, like a socket or a pipe."""

    def __init__(self) -> None:
        self._left = [b"ab", b"cd"]

    def readable(self) -> bool:
        return True

    def read(self, _most: int = -1) -> bytes:
        return self._left.pop(0) if self._left else b""


@pytest.mark.matrix(
    group="Bodies and streams",
    case="a generator, a pipe, or an object that makes generators",
    outcome="the 401 is handed over, with a warning; the next request has a new token",
)
@pytest.mark.parametrize("make", [used_up, Pipe, Upload], ids=["generator", "pipe", "iterable"])
@pytest.mark.parametrize("kind", ["requests", "httpx", "httpx2"])
def test_what_is_used_up_is_not_sent_again_but_the_401_is_handed_over_with_a_warning(
    make_world: Any, make: Any, kind: str
) -> None:
    world = make_world(kind)
    with world.client(revoked(world)) as client:
        with pytest.warns(BodyNotReplayed):
            reply = client.send("POST", f"{world.url}/x", content=make())
        assert (reply.status, reply.history, b"AUTH_TOKEN_INVALID" in reply.body) == (401, (), True)
        assert digests(world.fyatu) == [sha256(b"abcd").hexdigest()]
        assert client.send("POST", f"{world.url}/x", content=make()).status == 200, "the token was renewed"
    assert world.fyatu.ledger.count("login") == 2
    assert "not_replayed" in [event.kind.value for event in world.events]


@pytest.mark.matrix(
    group="Bodies and streams",
    case="an asynchronous generator, or an object that makes them",
    outcome="the 401 is handed over, with a warning; the next request has a new token",
)
@pytest.mark.parametrize("make", [used_up_too, AsyncUpload], ids=["generator", "iterable"])
@pytest.mark.parametrize("kind", ASYNCHRONOUS)
def test_an_asynchronous_generator_is_not_sent_again(make_world: Any, make: Any, kind: str) -> None:
    world = make_world(kind)
    with world.client(revoked(world)) as client:
        with pytest.warns(BodyNotReplayed):
            assert client.send("POST", f"{world.url}/x", content=make()).status == 401
        assert client.send("POST", f"{world.url}/x", content=make()).status == 200
    assert digests(world.fyatu) == [sha256(b"abcd").hexdigest()] * 2


@pytest.mark.matrix(
    group="Bodies and streams",
    case="a generator whose token was rejected, and a renewal that takes its time",
    outcome="the 401 is handed over at once; the next request waits for that renewal",
)
@pytest.mark.parametrize("kind", CLIENT_KINDS)
def test_a_401_that_cannot_be_answered_is_handed_over_before_the_renewal_ends(make_world: Any, kind: str) -> None:
    def held(_: httpx.Request) -> None:
        ended.append(go_on.wait(10.0))

    world, go_on, ended = make_world(kind), threading.Event(), list[bool]()
    go_on.set()
    lent = httpx.Client(event_hooks={"request": [held]}, trust_env=False)
    with lent, world.client(revoked(world, token_client=lent)) as client:
        go_on.clear()
        with pytest.warns(BodyNotReplayed):
            assert client.send("POST", f"{world.url}/x", content=once(kind)).status == 401
        assert ended == [True], "the login before; the other one is still held"
        go_on.set()
        assert client.send("POST", f"{world.url}/x", content=once(kind)).status == 200
    assert (ended, world.token_calls) == ([True, True], 2)
    assert digests(world.fyatu) == [sha256(b"abcd").hexdigest()] * 2


@pytest.mark.matrix(
    group="Bodies and streams",
    case="a file that was closed meanwhile",
    outcome="the 401 is handed over, with a warning; the next request has a new token",
    client="requests",
)
def test_a_file_that_was_closed_meanwhile_is_not_sent_again(one_world: World) -> None:
    class ClosedOnce(io.BytesIO):
        def read(self, most: int | None = -1) -> bytes:
            found = super().read(most)
            if not found:
                self.close()
            return found

    with requests.Session() as session:
        session.auth = revoked(one_world)
        with pytest.warns(BodyNotReplayed):
            assert session.post(f"{one_world.url}/x", data=ClosedOnce(b"abcd")).status_code == 401
    assert one_world.fyatu.ledger.count("api") == 1


class Downstream(io.RawIOBase):
    """It tells where it stands and cannot go back there, as the body of another response."""

    def __init__(self) -> None:
        self._left = [b"cd", b"ab"]

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return 4 - 2 * len(self._left)

    def readinto(self, buffer: Any) -> int:
        piece = self._left.pop() if self._left else b""
        buffer[: len(piece)] = piece
        return len(piece)


@pytest.mark.matrix(
    group="Bodies and streams",
    case="a stream that tells where it stands and cannot go back, in the window",
    outcome="it waits for the renewal: it has one try",
    client="requests",
)
def test_a_stream_that_cannot_go_back_waits_for_a_renewal_that_is_due(one_world: World) -> None:
    auth = one_world.auth()
    old = auth.token()
    one_world.clock.advance(86_400 - 100)
    with requests.Session() as session:
        session.auth = auth
        sent = session.post(f"{one_world.url}/x", data=Downstream())
    assert sent.status_code == 200
    assert sent.request.headers["Authorization"] != f"Bearer {old.access_token}"
    assert digests(one_world.fyatu) == [sha256(b"abcd").hexdigest()]


@pytest.mark.matrix(group="Bodies and streams", case="a streamed response", outcome="it is not read ahead")
@pytest.mark.parametrize("library", LIBRARIES, ids=["httpx", "httpx2"])
def test_a_streamed_response_is_not_read_ahead(one_world: World, library: Any) -> None:
    with (
        library.Client(auth=revoked(one_world)) as client,
        client.stream("GET", f"{one_world.url}/x") as response,
    ):
        assert not response.is_stream_consumed
        assert b"sha256" in response.read()


@pytest.mark.matrix(
    group="Bodies and streams", case="a streamed response", outcome="it is not read ahead", client="requests"
)
def test_requests_does_not_read_a_streamed_response_ahead(one_world: World) -> None:
    with requests.Session() as session:
        session.auth = revoked(one_world)
        response = session.get(f"{one_world.url}/x", stream=True)
        assert response._content is False
        assert b"sha256" in response.content


@pytest.mark.matrix(group="Bodies and streams", case="`HEAD`", outcome="sent again, byte for byte")
def test_a_head_request_is_renewed_and_sent_again(world: World) -> None:
    with world.client(revoked(world)) as client:
        assert client.send("HEAD", f"{world.url}/x").status == 200


@pytest.mark.matrix(
    group="Bodies and streams",
    case="a pool of one connection that blocks, and many 401s",
    outcome="the connection goes back each time",
    client="requests",
)
def test_connections_go_back_to_the_pool_over_many_401s(one_world: World) -> None:
    with requests.Session() as session:
        session.auth = one_world.auth()
        adapter = requests.adapters.HTTPAdapter(pool_maxsize=1, pool_block=True)
        session.mount("http://", adapter)
        for _ in range(30):
            one_world.clock.advance(5)  # As fast as the budget of renewals on a 401 grows.
            one_world.fyatu.revoke_all()
            assert session.get(f"{one_world.url}/x", timeout=5).status_code == 200
        pools = adapter.poolmanager.pools
        keys: Any = pools.keys()  # urllib3 lets nobody iterate over the pools themselves.
        assert [pools[key].num_connections for key in keys] == [1]


@pytest.mark.matrix(
    group="Bodies and streams",
    case="a generator, while a renewal is due",
    outcome="the request waits for the renewal: it has one try",
)
@pytest.mark.parametrize("kind", CLIENT_KINDS)
def test_what_can_be_sent_only_once_waits_for_a_renewal_that_is_due(make_world: Any, kind: str) -> None:
    """Were it sent with the old token, a 401 could not be answered."""
    world = make_world(kind)
    with world.client(world.auth()) as client:
        old = client.send("GET", f"{world.url}/x").sent["authorization"]
        world.clock.advance(86_400 - 200)
        assert client.send("POST", f"{world.url}/x", content=once(kind)).sent["authorization"] != old
    assert world.fyatu.ledger.count("refresh") == 1


@pytest.mark.matrix(
    group="Bodies and streams",
    case="a generator, while a renewal is due and fails",
    outcome="it goes with the old token",
)
@pytest.mark.parametrize("kind", CLIENT_KINDS)
def test_what_can_be_sent_only_once_goes_with_the_old_token_if_that_renewal_fails(make_world: Any, kind: str) -> None:
    world = make_world(kind)
    with world.client(world.auth()) as client:
        client.send("GET", f"{world.url}/x")
        world.clock.advance(86_400 - 200)
        world.fyatu.outage = "drop"
        assert client.send("POST", f"{world.url}/x", content=once(kind)).status == 200
        calls = world.token_calls
        assert client.send("POST", f"{world.url}/x", content=once(kind)).status == 200
    assert world.token_calls == calls, "the pause after a failed early renewal holds for it as well"
