"""Which answers of an API say that the token is dead: 401, unless `renew_on=` says otherwise."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .challenges import is_insufficient_scope
from .checks import check_callable

__all__ = ["RENEW_ON_401", "RenewOn", "RenewOnOption"]

Predicate = Callable[[int, Mapping[str, str]], bool]
RenewOnOption = Iterable[int] | Predicate
"""The type of `renew_on=`: statuses, or a function of the status and the headers."""


@dataclass(frozen=True, slots=True)
class RenewOn:
    """Decides whether an answer rejects the token."""

    statuses: frozenset[int] = frozenset({401})
    predicate: Predicate | None = None

    @classmethod
    def of(cls, renew_on: Any) -> RenewOn:
        """Return the rule for the argument `renew_on=`.

        Raises:
            TypeError: it holds no ints, and is no ordinary function.
            ValueError: it is empty, or a status is outside 400 to 599.
        """
        if callable(renew_on):
            check_callable("renew_on", renew_on)
            return cls(frozenset(), renew_on)
        if isinstance(renew_on, (str, bytes)) or not isinstance(renew_on, Iterable):
            raise TypeError("renew_on must be statuses, as in (401, 403), or a function of the status and the headers")
        statuses = list(renew_on)
        if any(isinstance(each, bool) or not isinstance(each, int) for each in statuses):
            raise TypeError("renew_on must be statuses that are ints, as in (401, 403)")
        if not statuses or not all(400 <= each <= 599 for each in statuses):
            raise ValueError("renew_on must be one or more statuses from 400 to 599")
        made = cls(frozenset(map(int, statuses)))
        return RENEW_ON_401 if made == RENEW_ON_401 else made

    @property
    def option(self) -> RenewOnOption | None:
        """The argument that makes this rule again."""
        if self == RENEW_ON_401:
            return None
        return tuple(sorted(self.statuses)) if self.predicate is None else self.predicate

    def rejects(self, status: int, headers: Mapping[str, str]) -> bool:
        """Whether an answer says that the token is dead.

        A status does not, if a Bearer challenge says `insufficient_scope`: the token is good, and a new one has the
        same scope (RFC 6750, section 3.1). A predicate decides by itself.
        """
        if self.predicate is not None:
            return bool(self.predicate(status, headers))
        return status in self.statuses and not is_insufficient_scope(headers.get("WWW-Authenticate"))


RENEW_ON_401 = RenewOn()
"""The default."""
