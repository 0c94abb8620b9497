"""JWTPlus 1.1, self-hosted (https://jwtplus.com/docs/): sessions of two JWTs, signed and renewed with an app's key.

The server does not do all that its documentation says; docs/reference/providers/jwtplus.md lists the differences.
"""

from .auth import JWTPlusAuth
from .contract import JWTPlusContract

__all__ = ["JWTPlusAuth", "JWTPlusContract"]
