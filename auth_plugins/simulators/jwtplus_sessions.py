"""The sessions of a JWTPlus app: the rows of the server's table, and the claims of the two tokens of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["COLUMN", "Session"]

COLUMN = 65_535
"""Bytes. The maximum length of a token in the database."""


@dataclass(slots=True)
class Session:
    """A row of the server's table. All times are whole seconds of its clock."""

    jid: str
    key_id: str
    claims: dict[str, Any] = field(repr=False)
    """The claims of the auth token. At a sign call, members of the body replace those that the server sets."""
    sub: str = field(repr=False)
    ip_address: str
    user_agent: str
    iat: int
    nbf: int
    exp: int
    renewable_from: int
    ends: int
    """The end of the refresh token."""
    deleted_at: float | None = None

    @property
    def refresh_claims(self) -> dict[str, Any]:
        """The claims of the refresh token, except `iss`. The body of a call cannot replace them."""
        return {"jid": self.jid, "type": "refresh", "iat": self.iat, "nbf": self.renewable_from, "exp": self.ends}

    @property
    def claimed_end(self) -> float:
        """The end of the auth token by its claims."""
        return _time(self.claims, "exp", self.exp)

    def is_listed(self, now: float) -> bool:
        """Whether the server finds the auth token at `now`: not in the second of its `nbf`, and not after its end."""
        return self.deleted_at is None and self.nbf < int(now) < self.exp

    def is_accepted(self, now: float) -> bool:
        """Whether the times in the auth token's claims allow its use at `now`."""
        return _time(self.claims, "nbf", self.nbf) <= now < self.claimed_end

    def listed(self) -> dict[str, str | int]:
        """Return the entry of the session in the answer of `get-session`."""
        return {
            "token_id": self.jid,
            "key_id": self.key_id,
            "auth_token_iat": self.iat,
            "auth_token_nbf": self.nbf,
            "auth_token_exp": self.exp,
            "refresh_token_iat": self.iat,
            "refresh_token_nbf": self.renewable_from,
            "refresh_token_exp": self.ends,
            "ip_address": self.ip_address,
            "user_agent": self.user_agent,
        }


def _time(claims: Mapping[str, Any], name: str, otherwise: float) -> float:
    value = claims.get(name)
    return float(value) if isinstance(value, int | float) else otherwise
