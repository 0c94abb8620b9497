"""The rules: tokens, contracts, lifecycle, policy, errors. No clock, lock, socket or environment in here.

What an author of a provider needs is all in this room; see "Add a provider" in the documentation.
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
from .lifecycle import LIFECYCLE, Age, Means, Step, Verb
from .origin import Origin
from .policy import Backoff, RefreshPolicy
from .provider import Provider, bearer
from .token import LONG_AGO, NO_EXTRA, Token
from .wire import Purpose, TokenRequest, TokenResponse

__all__ = [
    "LIFECYCLE",
    "LONG_AGO",
    "MAX_LIFETIME",
    "MAX_TOKEN_LENGTH",
    "NO_EXTRA",
    "Age",
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
    "Means",
    "Origin",
    "Provider",
    "Purpose",
    "RefreshPolicy",
    "Step",
    "StoreError",
    "Token",
    "TokenEndpointUnavailable",
    "TokenRequest",
    "TokenResponse",
    "Verb",
    "as_mapping",
    "as_number",
    "as_text",
    "as_timestamp",
    "bearer",
    "check_count",
    "check_json_text",
    "check_seconds",
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
