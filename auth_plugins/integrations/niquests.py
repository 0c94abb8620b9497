"""Auth objects for niquests: `session.auth = NiquestsAuth(auth)`, and `AsyncNiquestsAuth` for an `AsyncSession`."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import niquests
from niquests.auth import AsyncAuthBase, AuthBase
from niquests.cookies import extract_cookies_to_jar

from ..auth import TokenAuth
from ..clients.requests_bodies import can_rewind, note_body_position, rewind
from ..engine import Snapshot
from .signer import MOST_DRAINED, Answer, Signer

__all__ = ["AsyncNiquestsAuth", "NiquestsAuth"]


class _Adapter:
    """The steps that are the same in both kinds of session."""

    def __init__(self, auth: TokenAuth) -> None:
        self._signer = Signer(auth, niquests.ConnectionError, niquests.RequestException)

    def _prepare(self, request: Any) -> bool:
        """Whether the token may be sent with a request; remove it if not."""
        if self._signer.covers(str(request.url)):
            note_body_position(request)
            return True
        self._signer.strip(request.headers)
        return False

    def _renewal(self, response: Any) -> Any:
        """Return what replaces the token that a response rejects, or None: the caller gets the response."""
        request = response.request
        answer = _answer(response)
        if not self._signer.covers(answer.url) or not self._signer.rejects(answer):
            return None
        # niquests does not hand over what a hook returns for a response that shares its connection with others.
        shared = getattr(response, "_promise", None) is not None
        replayable = not shared and can_rewind(request) and rewind(request)
        return self._signer.renewal(answer, replayable=replayable)

    def _replay(self, response: Any, renewed: Snapshot) -> Any:
        """Return the request to send again. The rejected one keeps its headers: it is in the history."""
        request = response.request.copy()
        for name, value in renewed.headers:
            request.headers[name] = value
        if request._cookies is not None and "Set-Cookie" in response.headers:
            extract_cookies_to_jar(request._cookies, response.request, response.raw)
            request.headers.pop("Cookie", None)
            request.prepare_cookies(request._cookies)
        return request

    def _observe(self, response: Any, again: Any, request: Any, renewed: Snapshot, began: float) -> Any:
        again.elapsed = timedelta(seconds=time.perf_counter() - began)
        again.history = [*response.history, response]
        again.request = request
        self._signer.observe(_answer(again), renewed)
        return again


class NiquestsAuth(_Adapter, AuthBase):  # type: ignore[misc]
    """Sign the requests of a `niquests.Session`, and send a request again once after a 401.

    Args:
        auth: the auth object, which other clients may share.

    Raises:
        TypeError: `auth` is no auth object of this package.
    """

    def __call__(self, r: Any) -> Any:
        """Register the hooks of a request. niquests calls the first before each hop of a redirect."""
        r.register_hook("pre_request", self._sign)
        r.register_hook("response", self._judge)
        return r

    def _sign(self, request: Any, **_sending: Any) -> Any:
        if self._prepare(request):
            self._signer.sign(request.headers, replayable=can_rewind(request))
        return request

    def _judge(self, response: Any, **sending: Any) -> Any:
        found = self._renewal(response)
        if found is None:
            return response
        _drain(response)
        renewed = self._signer.wait(found)
        request, began = self._replay(response, renewed), time.perf_counter()
        try:
            again = response.connection.send(request, **_alone(sending))
        except BaseException:
            self._signer.source.unanswered(renewed)
            raise
        return self._observe(response, again, request, renewed, began)


class AsyncNiquestsAuth(_Adapter, AsyncAuthBase):  # type: ignore[misc]
    """Sign the requests of a `niquests.AsyncSession` as `NiquestsAuth` does, without blocking the event loop."""

    async def __call__(self, r: Any) -> Any:
        """Register the hooks of a request."""
        r.register_hook("pre_request", self._sign)
        r.register_hook("response", self._judge)
        return r

    async def _sign(self, request: Any, **_sending: Any) -> Any:
        if self._prepare(request):
            await self._signer.asign(request.headers, replayable=can_rewind(request))
        return request

    async def _judge(self, response: Any, **sending: Any) -> Any:
        found = self._renewal(response)
        if found is None:
            return response
        await _adrain(response)
        renewed = await self._signer.await_(found)
        request, began = self._replay(response, renewed), time.perf_counter()
        try:
            again = await response.connection.send(request, **_alone(sending))
        except BaseException:
            self._signer.source.unanswered(renewed)
            raise
        return self._observe(response, again, request, renewed, began)


def _answer(response: Any) -> Answer:
    request = response.request
    return Answer(request.method, str(request.url), request.headers, response.status_code, response.headers)


def _alone(sending: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments for a replay whose response is complete when `send` returns."""
    return {**sending, "multiplexed": False}


def _drain(response: Any) -> None:
    """Read a 401 to its end, so that its connection is free during the renewal; close the connection if it is long."""
    body = bytearray()
    try:
        for chunk in response.iter_content(16_384):
            body += chunk
            if len(body) > MOST_DRAINED:
                break
    except niquests.RequestException:
        pass
    response.close()
    response._content, response._content_consumed = bytes(body), True


async def _adrain(response: Any) -> None:
    body = bytearray()
    try:
        async for chunk in await response.iter_content(16_384):
            body += chunk
            if len(body) > MOST_DRAINED:
                break
    except niquests.RequestException:
        pass
    await response.close()
    response._content, response._content_consumed = bytes(body), True
