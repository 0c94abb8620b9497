"""What a rejected response of requests leaves behind: a connection to release, and cookies for the replay."""

from __future__ import annotations

from typing import Any

import requests
from requests.cookies import extract_cookies_to_jar, get_cookie_header

__all__ = ["drain", "take_cookies"]

_MOST_DRAINED = 65_536
"""How much of a 401's body is read, in bytes. To read more of it costs more than a new connection."""


def drain(response: requests.Response) -> None:
    """Read a 401 to its end, so that its connection is free during the renewal; close the connection if it is long."""
    body = bytearray()
    try:
        for chunk in response.iter_content(16_384):
            body += chunk
            if len(body) > _MOST_DRAINED:
                break
    except requests.RequestException:
        pass
    response.close()
    response._content, response._content_consumed = bytes(body), True


def take_cookies(request: requests.PreparedRequest, rejected: requests.Response) -> None:
    """Add the cookies that a 401 sets to the replay. A `Cookie` header that the caller has set is left unchanged."""
    jar: Any = request._cookies
    if jar is None or "Set-Cookie" not in rejected.headers:
        return
    bare = request.copy()
    bare.headers.pop("Cookie", None)
    if get_cookie_header(jar, bare) != request.headers.get("Cookie"):
        return
    extract_cookies_to_jar(jar, rejected.request, rejected.raw)
    cookies = get_cookie_header(jar, bare)
    if cookies is not None:
        request.headers["Cookie"] = cookies
    else:
        request.headers.pop("Cookie", None)
