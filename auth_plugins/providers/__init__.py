"""One file each: a provider's contract, which is pure, and the class that people use."""

from .fyatu import FyatuAuth, FyatuBusinessAuth
from .jwtplus import JWTPlusAuth
from .oauth2 import OAuth2ClientCredentialsAuth, OAuth2RefreshTokenAuth

__all__ = ["FyatuAuth", "FyatuBusinessAuth", "JWTPlusAuth", "OAuth2ClientCredentialsAuth", "OAuth2RefreshTokenAuth"]
