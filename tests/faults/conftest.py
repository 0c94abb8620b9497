"""What every fault is judged by."""

from __future__ import annotations

import pickle
import time
import traceback
from collections.abc import Callable

import httpx
import httpx2
import pytest
import requests

from auth_plugins import AuthError
from auth_plugins.engine.worker_pool import pool

Told = Callable[[pytest.ExceptionInfo[AuthError], str, str], None]

OWN: dict[str, tuple[type[Exception], type[Exception]]] = {
    "requests": (requests.ConnectionError, requests.RequestException),
    "httpx": (httpx.TransportError, httpx.RequestError),
    "httpx2": (httpx2.TransportError, httpx2.RequestError),
}
SECRETS = ("your_secret_key_here", "a.fresh.token-of-ours")


@pytest.fixture
def told() -> Told:
    """Check that an error is the right one, that it is also the library's own, and that no secret is in it."""

    def check(caught: pytest.ExceptionInfo[AuthError], code: str, kind: str) -> None:
        error = caught.value
        transport, request = OWN[kind.partition("-")[0]]
        assert error.code == code
        assert isinstance(error, transport if code == "token_endpoint_unavailable" else request)
        assert error.__cause__ is None
        assert error.__context__ is None or error.__suppress_context__
        frames = traceback.TracebackException.from_exception(error, capture_locals=True)
        frames.stack[:] = [frame for frame in frames.stack if "auth_plugins" in frame.filename]
        texts = [str(error), repr(error), repr(vars(error)), "".join(frames.format()), repr(pickle.dumps(error))]
        assert [secret for secret in SECRETS for each in texts if secret in each] == []

    return check


@pytest.fixture
def renewals() -> Callable[[], bool]:
    """Tell whether the threads of all renewals end, within five seconds."""

    def end() -> bool:
        latest = time.monotonic() + 5
        while pool.is_busy and time.monotonic() < latest:
            time.sleep(0.001)
        return not pool.is_busy

    return end
