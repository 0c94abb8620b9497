"""What leaves a door is our error and the library's own."""

from __future__ import annotations

import pickle
from typing import Any

import httpx
import httpx2
import pytest
import requests

from auth_plugins import (
    AuthError,
    CredentialsRejected,
    LoginRequired,
    MemoryStore,
    RefreshPolicy,
    TokenEndpointUnavailable,
)
from auth_plugins.clients import AllowedOrigins, HttpxFlow
from auth_plugins.clients.bodies import Body
from auth_plugins.clients.errors import as_library_error
from auth_plugins.clients.requests_hook import RequestsHook
from auth_plugins.core import Origin, TokenRequest, TokenResponse
from auth_plugins.engine import TokenSource
from auth_plugins.providers.fyatu import FyatuContract
from auth_plugins.testing import FakeClock

BASES = [requests.RequestException, requests.ConnectionError, httpx.TransportError, httpx2.RequestError]


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("kind", [AuthError, CredentialsRejected, TokenEndpointUnavailable])
def test_an_error_of_two_libraries_has_our_name_and_pickles(kind: type[AuthError], base: type[Exception]) -> None:
    error = kind("It failed", hint="Do this.", status=503, retry_after=7.0)
    both: Any = as_library_error(error, base)
    assert isinstance(both, kind)
    assert isinstance(both, base)
    assert (type(both).__name__, type(both).__module__, type(both).__doc__) == (
        kind.__name__,
        kind.__module__,
        kind.__doc__,
    )
    assert (str(both), both.details()) == (str(error), error.details())
    assert type(as_library_error(error, base)) is type(both)
    copy = pickle.loads(pickle.dumps(both))
    assert type(copy) is type(both)
    assert (str(copy), copy.details()) == (str(both), both.details())


class Failing:
    """A channel that has nothing but an error."""

    def __init__(self, error: AuthError) -> None:
        self.error = error

    def send(self, _request: TokenRequest, _policy: RefreshPolicy, _deadline: float) -> TokenResponse:
        raise self.error


UNREACHED, REFUSED = TokenEndpointUnavailable("It is away"), LoginRequired("It is over")


def source() -> TokenSource:
    clock = FakeClock()
    contract = FyatuContract("an_id", "a_key", "https://api.example")
    return TokenSource(contract, RefreshPolicy(), clock, store=MemoryStore(clock=clock))


SCOPE = AllowedOrigins([Origin("https", "api.example", 443)])


@pytest.mark.parametrize(("error", "away"), [(UNREACHED, True), (REFUSED, False)])
def test_requests_is_told_of_a_connection_only_if_there_was_none(error: AuthError, away: bool) -> None:
    request = requests.Request("GET", "https://api.example/x", headers={"X": "y"}).prepare()
    failing: Any = Failing(error)
    with pytest.raises(requests.RequestException) as caught:
        RequestsHook(source(), SCOPE, failing).sign(request)
    assert isinstance(caught.value, requests.ConnectionError) is away
    assert isinstance(caught.value, type(error))
    told: Any = caught.value.request
    assert (told.method, told.url, dict(told.headers)) == ("GET", request.url, {})


@pytest.mark.parametrize("library", [httpx, httpx2])
@pytest.mark.parametrize(("error", "away"), [(UNREACHED, True), (REFUSED, False)])
def test_httpx_is_told_of_a_transport_only_if_it_failed(library: Any, error: AuthError, away: bool) -> None:
    request = library.Request("GET", "https://api.example/x", headers={"X": "y"})
    with pytest.raises(library.RequestError) as caught:
        HttpxFlow(library, source(), SCOPE, Failing(error)).sign(request, Body(request.stream, library))
    assert isinstance(caught.value, library.TransportError) is away
    assert isinstance(caught.value, type(error))
    told: Any = caught.value
    assert (told.request.url, "X" in told.request.headers) == (request.url, False)
