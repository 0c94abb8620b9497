"""The provider of a soak: an API whose tokens live two seconds, and a token endpoint that goes wrong at random."""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from typing import Any

from auth_plugins.simulators import FyatuSimulator, SimRequest, SimResponse
from auth_plugins.testing import serve

LIFETIME = 2.0
"""Seconds that a token lives."""
FAULTS = {
    "none": 6,
    "503": 1,
    "connection broken before the call took effect": 1,
    "connection broken after it took effect": 1,
    "429, Retry-After: 0.5": 1,
    "answer after 0.3 to 1.5 seconds": 2,
    "answer that is no JSON, or holds no token": 1,
}
"""What may be wrong with the token endpoint, and how often in proportion."""
_OUTAGES: dict[str, Any] = {
    "503": "unavailable",
    "connection broken before the call took effect": "drop",
    "connection broken after it took effect": "lost",
}
_NONSENSE = (b"<html>Bad gateway</html>", b'{"success": true, "data": {"accessToken": ""}}', b'{"data":', b"")


class Provider(FyatuSimulator):
    """Fyatu, with answers that make no sense as well."""

    def __init__(self) -> None:
        super().__init__(lifetime=LIFETIME)
        self.nonsense = False

    def handle(self, request: SimRequest, now: float) -> SimResponse:
        """Answer a request; one to the token endpoint perhaps with nonsense."""
        answer = super().handle(request, now)
        if self.nonsense and self.endpoint_of(request) != "api":
            return SimResponse(200, {"content-type": "application/json"}, random.choice(_NONSENSE))  # noqa: S311
        return answer

    def break_by(self, fault: str) -> None:
        """Be out of order in this way alone."""
        self.outage = _OUTAGES.get(fault)
        self.rate_limit = 0.5 if fault.startswith("429") else None
        self.latency = random.uniform(0.3, 1.5) if fault.startswith("answer after") else 0.0  # noqa: S311
        self.nonsense = fault.startswith("answer that")


def main() -> None:
    """Serve until standard input is closed; tell the URL, then every second what was wrong and what was called."""
    provider = Provider()
    calls: Counter[str] = Counter()
    with serve(provider) as server:
        print(json.dumps({"url": server.url + provider.base_path}), flush=True)
        again = time.monotonic()
        while True:
            fault = random.choices(list(FAULTS), list(FAULTS.values()))[0]  # noqa: S311
            provider.break_by(fault)
            time.sleep(random.uniform(0.2, 1.5))  # noqa: S311
            if time.monotonic() >= again:
                again += 1.0
                calls.update("api" if call.endpoint == "api" else "token" for call in provider.ledger.calls())
                provider.ledger.clear()  # A soak is long, and this is a list.
                print(json.dumps({"fault": fault, "calls": calls}), flush=True)


if __name__ == "__main__":
    main()
