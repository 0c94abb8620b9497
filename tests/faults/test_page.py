"""The page of the matrix is what the tests say of themselves."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "explanation" / "faults.md"


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Collect all tests, in a process of its own."""
    place = tmp_path_factory.mktemp("page") / "faults.md"
    # -P: the installed package, never the folder that this stands in.
    done = subprocess.run(
        [sys.executable, "-P", str(ROOT / "docs" / "_ext" / "matrix.py"), str(place)],
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return place.read_text(encoding="utf-8")


def test_the_page_is_up_to_date(written: str) -> None:
    assert PAGE.read_text(encoding="utf-8") == written, "run `python docs/_ext/matrix.py`"


def test_there_are_at_least_150_cases_and_each_has_a_row(written: str) -> None:
    rows = re.findall(r"^\| (?!case \||---)", written, flags=re.MULTILINE)
    assert len(rows) >= 150
    assert f"There are {len(rows)} cases." in written
