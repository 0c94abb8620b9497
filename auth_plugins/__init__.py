"""HTTP authentication that is set once and forgotten: `session.auth = FyatuAuth(app_id, secret_key)`.

One object works as the `auth` of requests, httpx and httpx2, synchronous and asynchronous, all at once.
Nothing is imported before it is used.
"""

# A provider is listed in `__all__` alone, and in `providers`: what a star imports, ruff does not see.
# ruff: noqa: F403, F405

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .auth import TokenAuth
    from .clients.origins import BodyNotReplayed
    from .core.errors import (
        AuthError,
        ConfigurationError,
        CredentialsRejected,
        InvalidTokenResponse,
        LoginRequired,
        StoreError,
        TokenEndpointUnavailable,
    )
    from .core.events import Event, EventKind
    from .core.policy import Backoff, RefreshPolicy
    from .core.token import Token
    from .providers import *
    from .stores import MemoryStore, Store
    from .stores.file import FileStore
    from .stores.keyring import KeyringStore
    from .stores.redis import RedisStore

__version__ = "0.1.0"

__all__ = [
    "AuthError",
    "Backoff",
    "BodyNotReplayed",
    "ConfigurationError",
    "CredentialsRejected",
    "Event",
    "EventKind",
    "FileStore",
    "FyatuAuth",
    "FyatuBusinessAuth",
    "InvalidTokenResponse",
    "JWTPlusAuth",
    "KeyringStore",
    "LoginRequired",
    "MarketigerAuth",
    "MemoryStore",
    "OAuth2ClientCredentialsAuth",
    "OAuth2RefreshTokenAuth",
    "RedisStore",
    "RefreshPolicy",
    "Store",
    "StoreError",
    "Token",
    "TokenAuth",
    "TokenEndpointUnavailable",
    "VaultAuth",
]

# A provider's class is not here: all other public names are in `providers`.
_HOMES = {
    "AuthError": "core",
    "Backoff": "core",
    "BodyNotReplayed": "clients.origins",
    "ConfigurationError": "core",
    "CredentialsRejected": "core",
    "Event": "core",
    "EventKind": "core",
    "FileStore": "stores.file",
    "InvalidTokenResponse": "core",
    "KeyringStore": "stores.keyring",
    "LoginRequired": "core",
    "MemoryStore": "stores",
    "RedisStore": "stores.redis",
    "RefreshPolicy": "core",
    "Store": "stores",
    "StoreError": "core",
    "Token": "core",
    "TokenAuth": "auth",
    "TokenEndpointUnavailable": "core",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = _HOMES.get(name, "providers")
    try:
        return getattr(import_module(f".{module}", __name__), name)
    except AttributeError as error:
        # `from auth_plugins import ...` would turn it into "cannot import name", without its cause.
        raise ImportError(f"{__name__}.{module} cannot be imported: {error}") from error


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
