from __future__ import annotations

import json
from typing import Any

import pytest

from auth_plugins.simulators import FyatuSimulator, SimRequest, SimResponse
from auth_plugins.testing import FakeClock

APP = {"appId": "A1B2C3D4E5F6G7H8", "secretKey": "your_secret_key_here", "grantType": "client_credentials"}
BUSINESS = {"businessId": APP["appId"], "secretKey": APP["secretKey"], "grantType": APP["grantType"]}


class Caller:
    """Talks to a simulator as a careful client does, at the time its clock shows."""

    def __init__(self, simulator: FyatuSimulator) -> None:
        self.simulator = simulator
        self.clock = FakeClock()
        self.credentials: dict[str, Any] = dict(APP if simulator.generation == "v3" else BUSINESS)

    def send(self, method: str, path: str, headers: dict[str, str], body: bytes = b"") -> SimResponse:
        request = SimRequest(method, self.simulator.base_path + path, headers, body)
        return self.simulator.handle(request, self.clock())

    def login(self, **changes: Any) -> SimResponse:
        fields = {key: value for key, value in {**self.credentials, **changes}.items() if value is not None}
        body = json.dumps(fields).encode()
        return self.send("POST", "/auth/token", {"content-type": "application/json"}, body)

    def token(self, **changes: Any) -> str:
        return str(content(self.login(**changes))["data"]["accessToken"])

    def refresh(self, token: str) -> SimResponse:
        return self.send("POST", "/auth/refresh", {"authorization": f"Bearer {token}"})

    def revoke(self, token: str) -> SimResponse:
        return self.send("POST", "/auth/revoke", {"authorization": f"Bearer {token}"})

    def api(self, token: str, path: str = "/collections", method: str = "GET", body: bytes = b"") -> SimResponse:
        return self.send(method, path, {"authorization": f"Bearer {token}"}, body)


def content(answer: SimResponse) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(answer.body)
    return value


@pytest.fixture
def fyatu() -> Caller:
    return Caller(FyatuSimulator())


@pytest.fixture
def business() -> Caller:
    return Caller(FyatuSimulator(generation="v3.20"))
