from __future__ import annotations

import errno
import importlib
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import redis
import requests
from redis.backoff import NoBackoff
from redis.connection import BlockingConnectionPool, UnixDomainSocketConnection
from redis.retry import Retry

from auth_plugins import AuthError, OAuth2RefreshTokenAuth, RefreshPolicy, Store
from auth_plugins.core import Token
from auth_plugins.simulators import OAuth2Simulator, SimRequest, SimResponse
from auth_plugins.simulators.oauth2 import _digest
from auth_plugins.stores import private_files
from auth_plugins.testing import FakeClock, RequestsAdapter, settle

if TYPE_CHECKING:
    from tests.conftest import RedisServer

ROOT = Path(__file__).parents[2]
ISSUER = "https://issuer.example"
LIFETIME = 3600.0


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Give what imports a module of the model."""
    monkeypatch.syspath_prepend(str(ROOT))
    yield lambda name: importlib.import_module(f"tools.protocol.{name}")
    for name in [each for each in sys.modules if each.partition(".")[0] == "tools"]:
        del sys.modules[name]


class Provider(OAuth2Simulator):
    """It rotates refresh tokens, ends the session on reuse, and counts that."""

    def __init__(self) -> None:
        super().__init__(rotate=True, lifetime=LIFETIME)
        self.end_family = True
        self.presented_twice = 0
        self.newest = ""
        self.during: Callable[[], None] | None = None
        """What happens once while the next refresh is on the wire: before the provider sees it."""

    def handle(self, request: SimRequest, now: float) -> SimResponse:
        during, self.during = self.during, None
        if during is not None and request.path.endswith("/token"):
            during()
        return super().handle(request, now)

    def _refresh(self, fields: dict[str, str]) -> SimResponse:
        known = self._refresh_tokens.get(_digest(fields.get("refresh_token", "")))
        self.presented_twice += known is None or known.used
        return super()._refresh(fields)

    def _new_refresh_token(self, family: str, scopes: tuple[str, ...]) -> str:
        self.newest = super()._new_refresh_token(family, scopes)
        return self.newest


class Plan:
    """Which command of a run goes wrong, and how."""

    def __init__(self, at: int = -1, kind: str = "", length: int = 1) -> None:
        self.at, self.kind, self.length = at, kind, length
        self.seen = 0
        self.late: list[tuple[Any, ...]] = []
        self._lock = threading.Lock()

    def next(self) -> str:
        """Say how the next command goes: "" is well."""
        with self._lock:
            number, self.seen = self.seen, self.seen + 1
        return self.kind if self.at <= number < self.at + self.length else ""


OWN = ("HELLO", "CLIENT", "AUTH", "SELECT", "PING", "READONLY")
"""Commands of the client library's own."""


class Faulty(UnixDomainSocketConnection):
    """A connection to a Redis server that a plan breaks."""

    def __init__(self, plan: Plan, **options: Any) -> None:
        super().__init__(**options)  # type: ignore[no-untyped-call]
        self._plan, self._lost = plan, False

    def send_command(self, *args: Any, **options: Any) -> None:
        kind = "" if str(args[0]).partition(" ")[0] in OWN else self._plan.next()
        if kind == "late":
            self._plan.late.append(args)
        if kind in ("late", "not sent"):
            raise redis.ConnectionError("cut on the way")
        self._lost = kind == "answer lost"
        super().send_command(*args, **options)  # type: ignore[no-untyped-call]

    def read_response(self, *args: Any, **options: Any) -> Any:
        answer = super().read_response(*args, **options)
        if self._lost:
            self._lost = False
            raise redis.ConnectionError("cut on the way back")
        return answer


def faulty_client(server: RedisServer, plan: Plan) -> redis.Redis:
    """Make a client that gives up at the first failure: what a library repeats is not what is tested."""
    pool = BlockingConnectionPool(
        connection_class=Faulty,
        plan=plan,
        path=server.url.removeprefix("unix://"),
        retry=Retry(NoBackoff(), 0),
    )  # type: ignore[no-untyped-call]
    return redis.Redis(connection_pool=pool)


class FaultySystem:
    """The module os, as `stores.private_files` sees it: calls that touch the disk go wrong as planned."""

    CALLS = ("open", "close", "fstat", "fsync", "replace")

    def __init__(self, plan: Plan) -> None:
        self._plan = plan

    def __getattr__(self, name: str) -> Any:
        real = getattr(os, name)
        return self._planned(real) if name in self.CALLS else real

    def _planned(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:
            kind = self._plan.next()
            if kind == "not sent":
                raise OSError(errno.EIO, "the disk says no")
            result = real(*args, **options)
            if kind == "answer lost":
                raise OSError(errno.EIO, "the disk did it, and says no")
            return result

        return call


@pytest.fixture
def break_files(monkeypatch: pytest.MonkeyPatch) -> Callable[[Plan], None]:
    """Break the calls by which files are read and written."""
    return lambda plan: monkeypatch.setattr(private_files, "os", FaultySystem(plan))


class Session:
    """A user's session at a provider that ends it on reuse, and processes that share it through a store."""

    def __init__(self, *stores: Store, clock: FakeClock, deadline: float = 1.0) -> None:
        self.provider, self.clock = Provider(), clock
        self.first = self.provider.consent()
        self.deadline = deadline
        self.processes = [self.process(store) for store in stores]

    def process(self, store: Store) -> OAuth2RefreshTokenAuth:
        """Start a process: nothing is shared with the others but what the store shares."""
        session = requests.Session()
        session.mount("https://", RequestsAdapter(self.provider, self.clock))
        return OAuth2RefreshTokenAuth(
            f"{ISSUER}{self.provider.base_path}/token",
            "s6BhdRkqt3",
            self.first,
            client_secret="7Fjfp0ZBr1KtDRbnfVdmIw",
            store=store,
            clock=self.clock,
            policy=RefreshPolicy(deadline=self.deadline),
            token_client=session,
        )

    def expire(self) -> None:
        """Let every access token end."""
        self.clock.advance(LIFETIME + 1)

    def ask(self, index: int) -> bool:
        """Let a process ask for its token; a failure is allowed only where it has none that is valid."""
        auth = self.processes[index]
        held = self.held(index)
        valid = held is not None and bool(held.access_token) and self.clock() < held.expires_at
        try:
            auth.token()
        except AuthError as error:
            assert not valid, f"a process that has a valid token failed: {error}"  # noqa: PT017 - or it may fail
            return False
        finally:
            settle(auth)
        return True

    def held(self, index: int) -> Token | None:
        return self.processes[index]._source.shared.snapshot.token

    def lives_on(self, patience: float = 20.0) -> None:
        """Make sure that every process gets a token once nothing goes wrong any more, and that none came twice."""
        for _ in range(2):
            for index in range(len(self.processes)):
                ends = time.monotonic() + patience
                while not self.ask(index):
                    assert self.provider.presented_twice == 0, "a refresh token was presented twice"
                    assert time.monotonic() < ends, "the session lives, but a process gets no token"
                    time.sleep(0.02)
            self.expire()
        assert self.provider.presented_twice == 0, "a refresh token was presented twice"


@pytest.fixture
def kit() -> Any:
    """Give what stands in this file."""
    return sys.modules[__name__]
