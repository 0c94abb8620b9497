"""A short run of `python -m tools.chaos`: real servers, real processes, and faults in the middle of token calls."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import BINARIES

ROOT = Path(__file__).parents[2]
SMALL = "--processes 3 --sessions 6 --each 2 --renewals 24 --lifetime 2 --settle 2 --kinds emptied restarted"


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_no_session_ends_whose_newest_token_a_living_process_has_while_redis_is_emptied_and_restarted() -> None:
    command = [sys.executable, "-m", "tools.chaos", *SMALL.split(), "--server", str(BINARIES["redis"])]
    run = subprocess.run(command, cwd=ROOT, env=os.environ, capture_output=True, text=True, timeout=110, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "Redis was emptied 2 times, restarted 2 times\nsessions ended: 0\n" in run.stdout
