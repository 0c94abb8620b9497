"""How an answer is read when nothing in it can be trusted: every function gives a value or `None`, or says why not."""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar
from urllib.parse import quote, quote_plus

from .errors import AuthError, InvalidTokenResponse, TokenEndpointUnavailable
from .provider import Said
from .wire import TokenRequest, TokenResponse

__all__ = [
    "failure",
    "is_token",
    "json_object",
    "jwt_claims",
    "longest_lifetime",
    "mapping",
    "number",
    "retry_after",
    "text",
    "timestamp",
    "unserved",
]

E = TypeVar("E", bound=AuthError)

_COME_AGAIN = {408: "gave up waiting for the call", 425: "was called too early", 429: "was called too often"}
"""4xx of the road and not of the provider: RFC 9110, section 15.5.9; RFC 8470, section 5.2; RFC 6585, section 4."""

longest_lifetime = 366 * 86_400.0
"""Seconds. A token that claims to live longer is renewed after this: a number that large is a mistake."""


def json_object(response: TokenResponse) -> dict[str, Any]:
    """Parse a body that is a JSON object; anything else is the empty one."""
    try:
        value = json.loads(response.body, parse_constant=lambda _: None)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def mapping(value: object) -> Mapping[str, Any]:
    """Give a JSON object as it is, anything else as the empty one."""
    return value if isinstance(value, dict) else {}


def text(value: object) -> str | None:
    """Give a non-empty string, or a whole number of a sane length, as a string; anything else as `None`."""
    if isinstance(value, str) and value:
        return value
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**18:
        return str(value)
    return None


def number(value: object) -> float | None:
    """Give a finite number, also one written as a string; `None` for anything else."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        result = float(value)
    except (ValueError, OverflowError):
        return None
    return result if math.isfinite(result) else None


def timestamp(value: object) -> float | None:
    """Give an ISO 8601 time with its zone as seconds since the epoch; `None` for anything else."""
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
        return moment.timestamp() if moment.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None


def is_token(value: object) -> bool:
    """Whether it can stand behind `Bearer`: visible ASCII, so that it cannot end the header it is put into."""
    return isinstance(value, str) and 0 < len(value) <= 16_384 and all("!" <= c <= "~" for c in value)


def jwt_claims(token: str) -> dict[str, Any]:
    """Read the claims of a JWT without verifying it (RFC 7519): it was given to us, not by us; `{}` if it is none."""
    parts = token.split(".")
    if len(parts) != 3:
        return {}
    try:
        claims = base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4))
    except (binascii.Error, ValueError):
        return {}
    return json_object(TokenResponse(200, {}, claims))


def retry_after(response: TokenResponse, now: float) -> float | None:
    """Read `Retry-After` (RFC 9110, section 10.2.3), as seconds from `now`; `None` if there is none to be read."""
    value = response.headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return number(value)
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, TypeError, OverflowError):
        return None
    aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return max(0.0, aware.timestamp() - now)


def failure(kind: type[E], message: str, request: TokenRequest, response: TokenResponse, said: Said, **more: Any) -> E:
    """Make an error of an answer, with the provider's words, cut and without the request's secrets."""
    return kind(
        message,
        status=response.status,
        provider_code=_clean(said.code, request, 80),
        provider_message=_clean(said.message, request, 300),
        request_id=_clean(said.request_id, request, 80),
        **more,
    )


def unserved(request: TokenRequest, response: TokenResponse, said: Said, now: float) -> AuthError | None:
    """Tell the errors that are no provider's own: come again (408, 425, 429, 5xx), not a token endpoint (1xx, 3xx)."""
    status = response.status
    if status in _COME_AGAIN or status >= 500:
        what = _COME_AGAIN.get(status, f"failed with {status}")
        asked = retry_after(response, now)
        return failure(
            TokenEndpointUnavailable, f"The token endpoint {what}", request, response, said, retry_after=asked
        )
    if not 200 <= status < 300 and not 400 <= status < 500:
        hint = "Check the endpoint's URL: a token call is never redirected, since it carries credentials."
        return failure(
            InvalidTokenResponse, f"The token endpoint answered {status}", request, response, said, hint=hint
        )
    return None


def _clean(said: str | None, request: TokenRequest, most: int) -> str | None:
    if said is None:
        return None
    written = {each for secret in request.secrets if secret for each in _writings(secret)}
    for secret in sorted(written, key=len, reverse=True):
        said = said.replace(secret, "***")
    printable = "".join(c if c.isprintable() else " " for c in said).strip()
    return printable[:most] or None


def _writings(secret: str) -> tuple[str, ...]:
    """Give a secret as an answer may quote it: as it is, or as it stood in JSON, in a form or a URL, in HTML."""
    from html import escape  # Its table of names takes longer to load than all of this room.

    units = secret.encode("utf-16-be", "surrogatepass")
    codes = [int.from_bytes(units[at : at + 2]) for at in range(0, len(units), 2)]
    in_json = json.dumps(secret, ensure_ascii=False)[1:-1]
    return (
        secret,
        json.dumps(secret)[1:-1],
        in_json,
        # As Go has it, and as .NET has it.
        re.sub(r"[<>&]", lambda found: f"\\u{ord(found[0]):04x}", in_json),
        "".join(
            "\\\\" if code == 92 else chr(code) if code in _PLAIN_IN_DOTNET else f"\\u{code:04X}" for code in codes
        ),
        quote(secret, safe="", errors="surrogatepass"),
        quote_plus(secret, errors="surrogatepass"),
        escape(secret),
    )


_PLAIN_IN_DOTNET = frozenset(range(ord(" "), 127)) - set(b"\"&'+<>\\`")
