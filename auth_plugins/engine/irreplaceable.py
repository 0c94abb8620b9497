"""Marks the tokens that no login can replace, and removes supplied tokens whose first refresh failed."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from ..core.errors import AuthError, ConfigurationError, CredentialsRejected, StoreError
from ..core.provider import Provider
from ..core.token import Token
from .store_entry import StoreEntry

__all__ = ["left_untouched", "mark_irreplaceable", "remove_unproven"]


def mark_irreplaceable(token: Token, provider: Provider) -> Token:
    """Return `token`, which has just been issued, marked if it is irreplaceable.

    A token is irreplaceable if the provider cannot log in, and the refresh token differs from that of the supplied
    token. A server that issues a new refresh token may revoke the old one (RFC 6749, section 6). For a token without
    a refresh token, the access token is compared instead.
    """
    if provider.can_login:
        return token
    given = provider.initial_token()
    replaced = given is None or _renewed_by(token) != _renewed_by(given)
    return replace(token, irreplaceable=True) if replaced else token


def _renewed_by(token: Token) -> str:
    return token.refresh_token or token.access_token


def left_untouched(failure: AuthError) -> bool:
    """Whether a refresh that failed so cannot have used the refresh token up."""
    return isinstance(failure, (CredentialsRejected, ConfigurationError)) or failure.from_intermediary


def remove_unproven(refreshed: Token, place: StoreEntry) -> None:
    """Remove a token that the user supplied, if it was saved before its first refresh and that refresh failed.

    No server has accepted it, and the store was empty before.
    """
    with suppress(StoreError):  # The caller reports the failure of the call, which is the cause.
        if place.kept == refreshed:  # Otherwise the lock expired, and another process has saved a token since.
            place.delete()
