"""Each host sees what was issued for it: the token endpoint the credentials, an API its token, a stranger nothing."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from auth_plugins import AuthError, InvalidTokenResponse

if TYPE_CHECKING:
    from tests.security.conftest import Town

API = "https://api.elsewhere.example"
matrix = pytest.mark.matrix


def life(town: Town) -> None:
    """Log in, be rejected by an API elsewhere, renew, end, renew again, be cut off, be led to a stranger."""
    auth = town.auth(origins=[API])
    town.net.redirects["/go"] = (307, "https://evil.example/x")
    with town.client(auth) as client:
        for _ in range(3):
            with suppress(AuthError):
                client.send("POST", f"{API}/x", content=b"mine")
                client.send("POST", f"{API}/go", content=b"mine", follow_redirects=True)
            town.clock.advance(100_000)
        town.simulator.outage = "lost"
        with suppress(AuthError):
            client.send("GET", f"{API}/x")


@matrix(
    group="Who sees what",
    case="An API at another origin than the token endpoint",
    outcome="gets the access token, and neither credentials nor refresh token",
)
def test_an_api_at_another_origin_gets_access_tokens_and_nothing_else(every_town: Town) -> None:
    life(every_town)
    net = every_town.net
    sent = [request for where, request in net.seen if where.startswith(API)]
    shown = {request.headers["authorization"].removeprefix("Bearer ") for request in sent}
    assert shown <= net.issued
    assert len(shown) >= 2, "it was renewed"
    hidden = [*every_town.secrets, *(net.issued - shown)]
    for request in sent:
        text = f"{request.url} {dict(request.headers)} {request.body!r}"
        assert not [secret for secret in hidden if secret in text]


@matrix(
    group="Who sees what",
    case="Headers that name the app or the partner (JWTPlus's app key, Vault's partnerId)",
    outcome="are for token calls alone",
)
def test_headers_that_name_the_app_or_the_partner_are_for_token_calls_alone(every_town: Town) -> None:
    life(every_town)
    names = set(every_town.party.headers)
    calls = [(where, request) for where, request in every_town.net.seen]
    home = [request for where, request in calls if every_town.simulator.endpoint_of(request) != "api"]
    for _, request in calls:
        if request not in home:
            assert names.isdisjoint(request.headers)
            assert every_town.secrets[0] not in str(dict(request.headers))
    assert any(names <= set(request.headers) for request in home)


@matrix(
    group="Who sees what",
    case="A stranger to whom an API redirects",
    outcome="sees no secret of any provider",
)
def test_a_stranger_sees_nothing_of_any_provider(every_town: Town) -> None:
    life(every_town)
    net = every_town.net
    strange = [request for where, request in net.seen if where == "https://evil.example:443"]
    assert strange
    for request in strange:
        text = f"{request.url} {dict(request.headers)} {request.body!r}"
        assert "authorization" not in request.headers
        assert not [secret for secret in (*every_town.secrets, *net.issued) if secret in text]


@matrix(
    group="Who sees what",
    case="The token endpoint redirects (301, 302, 303, 307, 308), to a stranger or to itself",
    outcome="refused: InvalidTokenResponse; nobody else sees the credentials",
)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_token_call_follows_no_redirect(every_town: Town, status: int) -> None:
    town = every_town
    auth = town.auth()
    town.clock.advance(100_000)
    handle = town.simulator.handle
    paths = set()

    def redirect(request: object, now: float) -> object:
        paths.add(request.path)  # type: ignore[attr-defined]
        answer = handle(request, now)
        return type(answer)(status, {"location": "https://evil.example/token"})

    town.simulator.handle = redirect
    with pytest.raises(InvalidTokenResponse, match="never redirected") as caught:
        auth.token()
    assert caught.value.status == status
    assert paths
    assert not list(town.net.sent_to(home=False))


@matrix(
    group="Who sees what",
    case="A 401 from a stranger that asks for other credentials (Basic, Bearer, Digest)",
    outcome="handed to the caller; nothing is renewed or sent",
)
def test_a_strangers_challenge_is_handed_over(every_town: Town) -> None:
    auth = every_town.auth()
    before = every_town.simulator.ledger.token_calls
    with every_town.client(auth) as client:
        for _ in range(3):
            assert client.send("GET", "https://evil.example/x").status == 401
    assert every_town.simulator.ledger.token_calls == before
    assert all("authorization" not in sent for sent in every_town.net.sent_to(home=False))
