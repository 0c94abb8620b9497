"""Reads `WWW-Authenticate`: whether a 401 says that the token is good and its scope too small."""

from __future__ import annotations

import re

__all__ = ["is_insufficient_scope"]

_PART = re.compile(
    r"""[\s,]*(?:
        (?P<name>[\w!#$%&'*+.^`|~-]+) \s*=\s* (?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<plain>[\w!#$%&'*+.^`|~:/?@-]+))
          (?=[\s,]|$)
        | (?P<scheme>[\w!#$%&'*+.^`|~-]+) (?=[\s,]|$)
        | [\w.~+/-]+=* (?=[\s,]|$)
    )""",
    re.VERBOSE | re.ASCII,
)
"""A parameter, the scheme that begins a challenge, or a `token68` such as Negotiate's (RFC 9110, section 11.2)."""
_LONGEST = 8192
"""Characters that are read: more than any server sends."""


def is_insufficient_scope(value: str | None) -> bool:
    """Whether a Bearer challenge says `insufficient_scope` (RFC 6750, section 3.1), and none says `invalid_token`.

    Args:
        value: the field's value. It may hold several challenges, and several fields joined by commas (RFC 9110,
            sections 5.2 and 11.6.1).
    """
    if not value or "insufficient_scope" not in value.lower():
        return False
    errors = _bearer_errors(value[:_LONGEST])
    return "insufficient_scope" in errors and "invalid_token" not in errors


def _bearer_errors(value: str) -> set[str]:
    errors: set[str] = set()
    scheme, at = "", 0
    while (part := _PART.match(value, at)) is not None and part.end() > at:
        at = part.end()
        if part["scheme"]:
            scheme = part["scheme"].lower()
        elif part["name"] and scheme == "bearer" and part["name"].lower() == "error":
            quoted = part["quoted"]
            errors.add(part["plain"] if quoted is None else re.sub(r"\\(.)", r"\1", quoted))
    return errors
