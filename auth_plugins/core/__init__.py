"""The rules: tokens, contracts, lifecycle, policy, errors. No clock, lock, socket or environment in here.

What an author of a provider needs is all in this room; see "Add a provider" in the documentation.
"""

from .answers import failure, is_token, json_object, jwt_claims, mapping, number, text, timestamp
from .checks import check_json_text, check_text, check_url
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
from .provider import Provider, Said, bearer
from .token import Token
from .wire import Grant, TokenRequest, TokenResponse

__all__ = [
    "LIFECYCLE",
    "Age",
    "AuthError",
    "Backoff",
    "ConfigurationError",
    "CredentialsRejected",
    "Event",
    "EventKind",
    "Grant",
    "InvalidTokenResponse",
    "Listener",
    "LoginRequired",
    "Means",
    "Origin",
    "Provider",
    "RefreshPolicy",
    "Said",
    "Step",
    "StoreError",
    "Token",
    "TokenEndpointUnavailable",
    "TokenRequest",
    "TokenResponse",
    "Verb",
    "bearer",
    "check_json_text",
    "check_text",
    "check_url",
    "failure",
    "fingerprint",
    "is_token",
    "json_object",
    "jwt_claims",
    "mapping",
    "number",
    "role",
    "scope_set",
    "text",
    "timestamp",
]
