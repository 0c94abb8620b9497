"""Writes the table in docs/explanation/refusals.md by putting answers to the contracts.

python docs/_ext/refusals.py
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from auth_plugins.core import Answer, AuthError, TokenResponse
from auth_plugins.core.statuses import error_for_status
from tools.fuzz.answers import CONTRACTS, NOW, requests_of

PAGE = Path(__file__).parents[1] / "explanation" / "refusals.md"
STATUSES = (400, 401, 403, 404, 407, 422, 429, 451, 503)
NAMES = {
    "fyatu": "Fyatu",
    "vault": "Vault",
    "marketiger": "Marketiger",
    "jwtplus": "JWTPlus",
    "oauth2-basic": "OAuth 2.0, client",
    "oauth2-user": "OAuth 2.0, user",
}
OWN: Mapping[str, bytes] = {
    "fyatu": b'{"success": false, "error": {"code": "AUTH_INVALID_CREDENTIALS"}}',
    "vault": b'{"status": "UNAUTHORIZED", "message": "No.", "traceId": "t", "errors": []}',
    "marketiger": b'{"success": false, "error": {"type": "AUTHENTICATION", "message": "No."}}',
    "jwtplus": b'{"errors": "invalid app key or id", "message": "invalid refresh token"}',
    "oauth2-basic": b'{"error": "invalid_client"}',
    "oauth2-user": b'{"error": "invalid_grant"}',
}
BODIES: Mapping[str, bytes | None] = {
    "its own error": None,
    "an HTML page": b"<!DOCTYPE html><title>Blocked</title>",
    "nothing": b"",
    "a gateway's JSON": b'{"message": "Forbidden"}',
}


def outcome(name: str, status: int, body: bytes, *, refresh: bool) -> str:
    """Return the name of the error that an answer becomes."""
    contract, response = CONTRACTS[name], TokenResponse(status, {}, body)
    answer = Answer(requests_of(contract)[refresh], response, contract.error_info(response), NOW, NOW)
    error = error_for_status(answer)
    try:
        if error is None:
            contract.read(answer, NOW)
    except AuthError as refused:
        error = refused
    return type(error).__name__


def table() -> str:
    """Return the table: status and body by row, provider by column; what a login and a refresh become."""
    lines = ["| status | body | " + " | ".join(NAMES.values()) + " |", "| --- " * (len(NAMES) + 2) + "|"]
    for status in STATUSES:
        for what, body in BODIES.items():
            cells = []
            for name in NAMES:
                raw = OWN[name] if body is None else body
                second = outcome(name, status, raw, refresh=True)
                first = outcome(name, status, raw, refresh=False) if CONTRACTS[name].can_login else second
                cells.append(f"`{first}`" if first == second else f"`{first}`; refresh: `{second}`")
            lines.append(f"| {status} | {what} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def page() -> str:
    """Return the page with the table as it is now."""
    head, mark, _ = PAGE.read_text("utf-8").partition("<!-- drawn by docs/_ext/refusals.py -->\n")
    return f"{head}{mark}\n{table()}"


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
