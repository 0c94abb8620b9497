"""Runs cases and writes what they found; see ../__main__.py."""

from __future__ import annotations

import argparse
import os
import platform
import time
from pathlib import Path
from typing import Any

from .attach import attach, end_to_end
from .fleet import fleet
from .herds import herd, outage
from .processes import processes
from .report import merged, versions, write
from .sessions import sessions
from .sizes import imports, scale
from .steady import steady
from .world import world

CASES = [attach, end_to_end, herd, processes, steady, outage, imports, scale, sessions, fleet]
DOCS = Path(__file__).resolve().parents[3] / "docs" / "explanation" / "benchmarks"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _machine(quick: bool) -> dict[str, Any]:
    load = f", load {os.getloadavg()[0]:.1f} at the start" if hasattr(os, "getloadavg") else ""
    what = f"{_processor()}, {os.cpu_count()} cores{load}, {platform.system()} {platform.release()}"
    return {
        "when": time.strftime("%Y-%m-%d"),
        "what": f"{what}, {platform.python_implementation()} {platform.python_version()}",
        "quick": quick,
        "versions": versions(),
    }


def main() -> None:
    """Run the cases that are named, or all."""
    names = [case.__name__ for case in CASES]
    parser = argparse.ArgumentParser(prog="python -m tools.benchmarks", description="Measure auth_plugins and others.")
    parser.add_argument("cases", nargs="*", metavar="case", help=f"of {', '.join(names)}; default: all")
    parser.add_argument("--quick", action="store_true", help="rough figures, in a minute or two")
    parser.add_argument("--out", type=Path, default=DOCS, help="the folder to write to")
    given = parser.parse_args()
    if not set(given.cases) <= set(names):
        parser.error(f"case must be one of {', '.join(names)}")
    for name in os.environ.get("BENCH_MISSING", "").split():
        print(f"{name} could not be installed: it is left out", flush=True)
    machine, found = _machine(given.quick), {}
    for case in CASES:
        if given.cases and case.__name__ not in given.cases:
            continue
        began = time.perf_counter()
        with world() as running:
            found[case.__name__] = {"claim": case.__doc__, "rows": case(running, given.quick)}
        print(f"{case.__name__}: {time.perf_counter() - began:.0f} s", flush=True)
        write(merged(given.out / "results.json", found, machine), given.out)


main()
