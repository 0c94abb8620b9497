"""How an answer's words are shortened and freed of the request's secrets, in every way in which it may quote them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from urllib.parse import quote, quote_plus

__all__ = ["redacted"]


def redacted(words: str | None, secrets: Iterable[str], most: int) -> str | None:
    """Return at most `most` printable characters of `words`, with `***` for each secret; `None` for nothing."""
    if words is None:
        return None
    written = {each for secret in secrets if secret for each in _encodings(secret)}
    for secret in sorted(written, key=len, reverse=True):
        words = words.replace(secret, "***")
    printable = "".join(c if c.isprintable() else " " for c in words).strip()
    return printable[:most] or None


def _encodings(secret: str) -> tuple[str, ...]:
    """Return a secret as an answer may quote it: as it is, or as it stood in JSON, in a form or a URL, in HTML."""
    from html import escape  # Its table of names takes longer to load than all of this package.

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
