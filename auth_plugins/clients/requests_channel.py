"""How a token call travels through requests."""

from __future__ import annotations

import time
from contextlib import nullcontext

import requests

from ..core.policy import RefreshPolicy
from ..core.wire import TokenRequest, TokenResponse
from .reading import read_whole, told_safely

__all__ = ["RequestsChannel"]


class RequestsChannel:
    """A session for each call, with the environment's proxies and CA settings; or one that the user lends."""

    def __init__(self, lent: requests.Session | None = None) -> None:
        self._lent = lent

    def send(self, request: TokenRequest, policy: RefreshPolicy) -> TokenResponse:
        """Keep the promises of `Channel`."""
        return told_safely(request, lambda: self._send(request, policy))

    def _send(self, request: TokenRequest, policy: RefreshPolicy) -> TokenResponse:
        ends = time.monotonic() + policy.deadline
        with (
            nullcontext(self._lent) if self._lent is not None else requests.Session() as session,
            session.post(
                request.url,
                data=request.body,
                headers={"Accept": "application/json", "Accept-Encoding": "identity", **request.headers},
                auth=_as_it_is,
                allow_redirects=False,
                stream=True,
                timeout=(policy.connect_timeout, policy.read_timeout),
            ) as response,
        ):
            body = read_whole(response.iter_content(16_384), ends, policy.max_response_bytes)
            return TokenResponse(response.status_code, {k.lower(): v for k, v in response.headers.items()}, body)


def _as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    # An auth that does nothing keeps .netrc, and a lent session's own auth, from writing over the header.
    return request
