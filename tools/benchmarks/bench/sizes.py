"""What it costs to have the package: its import, and the memory and time of many credential sets."""

from __future__ import annotations

import gc
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import requests

from auth_plugins import MemoryStore, OAuth2ClientCredentialsAuth

from .candidates import Constant
from .measure import Row, percentile
from .world import World

__all__ = ["imports", "kept", "scale"]

BASES = {
    "import requests, httpx": "import requests, httpx",
    "import requests, httpx, httpx2": "import requests, httpx, httpx2",
    "... and import auth_plugins": "import requests, httpx, httpx2\nimport auth_plugins",
    "... and from auth_plugins import FyatuAuth": "import requests, httpx, httpx2\nfrom auth_plugins import FyatuAuth",
    "... and from authlib.integrations.requests_client import OAuth2Session": (
        "import requests, httpx, httpx2\nfrom authlib.integrations.requests_client import OAuth2Session"
    ),
    "... and import httpx_auth": "import requests, httpx, httpx2\nimport httpx_auth",
    "... and import requests_oauth2client": "import requests, httpx, httpx2\nimport requests_oauth2client",
}
MEMORY = "\nprint(next(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')))"


def _import_ms(code: str) -> float:
    # Not by -X importtime: it leaves out what importlib imports, and so every lazy module.
    clocked = f"import time\nbegan = time.perf_counter()\n{code}\nprint((time.perf_counter() - began) * 1e3)"
    done = subprocess.run([sys.executable, "-c", clocked], capture_output=True, text=True, check=True)
    return float(done.stdout)


def imports(_world: World, quick: bool) -> list[Row]:
    """Milliseconds (byte code cached; the least of all turns), and the most memory it ever took."""
    there = {}
    for name, code in BASES.items():
        if subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0:
            there[name] = code
    found: dict[str, list[float]] = {name: [] for name in there}
    for _ in range(2 if quick else 15):
        for name, code in there.items():
            found[name].append(_import_ms(code))
    # The least of all turns: other work on the machine only ever adds.
    base = min(found["import requests, httpx, httpx2"])
    rows = []
    for name, values in found.items():
        memory = None
        if Path("/proc/self/status").exists():
            run = [sys.executable, "-c", there[name] + MEMORY]
            memory = int(subprocess.run(run, capture_output=True, text=True, check=True).stdout) / 1024
        least = min(values)
        over = least - base if name.startswith("...") else None
        rows.append({"what": name, "ms": least, "ms over both": over, "memory, MB": memory})
    return rows


class _Endpoint(requests.adapters.BaseAdapter):
    """A token endpoint without a network: it is the sets that are measured."""

    def send(self, request: Any, *_: Any, **__: Any) -> Any:
        """Issue a token."""
        import io
        import json
        import secrets

        answer = {"access_token": secrets.token_hex(20), "token_type": "Bearer", "expires_in": 86_400}
        response = requests.Response()
        response.status_code, response.request, response.url = 200, request, request.url
        response.raw = io.BytesIO(json.dumps(answer).encode())
        response.headers["content-type"] = "application/json"
        return response

    def close(self) -> None:
        """Do nothing."""


_ENDPOINT = _Endpoint()
_Pair = tuple[str, str]


def _endpoint(*_: Any, **__: Any) -> _Endpoint:
    return _ENDPOINT


def _pairs(count: int) -> list[_Pair]:
    return [(f"client-{number}", f"secret-{number}") for number in range(count)]


def _made(pairs: list[_Pair], store: MemoryStore) -> Iterator[Any]:
    with mock.patch.object(requests.Session, "get_adapter", _endpoint):
        for pair in pairs:
            auth = OAuth2ClientCredentialsAuth("https://auth.example.com/token", *pair, store=store)
            auth.token()
            yield auth


def kept(count: int) -> tuple[list[Any], float]:
    """Make so many sets, and give their objects with the bytes that each takes beside the caller's id and secret."""
    list(_made(_pairs(1), MemoryStore()))  # What is imported, or made once for all.
    pairs, auths = _pairs(count), [None] * count
    gc.collect()
    tracemalloc.start()
    try:
        store = MemoryStore(maxsize=200_000)
        before = tracemalloc.get_traced_memory()[0]
        for number, auth in enumerate(_made(pairs, store)):
            auths[number] = auth
        gc.collect()
        return auths, (tracemalloc.get_traced_memory()[0] - before) / count
    finally:
        tracemalloc.stop()


def _ns_per_call(auths: list[Any]) -> float:
    one = requests.Request("GET", "https://auth.example.com/x").prepare()
    taken = []
    for start in range(0, 100_000, 1_000):
        calls = [(auths[((start + turn) * 7919) % len(auths)], one.copy()) for turn in range(1_000)]
        for _, request in calls:
            request.hooks = {"response": []}
        began = time.perf_counter_ns()
        for auth, request in calls:
            auth(request)
        taken.append((time.perf_counter_ns() - began) / len(calls))
    return percentile(taken, 0.25)


def scale(_world: World, quick: bool) -> list[Row]:
    """Nanoseconds for a call (lower quartile), by as many constant headers, too, and bytes for a set.

    A set's bytes are those of objects kept, and of objects made for one request. The constant header shows what the
    processor's cache has to do with it.
    """
    rows: list[Row] = []
    for count in (1, 100) if quick else (1, 100, 10_000, 100_000):
        if count <= 10_000:
            auths, each = kept(count)
        else:  # Tracing makes all slower; what a set takes does not depend on how many there are.
            store = MemoryStore(maxsize=200_000)
            auths, each = list(_made(_pairs(count), store)), None
        taken, floor = _ns_per_call(auths), _ns_per_call([Constant(f"Bearer {number}") for number in range(count)])
        del auths
        rows.append(
            {
                "sets": count,
                "ns for a call": taken,
                "ns for a constant header": floor,
                "ratio": taken / floor,
                "bytes for a set, object kept": each,
            }
        )
    rows += _dropped(200 if quick else 20_000)
    return rows


def _dropped(count: int) -> list[Row]:
    pairs = _pairs(count)
    tracemalloc.start()
    store = MemoryStore()
    before = tracemalloc.get_traced_memory()[0]
    for _ in _made(pairs, store):
        pass
    gc.collect()
    left = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    return [{"sets": count, "bytes left of all, objects dropped": left, "bytes left for a set": left / count}]
