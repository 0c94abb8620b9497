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

__all__ = ["OriginBoundHook", "bind_to_origin", "follows_last_redirect", "note_redirect"]

_redirects = SessionRedirectMixin()
_last_redirect: ContextVar[tuple[weakref.ref[requests.PreparedRequest], str] | None]
_last_redirect = ContextVar("_last_redirect", default=None)
"""The last signed request of this thread that was redirected, and the URL that requests asks for next."""


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


def note_redirect(response: requests.Response) -> None:
    """Remember which request follows the redirect of a signed request."""
    url = _url_of_next(response)
    _last_redirect.set(None if url is None else (weakref.ref(response.request), url))


def follows_last_redirect(request: requests.PreparedRequest) -> bool:
    """Whether requests made this request to follow the last redirect that `note_redirect` saw in this thread.

    That request has the hooks of the one before, and may have lost its token. So may a copy by the caller, who took
    the token off; its URL is another one.
    """
    noted = _last_redirect.get()
    if noted is None or request.url is None:
        return False
    before, url = noted[0](), noted[1]
    hooks = getattr(request, "hooks", None)  # The request of a response that comes out of a cache may have none.
    return hooks is not None and getattr(before, "hooks", None) is hooks and urldefrag(request.url).url == url


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
