"""What an operator reads when Redis does not do what it is asked for: the word of the server, or what TLS says."""

from __future__ import annotations

import contextlib
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import redis
import trustme
from redis.backoff import NoBackoff
from redis.retry import Retry

from auth_plugins import RedisStore, StoreError, Token
from auth_plugins.stores.redis_errors import reason_of
from tests.conftest import BINARIES

if TYPE_CHECKING:
    from tests.conftest import RedisServer

KEY = "ab" * 32
TOKEN = Token(access_token="s3cret", issued_at=0.0, expires_at=4e9)


def until(what: Callable[[], object], patience: float = 20.0) -> None:
    ends = time.monotonic() + patience
    while True:
        with contextlib.suppress(redis.RedisError):
            if what():
                return
        assert time.monotonic() < ends
        time.sleep(0.02)


class TestAServer:
    def save(self, server: RedisServer) -> str:
        with pytest.raises(StoreError) as caught:
            RedisStore.from_url(server.url).save(KEY, TOKEN)
        assert "s3cret" not in repr(vars(caught.value))
        return str(caught.value)

    def test_that_misses_its_replicas_says_noreplicas(self, redis_server: RedisServer) -> None:
        with redis_server.client() as admin:
            admin.config_set("min-replicas-to-write", 1)
        assert "NOREPLICAS" in self.save(redis_server)

    def test_that_is_a_replica_says_readonly_and_what_to_connect_to(self, redis_server: RedisServer) -> None:
        with redis_server.client() as admin:
            admin.execute_command("REPLICAOF", "127.0.0.1", "1")
            said = self.save(redis_server)
            assert "READONLY" in said
            assert "Connect to the primary" in said

    def test_that_is_a_replica_without_its_primary_says_masterdown(self, redis_server: RedisServer) -> None:
        with redis_server.client() as admin:
            admin.config_set("replica-serve-stale-data", "no")
            admin.execute_command("REPLICAOF", "127.0.0.1", "1")
        with pytest.raises(StoreError, match="MASTERDOWN"):
            RedisStore.from_url(redis_server.url).load(KEY)


def free_port() -> int:
    while True:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port: int = probe.getsockname()[1]
            if port < 50_000:  # The bus of a cluster has the port that is 10,000 higher.
                return port


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[tuple[Any, Any]]:
    """Two nodes of a cluster that do not know each other, and have no slots."""
    running, clients = [], []
    for _ in range(2):
        port = free_port()
        folder = tmp_path / str(port)
        folder.mkdir()
        options = {"port": port, "bind": "127.0.0.1", "dir": folder, "cluster-enabled": "yes", "save": ""}
        command = [str(BINARIES["valkey"]), *(str(each) for name in options for each in (f"--{name}", options[name]))]
        running.append(subprocess.Popen(command, stdout=subprocess.DEVNULL))
        clients.append(redis.Redis(port=port, retry=Retry(NoBackoff(), 0)))
        until(clients[-1].ping)
    yield clients[0], clients[1]
    for client in clients:
        client.close()
    for process in running:
        process.kill()
        process.wait(10.0)


@pytest.mark.slow
def test_a_client_that_knows_no_cluster_is_told_clusterdown_or_moved(cluster: tuple[Any, Any]) -> None:
    one, other = cluster
    with pytest.raises(StoreError, match="CLUSTERDOWN"):
        RedisStore(one).save(KEY, TOKEN)
    one.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 8191)
    other.execute_command("CLUSTER", "ADDSLOTSRANGE", 8192, 16383)
    one.execute_command("CLUSTER", "MEET", "127.0.0.1", other.connection_pool.connection_kwargs["port"])
    until(lambda: all(b"cluster_state:ok" in each.execute_command("CLUSTER", "INFO") for each in cluster))
    said = []
    for client in cluster:
        with contextlib.suppress(StoreError):
            RedisStore(client).save(KEY, TOKEN)
            continue
        with pytest.raises(StoreError, match="MOVED") as caught:
            RedisStore(client).save(KEY, TOKEN)
        said.append(str(caught.value))
    assert len(said) == 1, "the key is one node's, and the other node knows whose"
    assert "Use a cluster client" in said[0]


def _unix() -> socket.socket:
    return socket.socket(socket.AF_UNIX)


class TlsFront:
    """TLS before a real server, with a certificate of its own."""

    def __init__(self, server: RedisServer, certificate: trustme.LeafCert) -> None:
        self._path = server.url.removeprefix("unix://")
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.configure_cert(self._context)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                plain, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(plain,), daemon=True).start()

    def _serve(self, plain: socket.socket) -> None:
        wrapped = self._context.wrap_socket
        with contextlib.suppress(OSError), wrapped(plain, server_side=True) as client, _unix() as server:
            server.connect(self._path)
            back = threading.Thread(target=self._pump, args=(server, client), daemon=True)
            back.start()
            self._pump(client, server)
            back.join()

    @staticmethod
    def _pump(source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                target.sendall(data)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._listener.close()


class TestTls:
    @pytest.fixture
    def authority(self) -> trustme.CA:
        return trustme.CA()

    @pytest.fixture
    def trusted(self, authority: trustme.CA, tmp_path: Path) -> str:
        authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
        return f"ssl_ca_certs={tmp_path / 'ca.pem'}"

    @pytest.fixture
    def front(self, redis_servers: dict[str, RedisServer], authority: trustme.CA) -> Iterator[TlsFront]:
        made = TlsFront(redis_servers["valkey"], authority.issue_cert("127.0.0.1"))
        yield made
        made.close()

    def load(self, url: str) -> str:
        store = RedisStore.from_url(url)
        try:
            with pytest.raises(StoreError) as caught:
                store.load(KEY)
        finally:
            store._client.close()
        return str(caught.value)

    def test_works_with_the_certificate_of_the_authority_in_the_url(self, front: TlsFront, trusted: str) -> None:
        store = RedisStore.from_url(f"rediss://127.0.0.1:{front.port}?{trusted}", prefix="test-tls:")
        with store.lock(KEY):
            store.save(KEY, TOKEN)
        assert store.load(KEY) == TOKEN
        store._client.close()

    def test_an_unknown_authority_is_named_as_such(self, front: TlsFront) -> None:
        assert "TLS: CERTIFICATE_VERIFY_FAILED" in self.load(f"rediss://127.0.0.1:{front.port}")

    def test_so_is_a_certificate_of_another_host(
        self, redis_servers: dict[str, RedisServer], authority: trustme.CA, trusted: str
    ) -> None:
        front = TlsFront(redis_servers["valkey"], authority.issue_cert("redis.internal"))
        assert "TLS: CERTIFICATE_VERIFY_FAILED" in self.load(
            f"rediss://127.0.0.1:{front.port}?{trusted}&ssl_check_hostname=true"
        )
        front.close()

    def test_tls_to_a_port_without_it_says_tls(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as plain:

            def answer() -> None:
                with contextlib.suppress(OSError):
                    while True:
                        with plain.accept()[0] as client:
                            client.recv(1024)
                            client.sendall(b"-ERR unknown command\r\n")

            threading.Thread(target=answer, daemon=True).start()
            assert "TLS: " in self.load(f"rediss://127.0.0.1:{plain.getsockname()[1]}")


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (redis.BusyLoadingError("Redis is loading the dataset in memory"), "BusyLoadingError: LOADING"),
        (redis.ResponseError("NOREPLICAS Not enough good replicas to write."), "ResponseError: NOREPLICAS"),
        (redis.ResponseError("MISCONF Errors writing to the AOF file"), "ResponseError: MISCONF"),
        (redis.ResponseError("the token is s3cret"), "ResponseError"),
        (redis.TimeoutError("Timeout reading from socket"), "TimeoutError"),
    ],
)
def test_the_reason_is_the_kind_and_the_word_and_nothing_else(error: Exception, reason: str) -> None:
    assert reason_of(error) == reason
