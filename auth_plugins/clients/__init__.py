"""One HTTP library each: attach the token, catch the 401, send again; and the library's own way to a token endpoint."""

from .fast_header import UsualCase
from .httpx_channel import HttpxChannel
from .httpx_door import HttpxDoor
from .requests_channel import RequestsChannel
from .requests_door import RequestsDoor
from .scope import Scope

__all__ = ["HttpxChannel", "HttpxDoor", "RequestsChannel", "RequestsDoor", "Scope", "UsualCase"]
