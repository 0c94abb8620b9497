"""Token calls and their answers as plain values, independent of any HTTP library."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, SupportsIndex, overload

from .token import Token

__all__ = ["Masked", "MaskedBytes", "Purpose", "TokenRequest", "TokenResponse"]


class Masked(str):
    """A `str` whose `repr` hides the value.

    Printing a dictionary of headers and recording the locals of a frame use `repr`.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"

    def __getitem__(self, key: SupportsIndex | slice) -> Masked:
        # Programs that show the locals of a frame shorten long values first.
        return Masked(super().__getitem__(key))

    def __reduce__(self) -> tuple[type[str], tuple[str]]:
        return (str, (str(self),))


class MaskedBytes(bytes):
    """A `bytes` whose `repr`, and that of its slices, hides the value."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "b'***'"

    @overload
    def __getitem__(self, key: SupportsIndex) -> int: ...
    @overload
    def __getitem__(self, key: slice) -> MaskedBytes: ...
    def __getitem__(self, key: SupportsIndex | slice) -> int | MaskedBytes:
        # Programs that show the locals of a frame shorten long values first.
        found = super().__getitem__(key)
        return found if isinstance(found, int) else MaskedBytes(found)

    def __reduce__(self) -> tuple[type[bytes], tuple[bytes]]:
        return (bytes, (bytes(self),))


class Purpose(Enum):
    """The purpose of a token call."""

    LOGIN = "login"
    """Exchange the credentials for a token."""
    REFRESH = "refresh"
    """Exchange the current token for a new one."""
    REVOKE = "revoke"
    """Revoke the current token."""


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """A call to a token endpoint. It is always a POST, and only the contract that made it reads the answer."""

    purpose: Purpose
    url: str
    headers: Mapping[str, str] = field(repr=False, default_factory=dict, hash=False)
    body: bytes = field(repr=False, default=b"")
    token: Token | None = None
    """The token to refresh or revoke. An answer to a refresh may leave out parts that stay the same."""
    secrets: tuple[str, ...] = field(repr=False, default=())
    """Every secret in the request. They are removed from error messages, since an answer may quote them."""

    def __post_init__(self) -> None:
        # For every way to make a request: `repr` appears in recorded frames and printed mappings.
        object.__setattr__(self, "headers", {name: Masked(value) for name, value in self.headers.items()})
        object.__setattr__(self, "body", MaskedBytes(self.body))

    @classmethod
    def json(
        cls,
        grant: Purpose,
        url: str,
        body: Mapping[str, Any] | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        token: Token | None = None,
        secrets: Iterable[str] = (),
    ) -> TokenRequest:
        """Return a request with a JSON body; without a body if `body` is `None`."""
        named = dict(headers or {})
        if body is None:
            return cls(grant, url, named, b"", token, tuple(secrets))
        content = json.dumps(body, separators=(",", ":")).encode()
        return cls(grant, url, {"Content-Type": "application/json", **named}, content, token, tuple(secrets))


@dataclass(frozen=True, slots=True)
class TokenResponse:
    """The complete answer of a token endpoint."""

    status: int
    headers: Mapping[str, str] = field(repr=False, default_factory=dict, hash=False)
    """The header values by lower-case name."""
    body: bytes = field(repr=False, default=b"")
