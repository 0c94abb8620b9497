"""`python -m tools.fuzz responses`: coverage-guided fuzzing for a bounded time, with atheris."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["auth_plugins", "json"]):
    from .targets import TARGETS


def main() -> None:
    """Fuzz one target. What breaks a promise is written into the working directory, and the exit code is not 0."""
    parser = argparse.ArgumentParser(prog="python -m tools.fuzz", description=__doc__)
    parser.add_argument("target", choices=TARGETS)
    parser.add_argument("--seconds", type=int, default=60, help="how long (default: 60)")
    parser.add_argument("--longest", type=int, default=8192, help="the longest input, in bytes (default: 8192)")
    given = parser.parse_args()
    take, seeds = TARGETS[given.target]
    with tempfile.TemporaryDirectory() as corpus:
        for number, seed in enumerate(seeds()):
            (Path(corpus) / str(number)).write_bytes(seed)
        options = [f"-max_total_time={given.seconds}", f"-max_len={given.longest}", "-timeout=10", "-rss_limit_mb=1024"]
        atheris.Setup([sys.argv[0], *options, corpus], take)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
