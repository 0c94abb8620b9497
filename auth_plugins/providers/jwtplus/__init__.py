"""JWTPlus 1.1, self-hosted (https://jwtplus.com/docs/): sessions of two JWTs, signed and renewed with an app's key.

What its pages say and what its server does are two things; docs/reference/providers/jwtplus.md tells them apart.
"""

from .contract import JWTPlusContract
from .door import JWTPlusAuth

__all__ = ["JWTPlusAuth", "JWTPlusContract"]
