"""How JWTPlus reads the body of a call, and what it says of one that it does not like: in three shapes."""

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
    value = float(digits)
    if math.isinf(value):
        raise OverflowError  # It fits into no number of the server's.
    return int(digits) if digits.lstrip("-").isdigit() else value


def _constant(name: str) -> float:
    raise json.JSONDecodeError("NaN and Infinity are no JSON", name, -1)


_DECODER = json.JSONDecoder(parse_int=_number, parse_float=_number, parse_constant=_constant)
EMPTY = SimResponse(200, {})
"""What a truncated body is answered with, and in the released build any that is no JSON of the right types."""


def error() -> SimResponse:
    """The 500 for everything that goes wrong inside."""
    return json_response(500, {"message": "error"})


def fields_of(body: bytes, needed: tuple[str, ...], build: Build) -> dict[str, Any] | SimResponse:
    """The members of a body, those needed by their lower-case names; or the answer to a bad one."""
    if not body.strip(b" \t\r\n"):
        return json_response(400, {"errors": "empty request body"})
    text = body.decode("utf-8", "replace")
    try:
        value, end = _DECODER.raw_decode(text, len(text) - len(text.lstrip()))
        value = {} if value is None else _in_whole_characters(value)
    except OverflowError:
        return _no_json("invalid json data type", build)
    except (json.JSONDecodeError, RecursionError) as trouble:
        cut_off = isinstance(trouble, json.JSONDecodeError) and (
            trouble.pos >= len(text.rstrip()) or trouble.msg.startswith("Unterminated")
        )
        return EMPTY if cut_off else _no_json("invalid json format", build)
    if not isinstance(value, dict):
        return _no_json("invalid json data type", build)
    fields = {name.lower() if name.lower() in needed else name: item for name, item in value.items()}
    if any(not isinstance(fields.get(name, ""), str | None) for name in needed):
        return _no_json("invalid json data type", build)
    wrong = [_wrong(name, what) for name in needed if (what := _lacks(name, fields.get(name)))]
    if wrong:
        return json_response(400, {"errors": wrong})
    if text[end:].strip() and "sub" in needed:
        return error()  # The claims are read from the body a second time, and more strictly.
    return fields


def _in_whole_characters(value: Any) -> Any:
    """Put U+FFFD in the place of half a surrogate pair, as the server does."""
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
