"""A proxy is a stranger as well: it is asked for a tunnel, and sees nothing of what goes through it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import requests

from auth_plugins import FyatuAuth, MemoryStore, RefreshPolicy, TokenEndpointUnavailable
from auth_plugins.simulators import FyatuSimulator
from auth_plugins.testing import CLIENT_KINDS, FakeClock, mock_transport, open_client

if TYPE_CHECKING:
    from pathlib import Path

    from auth_plugins.testing.server import SimulatorServer
    from tests.security.conftest import Party

SECRET = "marked-secret-of-the-app"
HOME = "https://api.example/api/v3"
VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
matrix = pytest.mark.matrix


class Proxy:
    """Answers every request with one status, and keeps what it read."""

    def __init__(self) -> None:
        self.heard = b""
        self.status = 502
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://proxyuser:proxypass@127.0.0.1:{self._socket.getsockname()[1]}"
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while True:
            with suppress(OSError):
                connection, _ = self._socket.accept()
                with connection:
                    heard = self._read(connection)
                    if not heard:
                        return
                    self.heard += heard
                    connection.sendall(
                        b"HTTP/1.1 %d No\r\ncontent-length: 0\r\nconnection: close\r\n\r\n" % self.status
                    )

    def _read(self, connection: socket.socket) -> bytes:
        connection.settimeout(5)
        heard = b""
        while b"\r\n\r\n" not in heard and (more := connection.recv(65_536)):
            heard += more
        return heard

    def close(self) -> None:
        socket.create_connection(self._socket.getsockname()).close()  # Says nothing: that ends it.
        self._thread.join(10)
        self._socket.close()


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    made = Proxy()
    yield made
    made.close()


@pytest.fixture
def fyatu() -> FyatuSimulator:
    return FyatuSimulator(secret_key=SECRET)


def make(fyatu: FyatuSimulator, **options: Any) -> FyatuAuth:
    clock = FakeClock()
    given = {"clock": clock, "store": MemoryStore(clock=clock), **options}
    return FyatuAuth(fyatu.app_id, SECRET, base_url=HOME, **given)


def with_a_token(fyatu: FyatuSimulator) -> FyatuAuth:
    """Its token came by another road than the proxy."""
    auth = make(fyatu, token_client=httpx.Client(transport=mock_transport(fyatu, FakeClock())))
    auth.token()
    return auth


def send(kind: str, auth: FyatuAuth, proxy: Proxy) -> int | str:
    """Send a request through the proxy; give the status, or the name of the error."""
    try:
        if kind == "requests":
            with requests.Session() as session:
                session.trust_env = False
                session.proxies = {"https": proxy.url}
                return session.get(f"{HOME}/x", auth=auth, timeout=5).status_code
        with open_client(kind, auth, proxy=proxy.url) as client:
            return client.send("GET", f"{HOME}/x").status
    except Exception as error:  # Each library has its own for a proxy.
        return type(error).__name__


@matrix(
    group="Proxies",
    case="A proxy on the way to the API (https)",
    outcome="is asked for a tunnel; sees neither token nor credentials",
)
@pytest.mark.parametrize("status", [401, 407, 502])
@pytest.mark.parametrize("kind", CLIENT_KINDS)
def test_a_proxy_on_the_way_to_the_api_sees_no_token(
    kind: str, status: int, proxy: Proxy, fyatu: FyatuSimulator
) -> None:
    proxy.status = status
    auth = with_a_token(fyatu)
    assert "Proxy" in str(send(kind, auth, proxy))
    assert proxy.heard.startswith(b"CONNECT api.example:443 ")
    assert b"\r\nauthorization:" not in proxy.heard.lower()
    assert auth.token().access_token.encode() not in proxy.heard


@matrix(
    group="Proxies",
    case="A proxy answers 401 or 407 by itself",
    outcome="that is the library's error; nothing is renewed",
)
@pytest.mark.parametrize("status", [401, 407])
@pytest.mark.parametrize("kind", CLIENT_KINDS)
def test_a_proxys_own_401_renews_nothing(kind: str, status: int, proxy: Proxy, fyatu: FyatuSimulator) -> None:
    proxy.status = status
    send(kind, with_a_token(fyatu), proxy)
    assert fyatu.ledger.token_calls == 1


@matrix(
    group="Proxies",
    case="A proxy of the environment on the way to the token endpoint (https)",
    outcome="is asked for a tunnel; sees no credentials, and the error names neither them nor its password",
)
@pytest.mark.parametrize("kind", CLIENT_KINDS)
def test_a_proxy_on_the_way_to_the_token_endpoint_sees_no_credentials(
    kind: str, proxy: Proxy, fyatu: FyatuSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy.url)
    auth = make(fyatu, policy=RefreshPolicy(tries=1))
    with open_client(kind, auth) as client, pytest.raises(TokenEndpointUnavailable) as caught:
        client.send("GET", f"{HOME}/x")
    assert proxy.heard.startswith(b"CONNECT api.example:443 ")
    assert SECRET.encode() not in proxy.heard
    assert "proxypass" not in str(caught.value)


@matrix(
    group="Proxies",
    case="A .netrc with another password for the API and the token endpoint",
    outcome="is not used: the token and the credentials are those of the auth object",
)
def test_a_netrc_replaces_neither_token_nor_credentials(
    party: Party, server: SimulatorServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login somebody password else\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    clock, simulator = FakeClock(), party.simulator()
    url = server.mount(f"/netrc/{party.name}", simulator, clock=clock)
    for get in (requests.get, httpx.get):
        auth = party.auth(simulator, url, clock=clock, store=MemoryStore(clock=clock))
        for lend in (requests.Session(), httpx.Client()):
            again = party.auth(simulator, url, clock=clock, store=MemoryStore(clock=clock), token_client=lend)
            assert again.token().access_token
            lend.close()
        auth.token()
        clock.advance(2)  # JWTPlus: an API may reject a token in the second in which it was signed.
        assert get(f"{url}/x", timeout=5, auth=auth).status_code == 200


@matrix(
    group="Proxies",
    case="A proxy of the environment, and a token endpoint on this machine",
    outcome="the call goes straight there; the proxy sees nothing",
)
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "auth.localhost", "127.1"])
@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("kind", ["requests", "httpx", "httpx2"])
def test_a_token_call_to_this_machine_takes_no_proxy_of_the_environment(
    kind: str, scheme: str, host: str, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, proxy.url)
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    url = f"{scheme}://{host}:{port}"
    auth = FyatuAuth(
        "A" * 16, SECRET, base_url=url, allow_http=True, store=MemoryStore(), policy=RefreshPolicy(tries=1)
    )
    with open_client(kind, auth) as client, pytest.raises(TokenEndpointUnavailable):
        client.send("GET", f"{url}/x")
    assert proxy.heard == b""
