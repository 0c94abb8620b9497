"""Nothing public shows a secret when it is printed, and no error of a library brings one along."""

from __future__ import annotations

import pprint
import socket
import threading
import traceback
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import httpx
import httpx2
import pytest
import requests

import auth_plugins
from auth_plugins import (
    AuthError,
    Backoff,
    BodyNotReplayed,
    Event,
    EventKind,
    FyatuAuth,
    MemoryStore,
    RefreshPolicy,
    Token,
    TokenAuth,
    TokenEndpointUnavailable,
)
from auth_plugins.core import Purpose, TokenRequest, TokenResponse
from auth_plugins.core.wire import Masked, MaskedBytes
from auth_plugins.simulators import FyatuSimulator
from auth_plugins.testing import CLIENT_KINDS, FakeClock, mock_transport, open_client

if TYPE_CHECKING:
    from tests.security.conftest import Party

SECRET = "marked-secret-of-the-app"
APP_ID = "A1B2C3D4E5F6G7H8"


def matrix(case: str, outcome: str) -> pytest.MarkDecorator:
    return pytest.mark.matrix(group="Where secrets must not be", case=case, outcome=outcome)


def token() -> Token:
    extra = {"public_key": SECRET}
    return Token(access_token=SECRET, refresh_token=SECRET, issued_at=0, expires_at=9e9, extra=extra)


def full_store() -> MemoryStore:
    store = MemoryStore()
    store.save("key", token())
    return store


PRINTED_WHILE_UNFINISHED = sorted(
    name for name in auth_plugins.__all__ if name.endswith(("Auth", "Store")) and name != "Store"
)

OBJECTS: dict[type, Any] = {
    Token: token,
    Event: lambda: Event(EventKind.LOGGED_IN, "fyatu", token(), AuthError("x")),
    MemoryStore: full_store,
    RefreshPolicy: RefreshPolicy,
    Backoff: lambda: Backoff(1.0, 2.0),
    EventKind: lambda: EventKind.REFRESHED,
    BodyNotReplayed: lambda: BodyNotReplayed("A 401 was not answered"),
    TokenRequest: lambda: TokenRequest.json(
        Purpose.LOGIN,
        "https://x.example",
        {"k": SECRET},
        headers={"Authorization": SECRET},
        token=token(),
        secrets=[SECRET],
    ),
    TokenResponse: lambda: TokenResponse(200, {"set-cookie": SECRET}, SECRET.encode()),
    Masked: lambda: {"Authorization": Masked(SECRET), "list": [Masked(SECRET)]},
    MaskedBytes: lambda: (MaskedBytes(SECRET.encode()),),
}


def shown(thing: object) -> str:
    shapes = f"{thing!r} {thing} {thing:} {pprint.pformat(thing)} {[thing]} {{'x': thing}} {vars(type(thing))}"
    return shapes + (repr(vars(thing)) if hasattr(thing, "__dict__") else "")


@matrix("repr, str, format and pprint of every public object", "show no secret")
@pytest.mark.parametrize("kind", OBJECTS, ids=lambda kind: kind.__name__)
def test_a_public_object_shows_no_secret(kind: type) -> None:
    made = OBJECTS[kind]()
    assert SECRET not in (shown(made) if kind not in (Masked, MaskedBytes) else repr(made))


@matrix("repr, str, format and pprint of every auth object and its contract", "show no secret")
def test_an_auth_object_shows_no_secret(party: Party) -> None:
    simulator = party.simulator()
    auth = party.auth(simulator, "https://api.example" + simulator.base_path, store=MemoryStore())
    for thing in (auth, auth._provider, auth._source, auth._source.shared, auth._transport, auth._requests.allowed):
        assert simulator._secret not in shown(thing)


def test_every_public_class_is_among_those_that_were_shown() -> None:
    public = {getattr(auth_plugins, name) for name in auth_plugins.__all__}
    shown_elsewhere = {each for each in public if issubclass(each, (TokenAuth, AuthError)) or hasattr(each, "lock")}
    assert public - shown_elsewhere <= set(OBJECTS)


class Quoting(Exception):
    """As some libraries' do, it quotes the request."""


LIBRARIES = {"requests": requests.ConnectionError, "httpx": httpx.ConnectError, "httpx2": httpx2.ConnectError}


@matrix("An exception of the HTTP library that quotes the token call", "becomes an error that names its kind alone")
@pytest.mark.parametrize("name", LIBRARIES)
@pytest.mark.parametrize("own", [True, False], ids=["the-librarys", "any-other"])
def test_an_exception_that_quotes_the_token_call_is_not_quoted(name: str, own: bool) -> None:
    kind: type[Exception] = LIBRARIES[name] if own else Quoting
    lent: Any = requests.Session()

    def fail(request: Any, *_: Any, **__: Any) -> Any:
        body = request.body if name == "requests" else request.content
        raise kind(f"could not send {body!r}")

    if name == "requests":
        lent.get_adapter("https://").send = fail
    else:
        library = {"httpx": httpx, "httpx2": httpx2}[name]
        lent = library.Client(transport=library.MockTransport(fail))
    auth = FyatuAuth(APP_ID, SECRET, token_client=lent, store=MemoryStore(), policy=RefreshPolicy(tries=1))
    with pytest.raises(TokenEndpointUnavailable, match=kind.__name__) as caught:
        auth.token()
    told = "".join(traceback.TracebackException.from_exception(caught.value, capture_locals=True).format())
    assert SECRET not in told.replace(f"SECRET = '{SECRET}'", "")
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


class Breaking:
    """An API that takes a request, and breaks off."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}/api/v3"
        self.heard = b""
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while True:
            connection, _ = self._socket.accept()
            with connection, suppress(OSError):
                connection.settimeout(5)
                heard = connection.recv(65_536)
                if not heard:
                    return
                self.heard += heard
                connection.sendall(self._answer)

    def close(self) -> None:
        socket.create_connection(self._socket.getsockname()).close()
        self._thread.join(10)
        self._socket.close()


@pytest.fixture(
    params=[b"", b"NO HTTP AT ALL\r\n\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc"],
    ids=["at-once", "with-nonsense", "in-the-answer"],
)
def breaking(request: pytest.FixtureRequest) -> Iterator[Breaking]:
    api = Breaking(request.param)
    yield api
    api.close()


@matrix("The library's own error when an API breaks off a request that had a token", "locals of its frames show none")
@pytest.mark.parametrize("kind", CLIENT_KINDS)
def test_an_api_that_breaks_off_brings_no_token_into_the_traceback(kind: str, breaking: Breaking) -> None:
    clock, fyatu = FakeClock(), FyatuSimulator()
    lent = httpx.Client(transport=mock_transport(fyatu, clock))
    options: Any = {"token_client": lent, "clock": clock, "store": MemoryStore(clock=clock)}
    auth = FyatuAuth(fyatu.app_id, "your_secret_key_here", base_url=breaking.url, **options)
    auth.token()
    with (
        open_client(kind, auth) as client,
        pytest.raises((requests.RequestException, httpx.HTTPError, httpx2.HTTPError)) as e,
    ):
        client.send("POST", f"{breaking.url}/x", content=b"mine")
    told = "".join(traceback.TracebackException.from_exception(e.value, capture_locals=True).format())
    assert b"Bearer eyJ" in breaking.heard
    assert "eyJ" not in told


@pytest.mark.parametrize("kind", [getattr(auth_plugins, name) for name in PRINTED_WHILE_UNFINISHED])
def test_an_object_whose_constructor_raised_can_be_printed(kind: type) -> None:
    """As the programs do that show the locals of the frames of a traceback."""
    assert kind.__name__ in repr(object.__new__(kind))
