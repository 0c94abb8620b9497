"""Tokens, contracts, decisions, policy and errors: values and pure functions.

This package uses no clock, lock, socket or environment variable. It contains everything that the
author of a provider needs; see "Add a provider" in the documentation.
"""

from .answers import (
    MAX_LIFETIME,
    Answer,
    ErrorInfo,
    as_mapping,
    as_number,
    as_text,
    as_timestamp,
    is_token,
    json_object,
    json_value,
    jwt_claims,
)
from .checks import MAX_TOKEN_LENGTH, check_count, check_json_text, check_seconds, check_text, check_url
from .errors import (
    AuthError,
    ConfigurationError,
    CredentialsRejected,
    InvalidTokenResponse,
    LoginRequired,
    StoreError,
    TokenEndpointUnavailable,
)
from .events import Event, EventKind, Listener
from .identity import fingerprint, role, scope_set
from .origin import Origin
from .policy import Backoff, RefreshPolicy
from .provider import Provider, bearer
from .secret import Secret, SecretSource, check_secret
from .token import LONG_AGO, NO_EXTRA, Token
from .wire import Purpose, TokenRequest, TokenResponse

__all__ = [
    "LONG_AGO",
    "MAX_LIFETIME",
    "MAX_TOKEN_LENGTH",
    "NO_EXTRA",
    "Answer",
    "AuthError",
    "Backoff",
    "ConfigurationError",
    "CredentialsRejected",
    "ErrorInfo",
    "Event",
    "EventKind",
    "InvalidTokenResponse",
    "Listener",
    "LoginRequired",
    "Origin",
    "Provider",
    "Purpose",
    "RefreshPolicy",
    "Secret",
    "SecretSource",
    "StoreError",
    "Token",
    "TokenEndpointUnavailable",
    "TokenRequest",
    "TokenResponse",
    "as_mapping",
    "as_number",
    "as_text",
    "as_timestamp",
    "bearer",
    "check_count",
    "check_json_text",
    "check_seconds",
    "check_secret",
    "check_text",
    "check_url",
    "fingerprint",
    "is_token",
    "json_object",
    "json_value",
    "jwt_claims",
    "role",
    "scope_set",
]
