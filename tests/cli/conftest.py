from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass

import pytest

Run = Callable[..., "Finished"]


@dataclass(frozen=True)
class Finished:
    code: int
    out: str
    err: str


def _run(*arguments: str, **environment: str) -> Finished:
    """Run Python as its users do, in a process of its own, in which every warning is an error."""
    done = subprocess.run(
        # -P: the installed package is run, never the folder that pytest happens to stand in.
        [sys.executable, "-P", "-W", "error", *arguments],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=120,
        env={**os.environ, **environment},
    )
    return Finished(done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="session")
def run() -> Run:
    return _run
