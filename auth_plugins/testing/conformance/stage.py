"""The set-up of a behaviour: a provider, its simulator, a kind of client and a clock."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import httpx

from auth_plugins.auth import TokenAuth
from auth_plugins.core import RefreshPolicy, Token
from auth_plugins.simulators import Simulator
from auth_plugins.stores import MemoryStore

from ..clients import AnyClient, open_client
from ..clock import FakeClock
from ..transports import mock_transport

__all__ = ["Candidate", "Stage"]

ORIGIN = "https://api.example"


def _revoke_all(simulator: Simulator) -> None:
    simulator.revoke_all()


@dataclass(frozen=True, slots=True)
class Candidate:
    """A provider to test."""

    simulator: Callable[[], Any]
    """Returns a new simulator of the provider."""
    auth: Callable[..., TokenAuth]
    """Returns an auth object with the right credentials: `auth(simulator, base_url, **options)`."""
    wrong_auth: Callable[..., TokenAuth]
    """Returns an auth object whose credentials differ from the right ones in a secret only."""
    secrets: tuple[str, ...]
    """Every secret of the right credentials. No text may contain them."""
    spoil_refresh: Callable[[Any], None] = _revoke_all
    """Changes the simulator so that it refuses the next refresh."""
    can_login: bool = True
    """Whether the right credentials can get a new token without a refresh token."""


class Stage:
    """A provider, a kind of client and a clock. Every behaviour needs a new one."""

    def __init__(self, candidate: Candidate, kind: str) -> None:
        self.candidate, self.kind = candidate, kind
        self.clock = FakeClock()
        self.store = MemoryStore(clock=self.clock)
        self.policy = RefreshPolicy(jitter=0.0)
        self.simulator = candidate.simulator()
        self.base_url = f"{ORIGIN}{self.simulator.base_path}"
        self.hosts: set[str] = set()
        """The origins to which token calls went."""
        self.url = f"{self.base_url}/anything"
        self.auth = self.make(candidate.auth)

    def make(self, make: Callable[..., TokenAuth]) -> TokenAuth:
        """Return an auth object whose token calls the simulator answers."""
        transport = mock_transport(self.simulator, self.clock, sleep=time.sleep)
        lent = httpx.Client(transport=transport, event_hooks={"request": [self._called]})
        options = {"store": self.store, "clock": self.clock, "policy": self.policy, "token_client": lent}
        return make(self.simulator, self.base_url, origins=[ORIGIN], **options)

    def client(self, auth: TokenAuth | None = None) -> AbstractContextManager[AnyClient]:
        """Open a client of this stage's kind."""
        return open_client(self.kind, auth or self.auth, simulator=self.simulator, clock=self.clock)

    @property
    def calls(self) -> int:
        """The number of token calls that the simulator received."""
        return int(self.simulator.ledger.token_calls)

    def go_to(self, moment: float) -> None:
        """Move the clock to `moment`, in seconds since the epoch, unless it is past."""
        self.clock.advance(max(0.0, moment - self.clock()))

    def ripe(self) -> Token:
        """Return a token, after moving the clock to its `valid_from`."""
        try:
            token = self.auth.token()
        finally:
            assert self.hosts <= {ORIGIN}, f"token calls went to {self.hosts}, and base_url is {self.base_url}"
        self.go_to(token.valid_from)
        return token

    def _called(self, request: httpx.Request) -> None:
        self.hosts.add(f"{request.url.scheme}://{request.url.netloc.decode()}")
