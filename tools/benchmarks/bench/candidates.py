"""Everyone who is compared: each opens a client that gets its token by client credentials, and attaches it."""

from __future__ import annotations

import importlib.util
import itertools
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx
import requests

from auth_plugins import FyatuAuth, MemoryStore, OAuth2ClientCredentialsAuth

from .world import World

__all__ = ["CANDIDATES", "Candidate", "Constant", "Least", "Twice", "of_library"]

_FLOOR = "constant header"
_numbers = itertools.count()
_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Nobody uses it; to make one for each client of a herd would take longer than the herd."""


def credentials() -> tuple[str, str]:
    """Make new ones: some keep their tokens for the whole process, by these."""
    return f"a_client_id_{next(_numbers)}", "a_client_secret"


@dataclass(frozen=True)
class Candidate:
    """A library, or one of its ways."""

    name: str
    library: str
    """Whose requests it signs: "requests" or "httpx"."""
    needs: str
    """The module that has to be there."""
    open: Callable[[World, bool], Any]
    """Make a client, synchronous or (httpx only) not."""
    auth: Callable[[Any], Any] = lambda client: client.auth
    """Give what signs the client's requests."""
    eager: bool = False
    """Whether a client cannot be opened without a token."""
    early: float = 0.0
    """How many seconds before a token's end it renews, or takes the token for ended, by itself."""

    @property
    def there(self) -> bool:
        """Whether it is installed."""
        return importlib.util.find_spec(self.needs) is not None

    @property
    def floor(self) -> bool:
        """Whether it is the constant header."""
        return self.name.startswith(_FLOOR)

    @property
    def ours(self) -> bool:
        """Whether it is this package."""
        return self.needs == "auth_plugins"


class Constant(requests.auth.AuthBase, httpx.Auth):
    """The floor: a header that never changes."""

    def __init__(self, value: str) -> None:
        self._value = value

    def __call__(self, r: Any) -> Any:
        """Sign a request of requests."""
        r.headers["Authorization"] = self._value
        return r

    def auth_flow(self, request: Any) -> Any:
        """Sign a request of httpx."""
        request.headers["Authorization"] = self._value
        yield request


class Twice(Constant):
    """The same, and each request is sent once more, as if its token had been revoked."""

    def __call__(self, r: Any) -> Any:
        """Sign a request of requests."""
        r.hooks["response"].append(self._again)
        return super().__call__(r)

    def _again(self, response: Any, **sending: Any) -> Any:
        response.content  # noqa: B018 - reads it
        return response.connection.send(response.request, **sending)

    def auth_flow(self, request: Any) -> Any:
        """Sign a request of httpx."""
        request.headers["Authorization"] = self._value
        yield request
        yield request


class Least(requests.auth.AuthBase, httpx.Auth):
    """The least that can renew ahead and try again after a 401; no lock, no origin, no second clock."""

    def __init__(self, fetch: Callable[[], tuple[str, float]]) -> None:
        self._fetch, self._due, self._value = fetch, 0.0, ""

    def _renew(self) -> None:
        token, lifetime = self._fetch()
        self._value, self._due = f"Bearer {token}", time.time() + lifetime * 0.8

    def __call__(self, r: Any) -> Any:
        """Sign a request of requests."""
        if time.time() >= self._due:
            self._renew()
        r.headers["Authorization"] = self._value
        r.hooks["response"].append(self._again)
        return r

    def _again(self, response: Any, **sending: Any) -> Any:
        if response.status_code != 401:
            return response
        self._renew()
        response.content  # noqa: B018 - reads it
        request = response.request
        request.headers["Authorization"] = self._value
        return response.connection.send(request, **sending)

    def sync_auth_flow(self, request: Any) -> Any:
        """Sign a request of httpx."""
        if time.time() >= self._due:
            self._renew()
        request.headers["Authorization"] = self._value
        response = yield request
        if response.status_code == 401:
            self._renew()
            request.headers["Authorization"] = self._value
            yield request

    async def async_auth_flow(self, request: Any) -> Any:
        """Do as `sync_auth_flow`; the token call blocks the loop."""
        if time.time() >= self._due:
            self._renew()
        request.headers["Authorization"] = self._value
        response = yield request
        if response.status_code == 401:
            self._renew()
            request.headers["Authorization"] = self._value
            yield request


def fetch(world: World) -> Callable[[], tuple[str, float]]:
    """Make what calls the token endpoint for those who do not."""

    def call() -> tuple[str, float]:
        data = {"grant_type": "client_credentials"}
        answer = requests.post(world.token_url, data=data, auth=credentials(), timeout=30).json()
        return answer["access_token"], answer["expires_in"]

    return call


def client_with(library: str, auth: Any, sync: bool, connections: int = 200) -> Any:
    """Open a client with room for a herd."""
    if library == "requests":
        session = requests.Session()
        session.trust_env = False
        session.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=512))
        session.auth = auth
        return session
    limits = httpx.Limits(max_connections=connections, max_keepalive_connections=connections)
    kind = httpx.Client if sync else httpx.AsyncClient
    return kind(auth=auth, limits=limits, timeout=120, trust_env=False, verify=_TLS)


def plain(name: str, library: str, needs: str, make: Callable[[World, bool], Any], *, early: float = 0.0) -> Candidate:
    """Describe a candidate that is an auth object."""
    return Candidate(
        name, library, needs, lambda world, sync: client_with(library, make(world, sync), sync), early=early
    )


def _ours(world: World, _sync: bool) -> Any:
    return OAuth2ClientCredentialsAuth(world.token_url, *credentials(), store=MemoryStore())


def _fyatu(world: World, _sync: bool) -> Any:
    return FyatuAuth("A1B2C3D4E5F6G7H8", "your_secret_key_here", base_url=world.home, store=MemoryStore())


def _floor(world: World, _sync: bool) -> Any:
    return Constant(f"Bearer {fetch(world)()[0]}")


def _least(world: World, _sync: bool) -> Any:
    return Least(fetch(world))


def _requests_auth(world: World, _sync: bool) -> Any:
    import requests_auth

    # It keeps tokens for the whole process, by the endpoint alone, whoever the client is.
    return requests_auth.OAuth2ClientCredentials(f"{world.token_url}?{next(_numbers)}", *credentials())


def _httpx_auth(world: World, _sync: bool) -> Any:
    import httpx_auth

    return httpx_auth.OAuth2ClientCredentials(world.token_url, *credentials())


def _requests_oauth2client(world: World, _sync: bool) -> Any:
    import requests_oauth2client as library

    client = library.OAuth2Client(token_endpoint=world.token_url, auth=credentials(), testing=True)
    return library.OAuth2ClientCredentialsAuth(client)


def _singleflight(library: str) -> Callable[[World, bool], Any]:
    def make(world: World, sync: bool) -> Any:
        import singleflight_auth.httpx_auth
        import singleflight_auth.requests_auth

        held = [""]

        def refresh() -> str:
            held[0] = fetch(world)()[0]
            return held[0]

        async def refresh_async() -> str:
            import asyncio

            return await asyncio.to_thread(refresh)

        if library == "requests":
            return singleflight_auth.requests_auth.SingleFlightAuth(lambda: held[0], refresh)
        if sync:
            return singleflight_auth.httpx_auth.SingleFlightAuth(lambda: held[0], refresh)
        return singleflight_auth.httpx_auth.AsyncSingleFlightAuth(lambda: held[0], refresh_async)

    return make


def _authlib(world: World, _sync: bool) -> Any:
    from authlib.integrations.requests_client import OAuth2Session

    session = OAuth2Session(*credentials(), token_endpoint=world.token_url, grant_type="client_credentials")
    session.trust_env = False
    session.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=512))
    session.fetch_token()
    return session


def _requests_oauthlib(world: World, _sync: bool) -> Any:
    import os

    os.environ["OAUTHLIB_INSECURE_TRANSPORT"] = "1"
    from oauthlib.oauth2 import BackendApplicationClient
    from requests_oauthlib import OAuth2Session

    client_id, client_secret = credentials()
    session = OAuth2Session(client=BackendApplicationClient(client_id=client_id))
    session.trust_env = False
    session.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=512))
    session.fetch_token(world.token_url, client_secret=client_secret)
    return session


def _oauthlib_auth(session: Any) -> Any:
    from requests_oauthlib import OAuth2

    return OAuth2(client=session._client)


def _google(world: World, _sync: bool) -> Any:
    from google.auth.transport.requests import AuthorizedSession
    from google.oauth2.credentials import Credentials

    credentials = Credentials(
        None,
        refresh_token="a_refresh_token",
        token_uri=world.token_url,
        client_id="a_client_id",
        client_secret="a_client_secret",
    )
    session = AuthorizedSession(credentials)
    session.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=512))
    return session


def _google_auth(session: Any) -> Any:
    before = session.credentials.before_request
    return lambda r: before(None, r.method, r.url, r.headers)


CANDIDATES = [
    plain(_FLOOR, "requests", "requests", _floor),
    plain("least code", "requests", "requests", _least),
    plain("auth_plugins", "requests", "auth_plugins", _ours),
    plain("auth_plugins (Fyatu)", "requests", "auth_plugins", _fyatu),
    Candidate("authlib", "requests", "authlib", _authlib, lambda client: client.token_auth, eager=True, early=60),
    Candidate("google-auth", "requests", "google.auth", _google, _google_auth, early=225),
    plain("requests-auth", "requests", "requests_auth", _requests_auth, early=30),
    plain("requests_oauth2client", "requests", "requests_oauth2client", _requests_oauth2client, early=20),
    Candidate("requests-oauthlib", "requests", "requests_oauthlib", _requests_oauthlib, _oauthlib_auth, eager=True),
    plain("singleflight-auth", "requests", "singleflight_auth", _singleflight("requests")),
    plain(_FLOOR, "httpx", "httpx", _floor),
    plain("least code", "httpx", "httpx", _least),
    plain("auth_plugins", "httpx", "auth_plugins", _ours),
    plain("auth_plugins (Fyatu)", "httpx", "auth_plugins", _fyatu),
    plain("httpx-auth", "httpx", "httpx_auth", _httpx_auth, early=30),
    plain("singleflight-auth", "httpx", "singleflight_auth", _singleflight("httpx")),
]


def of_library(library: str) -> list[Candidate]:
    """Give those that are there."""
    return [each for each in CANDIDATES if each.library == library and each.there]
