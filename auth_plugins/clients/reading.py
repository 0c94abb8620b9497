"""What the channels have in common: an answer is read whole, within bounds, and a failure is told without secrets."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from ..core.errors import AuthError, InvalidTokenResponse, TokenEndpointUnavailable
from ..core.origin import Origin
from ..core.wire import TokenRequest, TokenResponse

__all__ = ["read_whole", "told_safely"]


def read_whole(chunks: Iterable[bytes], ends: float, most: int) -> bytes:
    """Read an answer to its end, by the steady clock's `ends`, and at most `most` bytes of it.

    Raises:
        TokenEndpointUnavailable: it goes on after `ends`.
        InvalidTokenResponse: it is longer.
    """
    body, late = bytearray(), False
    for chunk in chunks:
        if late:
            raise TokenEndpointUnavailable("The token endpoint's answer did not end in time")
        body += chunk
        if len(body) > most:
            raise InvalidTokenResponse(f"The token endpoint's answer is longer than {most} bytes")
        # What is whole by now is kept, however late: its refresh token may be the only one that is left.
        late = time.monotonic() > ends
    return bytes(body)


def told_safely(request: TokenRequest, call: Callable[[], TokenResponse]) -> TokenResponse:
    """Make a call, and tell its failure by the kind of the library's exception alone.

    Its text may quote the request, and its frames hold it: so it is not raised, not quoted and not chained.

    Raises:
        TokenEndpointUnavailable: there was no whole answer.
        InvalidTokenResponse: it is too long.
    """
    try:
        return call()
    except AuthError:
        raise
    except Exception as error:
        what = type(error).__name__
    raise TokenEndpointUnavailable(f"The token endpoint at {Origin.of(request.url)} gave no answer ({what})")
