from __future__ import annotations

from hypothesis import HealthCheck, settings

# A machine that is busy with something else is not a failure of the rules.
# Mutation testing runs each test many times in one process, each time with another instance of its class.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.differing_executors])
settings.load_profile("patient")
