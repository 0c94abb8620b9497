"""What an author of a provider writes: a frozen dataclass that answers these questions, and does nothing."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from typing import Protocol, runtime_checkable

from .answers import Answer, ErrorInfo
from .token import Token
from .wire import TokenRequest, TokenResponse

__all__ = ["Provider", "bearer", "fingerprint"]


@runtime_checkable
class Provider(Protocol):
    """One provider's contract, for one set of credentials: pure, a frozen dataclass, secrets `repr=False`.

    It never does I/O, never reads a clock, never keeps anything. Its fields are its identity: objects whose
    fields are equal share one token, and a field that differs, a secret too, means another one.
    """

    @property
    def name(self) -> str:
        """The provider's name, for events and messages."""

    @property
    def base_url(self) -> str:
        """The URL whose origin gets the token, unless `origins=` adds others."""

    @property
    def can_login(self) -> bool:
        """Whether there are credentials to log in with."""

    @property
    def rotates(self) -> bool:
        """Whether a renewal uses up what it renews, so that two at once end the session.

        Such a token is never renewed while the store that shares it is out of order.
        """

    def given(self) -> Token | None:
        """Give the token that the user brought along, if any: it is where one begins, until there is a newer one."""

    def login(self) -> TokenRequest:
        """Make the call that brings a token for the credentials; never called unless `can_login`."""

    def refresh(self, token: Token, now: float) -> TokenRequest:
        """Make the call that renews `token`; never called unless the token says that it is refreshable."""

    def revoke(self, token: Token) -> TokenRequest | None:
        """Make the call that ends `token`; `None` if the provider has none."""

    def read(self, answer: Answer, now: float) -> Token:
        """Read the answer to a login or a refresh that was sent at `now`.

        Called for 2xx and 4xx except 407, 408, 425, 429 and 451, which are handled before.

        Raises:
            CredentialsRejected: a login was refused, in the provider's own words.
            LoginRequired: a refresh was refused, in the provider's own words, or brought less than the token it renews.
            TokenEndpointUnavailable, InvalidTokenResponse: anything else, see `Answer.unrecognized`. A 2xx alone is
                not success: there must be a token.
        """

    def error_info(self, response: TokenResponse) -> ErrorInfo:
        """Find the provider's own words in any error answer; never raises."""

    def headers(self, token: Token) -> Mapping[str, str]:
        """Give the headers that carry `token` on a request."""


def bearer(token: Token) -> dict[str, str]:
    """Carry a token as RFC 6750, section 2.1, has it."""
    return {"Authorization": f"Bearer {token.access_token}"}


def fingerprint(provider: Provider, salt: bytes) -> str:
    """Make the key under which a provider's token is shared: 64 hexadecimal digits.

    It covers the provider's name, the contract's class and every field of it, and is a digest keyed by `salt` (at most
    64 bytes), so that nothing can be read out of it. Names and values are preceded by their lengths, so that no two
    contracts run together. A field that has its default is left out: a later version may add one and keep the keys.
    The fields are strings, numbers, booleans, `None`, and tuples and mappings of these.

    Raises:
        TypeError: the contract is no dataclass, or has a field of another kind.
    """
    digest = hashlib.blake2b(key=salt, digest_size=32)
    for part in (*_parts(provider), provider.name, type(provider).__qualname__):
        raw = part.encode("utf-8", "surrogatepass")
        digest.update(len(raw).to_bytes(8, "big") + raw)
    return digest.hexdigest()


def _parts(provider: object) -> list[str]:
    if not is_dataclass(provider) or isinstance(provider, type):
        raise TypeError("provider must be an instance of a dataclass")
    parts: list[str] = []
    for field in fields(provider):
        value = getattr(provider, field.name)
        if value != _default(field):
            # Never `repr`: what hides itself there would be the same as anything else that does.
            parts += (field.name, json.dumps(value, sort_keys=True))
    return parts


def _default(field: Field[object]) -> object:
    if field.default_factory is not MISSING:
        return field.default_factory()
    return field.default
