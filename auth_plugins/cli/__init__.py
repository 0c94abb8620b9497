"""The command `auth-plugins`. If a library that it needs is missing, it prints how to install it."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from typing import NoReturn

__all__ = ["main"]

_NEEDED = ("click", "rich", "filelock")
INTERRUPTED = 130
"""The exit code after Ctrl-C, as a shell reports it: 128 and the number of the signal."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command with `arguments`, or those of this process, and exit.

    The exit codes are in the documentation of the command: 0 for success, 2 for a usage error, 130 after Ctrl-C.
    """
    absent = missing(_NEEDED)
    if absent:
        print(f"auth-plugins needs {', '.join(absent)}: pip install 'auth-plugins[cli]'", file=sys.stderr)
        sys.exit(2)
    try:
        from .command import run

        code = run(arguments)
    except KeyboardInterrupt:
        print("Interrupted", file=sys.stderr)
        code = INTERRUPTED
    except BrokenPipeError:
        # The reader of a pipe has ended, as in `auth-plugins demo | head`. Nothing more can be written at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    sys.exit(code)


def missing(names: Sequence[str]) -> list[str]:
    """Return those of the modules that are not installed."""
    return [name for name in names if not _installed(name)]


def _installed(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ImportError:
        return False
