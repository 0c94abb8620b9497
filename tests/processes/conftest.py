from __future__ import annotations

import json
import mmap
import os
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.fernet import Fernet

from auth_plugins.simulators import Simulator
from auth_plugins.testing.server import SimulatorServer

if TYPE_CHECKING:
    from tests.conftest import RedisServer

ALWAYS_DUE = {"window": 1e9, "window_share": 1.0}
"""A token is to be renewed as soon as it is there, so that every request starts a renewal in the background."""
PATIENCE = 60.0
"""Seconds. Only a test that fails waits for so long."""


class MovingClock:
    """What all processes read: the machine's time, and as much more as the test lets pass."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.write_bytes(struct.pack("d", 0.0))
        with path.open("r+b") as file:
            self._ahead = mmap.mmap(file.fileno(), 8)

    def __call__(self) -> float:
        ahead: float = struct.unpack("d", self._ahead[:8])[0]
        return time.time() + ahead

    def advance(self, seconds: float) -> None:
        self._ahead[:8] = struct.pack("d", struct.unpack("d", self._ahead[:8])[0] + seconds)


class Worker:
    """A process, by the socket over which it is told what to do."""

    def __init__(self, wire: socket.socket) -> None:
        self._wire = wire
        self._wire.settimeout(PATIENCE)
        self._lines = wire.makefile("rb")
        self.pid: int = self.hear()

    def tell(self, job: str, *arguments: Any) -> None:
        self._wire.sendall(json.dumps([job, *arguments]).encode() + b"\n")

    def hear(self) -> Any:
        line = self._lines.readline()
        assert line, "the process ended"
        return json.loads(line)

    def do(self, job: str, *arguments: Any) -> Any:
        self.tell(job, *arguments)
        return self.hear()

    def signal(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill it, and wait until it is dead."""
        self.signal(signal.SIGKILL)
        try:
            while self._lines.readline():
                pass
        except ConnectionError:
            pass
        self.close()

    def close(self) -> None:
        self._lines.close()
        self._wire.close()


class Nursery:
    """Forks the workers of all tests."""

    def __init__(self) -> None:
        program = Path(__file__).with_name("worker.py")
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(PATIENCE)
        self._process = subprocess.Popen([sys.executable, "-P", program], stdin=subprocess.PIPE, text=True)

    def fork(self, said: dict[str, Any]) -> Worker:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({**said, "port": self._listener.getsockname()[1]}) + "\n")
        self._process.stdin.flush()
        wire, _ = self._listener.accept()
        wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return Worker(wire)

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(PATIENCE)
        self._listener.close()


@dataclass
class Fleet:
    """Processes that share one store, and the provider that they log in to."""

    nursery: Nursery
    clock: MovingClock
    server: SimulatorServer
    place: dict[str, Any]
    door: str = ""
    simulator: Simulator = field(init=False)
    url: str = ""
    policy: dict[str, Any] = field(default_factory=dict)
    workers: list[Worker] = field(default_factory=list)

    def serve(self, door: str, simulator: Simulator, **policy: Any) -> None:
        prefix = f"/{self.clock.path.parent.name}"
        self.door, self.simulator, self.policy = door, simulator, policy
        self.url = self.server.mount(prefix, simulator, clock=self.clock)

    def start(self, count: int, settings: dict[str, Any] | None = None, **options: Any) -> list[Worker]:
        said = {"base_url": self.url, "clock": str(self.clock.path), "store": {**self.place, **options}}
        said |= {"door": self.door, "policy": self.policy, "settings": settings or {}}
        made = [self.nursery.fork(said) for _ in range(count)]
        self.workers += made
        return made

    def together(self, job: str, *arguments: Any) -> list[Any]:
        for worker in self.workers:
            worker.tell(job, *arguments)
        return [worker.hear() for worker in self.workers]

    def calls(self, *endpoints: Any) -> list[tuple[str, int]]:
        """The token calls and how they were answered, or those to some endpoints alone."""
        wanted = endpoints or ("login", "refresh")
        return [(call.endpoint, call.status) for call in self.simulator.ledger.calls() if call.endpoint in wanted]

    def until(self, what: Callable[[], bool]) -> None:
        """Wait for the processes to get somewhere."""
        ends = time.monotonic() + PATIENCE
        while not what():
            assert time.monotonic() < ends, "they did not get there"
            time.sleep(0.01)

    def dismiss(self) -> None:
        for worker in self.workers:
            worker.signal(signal.SIGCONT)
            worker.kill()
        self.workers.clear()


@pytest.fixture(scope="session")
def nursery() -> Iterator[Nursery]:
    made = Nursery()
    yield made
    made.close()


@pytest.fixture
def make_fleet(
    nursery: Nursery, server: SimulatorServer, tmp_path: Path
) -> Iterator[Callable[[dict[str, Any]], Fleet]]:
    made: list[Fleet] = []

    def make(place: dict[str, Any]) -> Fleet:
        made.append(Fleet(nursery, MovingClock(tmp_path / "clock"), server, place))
        return made[-1]

    yield make
    for fleet in made:
        fleet.dismiss()


@pytest.fixture
def open_fleet(
    make_fleet: Callable[[dict[str, Any]], Fleet], tmp_path: Path, redis_servers: dict[str, RedisServer]
) -> Callable[[str], Fleet]:
    """Start a fleet whose tokens are in files, in encrypted files, or in Redis."""
    folder = {"path": str(tmp_path / "tokens")}
    places: dict[str, dict[str, Any]] = {
        "file": folder,
        "encrypted": {**folder, "encryption_key": Fernet.generate_key().decode()},
        "redis": {"url": redis_servers["redis"].url, "prefix": f"{tmp_path.name}:"},
    }
    return lambda kind: make_fleet(places[kind])
