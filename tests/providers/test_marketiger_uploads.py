"""Files to Marketiger have up to 1 GB: what can be sent only once waits for a renewal, and nothing is buffered."""

from __future__ import annotations

import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import httpx2
import pytest
import requests

from auth_plugins import BodyNotReplayed, MarketigerAuth, MemoryStore, RefreshPolicy
from auth_plugins.simulators import MarketigerSimulator, SimRequest
from auth_plugins.testing import FakeClock

MEGABYTE = 1 << 20
SIZE = 64 * MEGABYTE
MOST_HELD = 8 * MEGABYTE
"""Of memory, at any moment of an upload, by client and server together."""
EMAIL, PASSWORD = "user@example.com", "your_password_here"


class Server(ThreadingHTTPServer):
    """A simulator on a socket; unlike that of the kit it counts a body without keeping it."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.marketiger, self.clock = MarketigerSimulator(), FakeClock()
        self.lengths: list[int] = []
        """Of the bodies that came to the API."""
        self.url = f"http://127.0.0.1:{self.server_port}/v2"

    def auth(self) -> MarketigerAuth:
        policy = RefreshPolicy(jitter=0.0)
        store = MemoryStore(clock=self.clock)
        return MarketigerAuth(EMAIL, PASSWORD, base_url=self.url, clock=self.clock, store=store, policy=policy)

    @property
    def calls(self) -> list[tuple[str, int]]:
        return [(call.endpoint, call.status) for call in self.marketiger.ledger.calls()]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_POST(self) -> None:
        is_upload = "/Auth/" not in self.path
        body, length = b"", 0
        for chunk in self.chunks():
            length += len(chunk)
            body += b"" if is_upload else chunk
        if is_upload:
            self.server.lengths.append(length)
        headers = {name.lower(): value for name, value in self.headers.items()}
        answer = self.server.marketiger.handle(SimRequest("POST", self.path, headers, body), self.server.clock())
        time.sleep(answer.delay)
        self.send_response_only(answer.status)
        for name, value in {**answer.headers, "content-length": str(len(answer.body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer.body)

    def chunks(self) -> Iterator[bytes]:
        if "content-length" in self.headers:
            left = int(self.headers["content-length"])
            while left:
                chunk = self.rfile.read(min(left, 65_536))
                left -= len(chunk)
                yield chunk
        elif self.headers["transfer-encoding"] == "chunked":
            while size := int(self.rfile.readline(), 16):
                yield self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@contextmanager
def client(library: str, auth: Any) -> Iterator[Callable[..., tuple[int, bytes]]]:
    """Lend what posts a body and gives status and body of the answer."""
    if library == "requests":
        with requests.Session() as session:
            session.auth = auth

            def post(url: str, body: Any) -> tuple[int, bytes]:
                answer = session.post(url, data=body)
                return answer.status_code, answer.content

            yield post
        return
    kit: Any = {"httpx": httpx, "httpx2": httpx2}[library]
    with kit.Client(auth=auth, timeout=60) as lent:

        def send(url: str, body: Any) -> tuple[int, bytes]:
            answer = lent.post(url, content=body)
            return answer.status_code, answer.content

        yield send


def generator() -> Iterator[bytes]:
    chunk = bytes(65_536)
    for _ in range(SIZE // len(chunk)):
        yield chunk


@contextmanager
def memory_bounded() -> Iterator[None]:
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        yield
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most - before < MOST_HELD


pytestmark = [pytest.mark.slow, pytest.mark.parametrize("library", ["requests", "httpx", "httpx2"])]


def test_an_upload_that_can_be_sent_only_once_waits_for_a_renewal_that_is_due(server: Server, library: str) -> None:
    auth = server.auth()
    first = auth.token()
    server.clock.advance(3600 - 300)
    server.marketiger.latency = 0.2
    server.marketiger.revoke_all()  # With the old token the upload would be lost.
    with client(library, auth) as post, memory_bounded():
        assert post(f"{server.url}/Model3D", generator())[0] == 200
    assert server.calls == [("login", 200), ("refresh", 200), ("api", 200)]
    assert server.lengths == [SIZE]
    assert auth.token() != first


def test_an_upload_whose_token_is_rejected_is_handed_back_and_the_next_one_arrives(
    server: Server, library: str
) -> None:
    server.marketiger.empty_401 = True
    auth = server.auth()
    auth.token()
    server.marketiger.revoke_all()
    with client(library, auth) as post, memory_bounded():
        with pytest.warns(BodyNotReplayed):
            assert post(f"{server.url}/Model3D", generator()) == (401, b"")
        assert post(f"{server.url}/Model3D", generator())[0] == 200
    assert server.calls == [("login", 200), ("api", 401), ("refresh", 200), ("api", 200)]
    assert server.lengths == [SIZE, SIZE]


def test_a_file_is_sent_again_whole_and_without_being_held(server: Server, library: str, tmp_path: Path) -> None:
    (tmp_path / "model.glb").touch()
    with (tmp_path / "model.glb").open("r+b") as sparse:
        sparse.truncate(SIZE)
    auth = server.auth()
    auth.token()
    server.marketiger.revoke_all()
    with client(library, auth) as post, (tmp_path / "model.glb").open("rb") as model, memory_bounded():
        assert post(f"{server.url}/Model3D", model)[0] == 200
    assert server.calls == [("login", 200), ("api", 401), ("refresh", 200), ("api", 200)]
    assert server.lengths == [SIZE, SIZE]
