"""How two JWTs become a `Token`: when they end, and while they can be renewed, by the server's clock.

The server's clock shows whole seconds, and its moments may be off ours by any amount. The refresh token's `iat`
is what it showed at some moment between the sending of the call and the arrival of the answer. So what ends counts from
the sending, what begins counts from the arrival, and both are rounded to the safe side. The body of a call cannot set
the refresh token's claims.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from ...core import LONG_AGO, MAX_LIFETIME, Token, as_number, is_token, jwt_claims

__all__ = ["is_jwt", "server_clock_ahead", "session_to_renew", "token_from_pair"]

_JWT = re.compile(r"[\w-]+\.[\w-]+\.[\w-]+", re.ASCII)

TOO_EARLY = 1.25
"""Seconds after a refresh token's `nbf` in which a renewal may be refused: its own second, and a call's way there."""
TOO_LATE = 2.0
"""Seconds before an auth token's `exp` in which a renewal may come late, and so end the session: the second of `iat`
that had gone by, and a second for the way."""


def is_jwt(value: object) -> bool:
    """Whether it has the shape of a JWT: three parts of base64url, and claims in the second."""
    return is_token(value) and _JWT.fullmatch(value) is not None and bool(jwt_claims(value))


def token_from_pair(
    auth_token: object,
    refresh_token: object,
    moments: tuple[float, float] | None,
    fresh_after: float,
    extra: Mapping[str, str | None] | None = None,
) -> Token | None:
    """Make a `Token` of a pair, by the moments at which the call was sent and its answer arrived, in seconds.

    Without `moments` the server's clock is taken for ours. Returns `None` if either is no JWT, or lacks a claim that
    the server always sets.
    """
    if not is_jwt(auth_token) or not is_jwt(refresh_token):
        return None
    auth, renewal = jwt_claims(str(auth_token)), jwt_claims(str(refresh_token))
    iat, nbf, ends = as_number(renewal.get("iat")), as_number(renewal.get("nbf")), as_number(auth.get("exp"))
    if iat is None or nbf is None or ends is None:
        return None
    sent, arrived = moments or (iat, iat)
    last, starts = as_number(renewal.get("exp")), as_number(auth.get("nbf"))
    lifetime = min(max(ends - iat, 0.0), MAX_LIFETIME)
    renewable = min(lifetime, math.inf if last is None else last - iat)
    opens, closes = arrived + (nbf - iat) + TOO_EARLY, sent + renewable - TOO_LATE
    return Token(
        access_token=str(auth_token),
        refresh_token=str(refresh_token),
        issued_at=sent,
        # A second early: how much of the second of `iat` had gone by is unknown.
        expires_at=sent + max(lifetime - 1.0, 0.0),
        valid_from=arrived + ((iat if starts is None else starts) - iat) + fresh_after,
        refreshable_from=opens,
        # Where `nbf` and `exp` leave nothing between them (token_expire <= refresh_notbefore + 1) it never can.
        refreshable_until=closes if opens < closes else LONG_AGO,
        refresh_once=True,
        extra={name: value for name, value in (extra or {}).items() if value is not None},
    )


def session_to_renew(refresh_token: object) -> Token | None:
    """Make a `Token` of a refresh token alone: it has ended, and the first call renews it.

    The server's clock is taken for ours. Returns `None` if it is no JWT, or lacks a claim that the server always sets.
    """
    if not is_jwt(refresh_token):
        return None
    claims = jwt_claims(str(refresh_token))
    iat, nbf, exp = (as_number(claims.get(name)) for name in ("iat", "nbf", "exp"))
    if iat is None or nbf is None or exp is None:
        return None
    return Token(
        access_token="",
        refresh_token=str(refresh_token),
        issued_at=iat,
        expires_at=LONG_AGO,
        refreshable_from=nbf + TOO_EARLY,
        # The auth token that came with it ends the session earlier. When that is, only the server knows.
        refreshable_until=exp,
        refresh_once=True,
    )


def server_clock_ahead(token: Token) -> float:
    """Say by how many seconds the server's clock was ahead of ours when it signed `token`."""
    iat = as_number(jwt_claims(token.refresh_token or "").get("iat"))
    return 0.0 if iat is None else iat - token.issued_at
