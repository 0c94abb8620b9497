"""A token endpoint whose TLS is wrong gets no credentials."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import trustme

from auth_plugins import RefreshPolicy, TokenEndpointUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    from tests.conftest import World
    from tests.faults.network.conftest import FaultServer

    ServeTls = Callable[[ssl.SSLContext], AbstractContextManager[FaultServer]]

matrix = pytest.mark.matrix
pytestmark = matrix(group="TLS of the token endpoint")
REFUSED = "`TokenEndpointUnavailable`; no credentials are sent"
ENDS = "`TokenEndpointUnavailable` by the deadline; the renewal's thread ends, too"


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA(key_type=trustme.KeyType.ECDSA)


@pytest.fixture
def trusted(authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All three libraries are told of the authority, each in its way."""
    pem = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(str(pem))
    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
        monkeypatch.setenv(name, str(pem))


def certified(authority: trustme.CA, name: str = "localhost", **how: Any) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name, key_type=trustme.KeyType.ECDSA, **how).configure_cert(context)
    return context


def fetch(world: World, server: FaultServer, deadline: float = 5.0) -> str:
    auth = world.auth(base_url=server.url, policy=RefreshPolicy(tries=1, deadline=deadline), origins=[world.url])
    world.fyatu.api_status = 200
    with world.client(auth) as client:
        return client.send("GET", f"{world.url}/x").sent["authorization"]


@matrix(case="a certificate of an authority that is trusted", outcome="the token is used")
def test_a_certificate_that_is_right_is_accepted(
    world: World, serve_tls: ServeTls, authority: trustme.CA, trusted: None
) -> None:
    with serve_tls(certified(authority)) as server:
        assert fetch(world, server).startswith("Bearer ")


def wrong(what: str, case: str) -> Any:
    return pytest.param(what, marks=matrix(case=case, outcome=REFUSED), id=what)


@pytest.mark.parametrize(
    "what",
    [
        wrong("unknown authority", "a certificate of an authority that nobody knows"),
        wrong("other name", "a certificate for another host name"),
        wrong("ended", "a certificate that has ended"),
        wrong("http in handshake", "plain http behind an https URL"),
        wrong("reset in handshake", "a reset in the handshake"),
    ],
)
def test_a_tls_that_is_wrong_gets_no_credentials(
    world: World, serve_tls: ServeTls, authority: trustme.CA, trusted: None, what: str
) -> None:
    context = certified(authority)
    if what == "unknown authority":
        context = certified(trustme.CA(key_type=trustme.KeyType.ECDSA))
    elif what == "other name":
        context = certified(authority, "api.example")
    elif what == "ended":
        context = certified(authority, not_after=datetime.now(UTC) - timedelta(days=1))
    with serve_tls(context) as server:
        server.fault = what if "handshake" in what else "well"
        with pytest.raises(TokenEndpointUnavailable, match="gave no answer"):
            fetch(world, server)
    assert server.heard == []


@pytest.mark.parametrize("kind", ["requests", "httpx", "httpx2"])
@pytest.mark.parametrize(
    "fault",
    [
        pytest.param("hang in handshake", marks=matrix(case="it hangs in the handshake", outcome=ENDS)),
        pytest.param("drip handshake", marks=matrix(case="it drips its half of the handshake", outcome=ENDS)),
        pytest.param("drip headers", marks=matrix(case="it drips a header, behind TLS", outcome=ENDS)),
        pytest.param("drip framing", marks=matrix(case="it drips a chunk's extension, behind TLS", outcome=ENDS)),
    ],
)
def test_what_drips_behind_tls_ends_by_the_deadline(
    make_world: Any,
    serve_tls: ServeTls,
    authority: trustme.CA,
    trusted: None,
    renewals: Callable[[], bool],
    kind: str,
    fault: str,
) -> None:
    world: World = make_world(kind)
    with serve_tls(certified(authority)) as server:
        server.fault = fault
        with pytest.raises(TokenEndpointUnavailable):
            fetch(world, server, deadline=0.2)
        assert renewals()
