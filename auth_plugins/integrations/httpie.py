"""Plugins for HTTPie: `http --auth-type=fyatu --auth=ID:SECRET URL`, and one for each other provider.

Without `--auth` the credentials are those of the environment (`FyatuAuth.from_env`); `--auth=NAME` names a profile.
"""

from __future__ import annotations

import sys
from typing import Any, ClassVar

from httpie.plugins import AuthPlugin

from ..auth import TokenAuth
from ..core.errors import ConfigurationError
from ..credentials import arguments_from_env, made
from ..providers.kinds import auth_class
from .commands import auth_for, user_store

__all__ = [
    "FyatuBusinessPlugin",
    "FyatuPlugin",
    "JWTPlusPlugin",
    "MarketigerPlugin",
    "OAuth2Plugin",
    "VaultPlugin",
]


class _Plugin(AuthPlugin):  # type: ignore[misc]
    auth_require = False
    auth_parse = False
    kind: ClassVar[str]
    pair: ClassVar[tuple[str, str]]
    """The parameters that `--auth=ID:SECRET` states."""

    def get_auth(self, username: Any = None, password: Any = None) -> TokenAuth:
        """Return the auth object. HTTPie passes the text of `--auth` in `raw_auth`."""
        stated: str | None = self.raw_auth
        try:
            return self._auth(stated)
        except ConfigurationError as error:
            problem = str(error)
        print(f"http: error: {problem}", file=sys.stderr)  # HTTPie prints no text of a SystemExit.
        raise SystemExit(1)

    def _auth(self, stated: str | None) -> TokenAuth:
        if not stated:
            return auth_for(self.kind)
        name, colon, secret = stated.partition(":")
        if not colon:
            return auth_for(self.kind, name)
        found = auth_class(self.kind)
        given: dict[str, Any] = {"store": user_store(), **dict(zip(self.pair, (name, secret), strict=True))}
        # Everything else, such as a base_url, may stand in the environment.
        arguments, names = arguments_from_env(found, found.env_prefix, given=given)
        return made(found, arguments, given, names)


class FyatuPlugin(_Plugin):
    """Fyatu: `--auth=APP_ID:SECRET_KEY`."""

    name, auth_type, kind, pair = "Fyatu", "fyatu", "fyatu", ("app_id", "secret_key")
    description = "API v3, by app id and secret key"


class FyatuBusinessPlugin(_Plugin):
    """Fyatu's business API: `--auth=BUSINESS_ID:SECRET_KEY`."""

    name, auth_type, kind, pair = "Fyatu business", "fyatu-business", "fyatu-business", ("business_id", "secret_key")
    description = "API v3.20, by business id and secret key"


class VaultPlugin(_Plugin):
    """Vault (vault.ist): `--auth=EMAIL:PASSWORD`; `VAULT_IST_PARTNER_ID` and `VAULT_IST_BASE_URL` state the rest."""

    name, auth_type, kind, pair = "Vault (vault.ist)", "vault-ist", "vault", ("email", "password")
    description = "by email and password"


class JWTPlusPlugin(_Plugin):
    """JWTPlus: `--auth=APP_ID:APP_KEY`; variables that begin with `JWTPLUS_` state the rest."""

    name, auth_type, kind, pair = "JWTPlus", "jwtplus", "jwtplus", ("app_id", "app_key")
    description = "by app id and app key"


class MarketigerPlugin(_Plugin):
    """Marketiger 3D: `--auth=EMAIL:PASSWORD`."""

    name, auth_type, kind, pair = "Marketiger 3D", "marketiger", "marketiger", ("email", "password")
    description = "API v2, by email and password"


class OAuth2Plugin(_Plugin):
    """OAuth 2.0 client credentials: `--auth=CLIENT_ID:CLIENT_SECRET`; `OAUTH2_TOKEN_URL` states the endpoint."""

    name, auth_type, kind = "OAuth 2.0 client credentials", "oauth2", "oauth2-client-credentials"
    pair = ("client_id", "client_secret")
    description = "with renewal, for any server"
