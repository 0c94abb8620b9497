"""Counts the token calls that a simulator gets in a block of a test."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from auth_plugins.simulators import Simulator

__all__ = ["TokenCalls"]


class TokenCalls:
    """Asserts how many token calls are made in a block.

    Args:
        simulators: the simulators whose calls count. The list may grow.
    """

    def __init__(self, simulators: Sequence[Simulator]) -> None:
        self._simulators = simulators

    @contextmanager
    def __call__(self, total: int | None = None, **by_endpoint: int) -> Iterator[None]:
        """Assert the calls in a block.

        Args:
            total: the number of all token calls.
            by_endpoint: the number of calls of one kind, such as `login=1, refresh=0`.

        Raises:
            AssertionError: the numbers differ. The text lists the calls.
            TypeError: no number is given.
        """
        if total is None and not by_endpoint:
            raise TypeError("assert_token_calls needs a number, as in assert_token_calls(1), or login=1")
        before = {id(each): len(each.ledger.calls()) for each in self._simulators}
        yield
        made: list[str] = [
            call.endpoint
            for each in self._simulators
            for call in each.ledger.calls()[before.get(id(each), 0) :]
            if call.endpoint != "api"
        ]
        found = {"total": len(made), **{name: made.count(name) for name in by_endpoint}}
        expected = ({"total": total} if total is not None else {}) | by_endpoint
        wrong = [
            f"{name}: {found[name]} instead of {count}" for name, count in expected.items() if found[name] != count
        ]
        if wrong:
            raise AssertionError(f"token calls: {', '.join(wrong)}; in order: {', '.join(made) or 'none'}")
