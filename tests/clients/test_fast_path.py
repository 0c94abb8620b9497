"""Which requests go the short way, and when it is left."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import httpx2
import pytest
import requests

from auth_plugins.clients import fast_path
from auth_plugins.clients.fast_path import _HomeOrigin
from auth_plugins.core import Origin
from tests.clients.test_adapters import URL, Room
from tests.test_speed_guard import PublicUrl

HOME = "https://api.example"


class Shut:
    """A door that nobody may go through."""

    def __init__(self, door: Any) -> None:
        self.source, self.transport = door.source, door.transport

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"{name} was asked of a door")


def headers_by_requests(auth: Any, url: str, library: Any, body: Any = None) -> Any:
    return auth(requests.Request("POST", url, data=body).prepare()).headers


def headers_by_httpx(auth: Any, url: str, library: Any, body: Any = None) -> Any:
    request = library.Request("POST", url, content=body)
    flow = auth.sync_auth_flow(request)
    assert next(flow) is request
    with pytest.raises(StopIteration):
        flow.send(library.Response(200, request=request))
    return request.headers


def headers_by_httpx_async(auth: Any, url: str, library: Any, body: Any = None) -> Any:
    async def drive() -> Any:
        request = library.Request("POST", url, content=body)
        flow = auth.async_auth_flow(request)
        assert await flow.__anext__() is request
        with pytest.raises(StopAsyncIteration):
            await flow.asend(library.Response(200, request=request))
        return request.headers

    return asyncio.run(drive())


WAYS = [
    (headers_by_requests, None),
    (headers_by_httpx, httpx),
    (headers_by_httpx, httpx2),
    (headers_by_httpx_async, httpx),
    (headers_by_httpx_async, httpx2),
]
every_way = pytest.mark.parametrize(
    ("way", "library"), WAYS, ids=["requests", "httpx", "httpx2", "httpx async", "httpx2 async"]
)


def shut(room: Room, way: Any, library: Any) -> None:
    """Let no request but the first go through a door."""
    way(room.auth, f"{URL}/first", library)
    auth: Any = room.auth
    auth._requests, auth._flow_for = Shut(auth._requests), lambda _request: Shut(auth._requests)


@every_way
@pytest.mark.parametrize("body", [None, b"", b"body", "text"])
@pytest.mark.parametrize("url", [f"{URL}/x", f"{HOME}/", f"{HOME}/?a=1", "HTTPS://API.example/x"])
def test_a_plain_request_home_goes_the_short_way(way: Any, library: Any, url: str, body: Any) -> None:
    room = Room()
    shut(room, way, library)
    headers = way(room.auth, url, library, body)
    assert headers["Authorization"] == dict(room.shared.snapshot.headers)["Authorization"]
    spelled = [name.decode() for name, _ in headers.raw] if library is not None else list(headers)
    assert "Authorization" in spelled


@every_way
@pytest.mark.parametrize("hand", ["both", "wall", "steady"])
def test_the_fast_path_is_left_at_the_very_moment_at_which_the_token_is_due(way: Any, library: Any, hand: str) -> None:
    room = Room()
    shut(room, way, library)
    snapshot = room.shared.snapshot
    due = snapshot.recheck_at - room.clock()
    room.clock.advance(due - 1)
    way(room.auth, f"{URL}/x", library)
    if hand == "wall":
        room.clock.jump(1)
    else:
        room.clock.jump(0.0 if hand == "both" else -2.0)
        room.clock.advance(1)
    with pytest.raises(AssertionError, match="of a door"):
        way(room.auth, f"{URL}/x", library)


@every_way
@pytest.mark.parametrize(
    "url",
    [
        "https://api.example0/x", "https://api.examplf/x", "https://api.exampl/x", "http://api.example/x",
        "https://api.example:444/x", "https://api.example:80/x", "https://stranger.example/api.example/x",
        "https://api.example.evil/x", "https://api.example@evil.example/x",
    ],
)  # fmt: skip
def test_a_stranger_gets_nothing(way: Any, library: Any, url: str) -> None:
    room = Room()
    way(room.auth, f"{URL}/x", library)
    assert "Authorization" not in way(room.auth, url, library)


def test_a_url_that_no_library_would_make_is_a_strangers() -> None:
    room = Room()
    request = requests.Request("GET", URL).prepare()
    room.signed()
    for url in ("https://api.example0", "https://api.example0.evil", "https://api.example", "https://api.exampl0"):
        request.url = url
        signed = "Authorization" in room.auth(request).headers
        assert signed is (url == HOME)
        request.headers.pop("Authorization", None)


@every_way
def test_a_header_that_is_there_already_gives_way(way: Any, library: Any) -> None:
    room = Room()
    headers: Any
    way(room.auth, URL, library)
    if library is None:
        request = requests.Request("GET", URL, headers={"authorization": "Basic x"}).prepare()
        headers = room.auth(request).headers
        assert [name.lower() for name in headers].count("authorization") == 1
    else:
        request = library.Request("GET", URL, headers=[("AUTHORIZATION", "Basic x"), ("Authorization", "Basic y")])
        headers = next(room.auth.sync_auth_flow(request)).headers
        assert len(headers.get_list("authorization")) == 1
    assert headers["Authorization"] == dict(room.shared.snapshot.headers)["Authorization"]


@pytest.mark.parametrize("library", [httpx, httpx2])
def test_an_asynchronous_request_gets_the_same_header_in_its_place(library: Any) -> None:
    room = Room()

    async def sent(given: list[tuple[str, str]]) -> Any:
        request = library.Request("GET", f"{URL}/x", headers=given)
        await room.auth.async_auth_flow(request).__anext__()
        return request.headers

    for given in ([], [("AUTHORIZATION", "Basic x"), ("b", "c")], [("Authorization", "Basic x")]):
        for _ in range(2):
            headers = asyncio.run(sent(given))
            wanted = library.Request("GET", f"{URL}/x", headers=given).headers
            wanted["Authorization"] = dict(room.shared.snapshot.headers)["Authorization"]
            assert headers.raw == wanted.raw


@pytest.mark.parametrize("library", [httpx, httpx2])
def test_an_asynchronous_request_whose_library_keeps_urls_in_another_way_is_served(library: Any) -> None:
    async def sent(url: str) -> bool:
        request = library.Request("GET", url)
        request.url = PublicUrl(library, url)
        await room.auth.async_auth_flow(request).__anext__()
        return "Authorization" in request.headers

    room = Room()
    assert asyncio.run(sent(f"{URL}/x"))
    assert not asyncio.run(sent("https://stranger.example/x"))


@pytest.mark.parametrize("port", [None, 8443])
def test_a_home_is_compared_with_as_each_library_spells_it(port: int | None) -> None:
    home = _HomeOrigin(Origin("https", "api.example", port or 443))
    prefix = f"https://api.example{'' if port is None else f':{port}'}"
    assert (home.first, home.below) == (f"{prefix}/", f"{prefix}0")
    assert (home.scheme, home.host, home.port) == ("https", "api.example", port)


def test_a_home_over_plain_http_leaves_its_own_port_out() -> None:
    assert _HomeOrigin(Origin("http", "localhost", 80)).port is None
    assert _HomeOrigin(Origin("http", "localhost", 443)).port == 443


def test_an_object_has_one_door_for_each_library() -> None:
    room = Room()
    for library in (httpx, httpx2) * 3:
        door = room.httpx_door(library)
        assert door.library is library
        assert room.httpx_door(library) is door
    assert [door.library for door in room.auth._httpx] == [httpx, httpx2]


def test_how_the_libraries_keep_bodies_and_headers_is_found_out_at_the_first_request(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plain, listed = set[type](), set[type]()
    monkeypatch.setattr(fast_path, "_BYTES_BODIES", plain)
    monkeypatch.setattr(fast_path, "_LIST_HEADERS", listed)
    headers_by_httpx(Room().auth, f"{URL}/x", httpx)
    assert (plain, listed) == ({httpx.ByteStream}, {httpx.Headers})
    headers_by_httpx(Room().auth, f"{URL}/x", httpx2)
    assert (plain, listed) == ({httpx.ByteStream, httpx2.ByteStream}, {httpx.Headers, httpx2.Headers})


class Joined(httpx.Headers):
    """Headers with a list that is not all that they keep."""

    def __contains__(self, key: object) -> bool:
        return key == "name"


class Forgetting(httpx.Headers):
    def copy(self) -> httpx.Headers:
        return httpx.Headers({"Name": "value"})


class Failing(httpx.Headers):
    def pop(self, *_: Any) -> Any:
        raise TypeError


@pytest.mark.parametrize("kind", [Joined, Forgetting, Failing, dict])
def test_a_header_is_appended_only_where_that_behaves_as_setting_it(kind: Any) -> None:
    assert fast_path._can_append(httpx.Headers)
    assert fast_path._can_append(httpx2.Headers)
    assert not fast_path._can_append(kind)
