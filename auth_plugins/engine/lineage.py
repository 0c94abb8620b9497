"""Which tokens came before the one at hand: short digests of the last of them, in one bytes object."""

from __future__ import annotations

import hashlib
import secrets

from ..core.token import Token

__all__ = ["is_predecessor", "with_predecessor"]

_KEY = secrets.token_bytes(32)
_BYTES = 8
_KEPT = 128
"""The most predecessors of one token that are remembered: a kilobyte."""


def with_predecessor(known: bytes, before: Token, token: Token) -> bytes:
    """Return `known` with `before`, which `token` replaces, and without `token`, which is the newest one now."""
    new, old = _digest(token), _digest(before)
    others = [each for each in _split(known) if each not in (new, old)]
    return b"".join([*others, old][-_KEPT:])


def is_predecessor(known: bytes, token: Token) -> bool:
    """Whether `token` is among `known`."""
    return bool(known) and _digest(token) in _split(known)


def _split(known: bytes) -> list[bytes]:
    return [known[start : start + _BYTES] for start in range(0, len(known), _BYTES)]


def _digest(token: Token) -> bytes:
    # Not its times: a token whose refresh token was used up, and is marked so, is the same one.
    digest = hashlib.blake2b(key=_KEY, digest_size=_BYTES)
    for part in (token.access_token, token.refresh_token or ""):
        raw = part.encode("utf-8", "surrogatepass")
        digest.update(len(raw).to_bytes(8, "big") + raw)
    return digest.digest()
