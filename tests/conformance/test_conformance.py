"""Every provider is held to the same promises; and a provider that breaks one is found out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import pytest

from auth_plugins import (
    CredentialsRejected,
    FyatuAuth,
    JWTPlusAuth,
    OAuth2ClientCredentialsAuth,
    OAuth2RefreshTokenAuth,
    TokenAuth,
    VaultAuth,
)
from auth_plugins.core import Answer, Token, TokenRequest
from auth_plugins.providers.fyatu import FyatuContract
from auth_plugins.simulators import FyatuSimulator, JWTPlusSimulator, OAuth2Simulator, VaultSimulator
from auth_plugins.testing import CLIENT_KINDS
from auth_plugins.testing.conformance import BEHAVIOURS, Behaviour, Candidate, Stage, name_of

SECRET = "the-marked-secret-of-the-app"
CLIENT = "s6BhdRkqt3"
APP_KEY = "AaBbCcDd" * 16


def fyatu(simulator: FyatuSimulator, base_url: str, **options: Any) -> TokenAuth:
    return FyatuAuth(simulator.app_id, SECRET, base_url=base_url, **options)


def wrong_fyatu(simulator: FyatuSimulator, base_url: str, **options: Any) -> TokenAuth:
    return FyatuAuth(simulator.app_id, "not-the-secret-key", base_url=base_url, **options)


def as_client(simulator: OAuth2Simulator, base_url: str, **options: Any) -> TokenAuth:
    return OAuth2ClientCredentialsAuth(f"{base_url}/token", CLIENT, SECRET, **options)


def wrong_client(simulator: OAuth2Simulator, base_url: str, **options: Any) -> TokenAuth:
    return OAuth2ClientCredentialsAuth(f"{base_url}/token", CLIENT, "not-the-secret", **options)


def as_user(simulator: OAuth2Simulator, base_url: str, **options: Any) -> TokenAuth:
    given = simulator.consent()
    return OAuth2RefreshTokenAuth(f"{base_url}/token", CLIENT, given, client_secret=SECRET, **options)


def wrong_user(simulator: OAuth2Simulator, base_url: str, **options: Any) -> TokenAuth:
    return OAuth2RefreshTokenAuth(f"{base_url}/token", CLIENT, "no-such-refresh-token", client_secret=SECRET, **options)


def rotating() -> OAuth2Simulator:
    simulator = OAuth2Simulator(client_secret=SECRET, rotate=True)
    simulator.end_family = True
    return simulator


def vault(simulator: VaultSimulator, base_url: str, **options: Any) -> TokenAuth:
    return VaultAuth(simulator.partner_id, base_url=base_url, email=simulator.email, password=SECRET, **options)


def wrong_vault(simulator: VaultSimulator, base_url: str, **options: Any) -> TokenAuth:
    return VaultAuth(simulator.partner_id, base_url=base_url, email=simulator.email, password="wrong", **options)


def reusing_ends_the_session() -> VaultSimulator:
    simulator = VaultSimulator(password=SECRET)
    simulator.reuse_detection = True
    return simulator


def end_refresh_tokens(simulator: VaultSimulator) -> None:
    simulator._refresh_tokens.clear()


def jwtplus(simulator: JWTPlusSimulator, base_url: str, app_key: str = APP_KEY, **options: Any) -> TokenAuth:
    return JWTPlusAuth(
        simulator.app_id,
        app_key,
        base_url=base_url,
        ip="192.0.2.1",
        user_agent="tests",
        subject="user@example.org",
        audience="web-app",
        **options,
    )


def wrong_jwtplus(simulator: JWTPlusSimulator, base_url: str, **options: Any) -> TokenAuth:
    return jwtplus(simulator, base_url, APP_KEY[::-1], **options)


CANDIDATES = {
    "jwtplus": Candidate(lambda: JWTPlusSimulator(app_key=APP_KEY), jwtplus, wrong_jwtplus, (APP_KEY,)),
    "vault": Candidate(reusing_ends_the_session, vault, wrong_vault, (SECRET,), end_refresh_tokens),
    "fyatu": Candidate(lambda: FyatuSimulator(secret_key=SECRET), fyatu, wrong_fyatu, (SECRET,)),
    "oauth2-client": Candidate(lambda: OAuth2Simulator(client_secret=SECRET), as_client, wrong_client, (SECRET,)),
    "oauth2-user": Candidate(
        rotating,
        as_user,
        wrong_user,
        (SECRET,),
        spoil_refresh=OAuth2Simulator.revoke_refresh_tokens,
        can_login=False,
    ),
}


@pytest.mark.parametrize("kind", CLIENT_KINDS)
@pytest.mark.parametrize("behaviour", BEHAVIOURS, ids=name_of)
@pytest.mark.parametrize("name", CANDIDATES)
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
    with pytest.raises(AssertionError, match="give a spoil_refresh"):
        next(each for each in BEHAVIOURS if name_of(each) == "survives_a_refused_refresh")(Stage(candidate, "httpx"))
