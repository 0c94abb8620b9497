"""How soon a program ends while a renewal is under way, and that no session is lost by it that can be kept."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from auth_plugins import FileStore, OAuth2RefreshTokenAuth
from auth_plugins.simulators import OAuth2Simulator
from auth_plugins.testing import serve

PROMPT = 1.0
"""Seconds in which a program has ended."""
SLACK = 4.0
"""Seconds that a busy machine may need more. A token call that hangs takes 20."""

PROGRAM = """
import atexit, signal, sys, threading, time, requests
from auth_plugins import FileStore, OAuth2ClientCredentialsAuth, OAuth2RefreshTokenAuth, RefreshPolicy
from auth_plugins.engine import exit_guard
how, url, first, path = sys.argv[1:]
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
policy = RefreshPolicy(exit_timeout=2.0)
if how == "rotating":
    auth = OAuth2RefreshTokenAuth(url, "cid", first, client_secret="sec", store=FileStore(path), policy=policy)
else:
    store = FileStore(path) if how == "locked" else None
    auth = OAuth2ClientCredentialsAuth(url, "cid", "sec", store=store)
threading.Thread(target=auth.token, daemon=True).start()
while (flight := auth._source.shared.flight) is None or not flight.is_claimed: time.sleep(0.001)
while how == "rotating" and not exit_guard._guard.held: time.sleep(0.001)
time.sleep(0.3)
print("ready", flush=True)
if how != "done": time.sleep(60)
"""


def ends_after(how: str, url: str, first: str, path: Path, by: signal.Signals | None) -> float:
    """Start the program, send it a signal once it is ready, and return the seconds until it has ended."""
    command = [sys.executable, "-W", "error", "-c", PROGRAM, how, url, first, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == "ready\n"
        began = time.monotonic()
        if by is not None:
            program.send_signal(by)
        program.wait(30)
        return time.monotonic() - began


@pytest.fixture
def hanging() -> Iterator[str]:
    """The URL of a token endpoint that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}/oauth2/token"


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM, None], ids=["Ctrl-C", "SIGTERM", "end of main"])
def test_a_login_at_an_endpoint_that_hangs_does_not_delay_the_exit(
    hanging: str, tmp_path: Path, by: signal.Signals | None
) -> None:
    assert ends_after("done" if by is None else "login", hanging, "", tmp_path / "t", by) < PROMPT + SLACK


def test_a_renewal_that_waits_for_the_lock_of_another_process_does_not_delay_the_exit(
    hanging: str, tmp_path: Path
) -> None:
    peer = [sys.executable, "-c", PROGRAM, "locked", hanging, "", str(tmp_path / "t")]
    with subprocess.Popen(peer, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "ready\n"
        try:
            took = ends_after("locked", hanging, "", tmp_path / "t", signal.SIGINT)
        finally:
            holder.kill()
    assert took < PROMPT + SLACK


def test_a_rotating_token_whose_refresh_was_sent_delays_the_exit_by_exit_timeout_at_most(
    hanging: str, tmp_path: Path
) -> None:
    assert 1.5 < ends_after("rotating", hanging, "a-first-token", tmp_path / "t", signal.SIGINT) < 2.0 + SLACK


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_a_rotating_session_whose_answer_comes_within_exit_timeout_is_kept(by: signal.Signals, tmp_path: Path) -> None:
    simulator = OAuth2Simulator("cid", "sec", rotate=True)
    simulator.end_family, simulator.latency = True, 0.9
    first = simulator.consent("read")
    with serve(simulator) as server:
        url = f"{server.url}/oauth2/token"
        assert ends_after("rotating", url, first, tmp_path / "t", by) < 0.9 + SLACK
        simulator.latency = 0.0
        auth = OAuth2RefreshTokenAuth(url, "cid", first, client_secret="sec", store=FileStore(tmp_path / "t"))
        assert auth.token().access_token
        assert [call.status for call in simulator.ledger.calls("refresh")] == [200]
