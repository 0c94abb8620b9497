"""Marketiger is held to the promises of every provider: with credentials, and with a pair of tokens alone."""

from __future__ import annotations

import json
from typing import Any

import pytest

from auth_plugins import MarketigerAuth, TokenAuth
from auth_plugins.simulators import MarketigerSimulator, SimRequest
from auth_plugins.testing import CLIENT_KINDS
from auth_plugins.testing.conformance import BEHAVIOURS, Behaviour, Candidate, Stage, name_of

PASSWORD = "the marked pässwörd"


def simulator() -> MarketigerSimulator:
    made = MarketigerSimulator(password=PASSWORD)
    made.reuse_detection = made.empty_401 = True
    return made


def by_password(simulator: MarketigerSimulator, base_url: str, **options: Any) -> TokenAuth:
    return MarketigerAuth(simulator.email, PASSWORD, base_url=base_url, **options)


def by_wrong_password(simulator: MarketigerSimulator, base_url: str, **options: Any) -> TokenAuth:
    return MarketigerAuth(simulator.email, "not the password", base_url=base_url, **options)


def by_tokens(simulator: MarketigerSimulator, base_url: str, **options: Any) -> TokenAuth:
    """Begin with a pair whose access token does not tell its end, as the kit expects a first token call."""
    simulator.opaque_tokens = True
    body = json.dumps({"email": simulator.email, "password": PASSWORD}).encode()
    request = SimRequest("POST", "/v2/Auth/Login", {"content-type": "application/json"}, body)
    data = json.loads(simulator.handle(request, options["clock"]()).body)["data"]
    simulator.ledger.clear()
    simulator.opaque_tokens = False
    pair = {"access_token": data["accessToken"], "refresh_token": data["refreshToken"]}
    return MarketigerAuth(base_url=base_url, **pair, **options)


def by_wrong_tokens(simulator: MarketigerSimulator, base_url: str, **options: Any) -> TokenAuth:
    return MarketigerAuth(base_url=base_url, access_token="no-such", refresh_token="no-such", **options)


CANDIDATES = {
    "password": Candidate(
        simulator, by_password, by_wrong_password, (PASSWORD,), spoil_refresh=MarketigerSimulator.revoke_refresh_tokens
    ),
    "tokens": Candidate(
        simulator,
        by_tokens,
        by_wrong_tokens,
        (PASSWORD,),
        spoil_refresh=MarketigerSimulator.revoke_refresh_tokens,
        can_login=False,
    ),
}


@pytest.mark.parametrize("kind", CLIENT_KINDS)
@pytest.mark.parametrize("behaviour", BEHAVIOURS, ids=name_of)
@pytest.mark.parametrize("name", CANDIDATES)
def test_keeps_the_promises_of_every_provider(name: str, behaviour: Behaviour, kind: str) -> None:
    behaviour(Stage(CANDIDATES[name], kind))
