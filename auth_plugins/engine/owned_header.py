"""Header values that know which credentials they belong to."""

from __future__ import annotations

from typing import Any, ClassVar, Self

from ..core.wire import Masked, MaskedBytes

__all__ = ["EarlyHeader", "OwnedBytes", "OwnedHeader"]


class OwnedHeader(Masked):
    """A header value tagged with the key of the shared state that issued it. String operations lose the tag."""

    __slots__ = ("owner",)
    owner: bytes
    sent_early: ClassVar[bool] = False
    """Whether the request was signed before the token's `valid_from`."""

    def __new__(cls, value: str, owner: bytes) -> Self:
        """`owner`: the key of the shared state that holds the token."""
        made = super().__new__(cls, value)
        made.owner = owner
        return made

    def encode(self, encoding: str = "utf-8", errors: str = "strict") -> OwnedBytes:
        """Return the same header value as bytes, tagged with the same owner: httpx keeps headers as bytes."""
        return OwnedBytes(super().encode(encoding, errors), self.owner)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self


class EarlyHeader(OwnedHeader):
    """The header value of a request that was signed before the token's `valid_from`."""

    __slots__ = ()
    sent_early: ClassVar[bool] = True


class OwnedBytes(MaskedBytes):
    """The bytes of an `OwnedHeader`. Copies of `httpx.Headers` hold the same object, so they keep the tag."""

    owner: bytes

    def __new__(cls, value: bytes, owner: bytes) -> Self:
        """`owner`: the key of the shared state that holds the token."""
        made = super().__new__(cls, value)
        made.owner = owner
        return made

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self
