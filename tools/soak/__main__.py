"""`python -m tools.soak`: many requests for a long time, while the token endpoint goes wrong at random."""

from __future__ import annotations

import argparse
import gc
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from .load import Load
from .report import Sample, Soak, page, plot

ROOT = Path(__file__).parents[2]


def main() -> int:
    """Run a soak, write the page and the plot, and give 1 if a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m tools.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="how long (default: 10)")
    parser.add_argument("--docs", type=Path, default=ROOT / "docs", help="where the page and the plot go")
    given = parser.parse_args()
    soak = run(given.minutes * 60)
    (given.docs / "_static").mkdir(parents=True, exist_ok=True)
    (given.docs / "explanation").mkdir(parents=True, exist_ok=True)
    (given.docs / "_static" / "soak.svg").write_text(plot(soak), encoding="utf-8")
    (given.docs / "explanation" / "soak.md").write_text(page(soak), encoding="utf-8")
    for promise, kept in soak.verdicts().items():
        print(f"{'kept' if kept else 'BROKEN'}: {promise}")
    for outcome in soak.broken:
        print(f"failed with a valid token: {outcome}")
    return 0 if all(soak.verdicts().values()) else 1


def run(seconds: float) -> Soak:
    """Let the provider and everybody else run for so long, and look at them every second."""
    soak = Soak()
    command = [sys.executable, "-m", "tools.soak.server"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as server:  # noqa: S603 - our own
        assert server.stdout is not None  # noqa: S101 - narrows a type
        try:
            load = Load(json.loads(server.stdout.readline())["url"])
            seen: dict[str, Any] = {"fault": "none", "calls": {}}
            threading.Thread(target=_listen, args=(server.stdout, seen), daemon=True).start()
            soak.at_first = _descriptors()
            load.start()
            _watch(soak, load, seen, seconds)
            load.stop()
            gc.collect()
            soak.at_last = _descriptors()
        finally:
            server.terminate()
    soak.counts, soak.broken, soak.calls = load.tally.counts, load.tally.broken, seen["calls"]
    soak.load = os.getloadavg()
    return soak


def _descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def _listen(lines: Any, seen: dict[str, Any]) -> None:
    for line in lines:
        seen.update(json.loads(line))


def _watch(soak: Soak, load: Load, seen: dict[str, Any], seconds: float) -> None:
    began = time.monotonic()
    while (at := time.monotonic() - began) < seconds:
        time.sleep(1.0 - at % 1.0)
        with load.tally.lock:
            counts = dict(load.tally.counts)
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        failed = sum(count for name, count in counts.items() if name.startswith("failed"))
        soak.samples.append(
            Sample(
                time.monotonic() - began,
                pages * os.sysconf("SC_PAGE_SIZE") / 2**20,
                sys.getallocatedblocks() / 1000,
                _descriptors(),
                threading.active_count(),
                counts.get("served", 0),
                failed,
                seen["fault"] != "none",
            )
        )


if __name__ == "__main__":
    sys.exit(main())
