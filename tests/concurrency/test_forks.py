"""A fork in C that runs none of Python's fork hooks, as uWSGI makes it: the child waits for nothing of its parent."""

from __future__ import annotations

import subprocess
import sys

import pytest

from auth_plugins.simulators import OAuth2Simulator
from auth_plugins.testing import serve

PROGRAM = """
import ctypes, os, sys, threading, time
from auth_plugins import AuthError, MemoryStore, OAuth2ClientCredentialsAuth, RefreshPolicy
how, url = sys.argv[1:]
policy = RefreshPolicy(deadline=5, tries=1, max_concurrent_calls=1)
# All modules are imported from now on: an import lock of the parent is Python's own, which only its hooks repair.
OAuth2ClientCredentialsAuth(url, "cid", "sec", store=MemoryStore()).token()
auth = OAuth2ClientCredentialsAuth(url, "cid", "sec", policy=policy, store=MemoryStore(lock_timeout=20))
if how == "a renewal":
    threading.Thread(target=auth.token, daemon=True).start()
    while (flight := auth._source.shared.flight) is None or not flight.is_claimed: time.sleep(0.001)
    time.sleep(0.2)
else:
    held = threading.Event()
    def hold():
        with auth._source.shared.lock: held.set(); time.sleep(60)
    threading.Thread(target=hold, daemon=True).start()
    assert held.wait(5)
child = ctypes.PyDLL(None).fork()  # The GIL is held over the call, as uWSGI holds it.
if child == 0:
    began = time.monotonic()
    try:
        auth.token()
        outcome = "token"
    except AuthError as error:
        outcome = str(error)
    os.write(1, f"{outcome} {time.monotonic() - began < 4}".encode())
    os._exit(0)
os.waitpid(child, 0)
os._exit(0)
"""


@pytest.mark.matrix(
    group="Processes and interpreters",
    case="A fork without Python's fork hooks (uWSGI)",
    outcome="the child waits for no renewal and no lock of its parent",
)
@pytest.mark.parametrize("held", ["a renewal", "a lock"])
def test_a_child_that_is_forked_without_hooks_waits_for_nothing_of_its_parent(held: str) -> None:
    simulator = OAuth2Simulator("cid", "sec")
    simulator.latency = 0.7
    with serve(simulator) as server:
        command = [sys.executable, "-c", PROGRAM, held, f"{server.url}/oauth2/token"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=50)
    assert done.stdout == "token True", done.stderr
