"""Encryption at rest, by Fernet (AES-128-CBC and HMAC-SHA256, of `cryptography`), with as many keys as are in use."""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64decode
from collections.abc import Iterable
from typing import TYPE_CHECKING

from ..core.errors import StoreError
from ..core.wire import Masked, MaskedBytes
from .record import Damaged

if TYPE_CHECKING:
    from cryptography.fernet import Fernet

__all__ = ["Keys", "Seal"]

Keys = str | bytes | Iterable[str | bytes]
"""One Fernet key, or several: the first one encrypts, any of them decrypts."""

_MARK = b"fernet:"
_OTHERWISE = "Give its key, beside the new one, as encryption_key."


class Seal:
    """Closes and opens records. Without a key it lets them pass as they are.

    Args:
        encryption_key: see `Keys`.
        otherwise: what to do about a record that is encrypted with another key.

    Raises:
        TypeError: it is of another type.
        ValueError: there is no key, or one that is not 32 bytes in URL-safe base64.
        ImportError: `cryptography` is not installed.
    """

    def __init__(self, encryption_key: Keys | None = None, otherwise: str = _OTHERWISE) -> None:
        self._otherwise = otherwise
        self.keys = () if encryption_key is None else _keys(encryption_key)
        fernets = [_fernet(key) for key in self.keys]
        self._fernets = {_name(key): fernet for key, fernet in zip(self.keys, fernets, strict=True)}

    @property
    def key_names(self) -> tuple[object, ...]:
        """Digests of the keys, in their order."""
        return tuple(key and _name(key) for key in self.keys)

    def close(self, raw: bytes) -> MaskedBytes:
        """Encrypt with the first key."""
        for name, fernet in self._fernets.items():
            return MaskedBytes(_MARK + name + b":" + fernet.encrypt(raw))
        return MaskedBytes(raw)

    def is_current(self, raw: bytes) -> bool:
        """Whether it was closed as it would be now."""
        for name in self._fernets:
            return raw.startswith(_MARK + name + b":")
        return True

    def open(self, raw: bytes) -> MaskedBytes:
        """Decrypt with the key whose name it bears.

        Raises:
            Damaged: it was altered; or is not encrypted, though there are keys: whoever wrote it has none of them.
            StoreError: it is encrypted with another key.
        """
        sealed = raw.startswith(_MARK)
        if not sealed and self._fernets:
            raise Damaged
        if not sealed:
            return MaskedBytes(raw)
        name, _, content = raw.removeprefix(_MARK).partition(b":")
        if name not in self._fernets:
            raise StoreError("The token is encrypted with another key", hint=self._otherwise)
        return _decrypted(self._fernets[name], content)


def _decrypted(fernet: Fernet, content: bytes) -> MaskedBytes:
    from cryptography.fernet import InvalidToken

    try:
        return MaskedBytes(fernet.decrypt(content))
    except InvalidToken:
        pass
    raise Damaged


def _keys(given: object) -> tuple[Masked, ...]:
    each = list(given) if isinstance(given, Iterable) and not isinstance(given, str | bytes) else [given]
    if not each:
        raise ValueError("encryption_key must have one key at least")
    return tuple(_text(key) for key in each)


def _text(key: object) -> Masked:
    if not isinstance(key, str | bytes):
        raise TypeError("encryption_key must be a Fernet key (str or bytes), or several")
    return Masked(key.decode("ascii", "replace") if isinstance(key, bytes) else key)


def _fernet(key: Masked) -> Fernet:
    try:
        from cryptography.fernet import Fernet
    except ImportError:
        raise ImportError("encryption_key needs: pip install 'auth-plugins[encryption]'") from None
    try:
        return Fernet(key.encode("ascii", "replace"))
    except ValueError:  # Its text may hold the key, so it is not chained.
        pass
    raise ValueError("encryption_key must be 32 bytes in URL-safe base64, as Fernet.generate_key() gives them")


def _name(key: Masked) -> bytes:
    # A name by which a record tells its key: one cannot get from a digest of 32 random bytes back to them. The text
    # of a key is not always the same: one that was read from a file ends with a line end.
    raw = urlsafe_b64decode(key.encode("ascii", "replace"))
    return hashlib.blake2b(raw, digest_size=8, person=b"auth_plugins").hexdigest().encode()
