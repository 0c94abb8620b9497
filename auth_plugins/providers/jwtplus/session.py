"""Makes a `Token` from two JWTs, and translates their times from the server's clock to ours.

The server's clock shows whole seconds and may differ from ours by any amount. The refresh token's `iat` is the server's
time at some moment between the sending of the call and the arrival of its answer. So end times count from the sending,
start times count from the arrival, and both are rounded to the safe side. The refresh token's claims are used because
the body of a call cannot set them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from ...core import LONG_AGO, MAX_LIFETIME, Token, as_number, is_token, jwt_claims

__all__ = ["is_jwt", "server_clock_ahead", "session_to_renew", "token_from_pair"]

_JWT = re.compile(r"[\w-]+\.[\w-]+\.[\w-]+", re.ASCII)

TOO_EARLY = 1.25
"""Seconds after a refresh token's `nbf` in which a renewal may be refused: one for rounding, the rest for the call."""
TOO_LATE = 2.0
"""Seconds before an auth token's `exp` in which a renewal may arrive too late and end the session: one for the rounding
of `iat`, and one for the call."""


def is_jwt(value: object) -> bool:
    """Whether `value` has the form of a JWT: three parts in base64url, the second with claims."""
    return is_token(value) and _JWT.fullmatch(value) is not None and bool(jwt_claims(value))


def token_from_pair(
    auth_token: object,
    refresh_token: object,
    moments: tuple[float, float] | None,
    fresh_after: float,
    extra: Mapping[str, str | None] | None = None,
) -> Token | None:
    """Return the `Token` of a pair, or `None` if one is not a JWT or lacks a claim that the server always sets.

    `moments` are the times at which the call was sent and its answer arrived, in seconds since the epoch. Without them
    the server's clock is assumed to agree with ours.
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
        # One second early, because `iat` was rounded down.
        expires_at=sent + max(lifetime - 1.0, 0.0),
        valid_from=arrived + ((iat if starts is None else starts) - iat) + fresh_after,
        refreshable_from=opens,
        # If no time is left between `nbf` and `exp` (token_expire <= refresh_notbefore + 1), it never can be.
        refreshable_until=closes if opens < closes else LONG_AGO,
        refresh_once=True,
        extra={name: value for name, value in (extra or {}).items() if value is not None},
    )


def session_to_renew(refresh_token: object) -> Token | None:
    """Return an expired `Token` for a refresh token alone, so that the first request renews it.

    Return `None` if it is not a JWT or lacks a claim that the server always sets. The server's clock is assumed to
    agree with ours.
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
        # The end of its auth token, which is unknown here, may end the session earlier.
        refreshable_until=exp,
        refresh_once=True,
    )


def server_clock_ahead(token: Token) -> float:
    """Return by how many seconds the server's clock was ahead of ours when it signed `token`."""
    iat = as_number(jwt_claims(token.refresh_token or "").get("iat"))
    return 0.0 if iat is None else iat - token.issued_at
