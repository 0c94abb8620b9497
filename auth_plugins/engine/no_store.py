"""Takes the place of a store entry where the store has failed."""

from __future__ import annotations

from ..core.errors import StoreError
from ..core.provider import Provider
from ..core.token import Token

__all__ = ["NoStore"]


class NoStore:
    """Replaces the entry of a store that has failed: it loads nothing and saves nothing."""

    def __init__(self, failure: StoreError, kept: Token | None) -> None:
        self._failure, self.kept = failure, kept
        self.number: int | None = None

    def load(self) -> Token | None:
        """Return None."""
        return None

    def hold(self, provider: Provider) -> None:
        """Do nothing."""

    def lock_numbers(self) -> tuple[int, int]:
        """Return that there are no locks."""
        return 0, 0

    def save(self, token: Token, number: int = 0, *, before_call: bool = False) -> None:
        """Raise the store's failure."""
        raise self._failure.clone()

    def delete(self, number: int | None = None) -> None:
        """Raise the store's failure."""
        raise self._failure.clone()

    def retire(self) -> None:
        """Do nothing."""

    def permit(self) -> None:
        """Return None."""
