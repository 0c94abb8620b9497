"""Reads the body of a call as JWTPlus does, and makes its errors, which have three shapes."""

from __future__ import annotations

import json
import math
import re
from ipaddress import ip_address
from typing import Any, Literal

from .wire import SimResponse, json_response

Build = Literal["std", "rel"]
_JWT = re.compile(r"[\w-]+\.[\w-]+\.[\w-]*", re.ASCII)  # The signature may be missing.
_TEXTS = {
    "required": "This field is required.",
    "ip": "This field requires a valid ipv4 or ipv6 address.",
    "jwt": "This field requires a valid jwt token.",
}


def _number(digits: str) -> int | float:
    """Return a number as the server stores it: every number is a float, and a whole one is written without a point."""
    value = float(digits)
    if math.isinf(value):
        raise OverflowError  # The number is too large for the server.
    return int(value) if value.is_integer() and abs(value) < 1e21 else value


def _constant(name: str) -> float:
    raise json.JSONDecodeError("NaN and Infinity are no JSON", name, -1)


_FIELDS = json.JSONDecoder(parse_int=float, parse_float=float, parse_constant=_constant)
_CLAIMS = json.JSONDecoder(parse_int=_number, parse_float=_number, parse_constant=_constant)
EMPTY = SimResponse(200, {})
"""The answer to a truncated body; in the released build to any body that is not JSON or has wrong types."""


def error() -> SimResponse:
    """Return the 500 of an internal error."""
    return json_response(500, {"message": "error"})


def fields_of(body: bytes, needed: tuple[str, ...], build: Build) -> dict[str, str] | SimResponse:
    """Return the members that a call needs, by lower-case name, or the answer to a bad body.

    The name of a member is read in any case, and its last value counts. Other members are not read.
    """
    if not body.strip(b" \t\r\n"):
        return json_response(400, {"errors": "empty request body"})
    text = body.decode("utf-8", "replace")
    try:
        value, _ = _FIELDS.raw_decode(text, len(text) - len(text.lstrip()))
    except (json.JSONDecodeError, RecursionError) as trouble:
        cut_off = isinstance(trouble, json.JSONDecodeError) and (
            trouble.pos >= len(text.rstrip()) or trouble.msg.startswith("Unterminated")
        )
        return EMPTY if cut_off else _no_json("invalid json format", build)
    if not isinstance(value, dict | None):
        return _no_json("invalid json data type", build)
    members = [(name.casefold(), item) for name, item in (value or {}).items() if item is not None]
    fields = {name: item for name, item in members if name in needed}
    if not all(isinstance(item, str) for item in fields.values()):
        return _no_json("invalid json data type", build)
    fields = {name: _in_whole_characters(item) for name, item in fields.items()}
    wrong = [_wrong(name, what) for name in needed if (what := _lacks(name, fields.get(name)))]
    return json_response(400, {"errors": wrong}) if wrong else fields


def claims_of(body: bytes) -> dict[str, Any] | None:
    """Return all members of a body, with their names as spelled, or `None` if they cannot become claims.

    The server reads the body of a sign call a second time, and more strictly: nothing may follow the object, and every
    number must fit into a float.
    """
    try:
        claims: dict[str, Any] = _in_whole_characters(_CLAIMS.decode(body.decode("utf-8", "replace")))
    except (ValueError, OverflowError):
        return None
    return claims


def too_long(fields: dict[str, str]) -> bool:
    """Whether a value does not fit into its column of the database."""
    return len(fields["ip"]) > 24 or len(fields["useragent"]) > 255


def _in_whole_characters(value: Any) -> Any:
    """Replace halves of surrogate pairs by U+FFFD, as the server does."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_in_whole_characters(item) for item in value]
    if isinstance(value, dict):
        return {_in_whole_characters(name): _in_whole_characters(item) for name, item in value.items()}
    return value


def _no_json(message: str, build: Build) -> SimResponse:
    return EMPTY if build == "rel" else json_response(400, {"errors": {"error_field": "", "error_message": message}})


def _wrong(name: str, what: str) -> dict[str, str]:
    return {"error_field": name, "error_message": _TEXTS[what]}


def _lacks(name: str, value: str | None) -> str | None:
    if not value:
        return "required"
    if name == "ip":
        return None if _is_address(value) else "ip"
    if name in ("token", "refresh_token"):
        return None if _JWT.fullmatch(value) else "jwt"
    return None


def _is_address(value: str) -> bool:
    try:
        ip_address(value)
    except ValueError:
        return False
    return "%" not in value  # Go's net.ParseIP knows no zones.
