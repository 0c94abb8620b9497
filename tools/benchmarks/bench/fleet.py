"""10,000 machines for 30 days, in virtual time: pure arithmetic of the policy, the same as the package runs on."""

from __future__ import annotations

import random
from collections import Counter

from auth_plugins import RefreshPolicy, Token

from .measure import Row
from .world import World

__all__ = ["fleet", "rates"]

DAY = 86_400.0


def rates(machines: int, days: float, lifetime: float, jitter: float, seed: int = 1) -> Counter[int]:
    """Give how many token calls the endpoint sees in each second; all machines start in the same second."""
    policy, dice = RefreshPolicy(jitter=jitter), random.Random(seed)
    calls: Counter[int] = Counter()
    for _ in range(machines):
        now = dice.random()  # Within the first second: a deployment, or the end of an outage.
        while now < days * DAY:
            calls[int(now)] += 1
            token = Token(access_token="t", issued_at=now, expires_at=now + lifetime)
            now = policy.due_at(token, dice.random())
    return calls


def fleet(_world: World, quick: bool) -> list[Row]:
    """Token calls against the fewest there could be, and the peak at the endpoint, with and without jitter."""
    machines, days = (100, 2.0) if quick else (10_000, 30.0)
    rows = []
    for lifetime in (3_600.0, 86_400.0):
        for jitter in (0.0, RefreshPolicy().jitter):
            calls = rates(machines, days, lifetime, jitter)
            fewest = machines * -int(-days * DAY // lifetime)
            half = days * DAY / 2
            early = [many for second, many in calls.items() if 1 < second <= half]
            later = [many for second, many in calls.items() if second > half]
            rows.append({
                "token lives, h": lifetime / 3600,
                "jitter": jitter,
                "machines": machines,
                "days": days,
                "token calls": calls.total(),
                "to the fewest": calls.total() / fewest,
                "peak, calls/s, first half": max(early),
                "peak, calls/s, second half": max(later),
                "mean, calls/s": calls.total() / (days * DAY),
            })  # fmt: skip
    return rows
