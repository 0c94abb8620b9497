"""Encodes a token as the bytes that a store keeps: a digest, and JSON with the format's version, the key and the token.

Every format has the digest: it distinguishes a later format from a damaged record, and detects changes made by a disk.
Two versions of this package may share a store. Within a format, members are only ever added: an unknown member is
ignored, and a missing member has its default. A record of a later format is left as it is.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import MISSING, fields
from typing import Any

from ..core.errors import StoreError
from ..core.token import Token
from ..core.wire import MaskedBytes

__all__ = ["CorruptRecord", "decode", "encode"]

FORMAT = 1


class CorruptRecord(Exception):
    """The bytes are not a valid record. The exception carries no part of them."""


def encode(key: str, token: Token) -> MaskedBytes:
    """Return the record of `token` under `key`. Members that have their default value are left out."""
    kept = {field.name: getattr(token, field.name) for field in fields(Token)}
    kept["extra"] = dict(token.extra)
    members = {name: _plain(value) for name, value in kept.items() if value != _DEFAULTS.get(name, MISSING)}
    record = {"format": FORMAT, "key": key, "token": members}
    content = json.dumps(record, separators=(",", ":"), allow_nan=False).encode()
    return MaskedBytes(_digest(content) + b" " + content)


def decode(key: str, raw: bytes) -> Token:
    """Return the token in the record of `key`.

    Raises:
        CorruptRecord: the record is truncated, altered, not from this package, or of another key.
        StoreError: its format is later than this version of the package.
    """
    token, later = _read(key, raw)
    if later:
        raise StoreError("The token was saved by a later version of this package", hint="Use that version here, too.")
    if token is None:
        raise CorruptRecord
    return token


def _read(key: str, raw: bytes) -> tuple[Token | None, bool]:
    # Raises no exception: its traceback would carry this frame, which holds the decrypted record.
    try:
        digest, _, content = raw.partition(b" ")
        record = json.loads(content) if digest == _digest(content) else {}
        later = isinstance(record["format"], int) and record["format"] > FORMAT
        if not later and (record["format"], record["key"]) == (FORMAT, key):
            return _token(record["token"]), False
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError, OverflowError):
        return None, False
    return None, later


def _digest(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=16).hexdigest().encode()


def _plain(value: Any) -> Any:
    # JSON has no infinity: it is written as the string that Python uses.
    return str(value) if isinstance(value, float) and value in (float("inf"), float("-inf")) else value


def _token(members: dict[str, Any]) -> Token:
    known = {name: _READ[name](members[name]) for name in _READ if name in members}
    return Token(**known)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _header_text(value: object) -> str:
    text = _text(value)
    if not text.isprintable():  # A line break in the token would end the header that carries it.
        raise TypeError
    return text


def _time(value: object) -> float:
    if value in ("inf", "-inf"):
        return float(str(value))
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError
    return float(value)


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError
    return value


def _texts(value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise TypeError
    return tuple(_text(each) for each in value)


def _mapping(value: object) -> dict[str, str]:
    if not isinstance(value, dict):
        raise TypeError
    return {_text(name): _text(each) for name, each in value.items()}


_READ: dict[str, Callable[[object], Any]] = {
    "access_token": _header_text,
    "issued_at": _time,
    "expires_at": _time,
    "valid_from": _time,
    "token_type": _text,
    "refresh_token": _text,
    "refreshable_from": _time,
    "refreshable_until": _time,
    "refresh_once": _flag,
    "scopes": _texts,
    "extra": _mapping,
    "irreplaceable": _flag,
    "answer_lost": _flag,
}
_DEFAULTS = {field.name: field.default for field in fields(Token) if field.default is not MISSING} | {"extra": {}}
