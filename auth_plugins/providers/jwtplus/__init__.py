"""JWTPlus 1.1, self-hosted (https://jwtplus.com/docs/): sessions of two JWTs, signed and renewed with an app's key.

What its pages say and what its server does are two things; docs/reference/providers/jwtplus.md tells them apart.
"""

from .auth import JWTPlusAuth
from .contract import JWTPlusContract

__all__ = ["JWTPlusAuth", "JWTPlusContract"]
