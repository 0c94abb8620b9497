"""Whole lives of every provider over real sockets, with marked secrets; then every place is searched for them.

What is searched is what others keep: the log of every library, warnings, errors with the locals of all their frames,
their pickles and copies, events, a store's keys, what `faulthandler` and the list of threads show.
"""

from __future__ import annotations

import base64
import copy
import faulthandler
import io
import itertools
import logging
import pickle
import tempfile
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from auth_plugins import AuthError, MemoryStore, RefreshPolicy, TokenAuth
from auth_plugins.simulators import SimRequest, json_response
from auth_plugins.testing import CLIENT_KINDS, FakeClock, open_client, settle

if TYPE_CHECKING:
    from auth_plugins.testing.server import SimulatorServer
    from tests.security.conftest import Party

_numbers = itertools.count()
PROVIDERS = ["fyatu", "fyatu-business", "vault", "jwtplus", "marketiger", "oauth2-client", "oauth2-user"]


def matrix(case: str, outcome: str) -> pytest.MarkDecorator:
    return pytest.mark.matrix(group="Where secrets must not be", case=case, outcome=outcome)


class Keys(MemoryStore):
    """A store that writes down under which keys it was asked."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(clock=clock)
        self.asked: list[str] = []

    def load(self, key: str) -> Any:
        self.asked.append(key)
        return super().load(key)


@dataclass
class Life:
    """What was kept of one life."""

    hidden: tuple[str, ...] = ()
    errors: list[AuthError] = field(default_factory=list)
    places: dict[str, str] = field(default_factory=dict)

    def found_in(self, place: str) -> list[str]:
        return [secret for secret in self.hidden if secret in self.places[place]]


@contextmanager
def overheard() -> Iterator[tuple[io.StringIO, list[warnings.WarningMessage]]]:
    """Everything that any library logs, at any level, and every warning."""
    said, root = io.StringIO(), logging.getLogger()
    handler, before = logging.StreamHandler(said), root.level
    handler.setLevel(1)
    root.addHandler(handler)
    root.setLevel(1)
    try:
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            yield said, warned
    finally:
        root.setLevel(before)
        root.removeHandler(handler)


def echo(simulator: Any, shape: str) -> Callable[[SimRequest, float], Any]:
    """An endpoint that refuses, and quotes all that it was sent."""
    handle = simulator.handle

    def answer(request: SimRequest, now: float) -> Any:
        if simulator.endpoint_of(request) == "api":
            return handle(request, now)
        words = f"{request.headers.get('authorization', '')} {request.body.decode('latin-1')} echoed"
        error = words if shape == "flat" else {"code": words, "type": words, "message": words, "detail": words}
        said = {"error": error, "error_description": words, "message": words, "errors": [words], "code": words}
        return json_response(400, {"success": False, **said, "meta": {"requestId": words}})

    return answer


def snapshot(simulator: Any, auth: TokenAuth, kind: str, url: str, clock: FakeClock, stacks: Any) -> list[AuthError]:
    """Log in, renew, be rejected, be cut off in every way, be quoted, be refused."""
    failures: list[AuthError] = []
    handle, right = simulator.handle, simulator._secret

    def attempt(count: int = 1) -> None:
        for _ in range(count):
            clock.advance(100_000)
            try:
                client.send("POST", url, content=b"mine")
            except AuthError as error:
                failures.append(error)
            settle(auth)

    def seen(request: SimRequest, now: float) -> Any:
        faulthandler.dump_traceback(stacks, all_threads=True)
        return handle(request, now)

    with open_client(kind, auth) as client:
        simulator.handle = seen
        attempt(2)
        simulator.handle = handle
        simulator.reject_all = True
        attempt()
        simulator.reject_all = False
        for simulator.outage in ("drop", "lost", "unavailable", None):
            attempt()
        simulator.rate_limit = 1
        attempt()
        simulator.rate_limit = None
        for shape in ("flat", "nested"):
            simulator.handle = echo(simulator, shape)
            attempt()
            simulator.handle = handle
            attempt()
        simulator.rotate_secret("another-secret-of-the-app")
        attempt(2)
        simulator.rotate_secret(right)
    return failures


def spellings(simulator: Any) -> tuple[str, ...]:
    """The credentials as they may be written on their way."""
    secret = simulator._secret
    pair = f"{getattr(simulator, 'client_id', '')}:{secret}".encode()
    return (secret, quote(secret, safe=""), base64.b64encode(secret.encode()).decode(), base64.b64encode(pair).decode())


def live_and_look(party: Party, kind: str, server: SimulatorServer, listen: Any) -> Life:
    clock, simulator = FakeClock(), party.simulator()
    issued = listen(simulator)
    url = server.mount(f"/places/{next(_numbers)}", simulator, clock=clock)
    store = Keys(clock)
    events: list[Any] = []
    options = {"store": store, "clock": clock, "on_event": events.append, "policy": RefreshPolicy(jitter=0.0)}
    found = Life()
    with overheard() as (said, warned), tempfile.TemporaryFile("w+") as stacks:
        auth = party.auth(simulator, url, **options)
        found.errors = snapshot(simulator, auth, kind, f"{url}/x", clock, stacks)
        stacks.seek(0)
        found.places["faulthandler"] = stacks.read()
        found.places["threads"] = " ".join(each.name for each in threading.enumerate())
    tells = [traceback.TracebackException.from_exception(each, capture_locals=True) for each in found.errors]
    found.hidden = (*spellings(simulator), *issued)
    pickled = [pickle.dumps(each) for error in found.errors for each in (error, copy.copy(error), error.clone())]
    found.places |= {
        "log": said.getvalue(),
        "warnings": " ".join(f"{each.message} {each.source!r}" for each in warned),
        "errors": " ".join(f"{each} {each!r} {vars(each)} {each.args}" for each in found.errors),
        "tracebacks": "".join(line for each in tells for line in each.format(chain=True)),
        "pickles": " ".join(each.decode("latin-1") for each in pickled),
        "events": " ".join(f"{each} {each!r} {each.error}" for each in events),
        "keys": " ".join([*store.asked, repr(store)]),
        "objects": f"{auth!r} {vars(auth)} {auth._provider!r} {auth._source.shared.snapshot!r} {auth._source.shared.failure!r}",
    }
    return found


@pytest.fixture(scope="session")
def lives(server: SimulatorServer, parties: dict[str, Party], listen: Any) -> Callable[[str, str], Life]:
    """Each life is lived once, and searched in many places."""
    known: dict[tuple[str, str], Life] = {}

    def lived(provider: str, kind: str) -> Life:
        if (provider, kind) not in known:
            known[provider, kind] = live_and_look(parties[provider], kind, server, listen)
        return known[provider, kind]

    return lived


PLACES = {
    "log": ("POST", "The log of every library, at every level"),
    "warnings": ("", "Warnings"),
    "errors": ("echoed", "Text, repr, attributes and arguments of errors, where the provider quotes the request"),
    "tracebacks": ("auth_plugins", "Tracebacks with the locals of every frame, and of all chained errors"),
    "pickles": ("auth_plugins", "Pickles and copies of errors"),
    "events": ("RENEWAL_FAILED", "Events"),
    "keys": ("MemoryStore", "The keys under which a store keeps tokens"),
    "objects": ("Auth for", "repr and vars of auth object, contract, token and slot"),
    "faulthandler": ("Thread 0x", "What faulthandler dumps while a token call is under way"),
    "threads": ("MainThread", "Names of threads"),
}


@pytest.mark.parametrize(
    "place",
    [pytest.param(place, marks=matrix(case, "holds no secret of any provider")) for place, (_, case) in PLACES.items()],
)
@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("kind", CLIENT_KINDS)
def test_after_a_whole_life_a_place_holds_no_secret(
    kind: str, provider: str, place: str, lives: Callable[[str, str], Life]
) -> None:
    life = lives(provider, kind)
    assert len(life.errors) >= 6
    assert len(life.hidden) >= 6
    assert PLACES[place][0] in life.places[place], "something was written there"
    assert life.found_in(place) == []
