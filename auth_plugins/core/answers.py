"""Readers for untrusted answers: each returns a value of the expected type, or `None` or an empty mapping.

An `Answer` is the argument of `Provider.read`: the call, the response, the provider's error words, and two times.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, TypeGuard, TypeVar

from .errors import AuthError, InvalidTokenResponse, TokenEndpointUnavailable
from .redaction import redacted
from .wire import TokenRequest, TokenResponse

__all__ = [
    "MAX_LIFETIME",
    "Answer",
    "ErrorInfo",
    "as_mapping",
    "as_number",
    "as_text",
    "as_timestamp",
    "is_token",
    "json_object",
    "json_value",
    "jwt_claims",
    "retry_after",
]

E = TypeVar("E", bound=AuthError)

MAX_LIFETIME = 366 * 86_400.0
"""Seconds. A token that claims to live longer is renewed after this: a number that large is a mistake."""


def json_value(response: TokenResponse) -> Any:
    """Return the parsed body, which may be JSON of any kind, such as an array; `None` if it is not JSON."""
    try:
        return json.loads(response.body, parse_constant=lambda _: None)
    except (ValueError, RecursionError):
        return None


def json_object(response: TokenResponse) -> dict[str, Any]:
    """Return the parsed body if it is a JSON object, else an empty one."""
    value = json_value(response)
    return value if isinstance(value, dict) else {}


def as_mapping(value: object) -> Mapping[str, Any]:
    """Return `value` if it is a JSON object, else an empty mapping."""
    return value if isinstance(value, dict) else {}


def as_text(value: object) -> str | None:
    """Return a non-empty string, or an integer of at most 18 digits, as a string; `None` for anything else."""
    if isinstance(value, str) and value:
        return value
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**18:
        return str(value)
    return None


def as_number(value: object) -> float | None:
    """Return a finite number, or a string that contains one, as a float; `None` for anything else."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        result = float(value)
    except (ValueError, OverflowError):
        return None
    return result if math.isfinite(result) else None


def as_timestamp(value: object) -> float | None:
    """Return an ISO 8601 time with a time zone as seconds since the epoch; `None` for anything else."""
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
        return moment.timestamp() if moment.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None


def is_token(value: object) -> TypeGuard[str]:
    """Whether `value` is a non-empty string of visible ASCII: safe in a header, which it cannot end.

    The string may have any length: `RefreshPolicy.max_response_bytes` bounds the answer.

    A `TypeGuard`, because `TypeIs` also narrows where the result is false: a string that is not a token would then be
    `Never` for a type checker.
    """
    # A character above "~" is not ASCII, and the smallest visible one is "!".
    return isinstance(value, str) and value != "" and value.isascii() and all("!" <= c <= "~" for c in set(value))


def jwt_claims(token: str) -> dict[str, Any]:
    """Return the claims of a JWT (RFC 7519) without verifying its signature; `{}` if `token` is not a JWT."""
    parts = token.split(".")
    if len(parts) != 3:
        return {}
    try:
        claims = base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4))
    except (binascii.Error, ValueError):
        return {}
    return json_object(TokenResponse(200, {}, claims))


def retry_after(response: TokenResponse, now: float) -> float | None:
    """Return `Retry-After` (RFC 9110, section 10.2.3) as seconds from `now`; `None` if it is missing or malformed."""
    value = response.headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return as_number(value)
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, TypeError, OverflowError):
        return None
    aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return max(0.0, aware.timestamp() - now)


@dataclass(frozen=True, slots=True)
class ErrorInfo:
    """The provider's error code, message and request id; `None` for each that the answer does not contain."""

    code: str | None = None
    message: str | None = None
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a token call, as passed to `Provider.read`. The engine makes one for each call."""

    request: TokenRequest
    response: TokenResponse
    error_info: ErrorInfo = ErrorInfo()
    """What the contract's `error_info` found in the answer."""
    sent_at: float = 0.0
    """When the call was sent, in seconds since the epoch: the `now` of `read`."""
    arrived_at: float = 0.0
    """When the answer arrived: the server made it between `sent_at` and this time."""
    json_value: Any = field(init=False, repr=False, compare=False)
    """The body, parsed as JSON of any kind; `None` if it is not JSON."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "json_value", json_value(self.response))

    @property
    def json(self) -> dict[str, Any]:
        """The parsed body if it is a JSON object, else an empty one."""
        return self.json_value if isinstance(self.json_value, dict) else {}

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self.response.status

    @property
    def is_html(self) -> bool:
        """Whether the body is an HTML page: a token endpoint never sends HTML."""
        kind = self.response.headers.get("content-type", "").lower()
        start = self.response.body.lstrip()[:14].lower()
        return "html" in kind or start.startswith((b"<!doctype html", b"<html"))

    def error(self, kind: type[E], message: str, *, hint: str | None = None, retry_after: float | None = None) -> E:
        """Return an error of `kind` that names the status and the endpoint, and quotes the provider's words.

        The quoted words are shortened, and the request's `secrets` in them are replaced by `***`.
        """
        info, secrets = self.error_info, self.request.secrets
        endpoint = redacted(self.request.url.partition("?")[0], secrets, 200)
        return kind(
            f"{message} (HTTP {self.status} from {endpoint})",
            hint=hint,
            status=self.status,
            provider_code=redacted(info.code, secrets, 80),
            provider_message=redacted(info.message, secrets, 300),
            request_id=redacted(info.request_id, secrets, 80),
            retry_after=retry_after,
        )

    def unrecognized(
        self, *, hint: str | None = None, retry_after: float | None = None
    ) -> InvalidTokenResponse | TokenEndpointUnavailable:
        """Return the error for an answer in a shape, or with a code, that the provider does not document.

        Such an answer says nothing about the credentials: an intermediary, such as a proxy, a firewall
        or a captive portal, may have sent it (RFC 9110, section 3.7). No login follows it, and token calls pause as
        after an outage.

        Args:
            hint: what to check if the answer is from the provider itself.
            retry_after: seconds until the next call; `None`: as `RefreshPolicy.outage_backoff` says.
        """
        foreign = self.status >= 400 or self.is_html
        if foreign and self.status not in _NO_ENDPOINT:
            hint = f"{_HINT_INTERMEDIARY} {hint or ''}".rstrip()
        kind: type[InvalidTokenResponse] | type[TokenEndpointUnavailable] = InvalidTokenResponse
        if self.status < 400:
            what = "The answer holds no token"
        elif self.status in _NO_ENDPOINT:
            what = "There is no token endpoint"
        else:
            kind, what = TokenEndpointUnavailable, "Something other than the provider answered"
        made = self.error(kind, f"{what}: {self._body_kind}", hint=hint, retry_after=retry_after)
        made.from_intermediary = foreign
        return made

    @property
    def _body_kind(self) -> str:
        if not self.response.body.strip():
            return "an empty body"
        if self.is_html:
            return "an HTML page"
        return "text that is not JSON" if self.json_value is None else "JSON that is not the provider's"


_NO_ENDPOINT = (404, 405, 406, 410, 415)
"""Statuses of a server that has no such endpoint, or another kind of one (RFC 9110, section 15.5)."""
_HINT_INTERMEDIARY = (
    "The credentials were not judged. Look for a proxy, a firewall or a captive portal between this machine and the "
    "endpoint: it may block this network, or the User-Agent."
)
