"""A simulator in the place of the network, for each HTTP library's own socket."""

from __future__ import annotations

import email.message
import http.client
from collections.abc import Callable, Mapping
from io import BytesIO
from typing import TYPE_CHECKING, Any, overload

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPResponse

from auth_plugins.simulators import Dropped, SimRequest, SimResponse, Simulator

if TYPE_CHECKING:
    from types import ModuleType

    import httpx

Clock = Callable[[], float]
Sleep = Callable[[float], None]


def _no_sleep(_: float) -> None:
    """Answers come at once, whatever their delay."""


@overload
def mock_transport(
    simulator: Simulator, clock: Clock, library: None = None, *, sleep: Sleep = ...
) -> httpx.MockTransport: ...
@overload
def mock_transport(simulator: Simulator, clock: Clock, library: ModuleType, *, sleep: Sleep = ...) -> Any: ...
def mock_transport(
    simulator: Simulator, clock: Clock, library: ModuleType | None = None, *, sleep: Sleep = _no_sleep
) -> Any:
    """A transport for a Client or an AsyncClient whose every request the simulator answers.

    Args:
        simulator: Who answers.
        clock: The true time, such as a FakeClock.
        library: httpx (the default) or httpx2.
        sleep: How to wait where an answer is delayed, such as `FakeClock.sleep`; not at all by default.
    """
    if library is None:
        import httpx as library
    kit: Any = library

    def answer(request: Any) -> Any:
        sent = SimRequest(request.method, str(request.url), dict(request.headers.items()), request.content)
        try:
            got = ask(simulator, sent, clock, sleep)
        except Dropped as dropped:
            raise kit.ReadError(str(dropped), request=request) from None
        return kit.Response(got.status, headers=dict(got.headers), content=got.body)

    return kit.MockTransport(answer)


class RequestsAdapter(HTTPAdapter):
    """An adapter for `session.mount` whose every request the simulator answers.

    It is an HTTPAdapter for the sake of `build_response`, which fills in cookies, encoding and `.connection`
    as a real answer has them; it never opens a connection.
    """

    def __init__(self, simulator: Simulator, clock: Clock, *, sleep: Sleep = _no_sleep) -> None:
        super().__init__()
        self._simulator = simulator
        self._clock = clock
        self._sleep = sleep

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        """Answer a request from the simulator. Time-outs, proxies and certificates have no meaning here."""
        try:
            got = ask(self._simulator, from_requests(request), self._clock, self._sleep)
        except Dropped as dropped:
            raise requests.ConnectionError(str(dropped), request=request) from None
        return self.build_response(request, _raw(got))


def ask(simulator: Simulator, request: SimRequest, clock: Clock, sleep: Sleep) -> SimResponse:
    """Put a request to a simulator and wait as long as the answer, or its failing to come, takes."""
    way = seconds_there(simulator, request)
    if way:
        sleep(way)
    try:
        answer = simulator.handle(request, clock())
    except Dropped as dropped:
        sleep(dropped.delay)
        raise
    sleep(answer.delay)
    return answer


def seconds_there(simulator: Simulator, request: SimRequest) -> float:
    """How long a request is on its way; not at all to what has `handle` alone, as a test's own server may."""
    return simulator.way_there(request) if hasattr(simulator, "way_there") else 0.0


def from_requests(request: requests.PreparedRequest) -> SimRequest:
    """What a server would read of a prepared request."""
    headers = {name.lower(): _text(value) for name, value in request.headers.items()}
    return SimRequest(request.method or "GET", request.url or "", headers, _body(request.body))


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode("latin-1")


def _body(body: Any) -> bytes:
    if body is None:
        return b""
    if isinstance(body, str):
        return body.encode()
    if isinstance(body, (bytes, bytearray, memoryview)):
        return bytes(body)
    pieces = [body.read()] if hasattr(body, "read") else body
    return b"".join(piece.encode() if isinstance(piece, str) else piece for piece in pieces)


class _Original:
    """The part of http.client.HTTPResponse from which requests takes cookies."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        self.msg = email.message.Message()
        for name, value in headers.items():
            self.msg[name] = value

    def isclosed(self) -> bool:
        return True

    def close(self) -> None:
        pass


def _raw(answer: SimResponse) -> HTTPResponse:
    original: Any = _Original(answer.headers)
    return HTTPResponse(
        body=BytesIO(answer.body),
        headers=answer.headers,
        status=answer.status,
        reason=http.client.responses.get(answer.status, ""),
        preload_content=False,
        original_response=original,
    )
