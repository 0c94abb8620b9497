"""Vault: the token endpoint `/v1/auth/token`, which takes a user's password or a refresh token.

As documented at https://api.vault.ist/v3.0/docs/refresh_token, https://api.vault.ist/docs/sign-in and
https://api.vault.ist/reference/gettoken.
"""

from .auth import VAULT_POLICY, VaultAuth
from .contract import VaultContract

__all__ = ["VAULT_POLICY", "VaultAuth", "VaultContract"]
