"""HTTP authentication that is set once and forgotten: `session.auth = FyatuAuth(app_id, secret_key)`.

One object works as the `auth` of requests, httpx and httpx2, synchronous and asynchronous, all at once.
"""

from .auth import TokenAuth
from .clients.scope import BodyNotReplayed
from .core.errors import (
    AuthError,
    CredentialsRejected,
    InvalidTokenResponse,
    LoginRequired,
    StoreError,
    TokenEndpointUnavailable,
)
from .core.events import Event, EventKind
from .core.policy import Backoff, RefreshPolicy
from .core.token import Token
from .providers import (
    FyatuAuth,
    FyatuBusinessAuth,
    JWTPlusAuth,
    MarketigerAuth,
    OAuth2ClientCredentialsAuth,
    OAuth2RefreshTokenAuth,
    VaultAuth,
)
from .stores import FileStore, KeyringStore, MemoryStore, RedisStore, Store

__version__ = "0.1.0"

__all__ = [
    "AuthError",
    "Backoff",
    "BodyNotReplayed",
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
