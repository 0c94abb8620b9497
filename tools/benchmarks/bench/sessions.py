"""More users than a cache has room for, with objects made for one request: what is lost, and what a user takes."""

from __future__ import annotations

import gc
import io
import itertools
import json
import tracemalloc
from collections import Counter
from typing import Any
from unittest import mock
from urllib.parse import parse_qs

import requests

from auth_plugins import AuthError, MemoryStore, OAuth2RefreshTokenAuth
from auth_plugins.testing import FakeClock

from .measure import Row
from .world import World

__all__ = ["refused", "rotating", "sessions"]

_URL = "https://auth.example.com/token"
_CLOCK = FakeClock()
"""It stands still: no pause ends while others are measured."""


class _Endpoint(requests.adapters.BaseAdapter):
    """A token endpoint without a network. It replaces each refresh token, takes it once, and refuses made-up ones."""

    def __init__(self) -> None:
        super().__init__()
        self.calls, self._used, self._numbers = Counter[str](), set[str](), itertools.count()

    def send(self, request: Any, *_: Any, **__: Any) -> Any:
        """Replace a refresh token, or refuse it."""
        body = request.body if isinstance(request.body, str) else request.body.decode()
        refresh_token = parse_qs(body)["refresh_token"][0]
        self.calls[refresh_token] += 1
        good = refresh_token.startswith("good") and refresh_token not in self._used
        self._used.add(refresh_token)
        number = f"{next(self._numbers):032}"
        tokens = {"access_token": f"at-{number}", "refresh_token": f"good-{number}", "token_type": "Bearer"}
        answer = {**tokens, "expires_in": 3600} if good else {"error": "invalid_grant"}
        response = requests.Response()
        response.status_code, response.request, response.url = 200 if good else 400, request, request.url
        response.raw = io.BytesIO(json.dumps(answer).encode())
        response.headers["content-type"] = "application/json"
        return response

    def close(self) -> None:
        """Do nothing."""


def _lost(firsts: list[str], store: MemoryStore, endpoint: _Endpoint) -> int:
    lost = 0
    with mock.patch.object(requests.Session, "get_adapter", return_value=endpoint):
        for first in firsts:
            try:
                OAuth2RefreshTokenAuth(_URL, "client", first, store=store, clock=_CLOCK).token()
            except AuthError:
                lost += 1
    return lost


def _measured(firsts: list[str], rounds: int) -> tuple[int, float, _Endpoint]:
    _lost(["warm-up"], MemoryStore(clock=_CLOCK), _Endpoint())  # What is imported, or made once for all.
    store, endpoint = MemoryStore(clock=_CLOCK), _Endpoint()
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        lost = _lost(firsts, store, endpoint)
        seen, used, endpoint.calls, endpoint._used = endpoint.calls, endpoint._used, Counter(), set()
        kept = len(seen), len(used)
        del seen, used
        gc.collect()
        each = (tracemalloc.get_traced_memory()[0] - before) / len(firsts)
    finally:
        tracemalloc.stop()
    assert kept[0] == len(firsts)
    endpoint._used.update(firsts)
    endpoint.calls.update(firsts)
    for _ in range(rounds - 1):
        lost += _lost(firsts, store, endpoint)
    return lost, each, endpoint


def rotating(count: int) -> tuple[int, float]:
    """Let so many users make two requests each; return the sessions lost, and the bytes that a user takes."""
    lost, each, _ = _measured([f"good-first-{number:024}" for number in range(count)], 2)
    return lost, each


def refused(count: int) -> tuple[int, float]:
    """Let so many refused ones make two requests each; return the most calls for one, and the bytes that each takes."""
    _, each, endpoint = _measured([f"made-up-{number:024}" for number in range(count)], 2)
    return max(endpoint.calls.values()), each


def sessions(_world: World, quick: bool) -> list[Row]:
    """Sessions lost, and bytes in the default store for each user; two requests each, and an object for each request.

    The server replaces each refresh token. Those whose refresh token is refused are remembered while their pause lasts,
    and for as long again.
    """
    count = 1_500 if quick else 20_000
    lost, kept = rotating(count)
    most, remembered = refused(count // 4)
    return [
        {"what": "users whose refresh tokens are replaced", "how many": count, "sessions lost": lost, "bytes": kept},
        {"what": "refused refresh tokens", "how many": count // 4, "calls for each": most, "bytes": remembered},
    ]
