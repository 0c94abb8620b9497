"""What a set of credentials costs to keep: counted in bytes, which no busy machine can change."""

from __future__ import annotations

import gc
import io
import json
import secrets
import tracemalloc
from typing import Any

import requests

from auth_plugins import MemoryStore, OAuth2ClientCredentialsAuth

ALLOWED = 2_200
"""For a credential set whose object is kept, with what dictionaries of this size have in reserve: those of the process
have served other tests before.

Why it is no less: docs/explanation/adr/0010-two-kilobytes-and-an-import.md.
"""


class Endpoint(requests.adapters.BaseAdapter):
    """A token endpoint that keeps nothing itself."""

    def send(self, request: Any, *_: Any, **__: Any) -> requests.Response:
        response = requests.Response()
        response.status_code, response.request, response.url = 200, request, request.url
        answer = {"access_token": secrets.token_hex(20), "token_type": "Bearer", "expires_in": 86_400}
        response.raw = io.BytesIO(json.dumps(answer).encode())
        return response

    def close(self) -> None:
        pass


def test_a_credential_set_takes_no_more_memory_than_is_allowed() -> None:
    client = requests.Session()
    client.mount("https://", Endpoint())
    store, kept = MemoryStore(maxsize=10_000), []

    def keep(number: int) -> None:
        auth = OAuth2ClientCredentialsAuth(
            "https://api.example/token", f"client-{number}", f"secret-{number}", store=store, token_client=client
        )
        auth.token()
        kept.append(auth)

    keep(-1)  # What is imported, or made once for all.
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for number in range(1_300):
            keep(number)
        gc.collect()
        taken = (tracemalloc.get_traced_memory()[0] - before) / len(kept)
    finally:
        tracemalloc.stop()
    assert 1_000 < taken <= ALLOWED
