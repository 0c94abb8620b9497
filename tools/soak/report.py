"""What a soak leaves: a plot, a page, and whether the promises were kept."""

from __future__ import annotations

import os
import platform
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from .load import TASKS, THREADS
from .server import FAULTS, LIFETIME

_WIDTH, _HEIGHT, _LEFT, _GAP = 860, 120, 110, 34
MEASURED = {"memory": ", MiB", "objects": " of Python, thousands of blocks", "descriptors": "", "threads": ""}
_PAGE = Path(__file__).with_name("page.md")


@dataclass(frozen=True, slots=True)
class Sample:
    """What was measured in one moment."""

    at: float
    """Seconds since the beginning."""
    memory: float
    """Of this process, in MiB: the resident set."""
    objects: float
    """What Python holds, in thousands of blocks."""
    descriptors: int
    threads: int
    served: int
    """Requests so far, and likewise:"""
    failed: int
    faulty: bool
    """Whether the token endpoint was out of order."""


@dataclass
class Soak:
    """All that was measured."""

    samples: list[Sample] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)
    calls: dict[str, int] = field(default_factory=dict)
    started: float = field(default_factory=time.time)
    at_first: int = 0
    """Descriptors before the first request, and ..."""
    at_last: int = 0
    """... after all clients were closed."""
    load: tuple[float, ...] = ()
    """The machine's load averages at the end: it may have had other work."""

    def early_and_late(self, name: str) -> tuple[float, float]:
        """Give the lowest of the second fifth (the first one warms up), and that of the last one.

        Not the mean: when a token has ended many wait for the next, and then all of them need a connection at once.
        """
        values, fifth = [float(getattr(each, name)) for each in self.samples], max(1, len(self.samples) // 5)
        return min(values[fifth : 2 * fifth] or values), min(values[-fifth:])

    def verdicts(self) -> dict[str, bool]:
        """Give each promise, and whether it was kept."""
        flat = {name: self.early_and_late(name) for name in MEASURED}
        return {
            "no request failed that had a valid token from its beginning to its end": not self.broken,
            "requests were served to the end": self.samples[-1].served
            > self.samples[-1 - len(self.samples) // 5].served,
            "memory is flat: it grew by less than 5 %": flat["memory"][1] < flat["memory"][0] * 1.05,
            "what Python holds is flat: it grew by less than 5 %": flat["objects"][1] < flat["objects"][0] * 1.05,
            "descriptors are flat: less than 5 more": flat["descriptors"][1] < flat["descriptors"][0] + 5,
            "threads are flat: less than 2 more": flat["threads"][1] < flat["threads"][0] + 2,
            "all descriptors are given back at the end": self.at_last <= self.at_first,
        }

    def rates(self, name: str) -> list[float]:
        """Give how much a count grew in each second."""
        values = [float(getattr(each, name)) for each in self.samples]
        return [later - earlier for earlier, later in zip([0.0, *values], values, strict=False)]


def plot(soak: Soak) -> str:
    """Draw the soak as an SVG; where the token endpoint was out of order the ground is shaded."""
    strips = {
        "requests served, per s": soak.rates("served"),
        "failed, no valid token, per s": soak.rates("failed"),
        "memory, MiB": [each.memory for each in soak.samples],
        "what Python holds, thousands of blocks": [each.objects for each in soak.samples],
        "descriptors": [float(each.descriptors) for each in soak.samples],
    }
    parts = [_strip(soak, number, name, values) for number, (name, values) in enumerate(strips.items())]
    height = len(strips) * (_HEIGHT + _GAP) + 10
    style = "<style>text{font:12px sans-serif;fill:#666}polyline{fill:none;stroke:#36c;stroke-width:1}</style>"
    box = f'viewBox="0 0 {_LEFT + _WIDTH + 20} {height}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {box}>{style}{"".join(parts)}</svg>\n'


def _strip(soak: Soak, number: int, name: str, values: list[float]) -> str:
    top, most, last = number * (_HEIGHT + _GAP) + 20, max([*values, 1.0]) * 1.05, soak.samples[-1].at
    x = [_LEFT + each.at / last * _WIDTH for each in soak.samples]
    ground = f'y="{top}" width="{_WIDTH / len(x):.2f}" height="{_HEIGHT}" fill="#d33" fill-opacity=".12"'
    bad = [f'<rect x="{at:.1f}" {ground}/>' for at, each in zip(x, soak.samples, strict=True) if each.faulty]
    line = " ".join(
        f"{at:.1f},{top + _HEIGHT - value / most * _HEIGHT:.1f}" for at, value in zip(x, values, strict=True)
    )
    frame = f'<rect x="{_LEFT}" y="{top}" width="{_WIDTH}" height="{_HEIGHT}" fill="none" stroke="#bbb"/>'
    words = f'<text x="{_LEFT}" y="{top - 5}">{name}</text><text x="{_LEFT - 8}" y="{top + 10}" text-anchor="end">'
    ends = f'{most:.0f}</text><text x="{_LEFT - 8}" y="{top + _HEIGHT}" text-anchor="end">0</text>'
    until = f'<text x="{_LEFT + _WIDTH}" y="{top + _HEIGHT + 13}" text-anchor="end">{last:.0f} s</text>'
    return "".join(bad) + frame + f'<polyline points="{line}"/>' + words + ends + until


def page(soak: Soak) -> str:
    """Write the page, from its template."""
    rows = [f"| {name} | {'yes' if kept else '**no**'} |" for name, kept in soak.verdicts().items()]
    counts = [f"| {name} | {count:,} |" for name, count in sorted(soak.counts.items())]
    counts += [f"| calls of the {name} endpoint | {count:,} |" for name, count in sorted(soak.calls.items())]
    flat = {name: soak.early_and_late(name) for name in MEASURED}
    measured = [f"| {name}{MEASURED[name]} | {early:,.1f} | {late:,.1f} |" for name, (early, late) in flat.items()]
    return _PAGE.read_text(encoding="utf-8").format(
        minutes=f"{soak.samples[-1].at / 60:.1f}".removesuffix(".0"),
        threads=len(THREADS),
        tasks=f"{sum(TASKS.values()):,}",
        shares="\n".join(
            f"| {count} | {name.replace(', ', ', with an AsyncClient of ')} |" for name, count in TASKS.items()
        ),
        lifetime=f"{LIFETIME:g}",
        faults="\n".join(f"| {fault} | {weight} |" for fault, weight in FAULTS.items()),
        verdicts="\n".join(rows),
        counts="\n".join(counts),
        measured="\n".join(measured),
        date=time.strftime("%-d %B %Y", time.gmtime(soak.started)),
        python=platform.python_version(),
        cores=os.cpu_count(),
        at_first=soak.at_first,
        at_last=soak.at_last,
        load=" / ".join(f"{each:.1f}" for each in soak.load),
    )
