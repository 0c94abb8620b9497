"""The code of the page "Add a provider" is as strictly typed as the package."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_the_code_of_add_a_provider_passes_mypy_strict(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "how-to" / "add-a-provider.md").read_text("utf-8")
    program = tmp_path / "acme.py"
    program.write_text("\n".join(re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)), "utf-8")
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", f"--cache-dir={tmp_path}", str(program)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stdout + done.stderr
