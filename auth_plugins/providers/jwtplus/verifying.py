"""How an auth token is verified without asking the server: with its public key, by joserfc."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from ...core import check_seconds, jwt_claims
from .session import is_jwt

__all__ = ["check_jwt", "verified"]

_BY_CURVE = {"P-256": ["ES256"], "P-384": ["ES384"], "P-521": ["ES512"]}
_RSA = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"]
LEAST_LEEWAY = 2.0
"""Seconds. The server's clock shows whole ones, and no two clocks agree."""


def check_jwt(token: object) -> str:
    """Accept what has the shape of a JWT.

    Raises:
        TypeError: it is not a `str`.
        ValueError: it is no JWT.
    """
    if not isinstance(token, str):
        raise TypeError("token must be a str")
    if not is_jwt(token):
        raise ValueError("token must be a JWT")
    return token


def verified(token: str, public_key: object, now: float, leeway: float) -> dict[str, Any]:
    """Give the claims of an auth token whose signature and times are right at `now`, in the server's time.

    Raises:
        ImportError: joserfc is missing.
        TypeError: the key is of a wrong type.
        ValueError: the key is none, or the token is not valid; the text says why, and shows neither.
    """
    if check_seconds("leeway", leeway) < LEAST_LEEWAY:
        raise ValueError(f"leeway must be {LEAST_LEEWAY:g} or more")
    try:
        from joserfc import jwt
        from joserfc.errors import JoseError
    except ImportError:
        raise ImportError("verify_locally needs joserfc: pip install 'auth-plugins[jwtplus]'") from None
    key, algorithms = _key(_of_token(token, public_key))
    try:
        claims = jwt.decode(token, key, algorithms=algorithms).claims
        times = {"exp": {"essential": True}, "nbf": {"essential": True}}
        jwt.JWTClaimsRegistry(int(now), int(leeway), **times).validate(claims)  # type: ignore[arg-type]
        reason = "a refresh token proves nothing" if claims.get("type") == "refresh" else None
    except Exception as error:  # Whoever sent the token chose its header: it need not even be an object.
        claims, reason = {}, error.error if isinstance(error, JoseError) else "malformed"
    if reason is not None:
        raise ValueError(f"token is not valid: {reason}")
    return claims


def key_id_of(token: str) -> str | None:
    """Read the `kid` of a JWT, which says with which key it was signed."""
    # A header is read as claims are: it is the part before them.
    kid = jwt_claims(f".{token.partition('.')[0]}.").get("kid")
    return kid if isinstance(kid, str) else None


def _of_token(token: str, public_key: object) -> object:
    if not isinstance(public_key, Mapping):
        return public_key
    key_id = key_id_of(token)
    if key_id not in public_key:
        raise ValueError("public_key holds none under this token's key id: ask GET /app/{app_id}/pub-keys")
    return public_key[key_id]


def _key(public_key: object) -> tuple[Any, list[str]]:
    from joserfc.errors import JoseError
    from joserfc.jwk import ECKey, RSAKey

    if not isinstance(public_key, (str, bytes)):
        raise TypeError("public_key must be a str, bytes, or a mapping of key ids to these")
    pem = (public_key.encode() if isinstance(public_key, str) else public_key).strip()
    for kind in (ECKey, RSAKey):
        try:
            content = pem if pem.startswith(b"-----BEGIN") else base64.b64decode(pem, validate=True)
            if b"PUBLIC KEY" not in content:
                break
            key: Any = kind.import_key(content)
        except (JoseError, ValueError, TypeError):
            continue
        algorithms = _BY_CURVE.get(key.curve_name) if kind is ECKey else _RSA
        if algorithms is not None:
            return key, algorithms
    raise ValueError("public_key must be the PEM of an EC or RSA public key, or the base64 of it")
