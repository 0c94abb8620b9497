"""Decides whether a request body of requests can be sent again, and rewinds it."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import requests
from requests.utils import rewind_body

__all__ = ["can_rewind", "note_body_position", "rewind"]

_IN_MEMORY = (type(None), str, bytes, bytearray, memoryview)
"""Types of bodies that can always be sent again."""


def note_body_position(request: requests.PreparedRequest) -> None:
    """Record the start position of a body that can be read but not iterated. requests does so for all others."""
    body: Any = request.body
    if request._body_position is not None or isinstance(body, _IN_MEMORY) or hasattr(body, "__iter__"):
        return
    with suppress(AttributeError, OSError, ValueError):  # ValueError: the file was closed.
        request._body_position = body.tell()


def can_rewind(request: requests.PreparedRequest) -> bool:
    """Whether the body can be sent again."""
    body: Any = request.body
    if isinstance(body, _IN_MEMORY):
        return True
    if not isinstance(request._body_position, int):
        return False
    try:  # Not every body with a position can seek: the body of another response cannot, for example.
        return bool(body.seekable()) if hasattr(body, "seekable") else hasattr(body, "seek")
    except ValueError:  # The file was closed.
        return False


def rewind(request: requests.PreparedRequest) -> bool:
    """Prepare the body to be sent again. Return False if it cannot be."""
    if isinstance(request.body, _IN_MEMORY):
        return True
    try:
        rewind_body(request)
    except (requests.exceptions.UnrewindableBodyError, ValueError):  # ValueError: the file was closed.
        return False
    return True
