"""Many processes that start cold and share a store."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from .measure import Row
from .world import World

__all__ = ["processes"]

CHILD = """
import sys, threading
import requests
from auth_plugins import FileStore, OAuth2ClientCredentialsAuth
url, path = sys.argv[1:]
auth = OAuth2ClientCredentialsAuth(url + "/token", "a_client_id", "a_client_secret", store=FileStore(path))
good = []
def one():
    good.append(requests.get(url + "/api", auth=auth, timeout=60).status_code == 200)
threads = [threading.Thread(target=one) for _ in range(8)]
sys.stdin.readline()
for thread in threads: thread.start()
for thread in threads: thread.join()
print(good.count(True))
"""


def processes(world: World, _quick: bool) -> list[Row]:
    """Eight processes of eight threads, all at once, no token anywhere."""
    world.control(lifetime=3600, delay=0.2, reset=1)
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "tokens")
        pipe = subprocess.PIPE
        children = [
            subprocess.Popen([sys.executable, "-c", CHILD, world.home, path], stdin=pipe, stdout=pipe, text=True)
            for _ in range(8)
        ]
        time.sleep(2)  # Until all have imported what they need, and wait for the line.
        began = time.perf_counter()
        for child in children:
            assert child.stdin is not None
            child.stdin.write("\n")
            child.stdin.flush()
        good = sum(int(child.communicate()[0] or 0) for child in children)
    seconds = time.perf_counter() - began
    calls = world.control(delay=0)["calls"]
    return [{"processes": 8, "threads": 8, "token calls": calls, "failures": 64 - good, "ms": seconds * 1e3}]
