"""How figures are taken and put together: turns are interleaved, so that a busy moment falls on all alike."""

from __future__ import annotations

import gc
import math
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

__all__ = ["in_turn", "interleaved", "percentile", "summary", "table", "uncollected"]

Row = dict[str, Any]
T = TypeVar("T")


def in_turn(turns: int, each: Sequence[T]) -> Iterator[T]:
    """Give each its turn, `turns` times; the order moves on by one each time, for whoever comes first has it easier."""
    for turn in range(turns):
        shift = turn % len(each)
        yield from each[shift:]
        yield from each[:shift]


def interleaved(turns: int, work: Mapping[str, Callable[[], float]]) -> dict[str, list[float]]:
    """Let each candidate have a turn, `turns` times, while nobody collects garbage."""
    found: dict[str, list[float]] = {name: [] for name in work}
    with uncollected():
        for name in in_turn(turns, list(work)):
            found[name].append(work[name]())
    return found


@contextmanager
def uncollected() -> Iterator[None]:
    """Let nobody collect garbage meanwhile: whom it falls on is a matter of luck."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def percentile(values: Sequence[float], share: float) -> float:
    """Give the smallest value that at least `share` (0 to 1) of the values do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def summary(values: Sequence[float]) -> dict[str, float]:
    """Give the median and the spread: the quartiles."""
    return {
        "median": statistics.median(values),
        "low": percentile(values, 0.25),
        "high": percentile(values, 0.75),
        "turns": len(values),
    }


def table(rows: Sequence[Row]) -> str:
    """Draw rows as a table in Markdown; the columns are those of all rows, in the order in which they appear."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    lines = [columns, ["---"] * len(columns), *([_shown(row.get(name)) for name in columns] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _shown(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) else str(value)
