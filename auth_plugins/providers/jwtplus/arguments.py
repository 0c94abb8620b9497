"""Checks of arguments. Their exceptions name the parameter and never show the value."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any

from ...core import MAX_TOKEN_LENGTH, check_secret, check_text
from .session import session_to_renew, token_from_pair

__all__ = ["check_app_id", "check_claims", "check_header", "check_ip", "check_pair", "check_words"]

RESERVED = frozenset({"iat", "nbf", "exp", "iss", "jid", "sub", "aud", "ip", "useragent"})
"""Names that `claims` must not contain: they would replace the claims that the server sets."""
_NEVER_A_TOKENS = frozenset({"host", "cookie", "connection", "content-length", "content-type", "transfer-encoding"})
_DEEPEST = 32


def check_app_id(value: object) -> str:
    """Return `value` if it has the form of a ULID: 26 digits and letters in either case, without I, L, O and U."""
    if not re.fullmatch(r"[0-9A-HJKMNP-TV-Za-hjkmnp-tv-z]{26}", check_text("app_id", value)):
        raise ValueError("app_id must be a ULID: 26 digits and letters, without I, L, O and U")
    return str(value)


def check_ip(value: object) -> str:
    """Return the shortest form of an IPv4 or IPv6 address: the server stores at most 24 characters."""
    if not isinstance(value, str):
        raise TypeError("ip must be a str")
    try:
        address = ip_address(value)
    except ValueError:
        address = None
    if address is None or "%" in value:
        raise ValueError("ip must be an IPv4 or IPv6 address")
    shortest = min(address.compressed, value, key=len)
    if len(shortest) > 24:
        raise ValueError("ip must not be longer than 24 characters in its shortest form: the server stores no more")
    return shortest


def check_words(name: str, value: object, *, cut: int | None = None) -> str:
    """Return `value` if it is a non-empty string, shortened to `cut` characters if the server stores no more."""
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a str")
    if not value or (cut is None and len(value) > 4096):
        raise ValueError(f"{name} must have 1 to 4096 characters")
    return value[:cut] if cut is not None else _whole(name, value)


def _whole(name: str, value: str) -> str:
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise ValueError(f"{name} must have no half of a surrogate pair: the server takes all halves for equal")
    return value


def check_pair(auth_token: object, refresh_token: object) -> tuple[str | None, str | None]:
    """Return both tokens of a session, or its refresh token alone, or no token, if they are valid."""
    if auth_token is None and refresh_token is None:
        return None, None
    if refresh_token is None:
        raise ValueError("auth_token must be given together with refresh_token")
    renewal = check_secret("refresh_token", refresh_token, at_once=True, at_most=MAX_TOKEN_LENGTH)
    if auth_token is None:
        if session_to_renew(renewal) is None:
            raise ValueError("refresh_token must be a JWT as JWTPlus signs it")
        return None, renewal
    auth = check_secret("auth_token", auth_token, at_once=True, at_most=MAX_TOKEN_LENGTH)
    if token_from_pair(auth, renewal, None, 0.0) is None:
        raise ValueError("auth_token and refresh_token must be JWTs as JWTPlus signs them")
    return auth, renewal


def check_header(header: object, scheme: object) -> None:
    """Accept a header's name, unless HTTP itself needs the header, and a scheme, which may be empty."""
    if not re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}", check_text("header", header)):
        raise ValueError("header must be a header's name")
    if str(header).lower() in _NEVER_A_TOKENS:
        raise ValueError("header must not be one that HTTP itself needs")
    if scheme != "":
        check_text("scheme", scheme, at_most=64)


def check_claims(value: object) -> str:
    """Return further claims as the text of a JSON object.

    Raises:
        TypeError: the claims or one of them have a type that JSON does not have.
        ValueError: a name is reserved, the server would change a number, or the claims are nested too deep or too long
            for the server's database.
    """
    if value is None:
        return "{}"
    if not isinstance(value, Mapping):
        raise TypeError("claims must be a mapping of str to JSON values")
    if any(isinstance(name, str) and name.lower() in RESERVED for name in value):
        raise ValueError(f"claims must have none of {', '.join(sorted(RESERVED))}")
    claims = json.dumps(_json(value, _DEEPEST), sort_keys=True, separators=(",", ":"))
    if _least_token_length(claims) > _COLUMN:
        raise ValueError(f"claims must be shorter: the server stores auth tokens of at most {_COLUMN:,} bytes")
    return claims


def _least_token_length(claims: str) -> int:
    """Return the minimum length of an auth token with these claims: a JWT is base64url, four bytes for three."""
    # The token contains non-ASCII as UTF-8, and Go's JSON encoder writes "<", ">" and "&" as six characters each.
    text = json.dumps(json.loads(claims), ensure_ascii=False, separators=(",", ":"))
    length = len(text.encode()) + sum(5 * text.count(each) for each in "<>&") + _LEAST_CLAIMS
    return -(-length * 4 // 3) + _LEAST_REST


_COLUMN = 65_535
"""Bytes. The maximum length of an auth token in the server's database."""
_LEAST_CLAIMS = (
    len('"aud":"a","exp":1740430649,"iat":1740427049,"ip":"::","iss":"a","jid":"","nbf":1740427049,') + 26 + 26
)
_LEAST_REST = 83 + 86 + 2
"""Bytes of the header, the shortest signature (ES256) and two dots."""


def _json(value: object, depth: int) -> Any:
    if not depth:
        raise ValueError(f"claims must not be nested deeper than {_DEEPEST}")
    if isinstance(value, str):
        return _whole("claims", value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, (int, float)):
        return _number(value)
    if isinstance(value, (list, tuple)):
        return [_json(each, depth - 1) for each in value]
    if isinstance(value, Mapping):
        if not all(isinstance(name, str) for name in value):
            raise TypeError("claims must have names of type str")
        return {_whole("claims", name): _json(each, depth - 1) for name, each in value.items()}
    raise TypeError("claims must be JSON values")


def _number(value: float) -> float:
    if isinstance(value, int):
        if abs(value) > 2**53:
            raise ValueError("claims must have no integer over 2**53, which the server would round: pass it as a str")
    elif not math.isfinite(value):
        raise ValueError("claims must have finite numbers")
    return value
