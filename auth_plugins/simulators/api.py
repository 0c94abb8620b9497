"""What a simulated API answers to a request with a valid token: the user's own handlers, JSON, or a redirect."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qs, quote

from .wire import SimRequest, SimResponse

__all__ = ["Api", "Handler", "answer_of", "redirect"]

Handler = Callable[[SimRequest], Any]
"""Returns the answer to a request: a `SimResponse`, or any other value, which becomes the JSON of a 200."""

Api = Handler | Mapping[str, Any]
"""A handler for all paths; or for each path a handler or the JSON of a 200, by `"/path"` or `"POST /path"`.

Paths begin after the base URL, and have no query. Any other path is a 404. One request is handled at a time, so a
handler must not send requests to its simulator.
"""

_REDIRECTS = ("301", "302", "303", "307", "308")


def answer_of(api: Api, request: SimRequest, base_path: str) -> SimResponse | None:
    """Return the API's answer to a request, or None if it has no such path."""
    if callable(api):
        return _response(api(request))
    path = request.path.removeprefix(base_path)
    for name in (f"{request.method} {path}", path):
        if name in api:
            found = api[name]
            return _response(found(request) if callable(found) else found)
    return None


def _response(value: Any) -> SimResponse:
    if isinstance(value, SimResponse):
        return value
    return SimResponse(200, {"content-type": "application/json"}, json.dumps(value).encode())


def redirect(request: SimRequest) -> SimResponse | None:
    """Return the redirect that the query asks for (`to`, and `status` if it is not 302), or None if it is invalid."""
    query = parse_qs(request.query)
    status = query.get("status", ["302"])[0]
    if "to" not in query or status not in _REDIRECTS:
        return None
    # Quoted, because a line break in a header would be a second header.
    location = quote(query["to"][0], ":/?#[]@!$&'()*+,;=%", errors="replace")
    return SimResponse(int(status), {"location": location})
