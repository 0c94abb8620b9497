"""Connects a simulator to `responses`, for tests that already mock requests with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import requests
import responses

from auth_plugins.simulators import Dropped, Simulator

from .transports import Clock, from_requests

if TYPE_CHECKING:
    _Answer = tuple[int, dict[str, str], bytes | Exception]


def register(simulator: Simulator, rsps: responses.RequestsMock, base_url: str, clock: Clock) -> None:
    """Let the simulator answer every request, of any method, to `base_url` and below.

    The simulator is a single registration: a single request satisfies `assert_all_requests_are_fired`.
    """

    def answer(request: requests.PreparedRequest) -> _Answer:
        try:
            got = simulator.handle(from_requests(request), clock())
        except Dropped as dropped:
            return 0, {}, requests.ConnectionError(str(dropped), request=request)
        return got.status, dict(got.headers), got.body

    rsps.add(_Below(base_url.rstrip("/"), answer, rsps))


class _Below(responses.CallbackResponse):
    """Matches any method and every URL below a base URL, which `responses` cannot express in a single entry."""

    def __init__(self, base_url: str, answer: Any, rsps: responses.RequestsMock) -> None:
        super().__init__("ANY", base_url, answer, content_type=None)
        self._base_url, self._rsps = base_url, rsps

    def matches(self, request: requests.PreparedRequest) -> tuple[bool, str]:
        """Return whether the simulator answers a request, and the reason if it does not.

        It answers requests to the base URL and below for which no other response is registered.
        """
        url = request.url or ""
        if not url.startswith(self._base_url) or url[len(self._base_url) :][:1] not in ("", "/", "?", "#"):
            return False, "URL is not below the simulator's base URL"
        # If two registrations match, `responses` removes the first one.
        others = (each for each in self._rsps.registered() if not isinstance(each, _Below))
        if any(each.matches(request)[0] for each in others):
            return False, "there is a response for this very request"
        return True, ""
