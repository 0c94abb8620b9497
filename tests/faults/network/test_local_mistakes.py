"""What is wrong on this machine is named as such, over all three libraries; docs/reference/errors.md has the table."""

from __future__ import annotations

import importlib
import re
import socket
import ssl
import sys
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
import requests
import trustme

from auth_plugins import AuthError, ConfigurationError, FyatuAuth, MemoryStore, RefreshPolicy, TokenEndpointUnavailable
from auth_plugins.testing import clients as testing_clients
from auth_plugins.testing import open_client
from tests.conftest import APP_ID, SECRET_KEY
from tests.faults.network.conftest import FaultServer
from tests.security.test_proxies import Proxy

if TYPE_CHECKING:
    from collections.abc import Iterator

LIBRARIES = ("requests", "httpx", "httpx2")
PAGE = Path(__file__).parents[3] / "docs" / "reference" / "errors.md"
ENDPOINT = "https://api.example"
VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR")
SILENT = "The token endpoint at {endpoint} gave no answer: "
NOT_SENT = "A token call cannot be sent: "
AVOID = "Check HTTPS_PROXY, or name the endpoint's host in NO_PROXY, or pass a token_client=."


class Mistake(NamedTuple):
    kind: type[AuthError]
    message: str
    hint: str


MISTAKES = {
    "a certificate whose authority is not trusted": Mistake(
        TokenEndpointUnavailable,
        SILENT + "its certificate is not trusted ({openssl})",
        "Set {ca} to a file with the certificate of its authority, or pass a token_client= that trusts it.",
    ),
    "a certificate for another host": Mistake(
        TokenEndpointUnavailable,
        SILENT + "its certificate is not trusted ({openssl})",
        "Check the host in the endpoint's URL: the certificate is for another host.",
    ),
    "a certificate that has ended, or a clock that is wrong": Mistake(
        TokenEndpointUnavailable,
        SILENT + "its certificate is not trusted ({openssl})",
        "Check the clock of this machine; if it is right, the endpoint needs another certificate.",
    ),
    "https where plain http is spoken": Mistake(
        TokenEndpointUnavailable,
        SILENT + "it speaks no TLS at this port",
        "Check the port of the URL, and that https belongs there.",
    ),
    "a host name that does not resolve": Mistake(
        TokenEndpointUnavailable,
        SILENT + "its host name does not resolve",
        "Check the host in the endpoint's URL, and the DNS of this machine; or set HTTPS_PROXY if it needs one.",
    ),
    "a port where nothing listens": Mistake(
        TokenEndpointUnavailable,
        SILENT + "the connection was refused",
        "Check the host and the port of the endpoint's URL; if they are right, try again later.",
    ),
    "a proxy that wants a password": Mistake(
        TokenEndpointUnavailable,
        SILENT + "the proxy {proxy} requires a user name and a password (HTTP 407)",
        "Put them into HTTPS_PROXY, as in http://user:password@host:port, or pass a token_client=.",
    ),
    "a proxy that does not let the call through": Mistake(
        TokenEndpointUnavailable, SILENT + "the proxy {proxy} refused to connect to it (HTTP 403)", AVOID
    ),
    "a proxy that is dead": Mistake(
        TokenEndpointUnavailable, SILENT + "the proxy {proxy} refused the connection", AVOID
    ),
    "a proxy whose host name does not resolve": Mistake(
        TokenEndpointUnavailable, SILENT + "that of the proxy {proxy} does not resolve", AVOID
    ),
    "a variable that is not the URL of a proxy": Mistake(
        ConfigurationError,
        NOT_SENT + "the value of HTTPS_PROXY is not the URL of a proxy",
        "Set HTTPS_PROXY to a URL such as http://proxy.internal:3128.",
    ),
    "a kind of proxy that the library does not know": Mistake(
        ConfigurationError,
        NOT_SENT + "{library} cannot use the proxy that HTTPS_PROXY names ({exception})",
        AVOID,
    ),
    "a SOCKS proxy without the package for it": Mistake(
        ConfigurationError,
        NOT_SENT + "{library} lacks the package for the SOCKS proxy {proxy}",
        "Install {library}[socks], or name the endpoint's host in NO_PROXY, or pass a token_client=.",
    ),
    "a CA file that does not exist": Mistake(
        ConfigurationError,
        NOT_SENT + "the CA file that {ca} names does not exist",
        "Set {ca} to a file of PEM certificates, or pass a token_client= with its own.",
    ),
    "a CA file that holds no certificates": Mistake(
        ConfigurationError,
        NOT_SENT + "the CA file that {ca} names cannot be read as certificates",
        "Set {ca} to a file of PEM certificates, or pass a token_client= with its own.",
    ),
}
WORDS = {
    "endpoint": "ENDPOINT",
    "proxy": "PROXY",
    "ca": "REQUESTS_CA_BUNDLE (httpx, httpx2: SSL_CERT_FILE)",
    "library": "LIBRARY",
    "openssl": "OpenSSL's reason",
    "exception": "EXCEPTION",
}


def socks_scheme(library: str) -> str:
    """`socks5h`; with httpx 0.27, which does not know it, `socks5`."""
    if library != "requests":
        try:
            importlib.import_module(library).Proxy("socks5h://proxy.example")
        except ValueError:
            return "socks5"
    return "socks5h"


class Scene:
    """Sets a mistake up: where the endpoint is, and how the proxy of the environment is shown."""

    def __init__(self, library: str, folder: Path, patch: pytest.MonkeyPatch, stack: ExitStack) -> None:
        self.folder, self.patch, self._stack = folder, patch, stack
        self.socks = socks_scheme(library)
        self.ca = "REQUESTS_CA_BUNDLE" if library == "requests" else "SSL_CERT_FILE"
        self.endpoint, self.proxy = ENDPOINT, ""

    def serve(self, context: ssl.SSLContext | None = None, fault: str = "well") -> str:
        server = self._stack.enter_context(FaultServer(context).running())
        server.fault = fault
        return server.url

    def certificate(self, name: str = "localhost", *, trusted: bool = True, **how: Any) -> None:
        authority = trustme.CA(key_type=trustme.KeyType.ECDSA)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(name, key_type=trustme.KeyType.ECDSA, **how).configure_cert(context)
        if trusted:
            authority.cert_pem.write_to_path(str(self.folder / "ca.pem"))
            self.patch.setenv(self.ca, str(self.folder / "ca.pem"))
        self.endpoint = self.serve(context)

    def through(self, proxy: str) -> None:
        self.proxy = proxy
        self.patch.setenv("HTTPS_PROXY", proxy)

    def answering(self, status: int) -> None:
        proxy = Proxy()
        self._stack.callback(proxy.close)
        proxy.status = status
        self.through(proxy.url)
        self.proxy = proxy.url.replace("proxyuser:proxypass@", "")

    def set_up(self, mistake: str) -> None:
        closed = socket.create_server(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        closed.close()
        not_pem = self.folder / "not.pem"
        not_pem.write_text("no certificate\n")
        {
            "a certificate whose authority is not trusted": lambda: self.certificate(trusted=False),
            "a certificate for another host": lambda: self.certificate("api.example"),
            "a certificate that has ended, or a clock that is wrong": lambda: self.certificate(
                not_after=datetime.now(UTC) - timedelta(days=1)
            ),
            "https where plain http is spoken": lambda: setattr(
                self, "endpoint", self.serve(fault="http in handshake").replace("http://", "https://")
            ),
            "a host name that does not resolve": lambda: setattr(self, "endpoint", "https://no-such-host.invalid"),
            "a port where nothing listens": lambda: setattr(self, "endpoint", f"http://127.0.0.1:{port}"),
            "a proxy that wants a password": lambda: self.answering(407),
            "a proxy that does not let the call through": lambda: self.answering(403),
            "a proxy that is dead": lambda: self.through(f"http://127.0.0.1:{port}"),
            "a proxy whose host name does not resolve": lambda: self.through("http://no-such-proxy.invalid:3128"),
            "a variable that is not the URL of a proxy": lambda: self.through("http://proxy.example:port"),
            "a kind of proxy that the library does not know": lambda: self.through("gopher://proxy.example:70"),
            "a SOCKS proxy without the package for it": lambda: self.through(f"{self.socks}://proxy.example:1080"),
            "a CA file that does not exist": lambda: self.patch.setenv(self.ca, str(self.folder / "missing.pem")),
            "a CA file that holds no certificates": lambda: self.patch.setenv(self.ca, str(not_pem)),
        }[mistake]()


@pytest.fixture(params=LIBRARIES)
def library(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    if name != "requests":
        # The kit's client makes its TLS context once, by the environment: not by that of a test.
        testing_clients._tls(importlib.import_module(name))
    return name


@pytest.fixture
def scene(library: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    for name in (*VARIABLES, "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    real = socket.getaddrinfo

    def resolve(host: Any, *args: Any, **how: Any) -> Any:
        if str(host).endswith(".invalid"):  # RFC 6761, section 6.4; and no test asks a name server.
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return real(host, *args, **how)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setitem(sys.modules, "socksio", None)
    with ExitStack() as stack:
        yield Scene(library, tmp_path, monkeypatch, stack)


def fetch(library: str, base_url: str, **options: Any) -> AuthError:
    auth = FyatuAuth(
        APP_ID, SECRET_KEY, base_url=base_url, store=MemoryStore(), policy=RefreshPolicy(tries=1), **options
    )
    with open_client(library, auth) as client, pytest.raises(AuthError) as caught:
        client.send("GET", f"{base_url}/x")
    return caught.value


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_on_this_machine_is_named_and_the_hint_says_what_to_set(
    library: str, scene: Scene, mistake: str
) -> None:
    scene.set_up(mistake)
    expected = MISTAKES[mistake]
    known = {"endpoint": scene.endpoint, "proxy": scene.proxy, "ca": scene.ca, "library": library}
    error = fetch(library, scene.endpoint)
    assert isinstance(error, expected.kind)
    assert error.code == expected.kind.code
    wanted = re.escape(expected.message.format(**known, openssl="OPENSSL", exception="EXCEPTION"))
    assert re.fullmatch(wanted.replace("OPENSSL", "[^()]+").replace("EXCEPTION", r"\w+"), error.message), error.message
    assert error.hint == expected.hint.format(**known)
    assert error.__cause__ is None
    assert error.__context__ is None or error.__suppress_context__
    assert not [secret for secret in (SECRET_KEY, "proxypass") if secret in f"{error}{error!r}{vars(error)}"]


def row(mistake: str) -> str:
    kind, message, hint = MISTAKES[mistake]
    return f"| {mistake} | `{kind.__name__}` | {message.format(**WORDS)} | {hint.format(**WORDS)} |"


def test_the_table_of_local_mistakes_is_what_these_tests_show() -> None:
    rows = [
        line
        for line in PAGE.read_text(encoding="utf-8").splitlines()
        if line.startswith("| a ") or line.startswith("| https ")
    ]
    assert rows == [row(mistake) for mistake in MISTAKES]


def test_what_was_never_sent_is_not_paused_and_works_as_soon_as_it_is_set_right(library: str, scene: Scene) -> None:
    scene.certificate()
    api = scene.serve()
    scene.patch.setenv(scene.ca, str(scene.folder / "missing.pem"))
    auth = FyatuAuth(APP_ID, SECRET_KEY, base_url=scene.endpoint, store=MemoryStore(), origins=[api])
    with open_client(library, auth, trust_env=False) if library != "requests" else open_client(library, auth) as client:
        for _ in range(3):
            with pytest.raises(ConfigurationError) as caught:
                client.send("GET", f"{api}/x")
            assert caught.value.retry_after is None
        scene.patch.setenv(scene.ca, str(scene.folder / "ca.pem"))
        assert client.send("GET", f"{api}/x").status == 200


@pytest.mark.parametrize(
    "environment",
    [
        {"NO_PROXY": "api.internal,fd07:b51a:cc66:f0::/64"},
        {"NO_PROXY": "127.0.0.1,::1,[::1]"},
        {"ALL_PROXY": "socks5://127.0.0.1:1", "NO_PROXY": "127.0.0.1"},
        {"ALL_PROXY": "gopher://127.0.0.1:1"},
        {"SSL_CERT_FILE": "/nowhere.pem"},
        {"REQUESTS_CA_BUNDLE": "/nowhere.pem"},
    ],
)
def test_a_setting_that_does_not_concern_a_call_does_not_fail_it(
    library: str, scene: Scene, environment: dict[str, str]
) -> None:
    endpoint = scene.serve()
    auth = FyatuAuth(APP_ID, SECRET_KEY, base_url=endpoint, store=MemoryStore())
    for name, value in environment.items():
        scene.patch.setenv(name, value)
    with open_client(library, auth, trust_env=False) if library != "requests" else open_client(library, auth) as client:
        if library == "requests":
            assert auth.token().access_token
        else:
            assert client.send("GET", f"{endpoint}/x").status == 200


def test_a_ca_file_that_is_replaced_in_place_is_seen_by_the_next_call(library: str, scene: Scene) -> None:
    scene.certificate()
    mine = (scene.folder / "ca.pem").read_bytes()
    trustme.CA(key_type=trustme.KeyType.ECDSA).cert_pem.write_to_path(str(scene.folder / "ca.pem"))
    assert "is not trusted" in fetch(library, scene.endpoint).message
    (scene.folder / "ca.pem").write_bytes(mine)
    api = scene.serve()
    auth = FyatuAuth(APP_ID, SECRET_KEY, base_url=scene.endpoint, store=MemoryStore(), origins=[api])
    with open_client(library, auth) as client:
        assert client.send("GET", f"{api}/x").status == 200


def test_a_token_that_is_asked_for_without_a_client_trusts_what_httpx_is_told_to_trust(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
    with ExitStack() as stack:
        scene = Scene("httpx", tmp_path, monkeypatch, stack)
        scene.certificate()
        auth = FyatuAuth(APP_ID, SECRET_KEY, base_url=scene.endpoint, store=MemoryStore())
        assert auth.token().access_token


@pytest.mark.parametrize("defect", [AttributeError, TypeError, NameError, KeyError])
def test_a_defect_in_code_is_named_as_one_is_not_paused_and_shows_no_secret(
    library: str, defect: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[object] = []

    def fail(*arguments: Any, **_: Any) -> Any:
        calls.append(arguments)
        raise defect(f"quoting {SECRET_KEY}")

    transport = f"auth_plugins.clients.{'requests' if library == 'requests' else 'httpx'}_transport.Deadline.after"
    monkeypatch.setattr(transport, fail)
    auth = FyatuAuth(APP_ID, SECRET_KEY, base_url="http://127.0.0.1:9", store=MemoryStore())
    with open_client(library, auth) as client:
        for _ in range(3):
            with pytest.raises(AuthError, match=f"error in the code of this program: {defect.__name__} in ") as caught:
                client.send("GET", "http://127.0.0.1:9/x")
            assert not isinstance(caught.value, (TokenEndpointUnavailable, ConfigurationError))
            assert (caught.value.code, caught.value.retry_after) == ("auth_error", None)
            assert SECRET_KEY not in f"{caught.value}{vars(caught.value)}"
    assert len(calls) == 3


@pytest.mark.parametrize("library", ["httpx", "httpx2"])
def test_a_client_class_that_wraps_every_transport_does_not_end_token_calls(
    library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    module: Any = sys.modules[library]

    class Wrapping(module.BaseTransport):  # type: ignore[misc]
        """As OpenTelemetry's instrumentation of 2024 is: without the attributes of a transport of the library."""

        def __init__(self, inner: Any) -> None:
            self.inner = inner

        def handle_request(self, request: Any) -> Any:
            return self.inner.handle_request(request)

        def close(self) -> None:
            self.inner.close()

    class Instrumented(module.Client):  # type: ignore[misc]
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            self._transport: Any = Wrapping(self._transport)

    plain = module.HTTPTransport
    monkeypatch.setattr(module, "Client", Instrumented)
    for transport in (plain, lambda **options: Wrapping(plain(**options))):
        monkeypatch.setattr(module, "HTTPTransport", transport)
        with FaultServer().running() as server:
            auth = FyatuAuth(APP_ID, SECRET_KEY, base_url=server.url, store=MemoryStore())
            with open_client(library, auth) as client:
                assert client.send("GET", f"{server.url}/x").status == 200


def test_a_ca_file_of_a_token_client_that_does_not_exist_is_a_setting_of_this_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):  # They come before `Session.verify`.
        monkeypatch.delenv(name, raising=False)
    with requests.Session() as own:
        own.verify = "/nowhere.pem"
        error = fetch("requests", "https://127.0.0.1:9", token_client=own)
    assert isinstance(error, ConfigurationError)
    assert error.hint == "Correct `verify` or `cert` of the token_client."
