"""What follows a redirect in requests: which request it is, and that it takes no token to another origin."""

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
    """A response hook that knows where its token may go."""

    __slots__ = ()

    def strip_elsewhere(self, request: requests.PreparedRequest) -> None:
        """Take the token off a request if its URL has another origin."""
        raise NotImplementedError


class _OriginBoundRequest(requests.PreparedRequest):
    """A prepared request that loses its token at the moment at which it gets a URL of another origin.

    requests copies the request that was redirected and then sets the URL of the copy. Of the headers it takes off
    `Authorization` alone, and not even that on the way from http to https. No hook is called before the copy is sent.
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
    return before is not None and before.hooks is request.hooks and urldefrag(request.url).url == url


def _url_of_next(response: requests.Response) -> str | None:
    """Return what `resolve_redirects` of requests makes of a Location, without the fragment."""
    try:
        location = _redirects.get_redirect_target(response)
        if location is None:
            return None
        if location.startswith("//"):
            location = f"{urlparse(response.url).scheme}:{location}"
        parsed = urlparse(location)
        url = requote_uri(parsed.geturl())
        return urldefrag(url if parsed.netloc else urljoin(response.url, url)).url
    except ValueError:  # requests fails as well.
        return None
