"""`cassette_filter`: keeps tokens and token calls out of the cassettes of vcrpy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from auth_plugins.auth import TokenAuth
from auth_plugins.core import Token
from auth_plugins.core.wire import TokenRequest

__all__ = ["cassette_filter"]

_ANY_TOKEN = Token(
    access_token="any",  # noqa: S106 - what it says does not matter
    refresh_token="any",  # noqa: S106
    issued_at=0.0,
    expires_at=float("inf"),
    refreshable_until=float("inf"),
)


def cassette_filter(*auths: TokenAuth) -> dict[str, Any]:
    """Return the arguments for `vcr.VCR(**...)` that leave out the token calls of these objects, and their headers.

    Args:
        auths: the auth objects of the program.

    Raises:
        TypeError: an argument is no auth object of this package.
    """
    if not auths or not all(isinstance(auth, TokenAuth) for auth in auths):
        raise TypeError("auths must be the auth objects of the program")
    endpoints = {_endpoint(call.url) for auth in auths for call in _token_calls(auth)}
    names = {name.lower() for auth in auths for name in auth._provider.headers(_ANY_TOKEN)}

    def leave_out(request: Any) -> Any:
        return None if _endpoint(request.uri) in endpoints else request

    return {"filter_headers": sorted(names), "before_record_request": leave_out}


def _token_calls(auth: TokenAuth) -> Iterator[TokenRequest]:
    provider = auth._provider
    made: list[Callable[[], TokenRequest | None]] = [
        provider.login,
        lambda: provider.refresh(_ANY_TOKEN, 0.0),
        lambda: provider.revoke(_ANY_TOKEN),
    ]
    for call in made:
        # A provider need not have all three calls, and may refuse to make one for this token.
        with suppress(Exception):
            found = call()
            if found is not None:
                yield found


def _endpoint(url: str) -> tuple[str, str | None, int | None, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port, parts.path
