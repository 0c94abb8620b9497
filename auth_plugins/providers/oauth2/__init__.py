"""OAuth 2.0 (RFC 6749): the client credentials grant (section 4.4) and the refresh token grant (section 6)."""

from .auth import OAuth2ClientCredentialsAuth, OAuth2RefreshTokenAuth
from .contract import ClientAuth, OAuth2Contract

__all__ = ["ClientAuth", "OAuth2ClientCredentialsAuth", "OAuth2Contract", "OAuth2RefreshTokenAuth"]
