"""One file each: a provider's contract, which is pure, and the class that people use."""

from .fyatu import FyatuAuth, FyatuBusinessAuth
from .jwtplus import JWTPlusAuth
from .marketiger import MarketigerAuth
from .oauth2 import OAuth2ClientCredentialsAuth, OAuth2RefreshTokenAuth
from .vault import VaultAuth

__all__ = [
    "FyatuAuth",
    "FyatuBusinessAuth",
    "JWTPlusAuth",
    "MarketigerAuth",
    "OAuth2ClientCredentialsAuth",
    "OAuth2RefreshTokenAuth",
    "VaultAuth",
]
