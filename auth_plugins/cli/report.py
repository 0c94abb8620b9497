"""Formats results: as a table for people, as a JSON document for programs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from rich import box
from rich.table import Table
from rich.text import Text

from .stage import Result

__all__ = ["as_json", "as_table", "closing_line"]


def as_table(provider: str, results: Iterable[Result]) -> Table:
    """Return the table of a provider's scenes."""
    table = Table(title=provider, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, leading=1)
    table.add_column("Scene", no_wrap=True)
    table.add_column("What happened", ratio=1)
    table.add_column("Expected", no_wrap=True)
    table.add_column("Counted", no_wrap=True)
    table.add_column("Verdict", no_wrap=True)
    for result in results:
        table.add_row(
            Text(result.scene.name.replace(" ", "\n"), "bold"),
            Text(_words(result)),
            Text(_lines(f"{name}: {count:,}" for name, count in result.expected.items())),
            Text(_lines(f"{result.counted.get(name, 0):,}" for name in result.expected)),
            _verdict(result),
        )
    return table


def _words(result: Result) -> str:
    ended = f"\nEnded by {result.failure}." if result.failure is not None else ""
    return result.scene.sentence + ended


def _lines(cells: Iterable[str]) -> str:
    return "\n".join(cells)


def _verdict(result: Result) -> Text:
    if result.ok:
        return Text("ok", "green")
    return Text("DIFFERS" if result.failure is None else "FAILED", "bold red")


def closing_line(results: Sequence[Result], seconds: float) -> Text:
    """Return the summary of all results in a line."""
    fine = sum(result.ok for result in results)
    style = "bold green" if fine == len(results) else "bold red"
    return Text(f"{fine} of {len(results)} as expected in {seconds:.1f} s", style)


def as_json(results: Iterable[Result]) -> str:
    """Return the JSON document: a list of scenes."""
    return json.dumps([_plain(result) for result in results], indent=2)


def _plain(result: Result) -> dict[str, object]:
    return {
        "provider": result.provider,
        "name": result.scene.name,
        "sentence": result.scene.sentence,
        "expected": dict(result.expected),
        "counted": dict(result.counted),
        "ok": result.ok,
        "failure": result.failure,
        "seconds": round(result.seconds, 3),
    }
