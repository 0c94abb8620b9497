"""The command `auth-plugins`. If a library that it needs is missing, it prints how to install it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.util import find_spec
from typing import NoReturn

__all__ = ["main"]

_NEEDED = ("click", "rich", "trio", "uvicorn", "httpx2", "joserfc", "filelock", "redis")


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command with `arguments`, or those of this process, and exit.

    The exit code is 0 if all results are as expected, 1 if not, 2 if the command could not run.
    """
    missing = [name for name in _NEEDED if not _installed(name)]
    if missing:
        sys.exit(_fail(f"auth-plugins needs {', '.join(missing)}: pip install 'auth-plugins[demo]'"))
    from .command import cli

    cli.main(arguments, prog_name="auth-plugins")


def _installed(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ImportError:
        return False


def _fail(sentence: str) -> int:
    print(sentence, file=sys.stderr)
    return 2
