"""However a request is led away, by its own URL or by a redirect, no host but its own sees the token."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import httpx
import httpx2
import pytest
import requests

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.security.conftest import Town

LIBRARYS_OWN = (requests.RequestException, httpx.HTTPError, httpx.InvalidURL, httpx2.HTTPError, httpx2.InvalidURL)
"""What a library says of a URL that it does not like; our own errors are of these classes, too."""

STRANGERS = {
    "another host": "https://evil.example",
    "plain http to the same host": "http://api.example",
    "plain http to the same host on port 443": "http://api.example:443",
    "https to the same host on port 80": "https://api.example:80",
    "another port": "https://api.example:8443",
    "a subdomain": "https://www.api.example",
    "the parent domain": "https://example",
    "a host that begins with ours": "https://api.example.evil.example",
    "a host that ends with ours": "https://evilapi.example",
    "our host as the user of another": "https://api.example@evil.example",
    "our host and port as user and password": "https://api.example:443@evil.example",
    "our host with a trailing dot": "https://api.example.",
    "a look-alike in punycode": "https://xn--pi-6kc.example",
    "an address of this machine": "https://127.0.0.1",
    "the IPv6 loopback": "https://[::1]",
}
SAME = {
    "the host in capitals": "https://API.Example",
    "the default port written out": "https://api.example:443",
    "an empty port": "https://api.example:",
    "the scheme in capitals": "HTTPS://api.example",
}
ODD = {
    "a backslash before the host": "https:\\\\evil.example/api/v3/x",
    "a backslash and an at sign": "https://api.example\\@evil.example/api/v3/x",
    "an at sign behind the query": "https://evil.example?@api.example/api/v3/x",
    "an at sign behind the fragment": "https://evil.example#@api.example/api/v3/x",
    "a semicolon in the host": "https://api.example;@evil.example/api/v3/x",
    "a percent sign in the host": "https://api%2eexample/api/v3/x",
    "an escaped slash in the host": "https://evil.example%2f@api.example/api/v3/x",
    "a tab in the host": "https://api.\texample/api/v3/x",
    "a full-width host": "https://\uff41pi.example/api/v3/x",
    "an ideographic full stop": "https://api\u3002example/api/v3/x",
    "a sharp s": "https://api.example\u00df/api/v3/x",
    "half an IPv6 address": "https://[::1/api/v3/x",
    "what stands behind an IPv6 address": "https://[::1]evil.example/api/v3/x",
    "a port that is none": "https://api.example:port/api/v3/x",
    "a port that is too large": "https://api.example:65979/api/v3/x",
}
RELATIVE = {
    "//host": "//evil.example/api/v3/x",
    "/\\host": "/\\evil.example/api/v3/x",
    "\\\\host": "\\\\evil.example/api/v3/x",
    "///host": "///evil.example/api/v3/x",
    "//user@host": "//api.example@evil.example/api/v3/x",
    "//host in capitals": "//EVIL.EXAMPLE/api/v3/x",
    "//our host, plain http port": "//api.example:80/api/v3/x",
    "https:host": "https:evil.example/api/v3/x",
}
GOES_ALONG = "the token goes along"
STAYS = "the stranger sees no secret; its 401 renews nothing"
NOT_AWAY = "the library refuses the URL, or nobody but the token's own host sees it"


def cases(road: str, table: dict[str, str], outcome: str, tail: str = "") -> list[Any]:
    return [
        pytest.param(
            url + tail,
            id=case,
            marks=pytest.mark.matrix(group="Where a token goes", case=f"{road}: {case}", outcome=outcome),
        )
        for case, url in table.items()
    ]


def assert_no_stranger_saw_a_secret(town: Town) -> None:
    hidden = [*town.secrets, *town.net.issued]
    for sent in town.net.sent_to(home=False):
        assert not [secret for secret in hidden if secret in sent], sent
        assert "authorization:" not in sent


@pytest.mark.parametrize("url", cases("Request to", STRANGERS, STAYS, "/api/v3/x"))
def test_a_stranger_gets_no_token_and_its_401_renews_nothing(town: Town, url: str) -> None:
    auth = town.auth()
    before = town.simulator.ledger.token_calls
    with town.client(auth) as client:
        reply = client.send("GET", url)
    assert (reply.status, reply.history) == (401, ())
    assert list(town.net.sent_to(home=False))
    assert_no_stranger_saw_a_secret(town)
    assert town.simulator.ledger.token_calls == before


@pytest.mark.parametrize("url", cases("Request to", SAME, GOES_ALONG, "/api/v3/x"))
def test_another_spelling_of_the_same_origin_gets_the_token(town: Town, url: str) -> None:
    with town.client(town.auth()) as client:
        assert client.send("GET", url).status == 200
    assert_no_stranger_saw_a_secret(town)


@pytest.mark.parametrize("url", cases("Request to", ODD, NOT_AWAY))
def test_a_url_that_can_be_read_in_two_ways_carries_no_token_away(town: Town, url: str) -> None:
    with town.client(town.auth()) as client, suppress(*LIBRARYS_OWN, UnicodeError, ValueError):
        client.send("GET", url)
    assert_no_stranger_saw_a_secret(town)


@pytest.mark.parametrize("status", [302, 307])
@pytest.mark.parametrize("target", cases("Redirect to", STRANGERS, STAYS, "/api/v3/x"))
def test_a_redirect_to_a_stranger_leaves_the_token_behind(town: Town, target: str, status: int) -> None:
    auth = town.auth()
    before = town.simulator.ledger.token_calls
    town.net.redirects["/api/v3/go"] = (status, target)
    with town.client(auth) as client:
        reply = client.send("GET", f"{town.base_url}/go", follow_redirects=True)
    assert (reply.status, reply.history) == (401, (status,))
    assert_no_stranger_saw_a_secret(town)
    assert town.simulator.ledger.token_calls == before


@pytest.mark.parametrize("target", cases("Redirect to", SAME, GOES_ALONG, "/api/v3/x"))
def test_a_redirect_to_another_spelling_of_the_same_origin_keeps_the_token(town: Town, target: str) -> None:
    town.net.redirects["/api/v3/go"] = (302, target)
    with town.client(town.auth()) as client:
        assert client.send("GET", f"{town.base_url}/go", follow_redirects=True).status == 200
    assert_no_stranger_saw_a_secret(town)


@pytest.mark.parametrize("target", cases("Redirect to", {**ODD, **RELATIVE}, NOT_AWAY))
def test_a_redirect_that_can_be_read_in_two_ways_carries_no_token_away(town: Town, target: str) -> None:
    town.net.redirects["/api/v3/go"] = (302, target)
    with town.client(town.auth()) as client, suppress(*LIBRARYS_OWN, UnicodeError, ValueError):
        client.send("GET", f"{town.base_url}/go", follow_redirects=True)
    assert_no_stranger_saw_a_secret(town)


@pytest.mark.matrix(
    group="Where a token goes",
    case="Redirect to a stranger and back",
    outcome="the stranger sees nothing, the way back is signed again",
)
def test_a_detour_by_a_stranger_shows_it_nothing_and_ends_with_a_token(town: Town) -> None:
    town.net.redirects["/api/v3/go"] = (302, "https://evil.example/back")
    town.net.redirects["/back"] = (302, f"{town.base_url}/x")
    with town.client(town.auth()) as client:
        reply = client.send("GET", f"{town.base_url}/go", follow_redirects=True)
    assert reply.status == 200
    assert town.net.visited("https://evil.example:443")
    assert_no_stranger_saw_a_secret(town)
    assert town.simulator.ledger.token_calls == 1


@pytest.mark.matrix(
    group="Where a token goes",
    case="Redirect of the request that is sent again after a 401",
    outcome="the new token stays behind as well",
)
@pytest.mark.parametrize("target", ["https://evil.example/x", "http://api.example/x", "//evil.example/x"])
def test_the_replay_after_a_401_leaves_its_token_behind_too(town: Town, target: str) -> None:
    auth = town.auth()
    town.simulator.revoke_all()  # The simulator's own redirect wants a valid token.
    with town.client(auth) as client:
        url = f"{town.base_url}/redirect?status=307&to={target}"
        reply = client.send("POST", url, content=b"x", follow_redirects=True)
    assert reply.status == 401
    assert town.simulator.ledger.token_calls == 2
    assert_no_stranger_saw_a_secret(town)


def test_a_strangers_401_after_a_replay_does_not_make_renewals_pause(town: Town) -> None:
    auth = town.auth()
    with town.client(auth) as client:
        for _ in range(3):
            town.simulator.revoke_all()
            url = f"{town.base_url}/redirect?status=307&to=https://evil.example/x"
            assert client.send("POST", url, content=b"x", follow_redirects=True).status == 401
            town.simulator.revoke_all()
            assert client.send("GET", f"{town.base_url}/x").status == 200


def test_a_request_that_was_redirected_to_a_stranger_can_be_sent_once_more(
    make_town: Callable[[str, str], Town],
) -> None:
    town = make_town("fyatu", "requests")
    town.net.redirects[f"{town.simulator.base_path}/go"] = (302, "https://evil.example/x")
    auth = town.auth()
    with town.client(auth) as client:
        request = requests.Request("GET", f"{town.base_url}/go", auth=auth).prepare()
        for _ in range(2):
            client._session.send(request)  # type: ignore[attr-defined]
    sent = town.net.sent_to(home=True)
    assert ["authorization: bearer " in each.lower() for each in sent if "/go" in each] == [True, True]
    assert_no_stranger_saw_a_secret(town)


@pytest.mark.parametrize("target", cases("Redirect of a custom header to", {**STRANGERS, **RELATIVE}, STAYS))
def test_a_token_in_a_header_of_its_own_stays_behind_with_requests(
    make_town: Callable[[str, str], Town], target: str
) -> None:
    """To requests that header is one like any other: it would carry it on."""
    town = make_town("jwtplus", "requests")
    auth = town.auth(header="X-Auth-Token", scheme="")
    town.net.redirects["/go"] = (302, target)
    with town.client(auth) as client, suppress(*LIBRARYS_OWN):
        client.send("GET", f"{town.base_url}/go", follow_redirects=True)
    assert any("X-Auth-Token: eyJ" in sent or "x-auth-token: eyJ" in sent for sent in town.net.sent_to(home=True))
    assert_no_stranger_saw_a_secret(town)


@pytest.mark.matrix(
    group="Where a token goes",
    case="A token in a header of its own, with httpx",
    outcome="refused: httpx would carry the header to strangers",
)
@pytest.mark.parametrize("kind", ["httpx", "httpx-asyncio", "httpx-trio", "httpx2", "httpx2-asyncio", "httpx2-trio"])
def test_a_token_in_a_header_of_its_own_is_not_sent_at_all_with_httpx(
    make_town: Callable[[str, str], Town], kind: str
) -> None:
    town = make_town("jwtplus", kind)
    auth = town.auth(header="X-Auth-Token")
    before = len(town.net.seen)
    with town.client(auth) as client, pytest.raises((httpx.RequestError, httpx2.RequestError), match="leak"):
        client.send("GET", f"{town.base_url}/x")
    assert len(town.net.seen) == before
