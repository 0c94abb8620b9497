"""A simulator behind `responses`, for tests that already mock requests that way."""

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

    It is one registration: `assert_all_requests_are_fired` is content as soon as one request came.
    """

    def answer(request: requests.PreparedRequest) -> _Answer:
        try:
            got = simulator.handle(from_requests(request), clock())
        except Dropped as dropped:
            return 0, {}, requests.ConnectionError(str(dropped), request=request)
        return got.status, dict(got.headers), got.body

    rsps.add(_Below(base_url.rstrip("/"), answer, rsps))


class _Below(responses.CallbackResponse):
    """Matches on the URL's beginning only, where `responses` would want one entry for each method."""

    def __init__(self, base_url: str, answer: Any, rsps: responses.RequestsMock) -> None:
        super().__init__("ANY", base_url, answer, content_type=None)
        self._base_url, self._rsps = base_url, rsps

    def matches(self, request: requests.PreparedRequest) -> tuple[bool, str]:
        """Whether a request goes to the base URL or below, and has no response of its own; if not, why not."""
        url = request.url or ""
        if not url.startswith(self._base_url) or url[len(self._base_url) :][:1] not in ("", "/", "?", "#"):
            return False, "URL is not below the simulator's base URL"
        # Of two that match, `responses` takes the first for used up.
        others = (each for each in self._rsps.registered() if not isinstance(each, _Below))
        if any(each.matches(request)[0] for each in others):
            return False, "there is a response for this very request"
        return True, ""
