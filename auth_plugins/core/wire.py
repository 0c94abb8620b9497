"""What travels between us and a token endpoint, as values: no library's classes, no I/O."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, SupportsIndex, overload

from .token import Token

__all__ = ["Masked", "MaskedBytes", "Purpose", "TokenRequest", "TokenResponse"]


class Masked(str):
    """A `str` whose `repr` hides it.

    Whoever prints a dictionary of headers, or records a frame's locals, prints `repr`.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"

    def __getitem__(self, key: SupportsIndex | slice) -> Masked:
        # Whoever shows a frame's locals cuts them short first.
        return Masked(super().__getitem__(key))

    def __reduce__(self) -> tuple[type[str], tuple[str]]:
        return (str, (str(self),))


class MaskedBytes(bytes):
    """A `bytes` whose `repr` hides it, as that of its slices does."""

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
    """What a token call is for."""

    LOGIN = "login"
    """A first token, from the credentials."""
    REFRESH = "refresh"
    """A new token, from the one at hand."""
    REVOKE = "revoke"
    """The end of the one at hand."""


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """One call to a token endpoint: always a POST, answered to nobody but the contract that made it."""

    purpose: Purpose
    url: str
    headers: Mapping[str, str] = field(repr=False, default_factory=dict, hash=False)
    body: bytes = field(repr=False, default=b"")
    token: Token | None = None
    """The token that is being renewed or revoked: the answer may leave parts of it as they were."""
    secrets: tuple[str, ...] = field(repr=False, default=())
    """Every secret the request carries, so that no echo of one gets into a message."""

    def __post_init__(self) -> None:
        # However it was made: what shows a frame's locals, or a mapping, shows `repr`.
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
        """Make a request with a JSON body, or with none at all where `body` is `None`."""
        named = dict(headers or {})
        if body is None:
            return cls(grant, url, named, b"", token, tuple(secrets))
        content = json.dumps(body, separators=(",", ":")).encode()
        return cls(grant, url, {"Content-Type": "application/json", **named}, content, token, tuple(secrets))


@dataclass(frozen=True, slots=True)
class TokenResponse:
    """The whole answer of a token endpoint."""

    status: int
    headers: Mapping[str, str] = field(repr=False, default_factory=dict, hash=False)
    """By lower-case name."""
    body: bytes = field(repr=False, default=b"")
