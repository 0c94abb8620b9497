"""Every house rule in setup.cfg holds for the package, and every one of them can be broken.

A contract that nothing can break guards nothing (a misspelt module is enough), so each one gets at least one
offence, committed in a small copy of the house.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# The smallest house in which all rules hold: each room leans on one below, and what some rooms must not touch
# is used where it may be.
HOUSE = {
    "__init__.py": "from .providers.left import Left",
    "__main__.py": "from .cli import main",
    "cli/__init__.py": "import asyncio\nfrom .. import Left\nfrom ..testing import kit",
    "integrations/__init__.py": "from ..auth import TokenAuth",
    "testing/__init__.py": "",
    "testing/kit.py": "import time\nfrom ..simulators import left",
    "providers/__init__.py": "",
    "providers/left.py": "from ..auth import TokenAuth\nclass Left(TokenAuth): ...",
    "providers/right.py": "from ..auth import TokenAuth\nclass Right(TokenAuth): ...",
    "auth.py": "from .clients import door\nclass TokenAuth: ...",
    "clients/__init__.py": "",
    "clients/door.py": "import httpx, requests\nfrom ..engine import flight",
    "engine/__init__.py": "",
    "engine/flight.py": "import asyncio, threading, time\nfrom ..stores import memory",
    "simulators/__init__.py": "",
    "simulators/left.py": "from ..core import token",
    "credentials/__init__.py": "from os import environ\nfrom ..core import token",
    "stores/__init__.py": "",
    "stores/memory.py": "from ..core import token",
    "core/__init__.py": "",
    "core/token.py": "from dataclasses import dataclass",
}

# Contract, file of the house, what is added to it.
OFFENCES = [
    ("rooms", "core/token.py", "from ..stores import memory"),
    ("rooms", "engine/flight.py", "from ..clients import door"),
    ("rooms", "clients/door.py", "from ..auth import TokenAuth"),
    ("rooms", "simulators/left.py", "from ..stores import memory"),
    ("rooms", "stores/memory.py", "from ..simulators import left"),
    ("rooms", "credentials/__init__.py", "from ..stores import memory"),
    ("rooms", "cupboard.py", "a_room_that_nobody_declared = True"),
    ("core-is-pure", "core/token.py", "import logging"),
    ("core-is-pure", "core/token.py", "def now():\n    from os import environ"),
    ("providers-are-pure", "providers/left.py", "import httpx"),
    ("providers-are-pure", "providers/left.py", "from ..engine import flight"),
    ("providers-use-the-public-core", "providers/left.py", "from ..core.token import LONG_AGO"),
    ("providers-are-strangers", "providers/left.py", "from .right import Right"),
    ("simulators-are-pure", "simulators/left.py", "from time import time"),
    ("stores-know-no-http", "stores/memory.py", "from requests import get"),
    ("threads-live-in-engine", "clients/door.py", "from concurrent.futures import Future"),
    ("threads-live-in-engine", "clients/door.py", "import threading"),
    ("threads-live-in-engine", "providers/left.py", "import asyncio"),
]


def contracts() -> dict[str, str]:
    """Gives the name of every contract in setup.cfg, by its id."""
    config = ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    prefix = "importlinter:contract:"
    return {
        section.removeprefix(prefix): config[section]["name"]
        for section in config.sections()
        if section.startswith(prefix)
    }


def verdicts(house: Path) -> dict[str, str]:
    """Runs import-linter in a house, and gives its verdict on every contract, by the contract's name."""
    command = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    done = subprocess.run(
        [sys.executable, "-c", command, "--no-cache"],
        cwd=house,
        env={**os.environ, "COLUMNS": "200", "PYTHONUTF8": "1"},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    found = dict(re.findall(r"^(.+) (KEPT|BROKEN)\b.*$", done.stdout, flags=re.MULTILINE))
    assert found, done.stdout + done.stderr
    assert done.returncode == ("BROKEN" in found.values())
    return found


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """Builds the smallest house, under the rules of this one."""
    shutil.copy(ROOT / "setup.cfg", tmp_path)
    for name, text in HOUSE.items():
        file = tmp_path / "auth_plugins" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text + "\n", encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("place", ["the package", "the smallest house"])
def test_all_rules_are_kept(place: str, house: Path) -> None:
    found = verdicts(ROOT if place == "the package" else house)

    assert found == dict.fromkeys(contracts().values(), "KEPT")


@pytest.mark.parametrize(("contract", "file", "offence"), OFFENCES)
def test_an_offence_breaks_its_own_rule_and_no_other(contract: str, file: str, offence: str, house: Path) -> None:
    with (house / "auth_plugins" / file).open("a", encoding="utf-8") as source:
        source.write(offence + "\n")

    broken = [name for name, verdict in verdicts(house).items() if verdict == "BROKEN"]

    assert broken == [contracts()[contract]]


def test_every_rule_has_its_offence() -> None:
    assert {contract for contract, _, _ in OFFENCES} == set(contracts())
