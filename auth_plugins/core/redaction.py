"""Shortens the words of an answer and removes the request's secrets in every encoding that it may quote."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from urllib.parse import quote, quote_plus

__all__ = ["redacted"]


def redacted(words: str | None, secrets: Iterable[str], most: int) -> str | None:
    """Return at most `most` printable characters of `words`, with `***` for each secret; `None` if nothing is left."""
    if words is None:
        return None
    written = {each for secret in secrets if secret for each in _encodings(secret)}
    for secret in sorted(written, key=len, reverse=True):
        words = words.replace(secret, "***")
    printable = "".join(c if c.isprintable() else " " for c in words).strip()
    return printable[:most] or None


def _encodings(secret: str) -> tuple[str, ...]:
    """Return the encodings in which an answer may quote `secret`: raw, JSON, URL, form and HTML."""
    from html import escape  # Slow to import: it loads a table of all HTML entities.

    units = secret.encode("utf-16-be", "surrogatepass")
    codes = [int.from_bytes(units[at : at + 2]) for at in range(0, len(units), 2)]
    in_json = json.dumps(secret, ensure_ascii=False)[1:-1]
    return (
        secret,
        json.dumps(secret)[1:-1],
        in_json,
        # The JSON encoders of Go and of .NET.
        re.sub(r"[<>&]", lambda found: f"\\u{ord(found[0]):04x}", in_json),
        "".join(
            "\\\\" if code == 92 else chr(code) if code in _PLAIN_IN_DOTNET else f"\\u{code:04X}" for code in codes
        ),
        quote(secret, safe="", errors="surrogatepass"),
        quote_plus(secret, errors="surrogatepass"),
        escape(secret),
    )


_PLAIN_IN_DOTNET = frozenset(range(ord(" "), 127)) - set(b"\"&'+<>\\`")
