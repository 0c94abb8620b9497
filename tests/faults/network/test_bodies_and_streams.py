"""Bodies and streams on a real socket: what a 401 in their midst costs, and what it must not."""

from __future__ import annotations

import asyncio
import gc
import io
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zlib import crc32

import anyio
import httpx
import httpx2
import httpx_retries
import pytest
import requests
from requests.adapters import HTTPAdapter
from urllib3 import Retry

from auth_plugins.testing import CLIENT_KINDS

if TYPE_CHECKING:
    from tests.conftest import World
    from tests.faults.network.conftest import FaultServer

matrix = pytest.mark.matrix
pytestmark = matrix(group="Bodies and streams")
HTTPX = pytest.mark.parametrize("library", [httpx, httpx2], ids=["httpx", "httpx2"])
LIBRARIES = pytest.mark.parametrize("library", [requests, httpx, httpx2], ids=["requests", "httpx", "httpx2"])
EQUAL = "sent again, byte for byte"


def signed(world: World, api: FaultServer, *nexts: str) -> Any:
    api.next = list(nexts)
    return world.auth(origins=[api.url])


class Watched(io.FileIO):
    """A file that knows the most that was ever read of it at once."""

    most = 0

    def read(self, size: int | None = -1, /) -> bytes:
        found = super().read(-1 if size is None else size)
        self.most = max(self.most, len(found))
        return found


PIECES = f"{EQUAL}; never more than 64 kB of it in memory at once"


@pytest.mark.parametrize(
    ("library", "size"),
    [
        pytest.param(requests, 2**30, marks=matrix(case="a sparse file of 1 GB", outcome=PIECES), id="requests"),
        pytest.param(httpx, 2**26, marks=matrix(case="a sparse file of 64 MB", outcome=PIECES), id="httpx"),
        pytest.param(httpx2, 2**26, marks=matrix(case="a sparse file of 64 MB", outcome=PIECES), id="httpx2"),
    ],
)
def test_a_large_file_is_sent_again_piece_by_piece(
    one_world: World, api_server: FaultServer, tmp_path: Path, library: Any, size: int
) -> None:
    (tmp_path / "large").touch()
    os.truncate(tmp_path / "large", size)
    auth = signed(one_world, api_server, "401")
    with Watched(str(tmp_path / "large")) as file:
        body = {"data" if library is requests else "content": file}
        assert library.post(f"{api_server.url}/x", auth=auth, timeout=30, **body).status_code == 200
        assert file.most <= 65_536
    first, second = api_server.heard
    assert (first.length, first.checksum) == (second.length, second.checksum)
    assert first.length == size


@matrix(case="`Expect: 100-continue`", outcome=EQUAL)
def test_a_request_that_expects_100_continue_is_sent_again(world: World) -> None:
    auth = world.auth()
    auth.token()
    world.fyatu.revoke_all()
    with world.client(auth) as client:
        reply = client.send("POST", f"{world.url}/x", content=b"body" * 5000, headers={"Expect": "100-continue"})
    assert (reply.status, reply.history) == (200, (401,))
    assert len({call.body_sha256 for call in world.fyatu.ledger.calls("api")}) == 1


@pytest.mark.parametrize(
    "method",
    [
        pytest.param(name, marks=matrix(case=f"`{name}`", outcome=EQUAL))
        for name in ("OPTIONS", "PUT", "PATCH", "DELETE")
    ],
)
def test_every_method_is_sent_again(world: World, api_server: FaultServer, method: str) -> None:
    with world.client(signed(world, api_server, "401")) as client:
        reply = client.send(method, f"{api_server.url}/x", content=b"body")
    assert (reply.status, reply.history) == (200, (401,))
    first, second = api_server.heard
    assert first.head.split()[0] == second.head.split()[0] == method.encode()
    assert first[1:] == second[1:] == (4, crc32(b"body"))


@matrix(case="a 204 after a 401", outcome="the 204 is handed over")
def test_a_204_after_a_401_is_handed_over(world: World, api_server: FaultServer) -> None:
    with world.client(signed(world, api_server, "401", "204")) as client:
        reply = client.send("DELETE", f"{api_server.url}/x")
    assert (reply.status, reply.body, reply.history) == (204, b"", (401,))


@pytest.mark.parametrize("kind", CLIENT_KINDS)
@matrix(case="server-sent events after a 401", outcome="the first event is there while the stream goes on")
def test_events_come_as_they_are_sent(make_world: Any, api_server: FaultServer, kind: str) -> None:
    auth, url = signed(make_world(kind), api_server, "401", "events"), f"{api_server.url}/events"
    name, _, loop = kind.partition("-")
    if loop:
        events = anyio.run(_events, sys.modules[name], url, auth, api_server, backend=loop)
    elif name == "requests":
        with requests.get(url, auth=auth, stream=True, timeout=5) as response:
            events = [_heard(each, api_server) for each in response.iter_content(len(b"data: first\n\n"))]
    else:
        with sys.modules[name].stream("GET", url, auth=auth) as response:
            events = [_heard(each, api_server) for each in response.iter_raw()]
    assert events == [b"data: first\n\n"]


async def _events(library: Any, url: str, auth: Any, server: FaultServer) -> list[bytes]:
    async with library.AsyncClient(auth=auth) as client, client.stream("GET", url) as response:
        return [_heard(each, server) async for each in response.aiter_raw()]


def _heard(event: bytes, server: FaultServer) -> bytes:
    server.close()  # Only now does the stream end.
    return event


def _rows(count: int, kinds: tuple[str, ...], *marks: pytest.MarkDecorator) -> list[Any]:
    case = f"{count:,} requests, every twentieth of them answered with a 401"
    row = matrix(case=case, outcome="one connection, no leak, no ResourceWarning")
    return [pytest.param(kind, count, marks=[row, *marks], id=f"{kind}-{count}") for kind in kinds]


@pytest.mark.parametrize(
    ("kind", "count"),
    [
        *_rows(200, CLIENT_KINDS),
        *_rows(10_000, ("requests", "httpx", "httpx-asyncio"), pytest.mark.slow, pytest.mark.timeout(300)),
    ],
)
def test_one_connection_lasts_for_all_requests(make_world: Any, api_server: FaultServer, kind: str, count: int) -> None:
    world = make_world(kind)
    api_server.fault = "moody"
    with world.client(signed(world, api_server)) as client:
        client.send("GET", f"{api_server.url}/x")
        before = len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else 0
        for _ in range(count):
            assert client.send("GET", f"{api_server.url}/x").status == 200
        after = len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else 0
    gc.collect()  # What nobody closed is told by a ResourceWarning, and warnings are errors here.
    assert api_server.calls == 1
    assert after <= before + 2, "a token call of a moment ago may still be closing"
    assert world.token_calls == 1 + count // 19


@matrix(case="a cookie that comes with a 401", outcome="kept, and sent from the next request on")
@LIBRARIES
def test_a_cookie_of_a_401_is_kept(one_world: World, api_server: FaultServer, library: Any) -> None:
    with requests.Session() if library is requests else library.Client() as client:
        client.auth = signed(one_world, api_server, "401")
        assert client.get(f"{api_server.url}/x").status_code == 200
        assert client.cookies["seen"] == "yes"
        client.get(f"{api_server.url}/x")
    assert b"cookie: seen=yes" in api_server.heard[-1].head.lower()


@HTTPX
@matrix(case="httpx's event hooks", outcome="they see the 401, then the answer, and no token call")
def test_event_hooks_see_both_answers_in_order(one_world: World, api_server: FaultServer, library: Any) -> None:
    seen: list[Any] = []
    hooks = {"request": [lambda r: seen.append(r.method)], "response": [lambda r: seen.append(r.status_code)]}
    with library.Client(auth=signed(one_world, api_server, "401"), event_hooks=hooks) as client:
        client.put(f"{api_server.url}/x")
    assert seen == ["PUT", 401, "PUT", 200]


@HTTPX
@matrix(
    case="`raise_for_status` in an event hook of httpx",
    outcome="httpx raises the 401 before any auth sees it: nothing is renewed, until `auth.invalidate()`",
)
def test_a_hook_that_raises_keeps_the_401_from_the_auth(
    one_world: World, api_server: FaultServer, library: Any
) -> None:
    auth = signed(one_world, api_server, "401")
    with library.Client(auth=auth, event_hooks={"response": [library.Response.raise_for_status]}) as client:
        with pytest.raises(library.HTTPStatusError, match="401"):
            client.get(f"{api_server.url}/x")
        assert one_world.token_calls == 1
        auth.invalidate()
        assert client.get(f"{api_server.url}/x").status_code == 200
    assert one_world.token_calls == 2


@matrix(case="retries of urllib3's `Retry`, and a 401 among them", outcome="both do their part", client="requests")
def test_retries_of_urllib3_and_a_renewal_work_together(one_world: World, api_server: FaultServer) -> None:
    with requests.Session() as session:
        session.mount("http://", HTTPAdapter(max_retries=Retry(3, status_forcelist=[503], backoff_factor=0)))
        session.auth = signed(one_world, api_server, "503", "401", "503", "reset unanswered")
        assert session.get(f"{api_server.url}/x").status_code == 200
    assert one_world.token_calls == 2
    assert len({heard.bearer for heard in api_server.heard}) == 2


@matrix(
    case="retries of urllib3's `Retry` on 401 itself",
    outcome="it gives up first, and then the token is renewed",
    client="requests",
)
def test_retries_of_401s_come_before_a_renewal(one_world: World, api_server: FaultServer) -> None:
    retry = Retry(2, status_forcelist=[401], backoff_factor=0, raise_on_status=False)
    with requests.Session() as session:
        session.mount("http://", HTTPAdapter(max_retries=retry))
        session.auth = signed(one_world, api_server, "401", "401", "401")
        assert session.get(f"{api_server.url}/x").status_code == 200
    assert one_world.token_calls == 2
    assert len(api_server.heard) == 4


@pytest.mark.parametrize("asynchronous", [False, True], ids=["httpx", "httpx-asyncio"])
@matrix(case="retries of httpx-retries, and a 401 among them", outcome="both do their part")
def test_retries_of_httpx_and_a_renewal_work_together(
    one_world: World, api_server: FaultServer, asynchronous: bool
) -> None:
    transport = httpx_retries.RetryTransport(retry=httpx_retries.Retry(total=3, backoff_factor=0))
    auth = signed(one_world, api_server, "503", "401", "503", "reset unanswered")

    async def ask() -> int:
        async with httpx.AsyncClient(transport=transport, auth=auth) as client:
            return (await client.get(f"{api_server.url}/x")).status_code

    if asynchronous:
        assert asyncio.run(ask()) == 200
    else:
        with httpx.Client(transport=transport, auth=auth) as client:
            assert client.get(f"{api_server.url}/x").status_code == 200
    assert one_world.token_calls == 2
    assert len({heard.bearer for heard in api_server.heard}) == 2
