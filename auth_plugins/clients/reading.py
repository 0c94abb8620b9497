"""What the channels have in common: an answer is read whole, within bounds, and a failure is told without secrets."""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import urlsplit

from ..core.errors import AuthError, InvalidTokenResponse, TokenEndpointUnavailable
from ..core.origin import Origin
from ..core.wire import TokenRequest, TokenResponse
from .faults import failure_of, proxy_refusal
from .route import Route

__all__ = ["Deadline", "read_whole", "redacting_errors"]


class Deadline:
    """When a token call has to be over, by the steady clock."""

    __slots__ = ("ends",)

    def __init__(self, ends: float) -> None:
        self.ends = ends

    @classmethod
    def after(cls, seconds: float) -> Deadline:
        """Begin now."""
        return cls(time.monotonic() + seconds)

    @property
    def over(self) -> bool:
        """Whether it has passed."""
        return time.monotonic() > self.ends

    def cut(self, timeout: float | None) -> float:
        """Give the shorter of `timeout` and what is left, in seconds, for one step of a call.

        Raises:
            TimeoutError: nothing is left.
        """
        left = self.ends - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left if timeout is None else min(timeout, left)


def read_whole(chunks: Iterable[bytes], deadline: Deadline, most: int, encoding: str) -> bytes:
    """Read an answer to its end, by the deadline, and at most `most` bytes of it.

    Args:
        chunks: what came, as it came: a library would unpack a megabyte of it at once, whatever it becomes.
        deadline: when it has to be whole.
        most: the longest that it may be, unpacked.
        encoding: its `Content-Encoding`. None was asked for; gzip and zlib are read all the same.

    Raises:
        TokenEndpointUnavailable: it goes on after the deadline.
        InvalidTokenResponse: it is longer, or packed in another way.
    """
    unpack = _unpacker(encoding)
    body, late = bytearray(), False
    for chunk in chunks:
        if late:
            raise TokenEndpointUnavailable("The token endpoint's answer did not end in time")
        body += unpack(chunk, most + 1 - len(body))
        if len(body) > most:
            raise InvalidTokenResponse(f"The token endpoint's answer is longer than {most} bytes")
        # What is whole by now is kept, however late: its refresh token may be the only one that is left.
        late = deadline.over
    return bytes(body)


def _unpacker(encoding: str) -> Callable[[bytes, int], bytes]:
    if encoding.lower() in ("", "identity"):
        return lambda chunk, _: chunk
    if encoding.lower() not in ("gzip", "x-gzip", "deflate"):
        raise InvalidTokenResponse("The token endpoint's answer is packed, though that was not asked for")
    unpack = zlib.decompressobj(wbits=47).decompress  # 47: gzip or zlib, whichever it turns out to be.

    def unpack_some(chunk: bytes, most: int) -> bytes:
        try:
            return unpack(chunk, most)
        except zlib.error:
            raise InvalidTokenResponse("The token endpoint's answer cannot be unpacked") from None

    return unpack_some


def redacting_errors(
    request: TokenRequest, library: str, call: Callable[[Route], TokenResponse], *, own_client: bool
) -> TokenResponse:
    """Make a call with `library`, and translate its failure by the types of the library's exceptions alone.

    Their texts may quote the request, and their frames hold it: so none is raised, quoted or chained.

    Raises:
        TokenEndpointUnavailable: there was no whole answer.
        InvalidTokenResponse: it is too long, or packed in a way that cannot be read.
        ConfigurationError: a setting of this machine kept the call from being sent.
        AuthError: the code of this package, of the library or of `token_client` failed.
    """
    route = Route(Origin.of(request.url), library, own_client)
    try:
        route = Route.of(request.url, library, own_client=own_client)
        answer: TokenResponse | AuthError = call(route)
    except AuthError:
        raise
    except Exception as error:
        answer = _answer_in(error, request) or failure_of(error, route)
    if isinstance(answer, AuthError):
        raise answer
    if answer.status == 407:  # RFC 9110, section 15.5.8: a proxy's answer, never an endpoint's.
        raise proxy_refusal(route, answer.status)
    return answer


def _answer_in(error: Exception, request: TokenRequest) -> TokenResponse | None:
    """Find the error answer at which a hook of a lent client raised: `raise_for_status` is often one of them.

    But not what another server said, whom a hook may have asked for something.
    """
    try:
        response: Any = error.response  # type: ignore[attr-defined]
        asked, status, headers = response.request, response.status_code, response.headers
        if asked.method != "POST" or _endpoint_of(str(asked.url)) != _endpoint_of(request.url) or status < 400:
            return None
        # What the hook has read is there; the rest went with the connection.
        body = response._content if isinstance(getattr(response, "_content", None), bytes) else b""
        return TokenResponse(status, {name.lower(): value for name, value in headers.items()}, body)
    except (AttributeError, TypeError, RuntimeError):  # It has none, or one of another kind.
        return None


def _endpoint_of(url: str) -> tuple[Origin | None, str]:
    return Origin.of(url), urlsplit(url).path
