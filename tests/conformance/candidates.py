"""Every provider that is held to the promises of all providers: each makes its auth objects and its simulator."""

from __future__ import annotations

import json
from typing import Any

from auth_plugins import (
    FyatuAuth,
    JWTPlusAuth,
    MarketigerAuth,
    OAuth2ClientCredentialsAuth,
    OAuth2RefreshTokenAuth,
    TokenAuth,
    VaultAuth,
)
from auth_plugins.simulators import (
    FyatuSimulator,
    JWTPlusSimulator,
    MarketigerSimulator,
    OAuth2Simulator,
    SimRequest,
    VaultSimulator,
)
from auth_plugins.testing import CLIENT_KINDS
from auth_plugins.testing.conformance import Candidate
from tests.conformance.odd_providers import (
    KEY,
    HarborSimulator,
    ZephyrSimulator,
    harbor,
    wrong_harbor,
    wrong_zephyr,
    zephyr,
)

SECRET = "the-marked-secret-of-the-app"
PASSWORD = "the marked pässwörd"
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


def marketiger_with_reuse_detection() -> MarketigerSimulator:
    simulator = MarketigerSimulator(password=PASSWORD)
    simulator.reuse_detection = simulator.empty_401 = True
    return simulator


def marketiger_always_200() -> MarketigerSimulator:
    simulator = MarketigerSimulator(password=PASSWORD)
    simulator.always_200 = True
    return simulator


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


END_REFRESH = MarketigerSimulator.revoke_refresh_tokens
CANDIDATES = {
    "jwtplus": Candidate(lambda: JWTPlusSimulator(app_key=APP_KEY), jwtplus, wrong_jwtplus, (APP_KEY,)),
    "vault": Candidate(reusing_ends_the_session, vault, wrong_vault, (SECRET,), end_refresh_tokens),
    "fyatu": Candidate(lambda: FyatuSimulator(secret_key=SECRET), fyatu, wrong_fyatu, (SECRET,)),
    "oauth2-client": Candidate(lambda: OAuth2Simulator(client_secret=SECRET), as_client, wrong_client, (SECRET,)),
    "oauth2-user": Candidate(
        rotating, as_user, wrong_user, (SECRET,), OAuth2Simulator.revoke_refresh_tokens, can_login=False
    ),
    "marketiger-password": Candidate(
        marketiger_with_reuse_detection, by_password, by_wrong_password, (PASSWORD,), END_REFRESH
    ),
    "marketiger-tokens": Candidate(
        marketiger_with_reuse_detection, by_tokens, by_wrong_tokens, (PASSWORD,), END_REFRESH, can_login=False
    ),
    "marketiger-always-200": Candidate(marketiger_always_200, by_password, by_wrong_password, (PASSWORD,), END_REFRESH),
    "zephyr": Candidate(ZephyrSimulator, zephyr, wrong_zephyr, (KEY,)),
    "harbor": Candidate(HarborSimulator, harbor, wrong_harbor, (KEY,)),
}
# A header other than Authorization works with requests alone: httpx would send it wherever a redirect leads.
ROWS = [(name, kind) for name in CANDIDATES for kind in CLIENT_KINDS if kind == "requests" or name != "harbor"]
"""Each provider with each kind of client."""
