"""The pytest plugin: simulated providers as fixtures, a clock, fresh tokens, and counts of token calls.

pytest loads this module in every project of an environment, so it imports what a fixture needs when it is used.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from auth_plugins.simulators import (
        FyatuSimulator,
        JWTPlusSimulator,
        MarketigerSimulator,
        OAuth2Simulator,
        Simulator,
        VaultSimulator,
    )

    from .clock import FakeClock
    from .counting import TokenCalls
    from .server import SimulatorServer


@pytest.fixture(scope="session")
def _auth_server() -> Iterator[SimulatorServer]:
    from .server import serve

    with serve() as server:
        yield server


@pytest.fixture
def _auth_simulators() -> list[Simulator]:
    """The simulators of this test."""
    return []


def _mounted(request: pytest.FixtureRequest, kind: str) -> Iterator[Any]:
    import auth_plugins.simulators

    server: SimulatorServer = request.getfixturevalue("_auth_server")
    simulators: list[Simulator] = request.getfixturevalue("_auth_simulators")
    clock = request.getfixturevalue("auth_clock") if "auth_clock" in request.fixturenames else time.time
    simulator = getattr(auth_plugins.simulators, kind)()
    # Another URL for each test, and so another session: what one test fetched, no other uses.
    prefix = f"{kind}-{id(simulator)}"
    server.mount(prefix, simulator, clock=clock)
    simulators.append(simulator)
    yield simulator
    server.unmount(prefix)
    if simulator.mistakes:
        pytest.fail(f"The simulator answered 500, because its code or a handler raised:\n{simulator.mistakes[0]}")


@pytest.fixture
def fyatu(request: pytest.FixtureRequest) -> Iterator[FyatuSimulator]:
    """A simulated Fyatu at `fyatu.base_url`, for `FyatuAuth(fyatu.app_id, fyatu.secret, base_url=fyatu.base_url)`."""
    yield from _mounted(request, "FyatuSimulator")


@pytest.fixture
def vault(request: pytest.FixtureRequest) -> Iterator[VaultSimulator]:
    """A simulated Vault at `vault.base_url`; the credentials are `partner_id`, `email` and `secret`."""
    yield from _mounted(request, "VaultSimulator")


@pytest.fixture
def jwtplus(request: pytest.FixtureRequest) -> Iterator[JWTPlusSimulator]:
    """A simulated JWTPlus at `jwtplus.base_url`; the credentials are `app_id` and `secret`."""
    yield from _mounted(request, "JWTPlusSimulator")


@pytest.fixture
def marketiger(request: pytest.FixtureRequest) -> Iterator[MarketigerSimulator]:
    """A simulated Marketiger at `marketiger.base_url`; the credentials are `email` and `secret`."""
    yield from _mounted(request, "MarketigerSimulator")


@pytest.fixture
def oauth2(request: pytest.FixtureRequest) -> Iterator[OAuth2Simulator]:
    """A simulated OAuth 2.0 server with its token endpoint at `oauth2.base_url` + "/token"."""
    yield from _mounted(request, "OAuth2Simulator")


@pytest.fixture
def auth_clock() -> Iterator[FakeClock]:
    """A clock that only the test moves, for all auth objects of the process and for the simulators of this test."""
    from .system_clock import stopped_clock

    with stopped_clock() as clock:
        yield clock


@pytest.fixture
def fresh_tokens() -> Iterator[None]:
    """Forget all tokens and failures before the test and after it, of auth objects made at import, too."""
    from .forgetting import forget_tokens

    forget_tokens()
    yield
    forget_tokens()


@pytest.fixture
def assert_token_calls(_auth_simulators: list[Simulator]) -> TokenCalls:
    """Assert the number of token calls in a `with` block: 1, or login=1 and refresh=0."""
    from .counting import TokenCalls

    return TokenCalls(_auth_simulators)
