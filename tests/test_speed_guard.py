"""The usual case costs what it costs: counted in byte code, which no busy machine can change."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import httpx
import httpx2
import pytest
import requests

import auth_plugins
from auth_plugins import MemoryStore, OAuth2ClientCredentialsAuth, Token
from auth_plugins.clients import fast_path
from auth_plugins.core import bearer

URL = "https://api.example/token"
ALLOWED = {"requests": 74, "httpx": 114, "httpx async": 150}
"""Instructions of our own for one request; what requests does with a header is its own.

Twenty of those for httpx put the header into its list, where httpx itself would need more than a hundred.

Ten call the method that both clients of httpx share. In an `AsyncClient`, 36 more belong to a class that is driven like
an asynchronous generator, and takes no longer: what Python's own generator does in C is not counted.

Four to six take the clock's two hands into locals before they are called: where an attribute of an object is called
as it stands, CPython 3.11 looks it up anew each time, as if it might be a method, which costs more.

An interpreter's own count differs by a few. A change that needs more has to say why.
"""


class Holding(MemoryStore):
    """A store in which somebody else has just put a token."""

    def load(self, key: str) -> Token | None:
        now = time.time()
        return Token(access_token="held", issued_at=now, expires_at=now + 86_400)


@pytest.fixture
def auth() -> OAuth2ClientCredentialsAuth:
    made = OAuth2ClientCredentialsAuth(URL, "an_id", "a_secret", store=Holding())
    assert made.token().access_token == "held"
    return made


HOME = str(Path(auth_plugins.__file__).parent)


class Counts(dict[str, int]):
    """Instructions of the package's own functions, by function."""

    def one_more(self, code: CodeType) -> None:
        if code.co_filename.startswith(HOME):
            self[code.co_qualname] = self.get(code.co_qualname, 0) + 1


if sys.version_info >= (3, 12):

    @contextmanager
    def counting() -> Iterator[Counts]:
        counts, watch, tool = Counts(), sys.monitoring, 3
        watch.use_tool_id(tool, "speed guard")
        watch.register_callback(tool, watch.events.INSTRUCTION, lambda code, _offset: counts.one_more(code))
        watch.set_events(tool, watch.events.INSTRUCTION)
        try:
            yield counts
        finally:
            watch.set_events(tool, 0)
            watch.free_tool_id(tool)

else:

    @contextmanager
    def counting() -> Iterator[Counts]:
        counts = Counts()

        def on_call(frame: FrameType, _event: str, _arg: object) -> Any:
            frame.f_trace_opcodes, frame.f_trace_lines = True, False
            return on_opcode

        def on_opcode(frame: FrameType, event: str, _arg: object) -> Any:
            if event == "opcode":
                counts.one_more(frame.f_code)
            return on_opcode

        before = sys.gettrace()
        sys.settrace(on_call)
        try:
            yield counts
        finally:
            sys.settrace(before)


def sign_requests(auth: Any) -> None:
    auth(requests.Request("GET", "https://api.example/x").prepare())


def sign_httpx(library: Any) -> Callable[[Any], None]:
    def sign(auth: Any) -> None:
        flow = auth.sync_auth_flow(library.Request("GET", "https://api.example/x"))
        next(flow)
        with pytest.raises(StopIteration):
            flow.send(library.Response(200))

    return sign


def sign_httpx_async(library: Any) -> Callable[[Any], None]:
    async def sign(auth: Any) -> None:
        flow = auth.async_auth_flow(library.Request("GET", "https://api.example/x"))
        await flow.__anext__()
        with pytest.raises(StopAsyncIteration):
            await flow.asend(library.Response(200))

    return lambda auth: asyncio.run(sign(auth))


WAYS = [
    ("requests", "requests", sign_requests),
    ("httpx", "httpx", sign_httpx(httpx)),
    ("httpx", "httpx2", sign_httpx(httpx2)),
    ("httpx async", "httpx", sign_httpx_async(httpx)),
    ("httpx async", "httpx2", sign_httpx_async(httpx2)),
]
IDS = [f"{kind}-{library}" for kind, library, _ in WAYS]


@pytest.mark.parametrize(("kind", "library", "sign"), WAYS, ids=IDS)
def test_the_usual_case_stays_within_its_count_and_goes_through_no_door(
    auth: OAuth2ClientCredentialsAuth, kind: str, library: str, sign: Callable[[Any], None]
) -> None:
    sign(auth)  # The first of all learns what its library calls a body of bytes.
    with counting() as counts:
        sign(auth)
    assert {name.partition(".")[0] for name in counts} <= {"FastPath", "AsyncFlow"}
    assert sum(counts.values()) <= ALLOWED[kind]


@pytest.mark.parametrize(("kind", "library", "sign"), WAYS, ids=IDS)
def test_the_count_does_not_grow_with_the_number_of_auth_objects(
    auth: OAuth2ClientCredentialsAuth, kind: str, library: str, sign: Callable[[Any], None]
) -> None:
    sign(auth)
    with counting() as few:
        sign(auth)
    kept = [OAuth2ClientCredentialsAuth(URL, f"id_{each}", "a_secret", store=MemoryStore()) for each in range(200)]
    with counting() as many:
        sign(auth)
    assert (many, len(kept)) == (few, 200)


@pytest.mark.parametrize("url", ["https://api.example.evil/x", "http://api.example/x", "https://api.example:444/x"])
def test_the_short_way_takes_no_other_origin_for_its_own(auth: OAuth2ClientCredentialsAuth, url: str) -> None:
    assert "Authorization" not in auth(requests.Request("GET", url).prepare()).headers
    for library in (httpx, httpx2):
        for _ in range(2):
            flow = auth.sync_auth_flow(library.Request("GET", url))
            assert "Authorization" not in next(flow).headers


class PublicUrl:
    """An URL of which only the public names are known."""

    def __init__(self, library: Any, url: str) -> None:
        real = library.URL(url)
        self.scheme, self.raw_host, self.port = real.scheme, real.raw_host, real.port


@pytest.mark.parametrize("library", [httpx, httpx2], ids=["httpx", "httpx2"])
def test_a_library_that_keeps_its_urls_in_another_way_is_served_all_the_same(
    auth: OAuth2ClientCredentialsAuth, library: Any
) -> None:
    for url, signed in [("https://api.example/x", True), ("https://stranger.example/x", False)]:
        request = library.Request("GET", url)
        request.url = PublicUrl(library, url)
        sent = next(auth.sync_auth_flow(request))
        assert sent.headers.get("Authorization") == (bearer(auth.token())["Authorization"] if signed else None)


@pytest.mark.parametrize("library", [httpx, httpx2], ids=["httpx", "httpx2"])
@pytest.mark.parametrize(
    "given", [[], [("authorization", "Basic eDp5")], [("Authorization", "a"), ("x", "y"), ("AUTHORIZATION", "b")]]
)
def test_the_header_stands_as_the_library_itself_would_have_put_it(
    auth: OAuth2ClientCredentialsAuth, library: Any, given: list[tuple[str, str]]
) -> None:
    for _ in range(2):  # The first of all goes through the door.
        request = library.Request("GET", "https://api.example/x", headers=given)
        wanted = library.Headers(request.headers)
        wanted["Authorization"] = bearer(auth.token())["Authorization"]
        sent = next(auth.sync_auth_flow(request))
        assert (sent.headers, sent.headers.raw) == (wanted, wanted.raw)


@pytest.mark.parametrize("library", [httpx, httpx2], ids=["httpx", "httpx2"])
def test_a_library_that_keeps_its_headers_in_another_way_is_served_all_the_same(
    auth: OAuth2ClientCredentialsAuth, library: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Headers(dict[str, str]):
        """Headers of which only the public ways are known."""

    monkeypatch.setattr(fast_path, "_LIST_HEADERS", set())
    monkeypatch.setattr(library, "Headers", Headers)
    for _ in range(2):
        request = library.Request("GET", "https://api.example/x")
        request.headers = Headers()
        assert next(auth.sync_auth_flow(request)).headers == bearer(auth.token())
    assert not fast_path._LIST_HEADERS
