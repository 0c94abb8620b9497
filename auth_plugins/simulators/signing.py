"""Signs the tokens of simulated providers and verifies them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

# All simulators share the key, as the versions of an API share theirs. It protects nothing.
_KEY = b"simulated providers sign with this key, and nobody else does"


def sign(claims: Mapping[str, Any]) -> str:
    """Return an HS256 JWT with these claims."""
    from joserfc import jwt
    from joserfc.jwk import OctKey

    return jwt.encode({"typ": "JWT", "alg": "HS256"}, dict(claims), OctKey.import_key(_KEY))


@lru_cache(maxsize=4096)  # a server under load reads the same token many times
def read(token: str) -> Mapping[str, Any] | None:
    """Return the claims of a token that a simulator signed, even if it has expired; `None` for anything else."""
    from joserfc import jwt
    from joserfc.errors import JoseError
    from joserfc.jwk import OctKey

    try:
        return jwt.decode(token, OctKey.import_key(_KEY), algorithms=["HS256"]).claims
    except (JoseError, ValueError):
        return None
