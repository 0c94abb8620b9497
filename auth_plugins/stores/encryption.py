"""Encryption at rest with Fernet (AES-128-CBC and HMAC-SHA256, from `cryptography`), with one or several keys."""

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
"""One Fernet key, or several: the first key encrypts, all of them decrypt. `None` in the place of a key stands for no
encryption: as the first key, records are written unencrypted; in any place, unencrypted records can be read."""

_MARK = b"fernet:"
_OTHERWISE = "Pass both keys as encryption_key=[new, old]."
_PLAIN = re.compile(rb"[0-9a-f]{32} \{.*\}|([0-9a-f]{2}){32,40}", re.DOTALL)
"""A record or a salt that was written without encryption."""
_HOW_TO_READ_PLAIN = "Pass encryption_key=[key, None] until all tokens are encrypted."


class Encryption:
    """Encrypts and decrypts records. Without a key it returns them unchanged.

    Args:
        encryption_key: see `Keys`.
        otherwise: the hint in the error for a record that is encrypted with another key.

    Raises:
        TypeError: a key is not a `str` or `bytes`.
        ValueError: there is no key, or a key is not 32 bytes in URL-safe base64.
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
        """Digests of the keys, in the order of the keys; `None` for no encryption."""
        return tuple(key and _name(key) for key in self.keys)

    def encrypt(self, raw: bytes) -> MaskedBytes:
        """Return `raw` encrypted with the first key, or unchanged if the first key is `None` or missing."""
        for name, fernet in self._fernets.items():
            if not self._writes_plain:
                return MaskedBytes(_MARK + name + b":" + fernet.encrypt(raw))
        return MaskedBytes(raw)

    def is_current(self, raw: bytes) -> bool:
        """Whether `raw` is encrypted with the first key, or unencrypted if `encrypt` does not encrypt."""
        if self._writes_plain:
            return not raw.startswith(_MARK)
        return raw.startswith(_MARK + next(iter(self._fernets)) + b":")

    def decrypt(self, raw: bytes) -> MaskedBytes:
        """Return `raw` decrypted with the key that it names.

        Raises:
            CorruptRecord: it was altered.
            StoreError: it is encrypted with a key that is not among the keys; or it is not encrypted, and `None` is
                not among the keys. It may be older than the first key, or from a process without a key.
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
        raise ValueError("encryption_key must have at least one key")
    return tuple(None if key is None else _text(key) for key in each)


def _text(key: object) -> Masked:
    if not isinstance(key, str | bytes):
        raise TypeError("encryption_key must be a Fernet key (str or bytes), or several keys and None")
    return Masked(key.decode("ascii", "replace") if isinstance(key, bytes) else key)


def _fernet(key: Masked) -> Fernet:
    try:
        from cryptography.fernet import Fernet
    except ImportError:
        raise ImportError("encryption_key needs: pip install 'auth-plugins[encryption]'") from None
    try:
        return Fernet(key.encode("ascii", "replace"))
    except ValueError:  # Its message may contain the key, so it is not chained.
        pass
    raise ValueError("encryption_key must be 32 bytes in URL-safe base64, as Fernet.generate_key() gives them")


def _name(key: Masked) -> bytes:
    # The name by which a record refers to its key: the key cannot be computed from a digest of 32 random bytes. The
    # decoded key is hashed because its text varies: a key that was read from a file may end with a line break.
    raw = urlsafe_b64decode(key.encode("ascii", "replace"))
    return hashlib.blake2b(raw, digest_size=8, person=b"auth_plugins").hexdigest().encode()
