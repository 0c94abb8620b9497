"""One HTTP library each: attach the token, catch the 401, send again; and the library's own way to a token endpoint."""

from .fast_header import UsualCase
from .httpx_flow import HttpxFlow
from .httpx_transport import HttpxTransport
from .origins import AllowedOrigins
from .requests_hook import RequestsHook
from .requests_transport import RequestsTransport

__all__ = ["AllowedOrigins", "HttpxFlow", "HttpxTransport", "RequestsHook", "RequestsTransport", "UsualCase"]
