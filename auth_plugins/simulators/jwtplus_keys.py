"""The keys of a JWTPlus app. They are real, so signatures can be verified."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Mapping
from typing import Any

_CURVES = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}
_BASE32 = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def ulid() -> str:
    """Return a new ULID, the form of all ids of JWTPlus."""
    return "01" + "".join(secrets.choice(_BASE32) for _ in range(24))


class SigningKey:
    """A key pair with an id, for one algorithm."""

    def __init__(self, algorithm: str) -> None:
        from joserfc.jwk import ECKey, RSAKey

        self.key_id, self.algorithm = ulid(), algorithm
        curve = _CURVES.get(algorithm)
        self._key: Any = RSAKey.generate_key(2048) if curve is None else ECKey.generate_key(curve)
        # In the form of the answers: base64 of the PEM, including line ends.
        self.public_key = base64.b64encode(self._key.as_pem(private=False)).decode()

    def sign(self, claims: Mapping[str, Any]) -> str:
        """Return a JWT with these claims."""
        from joserfc import jwt

        header = {"alg": self.algorithm, "kid": self.key_id, "typ": "JWT"}
        return jwt.encode(header, dict(claims), self._key, algorithms=[self.algorithm])

    def listed(self, exp_time: int, *, is_expired: bool) -> dict[str, str | int]:
        """Return the entry of the key in the answer of `pub-keys`."""
        return {
            "key_id": self.key_id,
            "public_key": self.public_key,
            "key_type": key_type(self.algorithm),
            "key_algo": self.algorithm,
            "exp_time": exp_time,
            "is_expired": "yes" if is_expired else "no",
            "is_revoked": "no",
        }


def key_type(algorithm: str) -> str:
    """Return the server's word for the kind of key that an algorithm needs."""
    return "ECDSA" if algorithm in _CURVES else "RSA"
