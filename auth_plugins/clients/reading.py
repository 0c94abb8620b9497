"""Shared by the token transports: reads an answer whole, within limits, and raises errors without secrets."""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from ..core.errors import AuthError, InvalidTokenResponse, TokenEndpointUnavailable
from ..core.origin import Origin
from ..core.redaction import redacted
from ..core.wire import TokenRequest, TokenResponse
from .faults import failure_of, proxy_refusal
from .route import Route

__all__ = ["Deadline", "naming_the_answer", "read_whole", "redacting_errors"]


class Deadline:
    """The time by which a token call has to end, by the monotonic clock."""

    __slots__ = ("ends",)

    def __init__(self, ends: float) -> None:
        self.ends = ends

    @classmethod
    def after(cls, seconds: float) -> Deadline:
        """Return the deadline in `seconds` from now."""
        return cls(time.monotonic() + seconds)

    @property
    def over(self) -> bool:
        """Whether the deadline has passed."""
        return time.monotonic() > self.ends

    def cut(self, timeout: float | None) -> float:
        """Return the shorter of `timeout` and the time left, in seconds, for one step of a call.

        Raises:
            TimeoutError: no time is left.
        """
        left = self.ends - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left if timeout is None else min(timeout, left)


def read_whole(chunks: Iterable[bytes], deadline: Deadline, most: int, encoding: str) -> bytes:
    """Read an answer to its end, by the deadline, and return it decoded.

    Args:
        chunks: the answer as it arrives, not decoded: a library would decode it without a limit on the result.
        deadline: the time by which the answer has to be complete.
        most: the maximum length of the decoded answer, in bytes.
        encoding: the answer's `Content-Encoding`. The request asks for none, but gzip and zlib are decoded.

    Raises:
        TokenEndpointUnavailable: the answer goes on after the deadline.
        InvalidTokenResponse: the answer is longer than `most`, or has an encoding that cannot be decoded.
    """
    unpack = _unpacker(encoding)
    body, late = bytearray(), False
    for chunk in chunks:
        if late:
            raise TokenEndpointUnavailable("The token endpoint's answer did not end in time")
        body += unpack(chunk, most + 1 - len(body))
        if len(body) > most:
            raise InvalidTokenResponse(f"The token endpoint's answer is longer than {most} bytes")
        # An answer that is complete is used, however late: it may hold the only refresh token that is still valid.
        late = deadline.over
    return bytes(body)


def _unpacker(encoding: str) -> Callable[[bytes, int], bytes]:
    if encoding.lower() in ("", "identity"):
        return lambda chunk, _: chunk
    if encoding.lower() not in ("gzip", "x-gzip", "deflate"):
        raise InvalidTokenResponse("The token endpoint's answer has a Content-Encoding that was not asked for")
    unpack = zlib.decompressobj(wbits=47).decompress  # 47: detect gzip or zlib by the header.

    def unpack_some(chunk: bytes, most: int) -> bytes:
        try:
            return unpack(chunk, most)
        except zlib.error:
            raise InvalidTokenResponse("The token endpoint's answer cannot be decoded") from None

    return unpack_some


@contextmanager
def naming_the_answer(request: TokenRequest, status: int) -> Iterator[None]:
    """Let an error that is raised while an answer is read name its status and the endpoint."""
    failure: AuthError | None = None
    try:
        yield
    except AuthError as error:
        failure = error.clone()
    if failure is not None:
        endpoint = redacted(request.url.partition("?")[0], request.secrets, 200)
        failure.message, failure.status = f"{failure.message} (HTTP {status} from {endpoint})", status
        raise failure


def redacting_errors(
    request: TokenRequest, library: str, call: Callable[[Route], TokenResponse], *, own_client: bool
) -> TokenResponse:
    """Make a call with `library`, and translate a failure by the types of the library's exceptions alone.

    No exception of the library is raised, quoted or chained: its text may quote the request, and its frames hold it.

    Raises:
        TokenEndpointUnavailable: there was no complete answer.
        InvalidTokenResponse: the answer is too long, or cannot be decoded.
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
    if answer.status == 407:  # As `core.error_for_status` does for every answer; here the proxy can be named, too.
        raise proxy_refusal(route, answer.status)
    return answer


def _answer_in(error: Exception, request: TokenRequest) -> TokenResponse | None:
    """Return the token endpoint's error answer, if a hook of the user's client raised because of it.

    `raise_for_status` is a common hook. Return `None` for the answer of another server, which a hook may have called.
    """
    try:
        response: Any = error.response  # type: ignore[attr-defined]
        asked, status, headers = response.request, response.status_code, response.headers
        if asked.method != "POST" or _endpoint_of(str(asked.url)) != _endpoint_of(request.url) or status < 400:
            return None
        # Only what the hook has read is left; the connection is closed.
        body = response._content if isinstance(getattr(response, "_content", None), bytes) else b""
        return TokenResponse(status, {name.lower(): value for name, value in headers.items()}, body)
    except (AttributeError, TypeError, RuntimeError):  # The exception has no response, or not one of requests or httpx.
        return None


def _endpoint_of(url: str) -> tuple[Origin | None, str]:
    return Origin.of(url), urlsplit(url).path
