"""Two Redis servers, three sentinels, and a proxy before each server that can be cut."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import redis
from redis.sentinel import Sentinel

__all__ = ["DOWN_AFTER", "MASTER", "Fleet", "Proxy"]

MASTER = "chaos"
DOWN_AFTER = 4.0
"""Seconds after which the sentinels take a server for dead."""
_QUIET = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
_SOCKETS = (ConnectionError, OSError, redis.RedisError)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def until(what: Any, patience: float = 30.0) -> None:
    """Wait until `what` is true; what fails meanwhile is not."""
    ends = time.monotonic() + patience
    while True:
        with contextlib.suppress(*_SOCKETS):
            if what():
                return
        if time.monotonic() > ends:
            raise TimeoutError("The servers did not get there")
        time.sleep(0.02)


def _peers_of(sentinel: Any) -> int:
    return len(sentinel.sentinel_sentinels(MASTER))


class Proxy:
    """Passes bytes between clients and a server, until it is cut."""

    def __init__(self, server_port: int) -> None:
        self._server_port, self._open = server_port, True
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._sockets: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Break all connections, and refuse new ones."""
        self._open = False
        made, self._sockets = self._sockets, []
        for each in made:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def mend(self) -> None:
        """Pass bytes again."""
        self._open = True

    def close(self) -> None:
        """Stop listening."""
        self.cut()
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._connect, args=(client,), daemon=True).start()

    def _connect(self, client: socket.socket) -> None:
        try:
            server = socket.create_connection(("127.0.0.1", self._server_port), 2.0)
        except OSError:
            client.close()
            return
        server.settimeout(None)
        self._sockets += [client, server]
        if not self._open:
            self.cut()
        back = threading.Thread(target=self._pump, args=(server, client), daemon=True)
        back.start()
        self._pump(client, server)
        back.join()
        client.close()
        server.close()

    @staticmethod
    def _pump(source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                target.sendall(data)
        for each in (source, target):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


class _Server:
    def __init__(self, folder: Path, program: str) -> None:
        self._program = program
        self.port, self.folder = _free_port(), folder / "server"
        self.folder = folder / str(self.port)
        self.folder.mkdir()
        self.proxy = Proxy(self.port)
        self.client = redis.Redis(port=self.port, socket_timeout=2.0)

    def start(self, replica_of: int | None = None) -> None:
        options = ["--port", self.port, "--bind", "127.0.0.1", "--dir", self.folder, "--save", ""]
        options += ["--appendonly", "yes", "--appendfsync", "always", "--repl-diskless-sync-delay", "0"]
        options += [] if replica_of is None else ["--replicaof", "127.0.0.1", replica_of]
        self.process = subprocess.Popen([self._program, *map(str, options)], **_QUIET)  # type: ignore[call-overload]
        until(self.client.ping)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        self.process.send_signal(number)
        self.process.wait(10.0)


class Fleet:
    """The servers; one of the two is the master, and the other one its replica."""

    def __init__(self, folder: Path, program: str = "redis-server") -> None:
        self._master, self._replica = _Server(folder, program), _Server(folder, program)
        self._program = program
        self.ports = {each.port: each.proxy.port for each in (self._master, self._replica)}
        """Of each server, the port of its proxy."""
        self._master.start()
        self._replica.start(self._master.port)
        until(self._replicates)
        self.sentinel_ports = [_free_port() for _ in range(3)]
        self._sentinels = [self._sentinel(folder, port) for port in self.sentinel_ports]
        addresses = [("127.0.0.1", port) for port in self.sentinel_ports]
        self._known = Sentinel(addresses, socket_timeout=1.0)  # type: ignore[no-untyped-call]
        until(lambda: self._known.discover_slaves(MASTER))  # type: ignore[no-untyped-call]
        peers = [redis.Redis(port=port) for port in self.sentinel_ports]
        until(lambda: all(_peers_of(each) == 2 for each in peers))

    def _sentinel(self, folder: Path, port: int) -> subprocess.Popen[bytes]:
        path = folder / f"{port}.conf"
        lines = [
            f"port {port}",
            "bind 127.0.0.1",
            f"dir {folder}",
            f"sentinel monitor {MASTER} 127.0.0.1 {self._master.port} 2",
        ]
        lines += [f"sentinel down-after-milliseconds {MASTER} {DOWN_AFTER * 1000:.0f}"]
        lines += [f"sentinel failover-timeout {MASTER} 3000"]
        path.write_text("\n".join(lines) + "\n")
        return subprocess.Popen([self._program, str(path), "--sentinel"], **_QUIET)  # type: ignore[call-overload, no-any-return]

    def _replicates(self) -> bool:
        info = self._replica.client.info("replication")
        return bool(info["master_link_status"] == "up" and info["master_port"] == self._master.port)

    @property
    def is_as_we_know_it(self) -> bool:
        """Whether the sentinels have the same master as this object; else they have failed over of their own accord."""
        return bool(self._known.discover_master(MASTER)[1] == self._master.port)  # type: ignore[no-untyped-call]

    def restart(self, seconds: float) -> None:
        """End the master, which has written everything to its disk, and start it again."""
        self._master.stop()
        self._master.proxy.cut()
        time.sleep(seconds)
        self._master.start()
        self._master.proxy.mend()

    def cut(self, seconds: float) -> None:
        """Cut the workers off from the master."""
        self._master.proxy.cut()
        time.sleep(seconds)
        self._master.proxy.mend()

    def empty(self) -> None:
        """Let the master, and with it the replica, forget everything."""
        self._master.client.flushall()

    def stop_replication(self) -> None:
        """Let the replica get nothing more."""
        os.kill(self._replica.process.pid, signal.SIGSTOP)
        self._master.client.execute_command("CLIENT", "KILL", "TYPE", "replica")  # type: ignore[no-untyped-call]

    def fail_over(self) -> None:
        """Kill the master; wait until the sentinels have promoted the replica, and give that a replica."""
        self._master.stop(signal.SIGKILL)
        self._master.proxy.cut()
        os.kill(self._replica.process.pid, signal.SIGCONT)
        promoted = self._replica.port
        until(lambda: self._known.discover_master(MASTER)[1] == promoted, 60.0)  # type: ignore[no-untyped-call]
        until(lambda: self._replica.client.info("replication")["role"] == "master")

    def repair(self) -> None:
        """Start the old master as the replica of the new one."""
        self._master, self._replica = self._replica, self._master
        self._replica.start(self._master.port)
        self._replica.proxy.mend()
        until(self._replicates)
        until(lambda: self._known.discover_slaves(MASTER))  # type: ignore[no-untyped-call]

    def close(self) -> None:
        """End all servers."""
        for process in (*self._sentinels, self._master.process, self._replica.process):
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGCONT)
            process.kill()
            process.wait(10.0)
        for server in (self._master, self._replica):
            server.proxy.close()
