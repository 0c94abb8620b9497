"""A program: forks a process for each line it reads, and each of these does what the test tells it by a socket.

Forked, because a process of its own would import for half a second; the one that forks never has a thread.
"""

from __future__ import annotations

import json
import mmap
import os
import random
import signal
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import requests

from auth_plugins import (
    AuthError,
    FileStore,
    FyatuAuth,
    JWTPlusAuth,
    MarketigerAuth,
    OAuth2RefreshTokenAuth,
    RedisStore,
    RefreshPolicy,
    Store,
    TokenAuth,
    VaultAuth,
)
from auth_plugins.core import Backoff, Event, fingerprint
from auth_plugins.testing import settle


class SharedClock:
    """The machine's time, and as much more as the test has let pass."""

    monotonic = staticmethod(time.monotonic)
    sleep = staticmethod(time.sleep)

    def __init__(self, path: str) -> None:
        with open(path, "r+b") as file:
            self._ahead = mmap.mmap(file.fileno(), 8)

    def __call__(self) -> float:
        ahead: float = struct.unpack("d", self._ahead[:8])[0]
        return time.time() + ahead


def store_of(said: dict[str, Any], clock: SharedClock) -> Store:
    options = {**said, "clock": clock}
    if "path" in options:
        return FileStore(options.pop("path"), **options)
    return RedisStore.from_url(options.pop("url"), **options)


DOORS: dict[str, Callable[..., TokenAuth]] = {
    "fyatu": lambda **options: FyatuAuth("A1B2C3D4E5F6G7H8", "your_secret_key_here", **options),
    "marketiger": lambda **options: MarketigerAuth("user@example.com", "your_password_here", **options),
    "vault": lambda **options: VaultAuth(1042, email="user@example.com", password="Correct-horse-7", **options),
    "jwtplus": lambda **options: JWTPlusAuth(
        "01JMC6TCM1CH7NWG0E8A5SQTHA",
        "an+app/key" * 12 + "12345678",
        ip="192.0.2.1",
        user_agent="worker",
        subject="1",
        audience="tests",
        fresh_after=0.0,
        **options,
    ),
    "oauth2": OAuth2RefreshTokenAuth,
}


class Work:
    """What one process does. Each method is a job that the test can ask for, and gives what is told of it."""

    def __init__(self, said: dict[str, Any], wire: socket.socket) -> None:
        self._wire = wire
        clock = SharedClock(said["clock"])
        self._store = store_of(said["store"], clock)
        self._events: list[str] = []
        policy = dict(said["policy"])
        if "early" in policy:
            policy["early"] = Backoff(policy["early"], policy["early"])
        self._url = said["base_url"]
        self._auth = DOORS[said["door"]](
            **{"base_url": self._url, **said["settings"]},
            store=self._store,
            policy=RefreshPolicy(**policy),
            clock=clock,
            on_event=self._hear,
            token_client=requests.Session(),
        )

    def _hear(self, event: Event) -> None:
        self._events.append(event.kind.value)

    def _get(self, session: requests.Session) -> str:
        """Say how a request went: its status, or the kind of error."""
        try:
            return str(session.get(f"{self._url}/x", auth=self._auth).status_code)
        except AuthError as error:
            return f"{error.code}: {error.message}"

    def _token(self) -> str:
        try:
            self._auth.token()
        except AuthError as error:
            return f"{error.code}: {error.message}"
        return "200"

    def herd(self, threads: int) -> list[str]:
        """Send a request from so many threads at once."""
        start = threading.Barrier(threads)

        def one(_: int) -> str:
            with requests.Session() as session:
                start.wait(30.0)
                return self._get(session)

        with ThreadPoolExecutor(threads) as pool:
            return sorted(set(pool.map(one, range(threads))))

    def toil(self, rest: float = 0.0) -> dict[str, int]:
        """Ask for tokens until told to stop, and send a request with every fourth; renewals beside are waited for."""
        outcomes: dict[str, int] = {}
        self._wire.setblocking(False)
        with requests.Session() as session:
            while not self._told_to_stop():
                outcome = self._get(session) if sum(outcomes.values()) % 4 == 0 else self._token()
                outcomes[outcome] = outcomes.get(outcome, 0) + 1
                settle(self._auth)
                time.sleep(rest * random.random())
        self._wire.setblocking(True)
        return outcomes

    def _told_to_stop(self) -> bool:
        try:
            self._wire.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        return True  # A word, or the end of the test.

    def get(self) -> str:
        """Send one request; a renewal beside it is waited for."""
        with requests.Session() as session:
            outcome = self._get(session)
        settle(self._auth)
        return outcome

    def ask(self) -> str:
        """Send one request, and wait for nothing that goes on beside it."""
        with requests.Session() as session:
            return self._get(session)

    def settle(self) -> None:
        """Wait for the renewal that goes on."""
        settle(self._auth)

    def invalidate(self) -> None:
        """Drop the token at hand."""
        self._auth.invalidate()

    def events(self) -> list[str]:
        """Tell what happened since the last time."""
        told, self._events[:] = list(self._events), []
        return told

    def token(self) -> str | None:
        """Tell the access token at hand, without asking for one."""
        token = self._auth._source.shared.snapshot.token
        return None if token is None else token.access_token

    def hold(self, seconds: float) -> None:
        """Keep the lock of the token for a while."""
        with self._store.lock(fingerprint(self._auth._provider, self._store.salt)):
            self._wire.sendall(b'"held"\n')
            time.sleep(seconds)

    def lock(self) -> float:
        """Wait for the lock of the token, give it back, and say how long it took."""
        began = time.monotonic()
        with self._store.lock(fingerprint(self._auth._provider, self._store.salt)):
            return time.monotonic() - began


def work(said: dict[str, Any]) -> None:
    with ExitStack() as stack:
        wire = stack.enter_context(socket.create_connection(("127.0.0.1", said["port"])))
        wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        wire.sendall(json.dumps(os.getpid()).encode() + b"\n")
        done = Work(said, wire)
        for line in wire.makefile("rb", buffering=0):  # What comes after a line is left for `toil` to see.
            job, *arguments = json.loads(line)
            if job != "stop":
                result = getattr(done, job)(*arguments)
                wire.sendall(json.dumps(result).encode() + b"\n")


def main() -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # Nobody asks how they ended.
    for line in sys.stdin:
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            sys.stdin = open(os.devnull)  # noqa: SIM115 - what the next one is told is not for this one
            work(json.loads(line))
            return


main()
