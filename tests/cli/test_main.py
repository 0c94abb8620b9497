"""The entry point, before and after click."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import auth_plugins
from auth_plugins.cli import _NEEDED

WITHOUT = """
import sys
for name in sys.argv[2:]: sys.modules[name] = None
sys.argv = ["auth-plugins", sys.argv[1]]
from auth_plugins.cli import main
main()
"""
WITH_A_FINDER_THAT_REFUSES = """
import sys
class Refuses:
    def find_spec(self, name, path=None, target=None):
        if name == "rich": raise ImportError("not here")
sys.meta_path.insert(0, Refuses())
from auth_plugins.cli import main
main(["--version"])
"""
Run = Callable[..., Any]


def test_version_is_that_of_the_package(run: Run) -> None:
    finished = run("-m", "auth_plugins", "--version")
    assert finished.out == f"auth-plugins, version {auth_plugins.__version__}\n"
    assert (finished.code, finished.err) == (0, "")


def test_help_names_the_command_and_its_options(run: Run) -> None:
    assert "demo" in run("-m", "auth_plugins", "--help").out
    assert "--json" in run("-m", "auth_plugins", "demo", "--help").out


@pytest.mark.parametrize("arguments", ["demo", "--version", "--help"])
@pytest.mark.parametrize("missing", [["rich"], list(_NEEDED)], ids=["rich", "all"])
def test_without_the_extra_one_line_says_how_to_get_it(run: Run, missing: list[str], arguments: str) -> None:
    finished = run("-c", WITHOUT, arguments, *missing)
    assert finished.code == 2
    assert finished.out == ""
    assert finished.err == f"auth-plugins needs {', '.join(missing)}: pip install 'auth-plugins[cli]'\n"


def test_a_refused_import_counts_as_missing(run: Run) -> None:
    finished = run("-c", WITH_A_FINDER_THAT_REFUSES)
    assert finished.code == 2
    assert finished.err == "auth-plugins needs rich: pip install 'auth-plugins[cli]'\n"


def test_the_command_is_only_imported_when_it_is_run(run: Run) -> None:
    # httpx imports click and rich for a command of its own, so that only a difference says something.
    program = (
        "import sys, importlib.util, auth_plugins; before = set(sys.modules); import auth_plugins.cli;"
        " print(sorted(set(sys.modules) - before))"
    )
    assert run("-c", program).out == "['auth_plugins.cli']\n"
