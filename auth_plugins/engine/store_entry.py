"""The entry of a session in the store, and what replaces it where the store has failed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Protocol

from ..core.errors import StoreError
from ..core.identity import fingerprint, variant_fingerprint
from ..core.provider import Provider
from ..core.token import LONG_AGO, NO_EXTRA, Token
from ..core.wire import Masked
from ..stores.record import CorruptRecord, decode, encode
from ..stores.store import LockLost, Store
from .locking import GuardedStore
from .secret_proofs import SecretHolder, SecretProofs

__all__ = ["InStore", "StoreEntry", "Superseded"]

_OURS = "auth_plugins."
"""What the members of a record's `extra` begin with that no user sees."""
_OWN = "auth_plugins.variant"
"""The member of a record's `extra` that says which variant the record's access token is of."""
_OTHERS = "auth_plugins.variant."
"""What the members begin with that hold the access tokens of other variants."""
_PROOF = "auth_plugins.secrets"
"""The member of a record's `extra` that proves with which secrets the session was opened or renewed."""
_MOST = 65_536
"""Characters of all other variants' tokens: a store has a limit, and a newest refresh token must always be kept."""


class Superseded(LockLost):
    """A newer token than the one that was to be saved is in the store."""


class StoreEntry(Protocol):
    """One key of a store."""

    kept: Token | None
    """The token in the store, as far as this process knows."""
    number: int | None
    """The number of the token that is there, -1 without a token; `None` if the store has no numbers."""

    def load(self) -> Token | None:
        """Return the stored token."""

    def save(self, token: Token, number: int = 0, *, before_call: bool = False) -> None:
        """Save `token` under its number, or raise `StoreError`; before a call only under the lock.

        After `Superseded`, `kept` is the newer token and `number` its number.
        """

    def hold(self, provider: Provider) -> None:
        """Remember that this process was given the secrets in `provider`."""

    def lock_numbers(self) -> tuple[int, int]:
        """Return the number of the lock, and that of a lock that was waited for and lost; 0 without a lock."""

    def delete(self, number: int | None = None) -> None:
        """Delete the token, or raise `StoreError`; a number ends the session."""

    def retire(self) -> None:
        """Let the record end within a day, if the store can."""

    def permit(self) -> object:
        """Return what continues the lock of the place after a save that failed; `None` if nothing does."""


class InStore:
    """The entry of a session in a store; it is changed only while its lock is held.

    It is one record. Where the session was given (see `core.role`), auth objects may share it that want access tokens
    of different variants: scopes, audiences, origins. The record is then the token of the variant renewed last, with
    the newest refresh token of all, and its `extra` holds the access tokens of the others.

    Where the session was opened with a secret that is asked for, the key does not cover the secret. The record then has
    a proof of it, and a record with the proof of another secret counts as no record.
    """

    def __init__(self, store: Store | GuardedStore, provider: Provider, holder: SecretHolder | None = None) -> None:
        self._store = store if isinstance(store, GuardedStore) else GuardedStore(store)
        self._provider, salt = provider, self._store.salt
        self.key = fingerprint(provider, salt)
        self._variant = variant_fingerprint(provider, salt)
        self.proofs = SecretProofs(provider, lambda: self._store.salt, holder)
        self._foreign = False
        self._others: dict[str, Token] = {}
        self.kept: Token | None = None
        self.number: int | None = None

    def load(self) -> Token | None:
        """Return this variant's token, with the session's newest refresh token; `None` if there is no session.

        A variant that has no access token yet gets one that ended long ago.

        Raises:
            StoreError: the store failed.
        """
        self.take(*self._store.load(self.key))
        return self.kept

    def take(self, record: Token | None, number: int | None) -> None:
        """Take over what the store has: the record and its number."""
        self._others, self.number, self._foreign = {}, number, False
        if record is not None and self.proofs.needed:
            self._foreign = not self.proofs.accept(record.extra.get(_PROOF))
            record = None if self._foreign else replace(record, extra=_without_ours(record.extra))
        self.kept = record if record is None or self._variant is None else self._of_variant(record, self._variant)

    def hold(self, provider: Provider) -> None:
        """Remember that this process was given the secrets in `provider`."""
        self.proofs.hold(provider)

    def save(self, token: Token, number: int = 0, *, before_call: bool = False) -> None:
        """Keep `token`, whose refresh token is from now on that of all variants.

        Raises:
            Superseded: there is a newer one.
            StoreError: the store failed.
        """
        newer = self._store.save(self.key, self.record_of(token), number, before_call=before_call)
        if newer is not None:
            self.take(*newer)
            raise Superseded("Another process has saved a newer token")
        self.kept, self.number = token, None if self.number is None else number

    def record_of(self, token: Token) -> Token:
        """Return what the store keeps for `token`, with the proof of its secret or the other variants' tokens."""
        if self.proofs.needed:
            return replace(token, extra={**token.extra, _PROOF: self.proofs.newest() or ""})
        if self._variant is None:
            return token
        others = _within_bounds(self._others, token.issued_at)
        return replace(token, extra={**_without_ours(token.extra), _OWN: self._variant, **others})

    def delete(self, number: int | None = None) -> None:
        """Forget the session with the tokens of all variants.

        With a number the session ends, where the store has numbers: a token with a lower one is not saved any more.

        Raises:
            StoreError: the store failed, or has a newer token.
        """
        if self._foreign:
            return
        fence = (self.number or 0) if number is None else number
        self._store.delete(self.key, fence, ends=number is not None)
        self._others, self.kept = {}, None
        self.number = None if self.number is None else -1

    def lock_numbers(self) -> tuple[int, int]:
        """Call the store."""
        return self._store.lock_numbers(self.key)

    def retire(self) -> None:
        """Call the store."""
        self._store.retire(self.key)

    def permit(self) -> object:
        """Call the store."""
        return self._store.permit(self.key)

    def _of_variant(self, record: Token, variant: str) -> Token:
        newest, name = replace(record, extra=_without_ours(record.extra)), record.extra.get(_OWN)
        self._others = dict(_others_in(record.extra))
        if name == variant:
            return newest
        if name is not None and newest.access_token:
            self._others[name] = _access_only(newest)
        own = self._others.pop(variant, None) or self._without_access(newest)
        return replace(
            own,
            refresh_token=newest.refresh_token,
            refreshable_from=newest.refreshable_from,
            refreshable_until=newest.refreshable_until,
            refresh_once=newest.refresh_once,
            irreplaceable=newest.irreplaceable,
            answer_lost=newest.answer_lost,
        )

    def _without_access(self, newest: Token) -> Token:
        # The token that the session was given by knows what this variant asks for.
        given = self._provider.initial_token() or newest
        return replace(given, access_token="", issued_at=LONG_AGO, expires_at=LONG_AGO, valid_from=LONG_AGO)


def _access_only(token: Token) -> Token:
    return replace(token, refresh_token=None, refreshable_from=LONG_AGO, refreshable_until=LONG_AGO, refresh_once=False)


def _without_ours(extra: Mapping[str, str]) -> Mapping[str, str]:
    return {name: value for name, value in extra.items() if not name.startswith(_OURS)} or NO_EXTRA


def _others_in(extra: Mapping[str, str]) -> Iterator[tuple[str, Token]]:
    for name, record in extra.items():
        if name.startswith(_OTHERS):
            variant = name.removeprefix(_OTHERS)
            with suppress(CorruptRecord, StoreError):  # It costs a refresh.
                yield variant, decode(variant, record.encode("utf-8", "surrogatepass"))


def _within_bounds(others: Mapping[str, Token], now: float) -> dict[str, str]:
    """Return the records of the tokens that have not ended by `now`, the latest first, within the limit."""
    kept, left = dict[str, str](), _MOST
    for variant, token in sorted(others.items(), key=lambda each: each[1].expires_at, reverse=True):
        record = Masked(encode(variant, token).decode())
        if token.expires_at > now and len(record) <= left:
            kept[_OTHERS + variant] = record
            left -= len(record)
    return kept
