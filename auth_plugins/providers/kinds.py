"""The auth classes by the word for each in profiles and on the command line."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from os import PathLike
from typing import Unpack

from ..auth import Options, TokenAuth
from ..core import ConfigurationError
from ..credentials import profile_kind

__all__ = ["KINDS", "auth_class", "from_profile"]

KINDS: Mapping[str, str] = {
    "fyatu": "FyatuAuth",
    "fyatu-business": "FyatuBusinessAuth",
    "jwtplus": "JWTPlusAuth",
    "marketiger": "MarketigerAuth",
    "oauth2-client-credentials": "OAuth2ClientCredentialsAuth",
    "oauth2-refresh-token": "OAuth2RefreshTokenAuth",
    "vault": "VaultAuth",
}
"""The name of each class by its `kind`, the word for it in profiles and on the command line."""


def auth_class(kind: str) -> type[TokenAuth]:
    """Return the class of a `kind`, such as "fyatu".

    Raises:
        ConfigurationError: there is no such class.
    """
    if kind not in KINDS:
        raise ConfigurationError(f"The provider {kind[:40]!r} is unknown", hint=f"Known are {', '.join(KINDS)}.")
    found: type[TokenAuth] = getattr(import_module(__package__), KINDS[kind])
    return found


def from_profile(name: str, *, path: str | PathLike[str] | None = None, **options: Unpack[Options]) -> TokenAuth:
    """Return the auth object of a profile, whose member `provider` states its class; see `TokenAuth.from_profile`.

    Raises:
        ConfigurationError: the file or the profile is missing, wrong, or open to other users. No text shows a value.
    """
    return auth_class(profile_kind(name, path)).from_profile(name, path=path, **options)
