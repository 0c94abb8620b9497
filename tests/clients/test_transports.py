"""What a token call is sent with: its headers, its time-outs, and no redirect followed."""

from __future__ import annotations

import io
import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Any

import certifi
import httpx
import httpx2
import pytest
import requests

from auth_plugins import (
    CredentialsRejected,
    FyatuAuth,
    InvalidTokenResponse,
    MemoryStore,
    RefreshPolicy,
    TokenEndpointUnavailable,
)
from auth_plugins.clients import HttpxTransport, RequestsTransport
from auth_plugins.clients.httpx_transport import _Backend, _Stream
from auth_plugins.clients.reading import Deadline
from auth_plugins.clients.requests_transport import _bounded, _Reader
from auth_plugins.clients.route import Route
from auth_plugins.clients.trust import context_for_httpx
from auth_plugins.core import Purpose, TokenRequest
from auth_plugins.simulators import FyatuSimulator
from auth_plugins.testing import CLIENT_KINDS, open_client
from tests.conftest import APP_ID, SECRET_KEY

if TYPE_CHECKING:
    from auth_plugins.simulators import SimRequest, SimResponse
    from auth_plugins.simulators.ledger import Endpoint
    from auth_plugins.testing.server import SimulatorServer

POLICY = RefreshPolicy(connect_timeout=3.0, read_timeout=7.0, deadline=100.0)
REQUEST = TokenRequest(Purpose.LOGIN, "https://api.example/token", {"X-Own": "1"}, b"body")
LIBRARIES = [httpx, httpx2]
LATER = Deadline.after(1e6)


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("follows", [True, False])
def test_a_call_of_httpx_asks_for_json_as_it_is_keeps_its_times_and_follows_nothing(
    library: Any, follows: bool
) -> None:
    seen: list[Any] = []

    def answer(request: Any) -> Any:
        seen.append(request)
        return library.Response(307, headers={"Location": "https://api.example/other", "X-Answer": "1"}, content=b"no")

    with library.Client(transport=library.MockTransport(answer), follow_redirects=follows) as lent:
        response = HttpxTransport(library, lent).send(REQUEST, POLICY, POLICY.deadline)
    (request,) = seen
    assert (request.method, str(request.url), request.content) == ("POST", REQUEST.url, b"body")
    sent = dict(request.headers.raw)
    assert (sent[b"Accept"], sent[b"Accept-Encoding"], sent[b"X-Own"]) == (b"application/json", b"identity", b"1")
    assert request.extensions["timeout"] == {"connect": 3.0, "read": 7.0, "write": 7.0, "pool": 7.0}
    assert (response.status, response.headers["x-answer"], response.body) == (307, "1", b"no")


class Listening(FyatuSimulator):
    """A provider that is told who calls."""

    def __init__(self) -> None:
        super().__init__()
        self.agents: list[str] = []

    def answer_token_call(self, endpoint: Endpoint, request: SimRequest) -> SimResponse:
        self.agents.append(request.headers["user-agent"])
        return super().answer_token_call(endpoint, request)


@pytest.mark.parametrize("kind", CLIENT_KINDS)
def test_a_call_goes_through_the_library_whose_request_needs_it(server: SimulatorServer, kind: str) -> None:
    fyatu = Listening()
    url = server.mount(f"/listening-{kind}", fyatu)
    auth = FyatuAuth(APP_ID, SECRET_KEY, base_url=url, store=MemoryStore())
    with open_client(kind, auth) as client:
        assert client.send("GET", f"{url}/x").status == 200
    assert [agent.partition("/")[0] for agent in fyatu.agents] == [f"python-{kind.partition('-')[0]}"]


class Recording(requests.adapters.BaseAdapter):
    """An adapter that answers with any file, as a mock's may."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[requests.PreparedRequest, Any]] = []

    def send(self, request: requests.PreparedRequest, *_: Any, **how: Any) -> requests.Response:
        self.seen.append((request, how["timeout"]))
        response = requests.Response()
        response.status_code, response.request, response.url = 307, request, str(request.url)
        response.headers.update({"Location": "https://api.example/other", "X-Answer": "1", "Content-Encoding": "none"})
        response.raw = io.BytesIO(b"no")
        return response

    def close(self) -> None:
        pass


def test_a_call_of_requests_asks_for_json_as_it_is_keeps_its_times_and_follows_nothing() -> None:
    adapter = Recording()
    with requests.Session() as lent:
        lent.mount("https://", adapter)
        response = RequestsTransport(lent).send(REQUEST, POLICY, POLICY.deadline)
    ((request, timeout),) = adapter.seen
    assert (request.method, request.url, request.body) == ("POST", REQUEST.url, b"body")
    names = ("Accept", "Accept-Encoding", "X-Own")
    sent = {name: value for name, value in request.headers.items() if name in names}
    assert sent == {"Accept": "application/json", "Accept-Encoding": "identity", "X-Own": "1"}
    assert timeout == (3.0, 7.0)
    assert (response.status, response.headers["x-answer"], response.body) == (307, "1", b"no")


class Endless(io.RawIOBase):
    """A body that goes on for as long as somebody reads."""

    def __init__(self) -> None:
        self.initial_token = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self.initial_token += len(buffer)
        assert self.initial_token < 10 * POLICY.max_response_bytes, "nobody stopped"
        return len(buffer)


def test_a_redirects_body_is_read_within_the_same_bounds_as_any_other() -> None:
    class Bottomless(Recording):
        def send(self, *args: Any, **how: Any) -> requests.Response:
            response = super().send(*args, **how)
            response.raw = endless
            return response

    endless = Endless()
    with requests.Session() as lent:
        lent.mount("https://", Bottomless())
        with pytest.raises(InvalidTokenResponse, match="longer than"):
            RequestsTransport(lent).send(REQUEST, POLICY, POLICY.deadline)
    assert endless.initial_token <= 2 * POLICY.max_response_bytes


def with_a_hook(kind: str, event: str, hook: Any) -> Any:
    """Make a client to lend, of a library, that calls `hook`; requests knows one event only, the response."""
    if kind == "requests":
        session = requests.Session()
        session.hooks["response"].append(hook)
        return session
    library: Any = {"httpx": httpx, "httpx2": httpx2}[kind]
    return library.Client(event_hooks={event: [hook]}, trust_env=False)


@pytest.mark.parametrize("reads", [True, False], ids=["read", "unread"])
@pytest.mark.parametrize("kind", ["requests", "httpx", "httpx2"])
def test_a_hook_that_raises_for_status_does_not_hide_what_the_endpoint_says(
    server: SimulatorServer, kind: str, reads: bool
) -> None:
    def raising(response: Any, **_: Any) -> None:
        if reads:
            assert response.content if kind == "requests" else response.read()
        response.raise_for_status()

    fyatu = FyatuSimulator()
    url = server.mount(f"/raising-{kind}-{reads}", fyatu)
    with with_a_hook(kind, "response", raising) as lent:
        auth = FyatuAuth(APP_ID, "not_the_secret_key", base_url=url, store=MemoryStore(), token_client=lent)
        # Without the body there are no words of the provider's, and its credentials are not judged.
        with pytest.raises(CredentialsRejected if reads else TokenEndpointUnavailable) as caught:
            auth.token()
        assert (caught.value.status, caught.value.provider_code) == (401, "AUTH_INVALID_CREDENTIALS" if reads else None)
        fyatu.rate_limit = 7
        auth.invalidate()
        with pytest.raises(TokenEndpointUnavailable) as limited:
            auth.token()
        assert limited.value.retry_after == 7
    assert fyatu.ledger.token_calls == 2


@pytest.mark.parametrize("kind", ["requests", "httpx", "httpx2"])
def test_what_another_server_says_to_a_hook_is_not_taken_for_the_endpoints_answer(
    server: SimulatorServer, stranger: SimulatorServer, kind: str
) -> None:
    def asking(*_: Any, **__: Any) -> None:
        requests.post(f"{there}/auth/token", timeout=5).raise_for_status()

    there = stranger.mount(f"/signer-{kind}", FyatuSimulator())
    fyatu = FyatuSimulator()
    url = server.mount(f"/asking-{kind}", fyatu)
    with with_a_hook(kind, "request", asking) as lent:
        auth = FyatuAuth(APP_ID, SECRET_KEY, base_url=url, store=MemoryStore(), token_client=lent)
        with pytest.raises(TokenEndpointUnavailable, match="HTTPError"):
            auth.token()


def test_no_step_may_take_longer_than_the_call() -> None:
    adapter = Recording()
    with requests.Session() as lent:
        lent.mount("https://", adapter)
        RequestsTransport(lent).send(REQUEST, RefreshPolicy(deadline=30.0), 2.0)
    ((_, timeout),) = adapter.seen
    assert all(1.0 < step <= 2.0 for step in timeout)


@pytest.mark.parametrize("library", LIBRARIES)
def test_tls_settings_are_made_once_for_each_environment_and_used(
    library: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
    plain = context_for_httpx(library)
    assert isinstance(plain, ssl.SSLContext)
    assert context_for_httpx(library) is plain
    route = Route.of(REQUEST.url, library.__name__, own_client=False)
    with HttpxTransport(library)._client(LATER, route) as client:
        assert client._transport._pool._ssl_context is plain
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    other = context_for_httpx(library)
    assert other is not plain
    monkeypatch.delenv("SSL_CERT_DIR")
    assert context_for_httpx(library) is plain
    monkeypatch.setenv("SSL_CERT_FILE", certifi.where())
    assert context_for_httpx(library) not in (plain, other)


class Called:
    """Stands for a stream, a backend or a socket; remembers how it was called."""

    def __init__(self, timeout: float | None = None) -> None:
        self.calls: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []
        self.timeout = timeout

    def __getattr__(self, name: str) -> Any:
        def call(*arguments: Any, **more: Any) -> Any:
            self.calls.append((name, arguments, more))
            return self.timeout if name == "gettimeout" else self

        return call


SOON = (5.0, 5.0)
LEFT = (1e5, 1e6)


@pytest.mark.parametrize(("given", "wanted"), [(5.0, SOON), (None, LEFT)])
class TestEachStep:
    def test_of_a_connection_of_httpx_ends_by_the_deadline(
        self, given: float | None, wanted: tuple[float, float]
    ) -> None:
        backend = Called()
        stream = _Backend(backend, LATER).connect_tcp("host", 443, timeout=given, local_address="::1")
        ((name, arguments, more),) = backend.calls
        assert (name, arguments, more.pop("local_address")) == ("connect_tcp", ("host", 443), "::1")
        assert wanted[0] <= more.pop("timeout") <= wanted[1]
        assert (isinstance(stream, _Stream), more) == (True, {})

    def test_of_a_stream_of_httpx_ends_by_the_deadline(self, given: float | None, wanted: tuple[float, float]) -> None:
        under = Called()
        stream = _Stream(under, LATER)
        stream.read(7, given)
        stream.write(b"x", given)
        secured = stream.start_tls("context", "host", given)
        assert [(name, arguments[:-1]) for name, arguments, _ in under.calls] == [
            ("read", (7,)),
            ("write", (b"x",)),
            ("start_tls", ("context", "host")),
        ]
        assert all(wanted[0] <= arguments[-1] <= wanted[1] for _, arguments, _ in under.calls)
        assert isinstance(secured, _Stream)
        assert stream.get_extra_info("socket") is under
        assert under.calls[-1] == ("get_extra_info", ("socket",), {})
        stream.close()
        assert under.calls[-1] == ("close", (), {})

    def test_of_a_connection_of_requests_ends_by_the_deadline(
        self, given: float | None, wanted: tuple[float, float]
    ) -> None:
        class Connection:
            timeout = given

            def _new_conn(self) -> Any:
                self.seen = self.timeout
                return made

        made = Called()
        connection: Any = _bounded(Connection, LATER)()
        assert connection._new_conn() is made
        ((name, (timeout,), _),) = made.calls
        assert name == "settimeout"
        assert wanted[0] <= timeout <= wanted[1]
        assert wanted[0] <= connection.seen <= wanted[1]

    def test_of_reading_of_requests_ends_by_the_deadline(
        self, given: float | None, wanted: tuple[float, float]
    ) -> None:
        sock = Called(given)
        buffer = bytearray(4)
        with _Reader(io.BufferedReader(io.BytesIO(b"body")), sock, LATER) as reader:
            assert (reader.readinto(buffer), bytes(buffer)) == (4, b"body")
        _, (_, (timeout,), _) = sock.calls
        assert wanted[0] <= timeout <= wanted[1]
