"""What a run writes: one JSON, one page of tables, and the plots. The documentation quotes nothing else."""

from __future__ import annotations

import json
from collections import defaultdict
from importlib import metadata
from inspect import cleandoc
from pathlib import Path
from typing import Any

from .fleet import rates
from .measure import Row, table

__all__ = ["merged", "page", "versions", "write"]

LIBRARIES = ["authlib", "google-auth", "httpx", "httpx-auth", "httpx2", "requests", "requests-auth",
             "requests-oauthlib", "requests_oauth2client", "singleflight-auth"]  # fmt: skip
TITLES = {
    "attach": "Attaching a valid token",
    "end_to_end": "A whole request",
    "herd": "Herds",
    "processes": "Processes",
    "steady": "Steady load through renewals",
    "outage": "Outage of the token endpoint",
    "imports": "Import",
    "scale": "Many credential sets",
    "sessions": "Many users",
    "fleet": "A fleet in virtual time",
}


def versions() -> dict[str, str]:
    """Give the version of each library; "not to be had" if it could not be installed."""
    found = {}
    for name in LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not to be had"
    return found


def merged(file: Path, cases: dict[str, Any], machine: dict[str, Any]) -> dict[str, Any]:
    """Put cases that were just measured in place of those in the file; each knows where it was measured."""
    known = json.loads(file.read_text(encoding="utf-8"))["cases"] if file.exists() else {}
    new = {name: {**case, "machine": machine} for name, case in cases.items()}
    return {"cases": {name: (known | new)[name] for name in TITLES if name in known | new}}


def write(result: dict[str, Any], folder: Path) -> None:
    """Write all that a page quotes."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "results.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    (folder / "results.md").write_text(page(result), encoding="utf-8")
    _plots(result, folder)


def page(result: dict[str, Any]) -> str:
    """Draw all tables, in Markdown."""
    parts = []
    for name, case in result["cases"].items():
        parts += [f"## {TITLES[name]}", cleandoc(case["claim"]), f"*{_measured(case)}*"]
        if name in ("attach", "herd", "fleet"):
            parts.append(f"```{{image}} benchmarks/{name}.svg\n:alt: {TITLES[name]}\n```")
        parts.append(table(case["rows"]))
    return "\n\n".join(parts) + "\n"


def _measured(case: dict[str, Any]) -> str:
    machine = case["machine"]
    told = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    quick = " A quick run: the figures are rough." if machine["quick"] else ""
    return f"{machine['when']}, {machine['what']}.{quick} With {told}."


def _plots(result: dict[str, Any], folder: Path) -> None:
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams.update({"svg.hashsalt": "auth_plugins", "svg.fonttype": "none", "font.size": 9})
    from matplotlib import pyplot

    cases = result["cases"]
    if "attach" in cases:
        _bars(pyplot, folder / "attach.svg", _grouped(cases["attach"]["rows"], _one_thread, "ratio"),
              "time to attach a token, times that of a constant header")  # fmt: skip
    if "herd" in cases:
        _bars(pyplot, folder / "herd.svg", _grouped(cases["herd"]["rows"], _herd_of, "token calls"),
              "token calls for one herd (log)", log=True)  # fmt: skip
    if "fleet" in cases:
        _fleet(pyplot, folder / "fleet.svg")


def _one_thread(row: Row) -> str | None:
    return str(row["client"]) if row["threads"] == 1 else None


def _herd_of(row: Row) -> str | None:
    return f"{row['herd']}, {row['client']}" if row["token"] == "expired" else None


def _grouped(rows: list[Row], group: Any, value: str) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = defaultdict(dict)
    for row in rows:
        name = group(row)
        if name is not None and isinstance(row.get(value), (int, float)):
            found[name][row["candidate"]] = row[value]
    return found


def _bars(pyplot: Any, file: Path, groups: dict[str, dict[str, float]], label: str, *, log: bool = False) -> None:
    figure, axes = pyplot.subplots(1, len(groups), figsize=(4.2 * len(groups), 3.6), layout="constrained")
    for (name, values), axis in zip(groups.items(), [axes] if len(groups) == 1 else axes, strict=True):
        colours = ["#2a7f62" if each.startswith("auth_plugins") else "#9aa5b1" for each in values]
        axis.barh(list(values), list(values.values()), color=colours, log=log)
        axis.set_title(name)
        axis.invert_yaxis()
    figure.supxlabel(label)
    figure.savefig(file, metadata={"Date": None})
    pyplot.close(figure)


def _fleet(pyplot: Any, file: Path) -> None:
    figure, axes = pyplot.subplots(2, 1, figsize=(8, 4.5), sharex=True, sharey=True, layout="constrained")
    for axis, jitter in zip(axes, (0.0, 0.2), strict=True):
        calls = rates(10_000, 1.0, 3600.0, jitter)
        axis.plot([s / 3600 for s in sorted(calls)], [calls[s] for s in sorted(calls)], lw=0.6, color="#2a7f62")
        axis.set_yscale("log")
        axis.set_title(f"jitter {jitter:g}")
    figure.supxlabel("hours; tokens live for one")
    figure.supylabel("token calls in a second")
    figure.savefig(file, metadata={"Date": None})
    pyplot.close(figure)
