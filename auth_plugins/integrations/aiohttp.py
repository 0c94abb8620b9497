"""A client middleware for aiohttp: `aiohttp.ClientSession(middlewares=[TokenMiddleware(auth)])`."""

from __future__ import annotations

from typing import Any

import aiohttp
from aiohttp import payload as payloads

from ..auth import TokenAuth
from .signer import MOST_DRAINED, Answer, Signer

__all__ = ["TokenMiddleware"]

_IN_MEMORY = (
    payloads.BytesPayload,
    payloads.StringPayload,
    payloads.StringIOPayload,
    payloads.JsonPayload,
    payloads.BytesIOPayload,
)
_FILES = (payloads.IOBasePayload, payloads.BufferedReaderPayload, payloads.TextIOPayload)


class TokenMiddleware:
    """Sign the requests of an aiohttp session, and send a request again once after a 401.

    aiohttp calls a middleware for each request, and for each hop of a redirect. A hop to another origin carries no
    token. An error is an `aiohttp.ClientError`, too; a `TokenEndpointUnavailable` is an
    `aiohttp.ClientConnectionError`.

    Args:
        auth: the auth object, which other clients may share.

    Raises:
        TypeError: `auth` is no auth object of this package.
    """

    def __init__(self, auth: TokenAuth) -> None:
        self._signer = Signer(auth, aiohttp.ClientConnectionError, aiohttp.ClientError)

    async def __call__(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        """Send a request with `handler`, which aiohttp passes."""
        signer = self._signer
        if not signer.covers(str(request.url)):
            signer.strip(request.headers)
            return await handler(request)
        replayable = _can_be_resent(request.body)
        signed = await signer.asign(request.headers, replayable=replayable)
        response = await handler(request)
        try:
            answer = _answer(request, response)
            if not signer.rejects(answer):
                return response
            replayable = replayable and not _is_consumed(request.body)
            found = signer.renewal(answer, replayable=replayable, sent_early=signed.sent_early)
            if found is None:
                return response
            await _drain(response)
            renewed = await signer.await_(found)
        except BaseException:
            response.close()
            raise
        await request.close()  # Its body may still be on the way if the 401 came early.
        # A new mapping: the response of the rejected request shows the old one.
        request.headers = request.headers.copy()
        _take_cookies(request, response)
        for name, value in renewed.headers:
            request.headers[name] = value
        try:
            again = await handler(request)
        except BaseException:
            signer.source.unanswered(renewed)
            raise
        signer.observe(_answer(request, again), renewed)
        return again


def _answer(request: aiohttp.ClientRequest, response: aiohttp.ClientResponse) -> Answer:
    return Answer(request.method, str(request.url), request.headers, response.status, response.headers)


def _can_be_resent(body: Any) -> bool:
    """Whether aiohttp can send a body a second time. Only its own classes count, by identity."""
    if not body:
        return True
    kind = type(body)
    if kind in _IN_MEMORY:
        return True
    if kind in _FILES:
        return _seekable(body._value)
    if kind is aiohttp.MultipartWriter:
        return all(_can_be_resent(part) for part, _, _ in body._parts)
    return False


def _is_consumed(body: Any) -> bool:
    return bool(getattr(body, "consumed", False))


def _seekable(file: Any) -> bool:
    try:
        return bool(file.seekable())
    except (AttributeError, ValueError):  # ValueError: the file was closed.
        return False


def _take_cookies(request: aiohttp.ClientRequest, rejected: aiohttp.ClientResponse) -> None:
    """Add the cookies that a 401 sets to the session and to the replay."""
    if rejected.cookies:
        jar = request.session.cookie_jar
        jar.update_cookies(rejected.cookies, rejected.url)
        request.update_cookies(jar.filter_cookies(request.url))


async def _drain(response: aiohttp.ClientResponse) -> None:
    """Read a 401 to its end, so that its connection is free during the renewal; close the connection if it is long."""
    read = 0
    try:
        async for chunk in response.content.iter_any():
            read += len(chunk)
            if read > MOST_DRAINED:
                break
    except aiohttp.ClientError:
        pass
    response.close()
