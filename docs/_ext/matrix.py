"""Writes docs/explanation/faults.md: the tests say by their marker `matrix` what they show, and this collects it.

    python docs/_ext/matrix.py              writes the page
    python docs/_ext/matrix.py elsewhere    writes it there

A marker may stand on a module, a class, a test or a parameter; what stands nearer adds to what stands farther.
"""

from __future__ import annotations

import contextlib
import io
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "explanation" / "faults.md"
KINDS = ("requests", "httpx", "httpx-asyncio", "httpx-trio", "httpx2", "httpx2-asyncio", "httpx2-trio")
FIELDS = {"group", "case", "outcome", "client"}

_BEGINNING = """# Failure modes

What happens when something fails. Every row is held by one or several tests. `python docs/_ext/matrix.py` writes this
page from their markers, and a test fails if it is out of date. The last column says in how many of the seven kinds
of client the case was run (requests; httpx and httpx2, each with `Client` and with `AsyncClient` on asyncio and on
trio), or in which ones, where it concerns only these; a dash stands where no client takes part.

"""
PLOTS = {
    "Pressure": """The row of 10,000 clients that start at once, drawn over their first day: without jitter (above), and
with that of the default policy (below). `python -m tools.benchmarks fleet` draws it.

![Token calls in each second of a day](benchmarks/fleet.svg)
"""
}


class Matrix:
    """A plugin of pytest: what has been collected, by group and case."""

    def __init__(self) -> None:
        self.outcomes: dict[tuple[str, str], str] = {}
        self.clients: dict[tuple[str, str], set[str]] = {}
        self.files: dict[str, set[str]] = {}

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        for item in session.items:
            said: dict[str, Any] = {}
            for marker in reversed(list(item.iter_markers("matrix"))):
                said.update(marker.kwargs)
            if not said.keys() <= FIELDS or ("case" in said) != ("outcome" in said):
                raise pytest.UsageError(f"{item.nodeid}: a matrix has group, case and outcome")
            if "case" in said:
                self._add(item, said["group"], said["case"], said["outcome"], said.get("client"))

    def _add(self, item: pytest.Item, group: str, case: str, outcome: str, client: str | None) -> None:
        place = (group, case)
        if self.outcomes.setdefault(place, outcome) != outcome:
            raise pytest.UsageError(f"{item.nodeid}: {case!r} has another outcome elsewhere")
        found = self.clients.setdefault(place, set())
        callspec = getattr(item, "callspec", None)
        given = [client, *(callspec.params.values() if callspec is not None else ())]
        found |= {name for each in given if (name := getattr(each, "__name__", each)) in KINDS}
        self.files.setdefault(group, set()).add(item.location[0])

    def page(self) -> str:
        """Give the text of the page."""
        lines = [f"There are {len(self.outcomes)} cases.\n"]
        for group in sorted(self.files):
            lines += [f"## {group}\n", f"Held by {', '.join(f'`{file}`' for file in sorted(self.files[group]))}.\n"]
            lines += ["| case | what happens | clients |", "| --- | --- | --- |"]
            cases = sorted(place for place in self.outcomes if place[0] == group)
            lines += [f"| {case} | {self.outcomes[_, case]} | {self._ran_in(_, case)} |" for _, case in cases]
            lines += ["", PLOTS[group]] if group in PLOTS else [""]
        return _BEGINNING + "\n".join(lines)

    def _ran_in(self, group: str, case: str) -> str:
        found = self.clients[group, case]
        if found == set(KINDS):
            return "all 7"
        return ", ".join(kind for kind in KINDS if kind in found) or "-"


def collect() -> Matrix:
    """Collect the tests of every file that names the marker, and run none."""
    matrix, said = Matrix(), io.StringIO()
    tests = sorted((ROOT / "tests").rglob("test_*.py"))
    files = [str(file) for file in tests if "mark.matrix" in file.read_text(encoding="utf-8")]
    with contextlib.redirect_stdout(said):
        status = pytest.main(
            ["--collect-only", "-qq", "-p", "no:cacheprovider", "-p", "no:randomly", *files],
            plugins=[matrix],
        )
    if status != pytest.ExitCode.OK:
        sys.exit(said.getvalue())
    return matrix


if __name__ == "__main__":
    place = Path(sys.argv[1]) if len(sys.argv) > 1 else PAGE
    place.write_text(collect().page(), encoding="utf-8")
