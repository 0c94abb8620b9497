"""OAuth 2.0 as RFC 6749 has it: the client credentials grant (section 4.4), the refresh token grant (6)."""

from .auth import OAuth2ClientCredentialsAuth, OAuth2RefreshTokenAuth
from .contract import ClientAuth, OAuth2Contract

__all__ = ["ClientAuth", "OAuth2ClientCredentialsAuth", "OAuth2Contract", "OAuth2RefreshTokenAuth"]
