"""The base class that makes an object the `auth` of requests, of httpx, and of httpx2 where it can be imported."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import httpx
import requests.auth

__all__ = ["AnyAuth"]


def _warn_of_httpx2(error: Exception) -> None:
    text = f"httpx2 is installed and cannot be imported, so auth_plugins works without it: {error!r}"
    warnings.warn(text, RuntimeWarning, stacklevel=2)


if TYPE_CHECKING:

    class AnyAuth(requests.auth.AuthBase, httpx.Auth):
        """The base class, as type checkers see it."""

else:
    _kinds = [requests.auth.AuthBase, httpx.Auth]
    try:
        from httpx2 import Auth as _Httpx2Auth
    except ModuleNotFoundError as missing:
        if missing.name != "httpx2":
            _warn_of_httpx2(missing)
    except Exception as broken:
        _warn_of_httpx2(broken)
    else:
        _kinds.append(_Httpx2Auth)
    # After `httpx2.alias_httpx()` the last two are the same class, which may be a base only once.
    AnyAuth = type("AnyAuth", tuple(dict.fromkeys(_kinds)), {})
