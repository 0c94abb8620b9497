"""What vcrpy records: everything, unless it is told as docs/how-to/record-cassettes.md has it."""

from __future__ import annotations

import itertools
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
import vcr

from auth_plugins import AuthError, MemoryStore, RefreshPolicy
from auth_plugins.testing import CLIENT_KINDS, FakeClock, cassette_filter, open_client

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from auth_plugins.auth import TokenAuth
    from auth_plugins.testing.server import SimulatorServer
    from tests.security.conftest import Party

matrix = pytest.mark.matrix
_numbers = itertools.count()


def as_the_page_has_it(auth: TokenAuth) -> Any:
    return vcr.VCR(**cassette_filter(auth))


def with_plain_headers(request: Any) -> Any:
    """Vcrpy 9.4 does not save header values that are of a subclass of `str`, as those are that mask themselves."""
    request.headers = {name: str(value) for name, value in request.headers.items()}
    return request


@pytest.fixture(params=CLIENT_KINDS)
def record(
    request: pytest.FixtureRequest, party: Party, server: SimulatorServer, listen: Any, tmp_path: Path
) -> Callable[[Callable[[TokenAuth], Any]], tuple[str, set[str]]]:
    """Live a life before a recorder; give what it wrote, and what must not be in it."""

    def recorded(recorder_for: Callable[[TokenAuth], Any]) -> tuple[str, set[str]]:
        clock, simulator = FakeClock(), party.simulator()
        issued = listen(simulator)
        url = server.mount(f"/cassettes/{next(_numbers)}", simulator, clock=clock)
        options = {"store": MemoryStore(clock=clock), "clock": clock, "policy": RefreshPolicy(jitter=0.0)}
        auth = party.auth(simulator, url, **options)
        tape = tmp_path / "tape.yaml"
        with recorder_for(auth).use_cassette(str(tape), record_mode="all"), open_client(request.param, auth) as client:
            for _ in range(2):
                client.send("GET", f"{url}/things")
                simulator.revoke_all()
                client.send("POST", f"{url}/things", content=b"mine")
                clock.advance(100_000)
            simulator.rotate_secret("another-secret-of-the-app")
            simulator.revoke_all()
            with suppress(AuthError):
                client.send("GET", f"{url}/things")
        # YAML folds long lines, at the blanks that a token may have.
        return " ".join(tape.read_text(encoding="utf-8").split()), {party.simulator()._secret, *issued}

    return recorded


@matrix(
    group="Where secrets must not be",
    case="Cassettes of vcrpy, recorded as the how-to has it",
    outcome="hold no token call, no credentials and no token",
)
def test_a_cassette_that_is_recorded_as_the_page_has_it_holds_no_secret(record: Any) -> None:
    tape, hidden = record(as_the_page_has_it)
    assert "/things" in tape
    assert len(hidden) >= 4
    assert [secret for secret in hidden if secret in tape] == []


@matrix(
    group="Where secrets must not be",
    case="Cassettes of vcrpy, recorded without a filter",
    outcome="not promised: vcrpy sees every connection of the process, token calls too",
)
@pytest.mark.parametrize("party", ["fyatu"], indirect=True)
def test_a_cassette_without_a_filter_does_hold_them(record: Any) -> None:
    tape, hidden = record(lambda _: vcr.VCR(before_record_request=with_plain_headers))
    assert [secret for secret in hidden if secret in tape]
