"""Measure auth_plugins beside the others: `python -m tools.benchmarks [--quick] [case ...]`.

Makes an environment of its own beside this file, installs the package and the others there, measures, and rewrites
all that docs/explanation/benchmarks.md quotes. Needs nothing but Python.
"""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
HOME = HERE / ".venv"
PYTHON = HOME / ("Scripts" if os.name == "nt" else "bin") / "python"
NEEDED = ["httpx2", "matplotlib"]
RIVALS = [
    "authlib",
    "google-auth",
    "httpx-auth",
    "requests-auth",
    "requests-oauthlib",
    "requests_oauth2client",
    "singleflight-auth",
]


def install(*what: str) -> bool:
    """Install into the environment; `False` if that cannot be done."""
    done = subprocess.run([PYTHON, "-m", "pip", "install", "--quiet", "--upgrade", *what], check=False)
    return done.returncode == 0


def main() -> int:
    """Set up, and measure."""
    if not PYTHON.exists():
        venv.create(HOME, with_pip=True)
    if not install(f"{HERE.parents[1]}[file]", *NEEDED):
        return 1
    missing = [rival for rival in RIVALS if not install(rival)]
    command = [PYTHON, "-m", "bench", *sys.argv[1:]]
    environment = {**os.environ, "PYTHONPATH": str(HERE), "BENCH_MISSING": " ".join(missing)}
    return subprocess.run(command, env=environment, cwd=HERE, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
