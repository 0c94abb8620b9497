"""One file each: a provider's contract, which is pure, and the class that people use. Each is imported on first use."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .fyatu import FyatuAuth as FyatuAuth
    from .fyatu import FyatuBusinessAuth as FyatuBusinessAuth
    from .jwtplus import JWTPlusAuth as JWTPlusAuth
    from .marketiger import MarketigerAuth as MarketigerAuth
    from .oauth2 import OAuth2ClientCredentialsAuth as OAuth2ClientCredentialsAuth
    from .oauth2 import OAuth2RefreshTokenAuth as OAuth2RefreshTokenAuth
    from .vault import VaultAuth as VaultAuth

_HOMES = {
    "FyatuAuth": "fyatu",
    "FyatuBusinessAuth": "fyatu",
    "JWTPlusAuth": "jwtplus",
    "MarketigerAuth": "marketiger",
    "OAuth2ClientCredentialsAuth": "oauth2",
    "OAuth2RefreshTokenAuth": "oauth2",
    "VaultAuth": "vault",
}

if not TYPE_CHECKING:  # To a type checker, "as" in the imports above exports them.
    __all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(import_module(f".{_HOMES[name]}", __name__), name)
    except AttributeError as error:
        # `from auth_plugins import ...` would turn it into "cannot import name", without its cause.
        raise ImportError(f"{__name__}.{_HOMES[name]} cannot be imported: {error}") from error


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
