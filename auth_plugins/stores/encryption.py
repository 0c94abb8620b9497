"""Encryption at rest, by Fernet (AES-128-CBC and HMAC-SHA256, of `cryptography`), with as many keys as are in use."""

from __future__ import annotations

import hashlib
import re
from base64 import urlsafe_b64decode
from collections.abc import Iterable
from typing import TYPE_CHECKING

from ..core.errors import StoreError
from ..core.wire import Masked, MaskedBytes
from .record import CorruptRecord

if TYPE_CHECKING:
    from cryptography.fernet import Fernet

__all__ = ["Encryption", "Keys"]

Keys = str | bytes | Iterable[str | bytes | None]
"""One Fernet key, or several: the first one encrypts, any of them decrypts. `None` in the place of a key stands for
records without encryption: as the first it writes them so, anywhere it lets them be read."""

_MARK = b"fernet:"
_OTHERWISE = "Give its key, beside the new one, as encryption_key."
_PLAIN = re.compile(rb"[0-9a-f]{32} \{.*\}|([0-9a-f]{2}){32,40}", re.DOTALL)
"""A record or a salt of ours that was written without a key."""
_HOW_TO_READ_PLAIN = "Give encryption_key=[key, None] until all tokens are encrypted."


class Encryption:
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
        self._takes_plain = not self.keys or None in self.keys
        self._writes_plain = not self.keys or self.keys[0] is None
        fernets = [(key, _fernet(key)) for key in self.keys if key is not None]
        self._fernets = {_name(key): fernet for key, fernet in fernets}

    @property
    def key_names(self) -> tuple[object, ...]:
        """Digests of the keys, in their order."""
        return tuple(key and _name(key) for key in self.keys)

    def encrypt(self, raw: bytes) -> MaskedBytes:
        """Encrypt with the first key."""
        for name, fernet in self._fernets.items():
            if not self._writes_plain:
                return MaskedBytes(_MARK + name + b":" + fernet.encrypt(raw))
        return MaskedBytes(raw)

    def is_current(self, raw: bytes) -> bool:
        """Whether it was closed as it would be now."""
        if self._writes_plain:
            return not raw.startswith(_MARK)
        return raw.startswith(_MARK + next(iter(self._fernets)) + b":")

    def decrypt(self, raw: bytes) -> MaskedBytes:
        """Decrypt with the key whose name it bears.

        Raises:
            Damaged: it was altered.
            StoreError: it is encrypted with another key; or it is not encrypted, though there are keys and none of
                them is `None`: it may be from before there was a key, or from a writer who has none.
        """
        sealed = raw.startswith(_MARK)
        if not sealed and not self._takes_plain:
            if _PLAIN.fullmatch(raw):
                raise StoreError("The token is not encrypted, and there is an encryption_key", hint=_HOW_TO_READ_PLAIN)
            raise CorruptRecord
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
    raise CorruptRecord


def _keys(given: object) -> tuple[Masked | None, ...]:
    each = list(given) if isinstance(given, Iterable) and not isinstance(given, str | bytes) else [given]
    if all(key is None for key in each):
        raise ValueError("encryption_key must have one key at least")
    return tuple(None if key is None else _text(key) for key in each)


def _text(key: object) -> Masked:
    if not isinstance(key, str | bytes):
        raise TypeError("encryption_key must be a Fernet key (str or bytes), or several, of which one may be None")
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
