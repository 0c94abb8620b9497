"""Every provider is held to the same promises; and a provider that breaks one is found out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import pytest

from auth_plugins import CredentialsRejected, TokenAuth
from auth_plugins.core import Answer, Token, TokenRequest
from auth_plugins.providers.fyatu import FyatuContract
from auth_plugins.simulators import Endpoint, FyatuSimulator, SimRequest, SimResponse
from auth_plugins.testing.conformance import BEHAVIOURS, Behaviour, Candidate, Stage, name_of
from tests.conformance.candidates import (
    CANDIDATES,
    ROWS,
    SECRET,
    reusing_ends_the_session,
    vault,
    wrong_fyatu,
    wrong_vault,
)
from tests.conformance.odd_providers import ZephyrSimulator


@pytest.mark.parametrize("behaviour", BEHAVIOURS, ids=name_of)
@pytest.mark.parametrize(("name", "kind"), ROWS)
def test_a_provider_keeps_its_promises(name: str, behaviour: Behaviour, kind: str) -> None:
    behaviour(Stage(CANDIDATES[name], kind))


@dataclass(frozen=True, slots=True)
class ShowsItsSecret(FyatuContract):
    secret_key: str = ""


@dataclass(frozen=True, slots=True)
class ForgetsTheEnd(FyatuContract):
    def read(self, answer: Answer, now: float) -> Token:
        return replace(FyatuContract.read(self, answer, now), expires_at=now + 1e9)


@dataclass(frozen=True, slots=True)
class EndsTooSoon(FyatuContract):
    def read(self, answer: Answer, now: float) -> Token:
        return replace(FyatuContract.read(self, answer, now), expires_at=now, refreshable_until=now)


@dataclass(frozen=True, slots=True)
class AttachesNothing(FyatuContract):
    def headers(self, token: Token) -> Mapping[str, str]:
        return {}


@dataclass(frozen=True, slots=True)
class QuotesTheRequest(FyatuContract):
    def read(self, answer: Answer, now: float) -> Token:
        if answer.status >= 400:
            raise CredentialsRejected(f"Refused: {answer.request.body.decode()}")
        return FyatuContract.read(self, answer, now)


@dataclass(frozen=True, slots=True)
class NamesNoSecrets(FyatuContract):
    def login(self) -> TokenRequest:
        return replace(FyatuContract.login(self), secrets=())

    def refresh(self, token: Token, now: float) -> TokenRequest:
        return replace(FyatuContract.refresh(self, token, now), secrets=())


@dataclass(frozen=True, slots=True)
class CallsAnotherHost(FyatuContract):
    def login(self) -> TokenRequest:
        return replace(FyatuContract.login(self), url="https://production.example/api/v3/auth/token")


BROKEN: list[tuple[type[FyatuContract], Behaviour]] = [
    (ShowsItsSecret, BEHAVIOURS[-1]),
    (QuotesTheRequest, BEHAVIOURS[-1]),
    (NamesNoSecrets, BEHAVIOURS[-1]),
    (CallsAnotherHost, BEHAVIOURS[0]),
    (ForgetsTheEnd, BEHAVIOURS[1]),
    (EndsTooSoon, BEHAVIOURS[0]),
    (AttachesNothing, BEHAVIOURS[0]),
    (AttachesNothing, BEHAVIOURS[3]),
]


@pytest.mark.parametrize(("broken", "behaviour"), BROKEN, ids=lambda each: each.__name__)
def test_a_broken_provider_is_found_out(broken: type[FyatuContract], behaviour: Behaviour) -> None:
    def make(simulator: FyatuSimulator, base_url: str, **options: Any) -> TokenAuth:
        return TokenAuth(broken(simulator.app_id, SECRET, base_url), **options)

    candidate = Candidate(lambda: FyatuSimulator(secret_key=SECRET), make, wrong_fyatu, (SECRET,))
    with pytest.raises(AssertionError):
        behaviour(Stage(candidate, "httpx"))


def test_a_refresh_that_should_be_refused_and_is_not_is_found_out() -> None:
    candidate = Candidate(reusing_ends_the_session, vault, wrong_vault, (SECRET,))
    with pytest.raises(AssertionError, match="pass spoil_refresh"):
        next(each for each in BEHAVIOURS if name_of(each) == "survives_a_refused_refresh")(Stage(candidate, "httpx"))


def test_an_absolute_end_is_not_moved_by_renewals() -> None:
    stage = Stage(CANDIDATES["harbor"], "requests")
    end = stage.ripe().refreshable_until
    for _ in range(3):
        stage.go_to(stage.auth.token().expires_at)
        assert stage.auth.token().refreshable_until == end


def test_a_mistake_in_a_simulator_is_shown_with_its_traceback() -> None:
    class Wrong(ZephyrSimulator):
        def answer_token_call(self, endpoint: Endpoint, request: SimRequest) -> SimResponse:
            raise KeyError("what its author forgot")

    candidate = replace(CANDIDATES["zephyr"], simulator=Wrong)
    with pytest.raises(Exception) as caught:  # noqa: PT011 - of whatever kind it is
        BEHAVIOURS[0](Stage(candidate, "httpx"))
    assert "what its author forgot" in "".join(caught.value.__notes__)
