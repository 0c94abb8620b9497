"""Wherever a Location leads that is made by a grammar of odd URLs, a token is seen by its own origin alone.

`TARGETS=20000 pytest tests/security/test_redirect_targets.py` tries many more. Python's own reading of URLs changed
between its versions, so what holds on one of them is not known to hold on another.
"""

from __future__ import annotations

import io
import os
import random
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx
import httpx2
import pytest
import requests
from requests.adapters import BaseAdapter
from tests.engine.test_source import URL, Room
from urllib3.util import parse_url

from auth_plugins import Token
from auth_plugins.providers.fyatu import FyatuContract
from tests.conftest import APP_ID, SECRET_KEY

TARGETS = int(os.environ.get("TARGETS", "400"))
HOME = ("https", "api.example", 443)
FAILURES = (requests.RequestException, httpx.HTTPError, httpx.InvalidURL, httpx2.HTTPError, httpx2.InvalidURL)

# fmt: off
SCHEMES = [
    "", "", "", "https:", "https:", "http:", "HTTPS:", "hTTp:", "ftp:", "file:", "javascript:", "https", ":",
    "ws:",
]
SLASHES = [
    "//", "//", "//", "/", "", "///", "////", "/////", "\\\\", "/\\", "\\/", "//\\", "/\t/", "/ /", "/./", "/..//",
    "/%2f",
]
USERS = [
    "", "", "", "me@", "me:pw@", "api.example@", "api.example:443@", "@", "a@b@", "api.example%40",
    "api.example\\@", "api.example#@", "api.example?@", "api.example;@", "[@", "api.example/@", "\xe9@",
]
HOSTS = [
    "stranger.example", "stranger.example", "api.example", "API.EXAMPLE", "api.example.",
    "api.example.stranger.example", "stranger-api.example", "127.0.0.1", "127.1", "2130706433", "0x7f.1", "[::1]",
    "[::1", "[::ffff:127.0.0.1]", "[fe80::1%25lo]", "\uff41pi.example", "api\u3002example", "api.ex\xe4mple",
    "b\xfccher.example", "xn--pi-6kc.example", "api%2eexample", "api%2Eexample", "%61pi.example",
    "api.example%00.stranger.example", "api.exam\tple", "api.example\n", "api.example ", "..", ".", "",
    "localhost", "\u0430pi.example", "stranger.example\u2044", "api.example\xdf", "\u212a.example",
    "api.example,stranger.example", "api_.example", "-api.example",
]
PORTS = [
    "", "", "", ":443", ":80", ":8443", ":", ":0443", ":00000443", ":65979", ":-1", ":port", ":\u0664\u0664\u0663",
    ":443@stranger.example", ":443:80", ":4 43",
]
PATHS = [
    "", "/", "/api/v3/x", "/..", "/../../x", "//stranger.example/x", "/\\stranger.example", "?a=1",
    "?@api.example", "#@api.example", "#f", "\\x", "/%2e%2e/x", "/\xe9", "/x y", ";@api.example/",
    "/@stranger.example", "/a//b", "/x\r\nX: y",
]
# fmt: on


def targets(seed: int) -> list[str]:
    chance = random.Random(seed)
    parts = (SCHEMES, SLASHES, USERS, HOSTS, PORTS, PATHS)
    return ["".join(map(chance.choice, parts)) for _ in range(TARGETS)]


@dataclass(frozen=True, slots=True)
class InXToken(FyatuContract):
    def headers(self, token: Token) -> Mapping[str, str]:
        return {"X-Token": token.access_token}


def readings_of(url: str) -> set[Any]:
    """Read the origin of a URL as each of the libraries does that may open a connection for requests."""
    found: set[Any] = set()
    with suppress(ValueError):
        parts = urlsplit(url)
        found.add((parts.scheme, parts.hostname, parts.port or {"https": 443, "http": 80}.get(parts.scheme)))
    with suppress(ValueError):
        read = parse_url(url)
        found.add((read.scheme, read.host, read.port or {"https": 443, "http": 80}.get(read.scheme or "")))
    return found


class Recorder(BaseAdapter):
    """The network: home redirects once to `target`, a stranger redirects back, everything else gets 200."""

    def __init__(self) -> None:
        super().__init__()
        self.target, self.went_away, self.at_home = "", 0, 0

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        response = requests.Response()
        response.request, response.url, response.status_code = request, str(request.url), 200
        response.raw, response.connection = io.BytesIO(), self  # type: ignore[assignment]
        away = readings_of(str(request.url)) != {HOME}
        carries = any("eyJ" in str(value) or "Bearer" in str(value) for value in request.headers.values())
        assert not (away and carries), f"{self.target!r} takes the token to {request.url!r}"
        if request.url == f"{URL}/go":
            response.status_code = 302
            # As http.client reads it: bytes of UTF-8, as Latin-1.
            response.headers["Location"] = self.target.encode().decode("latin-1")
        elif away:
            self.went_away += 1
            if "back" not in str(request.url):
                response.status_code, response.headers["Location"] = 307, "//api.example/api/v3/x?back"
        else:
            self.at_home += 1
            response.status_code = 401 if not carries else 200
        return response

    def close(self) -> None:
        """Keep nothing open."""


@pytest.mark.timeout(60 + TARGETS // 10)
@pytest.mark.slow
@pytest.mark.parametrize("contract", [FyatuContract, InXToken], ids=["Authorization", "a header of its own"])
def test_with_requests_no_location_takes_a_token_elsewhere(contract: Any) -> None:
    room, recorder, session = Room(contract(APP_ID, SECRET_KEY, URL)), Recorder(), requests.Session()
    session.auth, session.trust_env = room.auth, False
    session.adapters.clear()
    session.mount("", recorder)
    signed = room.auth(requests.Request("GET", f"{URL}/go").prepare())
    for recorder.target in ["////stranger.example/x", "///api.example", *targets(1)]:
        with suppress(*FAILURES, UnicodeError, ValueError):
            session.get(f"{URL}/go")
        with suppress(*FAILURES, UnicodeError, ValueError):
            session.send(signed)
    assert recorder.went_away > TARGETS / 2
    assert recorder.at_home > TARGETS / 10
    assert len(room.fyatu.ledger.calls("login")) <= 1


@pytest.mark.timeout(60 + TARGETS // 10)
@pytest.mark.slow
@pytest.mark.parametrize("library", [httpx, httpx2], ids=["httpx", "httpx2"])
def test_with_httpx_no_location_takes_a_token_elsewhere(library: Any) -> None:
    room = Room()
    now, went = [""], {True: 0, False: 0}

    def answer(request: Any) -> Any:
        url, target = request.url, now[0]
        origin = (url.scheme, url.raw_host.decode(), url.port or {"https": 443, "http": 80}.get(url.scheme))
        carries = "authorization" in request.headers
        assert origin == HOME or not carries, f"{target!r} takes the token to {url!r}"
        if str(url) == f"{URL}/go":
            return library.Response(302, headers=[(b"Location", target.encode())])
        went[origin == HOME] += 1
        if origin != HOME and "back" not in str(url):
            return library.Response(307, headers={"Location": f"{URL}/x?back"})
        return library.Response(200 if carries else 401)

    with library.Client(transport=library.MockTransport(answer), auth=room.auth, follow_redirects=True) as client:
        for now[0] in ["////stranger.example/x", "///api.example", *targets(2)]:
            with suppress(*FAILURES, UnicodeError, ValueError):
                client.get(f"{URL}/go")
    assert went[False] > TARGETS / 4
    assert went[True] > TARGETS / 10
