"""Pool managers of urllib3 that sign requests: `TokenPoolManager(auth)` in place of `urllib3.PoolManager()`."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import urllib3
from urllib3.exceptions import HTTPError

from ..auth import TokenAuth
from ..engine import Snapshot
from .signer import MOST_DRAINED, Answer, Signer

__all__ = ["TokenPoolManager", "TokenProxyManager"]

_IN_MEMORY = (type(None), str, bytes, bytearray)


class _Headers(urllib3.HTTPHeaderDict):
    """Headers whose `repr` does not show a token. The library's joins the values, and so takes the mask off."""

    def __repr__(self) -> str:
        return repr(dict(self.iteritems()))


class _Signing:
    """Signs each hop, because a pool manager follows a redirect by calling its own `urlopen`."""

    def __init__(self, auth: TokenAuth, *args: Any, **options: Any) -> None:
        self._signer = Signer(auth, HTTPError, HTTPError)
        super().__init__(*args, **options)

    def urlopen(self, method: str, url: str, redirect: bool = True, **sending: Any) -> Any:
        """Send a request as `PoolManager.urlopen` does, with the token; send it again once after a 401."""
        send = partial(super().urlopen, method, url, redirect)  # type: ignore[misc]
        signer, body = self._signer, sending.get("body")
        headers = sending["headers"] = _Headers(sending.get("headers", self.headers))  # type: ignore[attr-defined]
        if not signer.covers(url):
            signer.strip(headers)
            response = send(**sending)
            _is_judged(response)
            return response
        begin = _position(body)
        signed = signer.sign(headers, replayable=begin is not None)
        response = send(**sending)
        answer = Answer(method, url, headers, response.status, response.headers)
        if _is_judged(response) or not signer.rejects(answer):
            return response
        try:
            replayable = begin is not None and _rewind(body, begin)
            found = signer.renewal(answer, replayable=replayable, sent_early=signed.sent_early)
            if found is None:
                return response
            _drain(response)
            renewed = signer.wait(found)
        except BaseException:
            response.close()
            raise
        return self._replay(partial(send, **sending), answer, renewed)

    def _replay(self, send: Any, rejected: Answer, renewed: Snapshot) -> Any:
        headers = _Headers(rejected.sent)
        for name, value in renewed.headers:
            headers[name] = value
        try:
            response = send(headers=headers)
        except BaseException:
            self._signer.source.unanswered(renewed)
            raise
        if not _is_judged(response):
            answer = replace(rejected, sent=headers, status=response.status, headers=response.headers)
            self._signer.observe(answer, renewed)
        return response


class TokenPoolManager(_Signing, urllib3.PoolManager):  # type: ignore[misc]
    """A `urllib3.PoolManager` that sends the token of an auth object, and renews it.

    Args:
        auth: the auth object, which other clients may share.
        args: passed to `urllib3.PoolManager`.
        options: passed to `urllib3.PoolManager`.

    Raises:
        TypeError: `auth` is no auth object of this package.
    """


class TokenProxyManager(_Signing, urllib3.ProxyManager):  # type: ignore[misc]
    """A `urllib3.ProxyManager` that sends the token of an auth object: `TokenProxyManager(auth, proxy_url)`."""


def _is_judged(response: Any) -> bool:
    """Whether a response was judged before, as is the answer to a later hop of a redirect; if not, mark it."""
    judged: bool = getattr(response, "_auth_plugins_judged", False)
    response._auth_plugins_judged = True
    return judged


def _position(body: Any) -> int | None:
    """Return where a body begins, or None if it cannot be sent again."""
    if isinstance(body, _IN_MEMORY):
        return 0
    try:
        return int(body.tell()) if body.seekable() else None
    except (AttributeError, OSError, ValueError):  # ValueError: the file was closed.
        return None


def _rewind(body: Any, begin: int) -> bool:
    if isinstance(body, _IN_MEMORY):
        return True
    try:
        body.seek(begin)
    except (OSError, ValueError):
        return False
    return True


def _drain(response: Any) -> None:
    """Read a 401 to its end, so that its connection is free during the renewal; close the connection if it is long."""
    try:
        if len(response.read(MOST_DRAINED + 1)) <= MOST_DRAINED:
            response.release_conn()
    except HTTPError:
        pass
    response.close()
