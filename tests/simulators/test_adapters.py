"""The same story through every way to reach a simulator: log in, call the API, refresh, call the API."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import httpx
import httpx2
import pytest
import requests
import responses

from auth_plugins.simulators import FyatuSimulator
from auth_plugins.testing import FakeClock, RequestsAdapter, mock_transport, register_responses

if TYPE_CHECKING:
    from auth_plugins.testing.server import SimulatorServer

BASE = "https://api.fyatu.com/api/v3"
CREDENTIALS = {"appId": "A1B2C3D4E5F6G7H8", "secretKey": "your_secret_key_here"}
LOGIN = json.dumps({**CREDENTIALS, "grantType": "client_credentials"})
Send = Callable[[str, str, dict[str, str], bytes], Any]


class Way:
    """A simulator, its clock, and one way to send it a request."""

    def __init__(self, name: str, server: SimulatorServer, stack: ExitStack) -> None:
        self.simulator = FyatuSimulator()
        self.clock = FakeClock()
        self.base = BASE
        if name.endswith("server"):
            self.base = server.mount(f"way-{id(self)}", self.simulator, clock=self.clock)
        self._send: Send = getattr(self, "_" + name.replace("-", "_"))(stack)

    def send(self, method: str, path: str, headers: dict[str, str] | None = None, body: str = "") -> Any:
        return self._send(method, self.base + path, headers or {}, body.encode())

    def bearer(self, method: str, path: str, token: str, body: str = "") -> Any:
        return self.send(method, path, {"Authorization": f"Bearer {token}"}, body)

    def login(self) -> str:
        answer = self.send("POST", "/auth/token", {"Content-Type": "application/json"}, LOGIN)
        return str(answer.json()["data"]["accessToken"])

    def _requests_adapter(self, stack: ExitStack) -> Send:
        session = stack.enter_context(requests.Session())
        session.mount("https://", RequestsAdapter(self.simulator, self.clock, sleep=self.clock.sleep))
        return lambda method, url, headers, body: session.request(method, url, headers=headers, data=body)

    def _requests_responses(self, stack: ExitStack) -> Send:
        mock = stack.enter_context(responses.RequestsMock())
        register_responses(self.simulator, mock, BASE, self.clock)
        return lambda method, url, headers, body: requests.request(method, url, headers=headers, data=body, timeout=5)

    def _requests_server(self, stack: ExitStack) -> Send:
        session = stack.enter_context(requests.Session())
        return lambda method, url, headers, body: session.request(method, url, headers=headers, data=body)

    def _httpx_mock(self, stack: ExitStack) -> Send:
        transport = mock_transport(self.simulator, self.clock, sleep=self.clock.sleep)
        client = stack.enter_context(httpx.Client(transport=transport))
        return lambda method, url, headers, body: client.request(method, url, headers=headers, content=body)

    def _httpx2_mock(self, stack: ExitStack) -> Send:
        transport = mock_transport(self.simulator, self.clock, httpx2)
        client = stack.enter_context(httpx2.Client(transport=transport))
        return lambda method, url, headers, body: client.request(method, url, headers=headers, content=body)

    def _httpx_async_mock(self, _: ExitStack) -> Send:
        async def send(method: str, url: str, headers: dict[str, str], body: bytes) -> httpx.Response:
            async with httpx.AsyncClient(transport=mock_transport(self.simulator, self.clock)) as client:
                return await client.request(method, url, headers=headers, content=body)

        return lambda *request: asyncio.run(send(*request))

    def _httpx_server(self, stack: ExitStack) -> Send:
        client = stack.enter_context(httpx.Client())
        return lambda method, url, headers, body: client.request(method, url, headers=headers, content=body)


WAYS = [
    *("requests-adapter", "requests-responses", "requests-server"),
    *("httpx-mock", "httpx2-mock", "httpx-async-mock", "httpx-server"),
]


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest, server: SimulatorServer) -> Iterator[Way]:
    with ExitStack() as stack:
        yield Way(request.param, server, stack)


def test_the_story_of_a_token(way: Way) -> None:
    token = way.login()
    answer = way.bearer("PUT", "/a%20b?c=d", token, "Grüße")
    data = answer.json()["data"]
    assert answer.headers["content-type"] == "application/json"
    assert (data["method"], data["path"], data["query"]) == ("PUT", "/api/v3/a%20b", "c=d")
    assert data["length"] == len("Grüße".encode())
    way.clock.advance(86_400)
    assert way.bearer("GET", "/x", token).status_code == 401
    answer = way.bearer("POST", "/auth/refresh", token)
    assert answer.json()["message"] == "Token refreshed successfully"
    assert way.bearer("GET", "/x", answer.json()["data"]["accessToken"]).status_code == 200
    endpoints = [call.endpoint for call in way.simulator.ledger.calls()]
    assert endpoints == ["login", "api", "api", "refresh", "api"]


def test_a_broken_connection_is_the_librarys_own_network_error(way: Way) -> None:
    way.simulator.outage = "lost"
    with pytest.raises((requests.ConnectionError, httpx.TransportError, httpx2.TransportError)):
        way.login()
    assert way.simulator.ledger.count("login") == 1


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD"])
def test_every_method_is_answered(way: Way, method: str) -> None:
    answer = way.bearer(method, "/x", way.login())
    assert answer.status_code == 200
    assert bool(answer.content) == (method != "HEAD")


@pytest.mark.parametrize("status", [204, 302, 404, 599])
def test_every_status_arrives(way: Way, status: int) -> None:
    assert way.bearer("GET", f"/status/{status}", way.login()).status_code == status


def test_a_retry_after_arrives(way: Way) -> None:
    way.simulator.rate_limit = 30
    answer = way.send("POST", "/auth/token", {}, "")
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "30")


@pytest.mark.parametrize("name", ["requests-adapter", "httpx-mock"])
def test_a_delay_is_waited_for_with_the_given_sleep(name: str, server: SimulatorServer) -> None:
    with ExitStack() as stack:
        way = Way(name, server, stack)
        way.simulator.latency = 2
        way.login()
        way.simulator.outage = "drop"
        with pytest.raises((requests.ConnectionError, httpx.ReadError)):
            way.login()
        assert way.clock.monotonic() == 4


class TestRequestsAdapter:
    @pytest.fixture
    def session(self) -> Iterator[requests.Session]:
        with requests.Session() as session:
            session.mount("https://", RequestsAdapter(FyatuSimulator(), FakeClock()))
            yield session

    def test_a_response_knows_its_adapter_request_and_reason(self, session: requests.Session) -> None:
        answer = session.get(BASE + "/x")
        assert answer.connection is session.get_adapter(BASE)
        assert (answer.url, answer.request.url) == (BASE + "/x", BASE + "/x")
        assert (answer.reason, answer.encoding) == ("Unauthorized", "utf-8")

    def test_a_response_can_be_streamed_in_pieces(self, session: requests.Session) -> None:
        with session.get(BASE + "/x", stream=True) as answer:
            pieces = list(answer.iter_content(10))
        assert [len(piece) for piece in pieces[:-1]] == [10] * (len(pieces) - 1)
        assert json.loads(b"".join(pieces))["status"] == 401

    @pytest.mark.parametrize(
        "make",
        [
            lambda: b"abc",
            lambda: "abc",
            lambda: iter([b"a", b"bc"]),
            lambda: iter(["a", "bc"]),
            lambda: bytearray(b"abc"),
            lambda: memoryview(b"abc"),
            lambda: io.StringIO("abc"),
            lambda: io.BytesIO(b"abc"),
        ],
        ids=["bytes", "text", "generator", "of text", "bytearray", "memoryview", "text file", "file"],
    )
    def test_bodies_of_every_kind_are_read(self, session: requests.Session, make: Any) -> None:
        session.post(BASE + "/x", data=make())
        (call,) = session.get_adapter(BASE)._simulator.ledger.calls()  # type: ignore[attr-defined]
        assert call.body_length == 3

    def test_files_are_read_and_redirects_and_cookies_followed(self, session: requests.Session) -> None:
        simulator = session.get_adapter(BASE)._simulator  # type: ignore[attr-defined]
        answer = session.post(BASE + "/auth/token", LOGIN, headers={"Content-Type": "application/json"})
        session.headers["Authorization"] = "Bearer " + answer.json()["data"]["accessToken"]
        with open(__file__, "rb") as file:
            assert session.post(BASE + "/x", data=file).json()["data"]["length"] > 3
        answer = session.get(BASE + "/redirect", params={"to": "/api/v3/y"})
        assert answer.json()["data"]["path"] == "/api/v3/y"
        assert [step.status_code for step in answer.history] == [302]
        assert simulator.ledger.calls()[-1].status == 200

    def test_cookies_are_kept(self, monkeypatch: pytest.MonkeyPatch) -> None:
        simulator = FyatuSimulator()
        baked = FyatuSimulator().refuse(401)
        baked = type(baked)(200, {**baked.headers, "set-cookie": "a=b; Path=/"}, baked.body)
        monkeypatch.setattr(simulator, "handle", lambda *_: baked)
        with requests.Session() as session:
            session.mount("https://", RequestsAdapter(simulator, FakeClock()))
            assert session.get(BASE + "/x").cookies["a"] == "b"
            assert session.cookies["a"] == "b"


class TestResponses:
    @pytest.mark.parametrize("first", [True, False], ids=["before", "after"])
    def test_a_response_for_one_url_below_is_given_there_and_the_simulator_answers_elsewhere(self, first: bool) -> None:
        def special() -> None:
            mock.get(f"{BASE}/special", json={"special": True})

        with responses.RequestsMock() as mock:
            if first:
                special()
            register_responses(FyatuSimulator(), mock, BASE, FakeClock())
            if not first:
                special()
            for _ in range(2):
                assert requests.get(f"{BASE}/special", timeout=5).json() == {"special": True}
                assert requests.get(f"{BASE}/x", timeout=5).status_code == 401

    def test_only_the_base_url_and_below_are_answered(self) -> None:
        with responses.RequestsMock() as mock:
            register_responses(FyatuSimulator(), mock, BASE + "/", FakeClock())
            assert requests.get(BASE + "?q=1", timeout=5).status_code == 401
            for url in (BASE + "1/x", "https://api.fyatu.com/", "https://other.test/api/v3/x"):
                with pytest.raises(requests.ConnectionError, match="not below"):
                    requests.get(url, timeout=5)
