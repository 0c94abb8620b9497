"""Proves that a stored session was opened with a secret that this process has had."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from ..core.errors import ConfigurationError
from ..core.identity import secret_proof, variant_fingerprint
from ..core.provider import Provider
from ..core.secret import filled, secrets_of

__all__ = ["SecretHolder", "SecretProofs"]

_MOST_HELD = 8


class SecretHolder(Protocol):
    """Remembers which secrets this process was given."""

    held_secrets: tuple[str, ...]
    """Proofs, newest last."""


class _Forgetful:
    held_secrets: tuple[str, ...] = ()


class SecretProofs:
    """The proofs for the session of one contract in one store.

    They are needed only if credentials opened the session and a secret among them is asked for: the key of the session
    does not cover such a secret. The first refresh token of any other session proves enough.
    """

    def __init__(self, provider: Provider, salt: Callable[[], bytes], holder: SecretHolder | None = None) -> None:
        self._provider, self._salt = provider, salt
        self._holder = _Forgetful() if holder is None else holder
        self.needed = bool(secrets_of(provider)) and variant_fingerprint(provider, salt()) is None

    def hold(self, provider: Provider) -> None:
        """Remember that this process was given the secrets in `provider`."""
        if self.needed and provider is not self._provider:
            proof = secret_proof(self._provider, provider, self._salt())
            held = [each for each in self._holder.held_secrets if each != proof]
            self._holder.held_secrets = (*held, proof)[-_MOST_HELD:]

    def accept(self, proof: str | None) -> bool:
        """Whether this process has had the secret of `proof`, or has it now."""
        if proof not in self._holder.held_secrets:
            self._ask()
        return proof in self._holder.held_secrets

    def newest(self) -> str | None:
        """Return the proof of the newest secret; `None` if the secret cannot be had."""
        if not self._holder.held_secrets:
            self._ask()
        return next(reversed(self._holder.held_secrets), None)

    def changed(self) -> bool:
        """Ask for the secrets, and return whether they differ from those that were given last."""
        before = self._holder.held_secrets[-1:]
        if before:
            self._ask()
        return before != self._holder.held_secrets[-1:]

    def _ask(self) -> None:
        with suppress(ConfigurationError):
            self.hold(filled(self._provider))
