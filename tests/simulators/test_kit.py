from __future__ import annotations

import subprocess
import sys
import time
from typing import Any

import httpx
import pytest

import auth_plugins.simulators
import auth_plugins.testing
from auth_plugins import CredentialsRejected, Event, FyatuAuth, MemoryStore
from auth_plugins.simulators import FyatuSimulator
from auth_plugins.testing import CLIENT_KINDS, FakeClock, mock_transport, open_client, settle


class TestFakeClock:
    def test_time_passes_on_both_clocks_or_not_at_all(self) -> None:
        clock = FakeClock(100.0)
        assert (clock(), clock()) == (100.0, 100.0)
        clock.advance(5)
        clock.sleep(2.5)
        assert (clock(), clock.monotonic()) == (107.5, 7.5)

    def test_a_jump_is_seen_on_the_wall_only(self) -> None:
        clock = FakeClock(100.0)
        clock.jump(-50)
        assert (clock(), clock.monotonic()) == (50.0, 0.0)

    def test_time_does_not_pass_backwards(self) -> None:
        with pytest.raises(ValueError, match="backwards"):
            FakeClock().sleep(-1)


def test_every_public_name_is_there() -> None:
    for module in (auth_plugins.testing, auth_plugins.simulators):
        assert all(getattr(module, name) is not None for name in module.__all__)
        assert set(module.__all__) <= set(dir(module))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        getattr(auth_plugins.testing, "nothing")  # noqa: B009


@pytest.mark.parametrize(
    ("imported", "unwanted"),
    [
        ("auth_plugins.testing", {"responses", "uvicorn", "joserfc"}),
        ("auth_plugins.testing.transports", {"responses", "uvicorn"}),
        ("auth_plugins.simulators", {"responses", "uvicorn", "joserfc"}),
    ],
)
def test_nothing_heavy_is_imported_before_it_is_used(imported: str, unwanted: set[str]) -> None:
    code = f"import sys, {imported}; print(sorted({unwanted} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


@pytest.mark.parametrize("kind", CLIENT_KINDS)
def test_many_raise_what_their_library_raises_and_the_others_go_on(kind: str) -> None:
    clock, fyatu = FakeClock(), FyatuSimulator()
    lent = httpx.Client(transport=mock_transport(fyatu, clock))
    auth = FyatuAuth(fyatu.app_id, "not_the_secret_key", token_client=lent, clock=clock, store=MemoryStore(clock=clock))
    with open_client(kind, auth, simulator=fyatu, clock=clock) as client, pytest.raises(CredentialsRejected):
        client.send_many(3, "GET", "https://api.fyatu.com/api/v3/x")


class TestSettle:
    @staticmethod
    def _room(**options: Any) -> tuple[FyatuSimulator, FakeClock, FyatuAuth]:
        clock, fyatu = FakeClock(), FyatuSimulator()
        lent = httpx.Client(transport=mock_transport(fyatu, clock, sleep=time.sleep))
        given = {"token_client": lent, "clock": clock, "store": MemoryStore(clock=clock), **options}
        return fyatu, clock, FyatuAuth(fyatu.app_id, "your_secret_key_here", **given)

    def test_waits_until_a_failure_was_told(self) -> None:
        told: list[str] = []

        def slowly(event: Event) -> None:
            time.sleep(0.05)
            told.append(event.kind.value)

        fyatu, clock, auth = self._room(on_event=slowly)
        auth.token()
        clock.advance(86_400 - 100)
        fyatu.outage = "unavailable"
        auth.token()
        settle(auth)
        assert told == ["logged_in", "renewal_failed"]

    def test_says_so_if_it_waits_in_vain(self) -> None:
        fyatu, clock, auth = self._room()
        auth.token()
        clock.advance(86_400 - 100)
        fyatu.latency = 0.2
        auth.token()
        with pytest.raises(TimeoutError, match=r"did not end within 0\.01 seconds"):
            settle(auth, 0.01)
        settle(auth)
