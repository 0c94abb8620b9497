"""A server that misbehaves below HTTP, for the token endpoint and for the API."""

from __future__ import annotations

import gzip
import itertools
import json
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple
from zlib import crc32

import pytest

TOKEN = "a.fresh.token-of-ours"
GOOD = json.dumps({"success": True, "data": {"accessToken": TOKEN, "tokenType": "Bearer", "expiresIn": 3600}}).encode()
RESET = struct.pack("ii", 1, 0)


def answer(body: bytes = GOOD, *fields: str, status: str = "200 OK", length: object = None) -> bytes:
    """Write an answer; `length` is what it says of its body, if that is not the truth."""
    head = [f"HTTP/1.1 {status}", "Content-Type: application/json", *fields]
    head.append(f"Content-Length: {len(body) if length is None else length}")
    return "\r\n".join([*head, "", ""]).encode() + body


class Heard(NamedTuple):
    """A request, as it was read."""

    head: bytes
    length: int
    checksum: int

    @property
    def bearer(self) -> bytes:
        return self.head.lower().partition(b"bearer ")[2].split(b"\r\n")[0]


class Line:
    """The server's end of one connection."""

    def __init__(self, connection: socket.socket, over: threading.Event, heard: list[Heard]) -> None:
        self._connection, self._over, self._heard = connection, over, heard

    def request(self) -> bytes:
        """Read one request to its end, keeping length and checksum of its body; nothing, if the client has gone."""
        read = b""
        while b"\r\n\r\n" not in read:
            more = self._connection.recv(65_536)
            if not more:
                return b""
            read += more
        head, _, body = read.partition(b"\r\n\r\n")
        lengths = [int(each[15:]) for each in head.lower().split(b"\r\n") if each.startswith(b"content-length:")]
        left, sum_ = sum(lengths) - len(body), crc32(body)
        buffer = memoryview(bytearray(2**20))
        while left:
            got = self._connection.recv_into(buffer)
            left, sum_ = left - got, crc32(buffer[:got], sum_)
        self._heard.append(Heard(head, sum(lengths), sum_))
        return head

    def something(self) -> bytes:
        return self._connection.recv(65_536)

    def say(self, *parts: bytes) -> None:
        for part in parts:
            self._connection.sendall(part)

    def drip(self, begin: bytes, drop: bytes) -> None:
        """Say `begin`, and then `drop` again and again, at a pace that no read time-out notices."""
        self.say(begin)
        while not self._over.wait(0.02):
            self.say(drop)

    def hang(self) -> None:
        self._over.wait(30)

    def reset(self, after: bytes = b"") -> None:
        self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)


def _asked(*parts: bytes, then: Callable[[Line], None] = lambda _: None) -> Callable[[Line], None]:
    """Make a fault: hear a request, say something, do something."""

    def fault(line: Line) -> None:
        if line.request():
            line.say(*parts)
            then(line)

    return fault


def _dripping(begin: bytes, drop: bytes) -> Callable[[Line], None]:
    return _asked(then=lambda line: line.drip(begin, drop))


def _well(line: Line) -> None:
    while line.request():
        line.say(answer())


def _moody(line: Line) -> None:
    """Answer every twentieth request with a 401, on a connection that lives on."""
    for count in itertools.count(1):
        if not line.request():
            return
        line.say(answer(b"{}" * 5000, status=NO) if count % 20 == 0 else answer())


NO, _HEAD = "401 Unauthorized", b"HTTP/1.1 200 OK\r\n"
_CHUNKED = _HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
_PACKED = gzip.compress(GOOD)
FAULTS: dict[str, Callable[[Line], object]] = {
    "well": _well,
    "moody": _moody,
    "204": _asked(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"),
    "503": _asked(answer(b"", "Connection: close", status="503 Busy")),
    "events": _asked(_HEAD, b"Content-Type: text/event-stream\r\n\r\ndata: first\n\n", then=Line.hang),
    "close before": lambda line: None,
    "reset before": Line.reset,
    "close unanswered": _asked(),
    "reset unanswered": _asked(then=Line.reset),
    "reset in status line": _asked(b"HTTP/1.", then=Line.reset),
    "close in headers": _asked(_HEAD, b"Content-Type: appl"),
    "reset in headers": _asked(_HEAD, b"Content-Type: appl", then=Line.reset),
    "close in body": _asked(answer()[:-20]),
    "reset in body": _asked(answer()[:-20], then=Line.reset),
    "reset after": _asked(answer(), then=Line.reset),
    "length too long": _asked(answer(length=len(GOOD) + 1)),
    "length too short": _asked(answer(length=len(GOOD) - 1)),
    "length negative": _asked(answer(length=-1)),
    "length garbage": _asked(answer(length="plenty")),
    "length absurd": _asked(answer(length=10**30)),
    "lengths that differ": _asked(answer(GOOD, "Content-Length: 5")),
    "no length": _asked(_HEAD, b"\r\n", GOOD),
    "http/1.0": _asked(b"HTTP/1.0 200 OK\r\n\r\n", GOOD),
    "junk after": _asked(answer(), b"HTTP/1.1 200 OK\r\n\r\njunk" * 10),
    "continue first": _asked(b"HTTP/1.1 100 Continue\r\n\r\n", answer()),
    "chunked": _asked(_CHUNKED, b"%x\r\n%b\r\n0\r\n\r\n" % (len(GOOD), GOOD)),
    "chunks without end": _asked(_CHUNKED, b"%x\r\n%b\r\n" % (len(GOOD), GOOD)),
    "chunk of garbage size": _asked(_CHUNKED, b"plenty\r\n", GOOD),
    "chunk of negative size": _asked(_CHUNKED, b"-5\r\n", GOOD),
    "not http": _asked(b"SSH-2.0-OpenSSH_9.9\r\n"),
    "status of garbage": _asked(answer(status="many OK")),
    "empty status line": _asked(b"\r\n\r\n"),
    "endless header": _asked(_HEAD, b"X-Long: ", b"x" * 2**20, b"\r\n\r\n"),
    "twenty thousand headers": _asked(_HEAD, b"".join(b"X-%d: y\r\n" % each for each in range(20_000)), b"\r\n"),
    "nul in header": _asked(_HEAD, b"X-Nul: a\0b\r\n", b"Content-Length: 2\r\n\r\n{}"),
    "packed": _asked(answer(_PACKED, "Content-Encoding: gzip")),
    "packed badly": _asked(answer(GOOD, "Content-Encoding: gzip")),
    "packed and cut": _asked(answer(_PACKED[:40], "Content-Encoding: gzip")),
    "packed unknown": _asked(answer(GOOD, "Content-Encoding: zstd")),
    "packed twice": _asked(answer(gzip.compress(_PACKED), "Content-Encoding: gzip, gzip")),
    "gzip bomb": _asked(answer(gzip.compress(bytes(10**8), 1), "Content-Encoding: gzip")),
    "50 MB": _asked(answer(b"", length=50 * 2**20), *[bytes(2**20)] * 50),
    "hang": _asked(then=Line.hang),
    "hang in status line": _asked(b"HTTP/1.", then=Line.hang),
    "hang in headers": _asked(_HEAD, then=Line.hang),
    "hang in body": _asked(answer()[:-20], then=Line.hang),
    "drip before": lambda line: line.drip(b"", b" "),
    "drip status line": _dripping(b"HTTP/1.1 200 O", b"K"),
    "drip headers": _dripping(_HEAD + b"X-Drip: ", b"x"),
    "drip lines": _dripping(_HEAD, b"X-Drip: x\r\n"),
    "drip continue": _dripping(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "drip body": _dripping(answer(b"{", length=10**6), b" "),
    "drip without length": _dripping(_HEAD + b"\r\n{", b" "),
    "drip chunks": _dripping(_CHUNKED, b"1\r\n \r\n"),
    "drip framing": _dripping(_CHUNKED + b"1;", b"x"),
    "drip trailers": _dripping(_CHUNKED + b"2\r\n{}\r\n0\r\n", b"X: y\r\n"),
    # Empty blocks (RFC 1951, section 3.2.4), so that it can be unpacked for as long as it goes on.
    "drip packed": _dripping(_HEAD + b"Content-Encoding: gzip\r\n\r\n" + _PACKED[:10], b"\0\0\0\xff\xff"),
    "http in handshake": lambda line: line.say(line.something() and answer(status="400 Bad Request")),
    # Not at once: Python's own ssl module leaves a socket open that is reset before its handshake has begun.
    "reset in handshake": lambda line: line.reset(after=line.something()),
    "hang in handshake": Line.hang,
    "drip handshake": lambda line: line.drip(b"\x16\x03\x03\x3e\x80\x02\x00\x3e\x7c\x03\x03", b"\0"),
    "401": _asked(answer(b"{}", "Set-Cookie: seen=yes", "Connection: close", status=NO)),
    "401 cut": _asked(answer(b"{", status=NO, length=100)),
    "401 reset": _asked(answer(b"{", status=NO, length=100), then=Line.reset),
    "401 without length": _asked(b"HTTP/1.1 401 No\r\n\r\n", b"{}"),
    "401 of 50 MB": _asked(answer(b"", status=NO, length=50 * 2**20), *[bytes(2**20)] * 50),
    "401 that hangs": _asked(answer(b"{", status=NO, length=100), then=Line.hang),
    "401 in chunks cut": _asked(b"HTTP/1.1 401 No\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"),
}


class FaultServer:
    """A port of 127.0.0.1. What becomes of a connection is what `fault` says; `calls` counts them.

    `next` says it of the next ones. `heard` is what was read of whole requests.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.fault, self.calls = "well", 0
        self.next: list[str] = []
        self.heard: list[Heard] = []
        self._tls, self._over = tls, threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        scheme, host = ("https", "localhost") if tls is not None else ("http", "127.0.0.1")
        self.url = f"{scheme}://{host}:{self._listener.getsockname()[1]}"

    @contextmanager
    def running(self) -> Iterator[FaultServer]:
        threads = [threading.Thread(target=self._accept, daemon=True)]
        threads[0].start()
        try:
            yield self
        finally:
            self.close()
            threads[0].join(10)

    def close(self) -> None:
        """Listen no more, and end what hangs or drips."""
        self._over.set()
        with suppress(OSError):  # Wakes `accept`, which close() alone does not.
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.calls += 1
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError), connection:
            connection.settimeout(30)
            if self._tls is not None and "handshake" not in self.fault:
                connection = self._tls.wrap_socket(connection, server_side=True)
            with connection:
                fault = self.next.pop(0) if self.next else self.fault
                FAULTS[fault](Line(connection, self._over, self.heard))


@pytest.fixture
def token_server() -> Iterator[FaultServer]:
    """Where the tokens come from."""
    with FaultServer().running() as server:
        yield server


@pytest.fixture
def api_server() -> Iterator[FaultServer]:
    """Where they go."""
    with FaultServer().running() as server:
        yield server


@pytest.fixture
def serve_tls() -> Any:
    """Another place that tokens come from, with a certificate."""
    return lambda context: FaultServer(context).running()
