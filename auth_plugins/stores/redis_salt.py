"""The salt of a store in Redis: what is there; else what this process has seen there; else a digest of the settings."""

from __future__ import annotations

import hashlib
import logging
import time
from typing import Any

from ..core.errors import StoreError
from .encryption import Encryption
from .record import CorruptRecord
from .redis_errors import as_store_error
from .redis_scripts import REPLACE

__all__ = ["Salt"]

_log = logging.getLogger("auth_plugins")
_LOOKS = 1.0
"""Seconds between two looks at the salt in Redis."""


class Salt:
    """Reads the salt, and writes it back where it was lost: without it no session would be found."""

    def __init__(self, client: Any, prefix: str, encryption: Encryption) -> None:
        self._client, self._prefix, self._encryption = client, prefix, encryption
        self._known: bytes | None = None
        self._next_look = 0.0

    def read(self) -> bytes:
        """Return the salt; it is looked up at most once a second."""
        now = time.monotonic()
        if self._known is None or now >= self._next_look:
            self._known = self._agreed(self._derived() if self._known is None else self._known)
            self._next_look = now + _LOOKS
        return self._known

    def _agreed(self, ours: bytes) -> bytes:
        name = self._prefix + "salt"
        for _ in range(3):
            raw = as_store_error(lambda: self._client.get(name))
            raw = raw.encode() if isinstance(raw, str) else raw
            salt = None if raw is None else self._opened(raw)
            closed = self._encryption.encrypt((ours if salt is None else salt).hex().encode())
            if raw is None:
                as_store_error(lambda new=closed: self._client.set(name, new, nx=True))  # type: ignore[misc]
                continue
            if salt is None:
                _log.warning("The salt in Redis was damaged; it is replaced by what this process knows")
            if salt is None or not self._encryption.is_current(raw):
                as_store_error(lambda old=raw, new=closed: self._client.eval(REPLACE, 1, name, old, new))  # type: ignore[misc]
            if salt is not None:
                return salt
        raise StoreError("The salt in Redis comes and goes")

    def _opened(self, raw: bytes) -> bytes | None:
        try:
            salt = bytes.fromhex(self._encryption.decrypt(raw).decode("ascii", "replace"))
        except (CorruptRecord, ValueError):
            return None
        return salt if len(salt) == 32 else None

    def _derived(self) -> bytes:
        # No secret unless there is an encryption key: then the names of keys tell nothing to a reader of Redis.
        secret = next((key.strip().encode() for key in self._encryption.keys if key is not None), b"")
        return hashlib.blake2b(self._prefix.encode(), key=secret[:64], digest_size=32, person=b"auth_plugins").digest()
