"""Recognizes the requests with which requests follows a redirect, and keeps tokens from other origins."""

from __future__ import annotations

import weakref
from contextvars import ContextVar
from functools import lru_cache
from typing import Any, ClassVar
from urllib.parse import urldefrag, urljoin, urlparse

import requests
from requests.sessions import SessionRedirectMixin
from requests.utils import requote_uri

from ..core.origin import Origin

__all__ = ["OriginBoundHook", "bind_to_origin", "follows_last_redirect", "note_redirect"]

_redirects = SessionRedirectMixin()


class _Redirect:
    """A redirect on which a token may be lost: the request before, the URL after, and which request followed."""

    __slots__ = ("before", "follower", "url")

    def __init__(self, before: requests.PreparedRequest, url: str) -> None:
        self.before, self.url = weakref.ref(before), url
        self.follower: weakref.ref[requests.PreparedRequest] | None = None


_last_redirect: ContextVar[_Redirect | None] = ContextVar("_last_redirect", default=None)
"""The last one in this thread."""


class OriginBoundHook:
    """A response hook that knows which origins its token may be sent to."""

    __slots__ = ()

    def strip_elsewhere(self, request: requests.PreparedRequest) -> None:
        """Remove the token from a request if its URL has another origin."""
        raise NotImplementedError


class _OriginBoundRequest(requests.PreparedRequest):
    """A prepared request that loses its token as soon as its URL is set to another origin.

    requests copies the redirected request and then sets the URL of the copy. The only header it removes is
    `Authorization`, and not on a redirect from http to https. It calls no hook before it sends the copy.
    """

    _kind: ClassVar[type[requests.PreparedRequest]] = requests.PreparedRequest

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        if name == "url":
            hooks: Any = self.hooks["response"]
            for hook in hooks:
                if isinstance(hook, OriginBoundHook):
                    hook.strip_elsewhere(self)

    def copy(self) -> requests.PreparedRequest:
        """Return a copy that is bound as well."""
        copied = super().copy()
        bind_to_origin(copied)
        return copied

    def __reduce__(self) -> tuple[Any, ...]:
        return (_new, (self._kind,), self.__dict__)


@lru_cache(64)
def _bound(kind: Any) -> type[requests.PreparedRequest]:
    if kind is requests.PreparedRequest:
        return _OriginBoundRequest
    return type(kind.__name__, (_OriginBoundRequest, kind), {"_kind": kind})


def _new(kind: Any) -> requests.PreparedRequest:
    bound = _bound(kind)
    return bound.__new__(bound)


def bind_to_origin(request: Any) -> None:
    """See to it that a request, and those that follow it, lose the token when they get a URL of another origin."""
    kind: Any = type(request)
    if issubclass(kind, requests.PreparedRequest) and not issubclass(kind, _OriginBoundRequest):
        request.__class__ = _bound(kind)


def note_redirect(response: requests.Response, *, signed: bool) -> None:
    """Remember which request follows a redirect, if it has no token: it had no token before, or the origin differs."""
    before, url = response.request, _url_of_next(response)
    if url is not None and (not signed or Origin.of(url) != Origin.of(str(before.url))):
        _last_redirect.set(_Redirect(before, url))


def follows_last_redirect(request: requests.PreparedRequest) -> bool:
    """Whether requests made this request to follow the last redirect that `note_redirect` saw in this thread.

    Such a request has the hooks of the one before. So has a copy by the caller, who took the token off; but its URL is
    another one, or the redirect has been followed.
    """
    last = _last_redirect.get()
    if last is None:
        return False
    if last.follower is not None:
        return last.follower() is request
    before = last.before()
    hooks = getattr(request, "hooks", None)  # The request of a response that comes out of a cache may have none.
    if hooks is None or before is request or getattr(before, "hooks", None) is not hooks:
        return False
    if urldefrag(str(request.url)).url != last.url:
        return False
    last.follower = weakref.ref(request)
    return True


def _url_of_next(response: requests.Response) -> str | None:
    """Return the URL, without the fragment, that `resolve_redirects` of requests derives from the Location."""
    try:
        location = _redirects.get_redirect_target(response)
        if location is None:
            return None
        if location.startswith("//"):
            location = f"{urlparse(response.url).scheme}:{location}"
        parsed = urlparse(location)
        url = requote_uri(parsed.geturl())
        return urldefrag(url if parsed.netloc else urljoin(response.url, url)).url
    except ValueError:  # requests raises for this URL, too.
        return None
