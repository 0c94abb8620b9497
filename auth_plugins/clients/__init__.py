"""Adapters of HTTP libraries: each attaches the token, replays a request after a 401, and makes token calls."""

from .bases import AnyAuth
from .fast_path import FastPath
from .httpx_flow import HttpxFlow
from .httpx_transport import HttpxTransport
from .origins import AllowedOrigins
from .requests_hook import RequestsHook
from .requests_transport import RequestsTransport

__all__ = ["AllowedOrigins", "AnyAuth", "FastPath", "HttpxFlow", "HttpxTransport", "RequestsHook", "RequestsTransport"]
