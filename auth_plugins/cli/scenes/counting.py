"""Counts token calls by their kind."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..stage import Counts

if TYPE_CHECKING:
    from auth_plugins.simulators import Endpoint, Ledger

__all__ = ["one", "token_calls"]


def token_calls(ledger: Ledger) -> Counts:
    """Count the logins and the refreshes that the server saw."""
    return {"logins": ledger.count("login"), "refreshes": ledger.count("refresh")}


def one(endpoint: Endpoint) -> Counts:
    """Return the expected counts for a single token call of this kind."""
    return {"logins": int(endpoint == "login"), "refreshes": int(endpoint == "refresh")}
