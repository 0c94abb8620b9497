"""Prepared requests that are signed for two accounts in turn carry the token of the last signer, at home alone.

`LIVES=20000 pytest tests/security/test_lives_of_requests.py` tries many more.
"""

from __future__ import annotations

import io
import itertools
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from requests.adapters import BaseAdapter
from requests.auth import HTTPBasicAuth
from tests.engine.test_source import URL, Room

from auth_plugins import Token
from auth_plugins.providers.fyatu import FyatuContract
from auth_plugins.simulators import SimRequest, SimResponse
from tests.conftest import SECRET_KEY

LIVES = int(os.environ.get("LIVES", "100"))
HOME, STRANGER = "https://api.example/", "https://stranger.example/"
Owners = dict[str, str]
"""Who signed a request, by the header that the token is in."""


@dataclass(frozen=True, slots=True)
class InXToken(FyatuContract):
    def headers(self, token: Token) -> Mapping[str, str]:
        return {"X-Token": token.access_token}


class Provider:
    """Gives out tokens that name their account."""

    def __init__(self, name: str) -> None:
        self.name, self.tokens = name, itertools.count()

    def handle(self, request: SimRequest, now: float) -> SimResponse:
        data = {"accessToken": f"token-of-{self.name}-{next(self.tokens)}", "tokenType": "Bearer", "expiresIn": 86_400}
        return SimResponse(
            200, {"content-type": "application/json"}, json.dumps({"success": True, "data": data}).encode()
        )


class World(BaseAdapter):
    """Every host there is. What each request may carry is checked when it arrives."""

    def __init__(self) -> None:
        super().__init__()
        self.allowed: Owners = {}
        self.script: list[tuple[int, str | None]] = []
        self.replays = 0

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        carried = {name.lower(): str(value) for name, value in request.headers.items() if "token-of-" in str(value)}
        if not str(request.url).startswith(HOME):
            assert not carried, f"{carried} at {request.url}"
        for name, value in carried.items():
            assert f"token-of-{self.allowed.get(name)}-" in value, f"{name}: {value}, signed by {self.allowed}"
        status, location = self.script.pop(0) if self.script else (200, None)
        response = requests.Response()
        response.status_code, response.request, response.url = status, request, str(request.url)
        response.raw, response.connection = io.BytesIO(b"{}"), self  # type: ignore[assignment]
        if location is not None:
            response.headers["Location"] = location
        return response

    def close(self) -> None:
        """Keep nothing open."""


class Life:
    """Prepared requests, two accounts, and a model of who signed what."""

    def __init__(self, headers: tuple[str, str]) -> None:
        self.accounts: dict[str, tuple[str, Room]] = {}
        for name, header in zip("AB", headers, strict=True):
            kind = FyatuContract if header == "authorization" else InXToken
            app_id = name * 16
            self.accounts[name] = (header, Room(kind(app_id, SECRET_KEY, URL), fyatu=Provider(name)))
        self.world = World()
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.mount("https://", self.world)
        self.made: list[tuple[requests.PreparedRequest, Owners]] = [(self._prepared(), {})]

    @staticmethod
    def _prepared() -> requests.PreparedRequest:
        return requests.Request("POST", f"{URL}/x", data=b"body").prepare()

    def step(self, what: str, which: int, account: str, script: list[tuple[int, str | None]]) -> None:
        request, owners = self.made[which % len(self.made)]
        if what == "sign":
            self._sign(request, owners, account)
        elif what == "revoke":
            self.accounts[account][1].auth.invalidate()
        elif what.startswith("send"):
            self._send(request, owners, script, follow=what == "send")
        else:
            getattr(self, f"_{what}")(request, owners)
        assert all(len(each.hooks["response"]) <= 2 for each, _ in self.made)

    def _prepare(self, _request: requests.PreparedRequest, _owners: Owners) -> None:
        self.made.append((self._prepared(), {}))

    def _prepare_anew(self, request: requests.PreparedRequest, owners: Owners) -> None:
        made = requests.Request("GET", f"{URL}/y", headers=request.headers).prepare()
        self.made.append((made, dict(owners)))

    def _copy(self, request: requests.PreparedRequest, owners: Owners) -> None:
        self.made.append((request.copy(), dict(owners)))

    def _sign_for_a_stranger(self, request: requests.PreparedRequest, owners: Owners) -> None:
        made = request.copy()
        made.url = f"{STRANGER}x"
        for each in self.accounts:
            self._sign(made, {}, each)
        self._send(made, {}, [], follow=True)

    def _strip(self, request: requests.PreparedRequest, owners: Owners) -> None:
        for name in ("Authorization", "X-Token"):
            request.headers.pop(name, None)
        owners.clear()

    def _basic(self, request: requests.PreparedRequest, owners: Owners) -> None:
        HTTPBasicAuth("me", "secret")(request)
        owners.pop("authorization", None)

    def _sign(self, request: requests.PreparedRequest, owners: Owners, account: str) -> None:
        header, room = self.accounts[account]
        assert room.auth(request) is request
        owners[header] = account

    def _send(
        self, request: requests.PreparedRequest, owners: Owners, script: list[tuple[int, str | None]], *, follow: bool
    ) -> None:
        self.world.allowed, self.world.script = owners, list(script)
        before = (dict(request.headers), request.url, request.hooks, list(request.hooks["response"]))
        try:
            response = self.session.send(request, allow_redirects=follow)
            if not follow and response.next is not None:
                self.session.send(response.next)
        except requests.TooManyRedirects:
            pass
        after = (dict(request.headers), request.url, request.hooks, list(request.hooks["response"]))
        assert after == before, "to send a request does not change it"


ANSWERS = st.one_of(
    st.tuples(st.sampled_from([200, 204, 304, 401, 401, 500]), st.none()),
    st.tuples(
        st.sampled_from([300, 302, 303, 304, 307, 401]),
        st.sampled_from([f"{URL}/x", "/api/v3/y", f"{STRANGER}a", "//stranger.example/b", "http://api.example/x"]),
    ),
)
STEPS = "prepare prepare_anew copy sign sign sign strip basic revoke sign_for_a_stranger send send send send_unfollowed"
STEP = st.tuples(
    st.sampled_from(STEPS.split()), st.integers(0, 3), st.sampled_from("AB"), st.lists(ANSWERS, max_size=5)
)
HEADERS = st.sampled_from(
    [
        ("authorization", "authorization"),
        ("authorization", "x-token"),
        ("x-token", "x-token"),
        ("x-token", "authorization"),
    ]
)


@pytest.mark.timeout(60 + LIVES)
@pytest.mark.slow
@settings(max_examples=LIVES, deadline=None, suppress_health_check=list(HealthCheck))
@given(HEADERS, st.lists(STEP, min_size=3, max_size=14))
def test_in_all_lives_of_prepared_requests_no_token_is_anothers_or_leaves_its_origin(
    headers: tuple[str, str], steps: list[tuple[str, int, str, list[tuple[int, str | None]]]]
) -> None:
    life = Life(headers)
    life.session.mount("http://", life.world)
    for step in steps:
        life.step(*step)
