"""Any order of whatever a token endpoint and an API may do: what no request, renewal or error may ever do."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from auth_plugins import AuthError, FyatuAuth, MemoryStore, OAuth2RefreshTokenAuth, RefreshPolicy, TokenAuth
from auth_plugins.simulators import Dropped, FyatuSimulator, OAuth2Simulator, SimRequest, SimResponse
from auth_plugins.testing import FakeClock, RequestsAdapter, mock_transport, settle
from tests.conftest import can_be_taken_elsewhere

HOME = "https://api.example"
TOKEN_ENDPOINT = {
    "well": None,
    "drop": Dropped(),
    "302": SimResponse(302, {"location": "https://evil.example/token"}),
    "html": SimResponse(502, {"content-type": "text/html"}, b"<html>"),
    "empty": SimResponse(200, {}, b""),
    "array": SimResponse(200, {}, b"[]"),
    "401": SimResponse(401, {}, b'{"error": "invalid_client"}'),
    "400": SimResponse(400, {}, b'{"error": "invalid_grant"}'),
    "429": SimResponse(429, {"retry-after": "3"}, b""),
    "503": SimResponse(503, {"retry-after": "Fri, 15 Jan 2027 08:00:09 GMT"}, b""),
    "crlf": SimResponse(200, {}, b'{"access_token": "a\\r\\nX: y", "token_type": "bearer"}'),
    "ends-at-once": SimResponse(200, {}, b'{"access_token": "at", "token_type": "bearer", "expires_in": 0}'),
}
SECRETS = {"your_secret_key_here", "7Fjfp0ZBr1KtDRbnfVdmIw"}
API = ("well", "401", "to-evil", "403", "drop")
steps = st.tuples(
    st.sampled_from(sorted(TOKEN_ENDPOINT)),
    st.sampled_from(API),
    st.sampled_from([0, 1, 30, 3_000, 3_500, 100_000]),
    st.sampled_from(["requests", "httpx", "three threads"]),
)


class Anything:
    """A provider and an API that do what they are told, and note what must not be."""

    def __init__(self, simulator: Any) -> None:
        self.simulator = simulator
        self.token_endpoint, self.api = "well", "well"
        self.flying = self.most_flying = self.asked = 0
        self.strange: list[SimRequest] = []
        self._lock = threading.Lock()

    def handle(self, request: SimRequest, now: float) -> SimResponse:
        if not request.url.startswith(f"{HOME}/"):
            self.strange.append(request)
            return SimResponse(401, {}, b"{}")
        if self.simulator.endpoint_of(request) == "api":
            return self._of_the_api(request, now)
        with self._lock:
            self.asked += 1
            self.flying += 1
            self.most_flying = max(self.most_flying, self.flying)
        try:
            told = TOKEN_ENDPOINT[self.token_endpoint]
            if isinstance(told, Dropped):
                raise Dropped
            answer: SimResponse = self.simulator.handle(request, now) if told is None else told
            return answer
        finally:
            with self._lock:
                self.flying -= 1

    def _of_the_api(self, request: SimRequest, now: float) -> SimResponse:
        if self.api == "drop":
            raise Dropped
        if self.api == "to-evil":
            return SimResponse(307, {"location": "https://evil.example/x"})
        if self.api != "well":
            return SimResponse(int(self.api), {}, b"{}")
        answer: SimResponse = self.simulator.handle(request, now)
        return answer


def fyatu(lent: Any, **options: Any) -> tuple[Any, TokenAuth]:
    simulator = FyatuSimulator(lifetime=3600)
    url = HOME + simulator.base_path
    return simulator, FyatuAuth(simulator.app_id, "your_secret_key_here", base_url=url, token_client=lent, **options)


def user(lent: Any, **options: Any) -> tuple[Any, TokenAuth]:
    simulator = OAuth2Simulator(rotate=True)
    url, given = f"{HOME}{simulator.base_path}/token", simulator.consent()
    secret = simulator._secret
    made = OAuth2RefreshTokenAuth(url, simulator.client_id, given, client_secret=secret, token_client=lent, **options)
    return simulator, made


def ask(how: str, world: Any, clock: FakeClock, auth: TokenAuth) -> list[Exception]:
    """Make a request, or three at once; give the failures, which are of the libraries' own kinds."""
    url = f"{HOME}/anything/x"
    failures: list[Exception] = []

    def once(client: Any) -> None:
        try:
            client.post(url, content=b"mine") if how != "requests" else client.post(url, data=b"mine", timeout=5)
        except (requests.RequestException, httpx.HTTPError) as error:
            failures.append(error)

    if how == "requests":
        with requests.Session() as session:
            session.mount("https://", RequestsAdapter(world, clock))
            session.auth = auth
            once(session)
        return failures
    client = httpx.Client(transport=mock_transport(world, clock), auth=auth, follow_redirects=True)
    with client, ThreadPoolExecutor(3) as pool:
        list(pool.map(once, [client] * (3 if how == "three threads" else 1)))
    return failures


@pytest.mark.matrix(
    group="Any input",
    case="Any order of what a token endpoint and an API may do, through requests, httpx and threads",
    outcome="no stranger sees a secret, never two token calls at once, every failure is of our tree or the library's",
)
@pytest.mark.parametrize("make", [fyatu, user], ids=["fyatu", "oauth2-user"])
@settings(max_examples=25, suppress_health_check=list(HealthCheck), deadline=None)
@given(script=st.lists(steps, min_size=1, max_size=12))
def test_whatever_they_do_no_promise_is_broken(make: Any, script: list[tuple[str, str, int, str]]) -> None:
    clock = FakeClock()
    world: Any = Anything(None)
    with httpx.Client(transport=mock_transport(world, clock)) as lent:
        options = {"clock": clock, "store": MemoryStore(clock=clock), "policy": RefreshPolicy(jitter=0.0)}
        world.simulator, auth = make(lent, **options)
        for world.token_endpoint, world.api, passes, how in script:
            before = world.asked
            clock.advance(passes)
            failures = ask(how, world, clock, auth)
            settle(auth)
            assert SECRETS.isdisjoint(
                secret for secret in SECRETS for each in failures if secret in f"{each}{vars(each)}"
            )
            assert all(each.hint for each in failures if isinstance(each, AuthError)), "it says what to do"
            many = 3 if how == "three threads" else 1
            assert world.asked - before <= 4 * many, "a renewal before the request, and one after its 401"
            assert world.most_flying <= 1, "two token calls at once"
            assert can_be_taken_elsewhere(auth._source.shared.lock)
            assert auth._source.shared.flight is None
    for request in world.strange:
        assert urlsplit(request.url).hostname == "evil.example"
        assert "authorization" not in request.headers
