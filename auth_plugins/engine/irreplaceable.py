"""What a session hangs on: which token cannot be replaced, and what a refresh that failed leaves in the store."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from ..core.errors import StoreError
from ..core.provider import Provider
from ..core.token import Token
from .store_entry import StoreEntry

__all__ = ["mark_irreplaceable", "remove_unproven"]


def mark_irreplaceable(token: Token, provider: Provider) -> Token:
    """Return a token that has just come, and say whether it is irreplaceable.

    It is where the provider cannot log in, and its refresh token is another one than the user supplied: the server
    may take a refresh token once (RFC 6749, section 6). A token without one is renewed by itself, or not at all.
    """
    if provider.can_login:
        return token
    given = provider.initial_token()
    replaced = given is None or _renewed_by(token) != _renewed_by(given)
    return replace(token, irreplaceable=True) if replaced else token


def _renewed_by(token: Token) -> str:
    return token.refresh_token or token.access_token


def remove_unproven(refreshed: Token, place: StoreEntry) -> None:
    """Remove a token that the user supplied and that was saved before its first call, which failed.

    No server has accepted it, and the store had nothing before.
    """
    with suppress(StoreError):  # It is the failure of the call that counts.
        if place.kept == refreshed:  # Or the lock ran out, and another process has saved a token since.
            place.delete()
