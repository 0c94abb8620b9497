"""Every Python example in README.md and in these pages runs, in the order of its page, without the Internet.

What an example sends to an API is answered by a simulator in the place of the network, so that the pages can show
what one really writes. 127.0.0.1 is there; nothing else is. An example may use what a reader has: `app_id`,
`secret_key`, `business_id`, and the variables for them.
"""

from __future__ import annotations

import os
import secrets
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from unittest.mock import patch
from urllib.parse import urlsplit

import httpx
import httpx2
import pytest
import requests
from requests.adapters import HTTPAdapter
from sybil import Sybil
from sybil.parsers.myst import PythonCodeBlockParser

from auth_plugins.simulators import FyatuSimulator, Simulator
from auth_plugins.testing import RequestsAdapter, mock_transport

DOCS = Path(__file__).parent
# niquests has an environment of its own: it replaces urllib3 for every package.
LEFT_OUT = set() if find_spec("niquests") else {DOCS / "how-to" / "niquests.md"}
PAGES = [DOCS.parent / "README.md", *sorted(set(DOCS.rglob("*.md")) - LEFT_OUT)]
SYBIL = Sybil(parsers=[PythonCodeBlockParser()], filenames=["*.md"])


class Internet:
    """Two simulated APIs at their real addresses; whoever wants to go anywhere else is told that there is nothing."""

    def __init__(self) -> None:
        # The secret is new for each page: pages share a process, and so its cache, but not their tokens.
        self.secret_key = secrets.token_urlsafe(24)
        self.fyatu = FyatuSimulator(secret_key=self.secret_key)
        self.business = FyatuSimulator("BUS_A1B2C3D4E5", self.secret_key, generation="v3.20")

    def at(self, url: str) -> Simulator | None:
        """Give the simulator behind a URL; `None` for this machine."""
        parts = urlsplit(url)
        if parts.hostname == "127.0.0.1":
            return None
        if parts.hostname != "api.fyatu.com":
            raise ConnectionError(f"there is no Internet here, and so no {parts.hostname}")
        return self.business if parts.path.startswith("/api/v3.20/") else self.fyatu

    def connect(self, patch: pytest.MonkeyPatch) -> None:
        """Put itself behind the transports of all three libraries."""
        patch.setattr(HTTPAdapter, "send", self._for_requests(HTTPAdapter.send))
        for library in (httpx, httpx2):
            for kind, name in (("HTTPTransport", "handle_request"), ("AsyncHTTPTransport", "handle_async_request")):
                transport = getattr(library, kind)
                patch.setattr(transport, name, self._for_httpx(library, name, getattr(transport, name)))

    def _for_requests(self, send: Any) -> Any:
        def instead(adapter: HTTPAdapter, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> Any:
            simulator = self.at(request.url or "")
            if simulator is None:
                return send(adapter, request, *args, **kwargs)
            return RequestsAdapter(simulator, time.time).send(request)

        return instead

    def _for_httpx(self, library: Any, name: str, send: Any) -> Any:
        def instead(transport: Any, request: Any) -> Any:
            simulator = self.at(str(request.url))
            if simulator is None:
                return send(transport, request)
            return getattr(mock_transport(simulator, time.time, library), name)(request)

        return instead


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(DOCS.parent).as_posix())
def test_the_examples_of_a_page_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    internet = Internet()
    internet.connect(monkeypatch)
    monkeypatch.chdir(tmp_path)
    for name, value in (
        ("FYATU_APP_ID", internet.fyatu.app_id),
        ("FYATU_BUSINESS_ID", internet.business.app_id),
        ("FYATU_SECRET_KEY", internet.secret_key),
    ):
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("USERPROFILE" if os.name == "nt" else "HOME", str(tmp_path))
    document = SYBIL.parse(page)
    document.namespace.update(
        app_id=internet.fyatu.app_id,
        secret_key=internet.secret_key,
        business_id=internet.business.app_id,
        internet=internet,
        test_page=page,
        __name__="example",
    )
    with patch.dict(os.environ):  # An example may set variables.
        for example in document.examples():
            example.evaluate()
