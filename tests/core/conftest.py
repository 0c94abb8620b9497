from __future__ import annotations

from hypothesis import settings

# A machine that is busy with something else is not a failure of the rules.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")
