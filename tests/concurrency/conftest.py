from __future__ import annotations

import importlib
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import httpx
import pytest

from auth_plugins import FyatuAuth, MemoryStore, RefreshPolicy
from auth_plugins.simulators import FyatuSimulator
from auth_plugins.testing import AnyClient, FakeClock, mock_transport, open_client

URL = "https://api.example/api/v3"


class Crowd:
    """One auth object, and a token endpoint that takes its time; no network. `during` runs in each token call."""

    def __init__(self, latency: float = 0.1, **options: Any) -> None:
        self.clock, self.fyatu = FakeClock(), FyatuSimulator()
        self.fyatu.latency = latency
        self.during: Callable[[], object] = lambda: None
        self.gate = threading.Event()
        given: dict[str, Any] = {"policy": RefreshPolicy(tries=1), "token_client": self.lend(httpx), **options}
        store = MemoryStore(clock=self.clock)
        key = "your_secret_key_here"
        self.auth = FyatuAuth(self.fyatu.app_id, key, base_url=URL, clock=self.clock, store=store, **given)

    def hold(self) -> None:
        """Let no token call be answered until the gate is opened."""
        self.during = lambda: self.gate.wait(20)

    def lend(self, library: Any) -> Any:
        def sleep(seconds: float) -> None:
            time.sleep(seconds)
            if seconds:
                self.during()

        return library.Client(transport=mock_transport(self.fyatu, self.clock, library, sleep=sleep))

    def client(self, kind: str) -> AbstractContextManager[AnyClient]:
        return open_client(kind, self.auth, simulator=self.fyatu, clock=self.clock)

    def async_client(self, kind: str) -> Any:
        library = importlib.import_module(kind.partition("-")[0])
        transport = mock_transport(self.fyatu, self.clock, library)
        return library.AsyncClient(transport=transport, auth=self.auth)

    @property
    def calls(self) -> int:
        return self.fyatu.ledger.token_calls


@pytest.fixture
def crowd() -> Crowd:
    return Crowd()


@pytest.fixture
def make_crowd() -> Callable[..., Crowd]:
    return Crowd
