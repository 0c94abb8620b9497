"""How simulated providers sign their tokens, and how they know them again."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

# One for every simulator, as the versions of one API share theirs; it protects nothing.
_KEY = b"simulated providers sign with this key, and nobody else does"


def sign(claims: Mapping[str, Any]) -> str:
    """An HS256 JWT with these claims."""
    from joserfc import jwt
    from joserfc.jwk import OctKey

    return jwt.encode({"typ": "JWT", "alg": "HS256"}, dict(claims), OctKey.import_key(_KEY))


@lru_cache(maxsize=4096)  # a server under load reads the same token again and again
def read(token: str) -> Mapping[str, Any] | None:
    """The claims of a token that a simulator signed; None for anything else. Says nothing about its age."""
    from joserfc import jwt
    from joserfc.errors import JoseError
    from joserfc.jwk import OctKey

    try:
        return jwt.decode(token, OctKey.import_key(_KEY), algorithms=["HS256"]).claims
    except (JoseError, ValueError):
        return None
