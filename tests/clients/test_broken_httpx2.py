"""An httpx2 that is installed and cannot be imported does not take the rest of the package with it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = "from auth_plugins import FyatuAuth; print([each.__module__ for each in FyatuAuth.__mro__])"


@pytest.mark.parametrize(
    "source",
    ["raise AttributeError('half upgraded')", "import half_upgraded", "raise ImportError('half upgraded')", ""],
)
def test_the_package_works_without_it_and_a_warning_names_the_cause(source: str, tmp_path: Path) -> None:
    (tmp_path / "httpx2.py").write_text(source)
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "'httpx'" in ended.stdout
    assert "httpx2" not in ended.stdout
    assert "RuntimeWarning: httpx2 is installed and cannot be imported" in ended.stderr
    assert ("half" in ended.stderr) is bool(source)


def test_an_error_of_an_import_is_the_cause_that_is_seen(tmp_path: Path) -> None:
    (tmp_path / "requests.py").write_text("raise AttributeError('half upgraded')")
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "AttributeError: half upgraded" in ended.stderr
    assert "cannot import name" not in ended.stderr
