"""Whether the body of a request of requests can be sent once more, and from where."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import requests
from requests.utils import rewind_body

__all__ = ["can_rewind", "note_body_position", "rewind"]

_IN_MEMORY = (type(None), str, bytes, bytearray, memoryview)
"""Bodies that are there again whenever they are asked for."""


def note_body_position(request: requests.PreparedRequest) -> None:
    """Remember where a body begins that can be read but not iterated: requests itself does so for the others alone."""
    body: Any = request.body
    if request._body_position is not None or isinstance(body, _IN_MEMORY) or hasattr(body, "__iter__"):
        return
    with suppress(AttributeError, OSError, ValueError):  # ValueError: it was closed.
        request._body_position = body.tell()


def can_rewind(request: requests.PreparedRequest) -> bool:
    """Whether the body can be sent once more."""
    body: Any = request.body
    if isinstance(body, _IN_MEMORY):
        return True
    if not isinstance(request._body_position, int):
        return False
    try:  # What tells where it stands cannot always go back there: the body of another response, for one.
        return bool(body.seekable()) if hasattr(body, "seekable") else hasattr(body, "seek")
    except ValueError:  # It was closed.
        return False


def rewind(request: requests.PreparedRequest) -> bool:
    """Make the body ready to be sent once more; `False` if that cannot be done."""
    if isinstance(request.body, _IN_MEMORY):
        return True
    try:
        rewind_body(request)
    except (requests.exceptions.UnrewindableBodyError, ValueError):  # ValueError: the file was closed.
        return False
    return True
