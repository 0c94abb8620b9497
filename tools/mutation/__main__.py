"""Would the tests notice? `python -m tools.mutation [group ...]` changes the code in a thousand ways, and counts.

Each group is a folder of the package with the tests that are quick enough to be run once for each change. All is done
in a copy; the tables that it prints are what docs/explanation/mutation.md quotes.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NEEDED = ["auth_plugins", "tests", "pyproject.toml", "README.md"]
SEEN = ("noticed", "hanged")
"""A test failed, or did not end."""


@dataclass(frozen=True)
class Group:
    """What is changed, and which tests are to notice."""

    changed: tuple[str, ...]
    tests: tuple[str, ...]
    but: str = ""
    """Which of these tests are left out (`-k`)."""


_LIFE = (
    "tests/behaviour",
    "tests/concurrency/test_ends.py",
    "tests/concurrency/test_worlds.py",
    "tests/faults/test_pressure.py",
    "tests/faults/test_time.py",
    "tests/engine",
    "tests/providers/test_jwtplus_life.py",
    "tests/providers/test_marketiger.py",
    "tests/security/test_leaks.py",
    "tests/security/test_origins.py",
)
_ONE_OF_A_KIND = "httpx2 or (httpx and not asyncio)"
GROUPS = {
    "core": Group(
        ("auth_plugins/core/*",),
        ("tests/core", "tests/providers/test_fyatu_contract.py", "tests/providers/test_fyatu_documents.py"),
    ),
    "providers": Group(
        ("auth_plugins/providers/*",),
        ("tests/providers", "tests/test_bad_input.py"),
        "httpx2 or trio or asyncio or TestAnySession",
    ),
    "engine": Group(("auth_plugins/engine/*",), _LIFE, _ONE_OF_A_KIND),
    "clients": Group(
        ("auth_plugins/clients/*",),
        (
            *_LIFE,
            "tests/clients",
            "tests/faults/network",
            "tests/security/test_elsewhere.py",
            "tests/security/test_proxies.py",
            "tests/test_speed_guard.py",
        ),
        "httpx2 or trio",
    ),
}


def prepared(group: Group, folder: Path) -> None:
    """Make the copy, and tell mutmut what is what."""
    for name in NEEDED:
        place = ROOT / name
        if place.is_dir():
            shutil.copytree(place, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(place, folder / name)
    arguments = ["-p", "cold", "-p", "no:randomly", "-p", "no:cacheprovider", "--timeout=30", "-m", "not slow"]
    if group.but:
        arguments += ["-k", f"not ({group.but})"]
    settings = {
        "source_paths": ["auth_plugins"],
        "only_mutate": list(group.changed),
        "pytest_add_cli_args": arguments,
        "pytest_add_cli_args_test_selection": list(group.tests),
    }
    lines = ["[mutmut]"]
    for name, values in settings.items():
        lines += [f"{name} =", *(f"    {value}" for value in values)]
    (folder / "setup.cfg").write_text("\n".join(lines) + "\n", encoding="utf-8")


def run(group: Group, children: int) -> dict[str, tuple[str, str]]:
    """Give what became of each change, by its name, and what it is if nobody noticed."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        prepared(group, folder)
        command = [sys.executable, str(Path(__file__).parent / "changes.py"), "found.json", str(children)]
        environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(Path(__file__).parent)}
        with open(folder / "log", "w+", encoding="utf-8") as log:
            done = subprocess.run(command, cwd=folder, env=environment, stdout=log, check=False)
            if done.returncode != 0:
                log.seek(0)
                sys.exit(log.read()[-4000:])
        found: dict[str, tuple[str, str]] = json.loads((folder / "found.json").read_text(encoding="utf-8"))
    return dict(sorted(found.items()))


def table(found: dict[str, tuple[str, str]]) -> str:
    """Draw what became of a group's changes, by module."""
    modules: dict[str, Counter[str]] = {}
    for name, (outcome, _) in found.items():
        counts = modules.setdefault(name.rpartition(".")[0], Counter())
        counts["seen" if outcome in SEEN else outcome] += 1
    modules["together"] = sum(modules.values(), Counter())
    lines = ["| module | changes | noticed | not | share |", "| --- | --: | --: | --: | --: |"]
    for name, counts in modules.items():
        whole = counts.total()
        share = f"{100 * counts['seen'] / whole:.1f} %"
        lines.append(f"| `{name}` | {whole} | {counts['seen']} | {whole - counts['seen']} | {share} |")
    return "\n".join(lines)


def main() -> None:
    """Run the groups that are named, or all."""
    parser = argparse.ArgumentParser(prog="python -m tools.mutation", description="Would the tests notice a change?")
    parser.add_argument("groups", nargs="*", metavar="group", help=f"of {', '.join(GROUPS)}; default: all")
    parser.add_argument("--children", type=int, default=4 * (os.cpu_count() or 1), help="processes at once")
    given = parser.parse_args()
    if not set(given.groups) <= set(GROUPS):
        parser.error(f"group must be one of {', '.join(GROUPS)}")
    for name in given.groups or GROUPS:
        began = time.perf_counter()
        found = run(GROUPS[name], given.children)
        print(f"\n## {name}, {time.perf_counter() - began:.0f} s\n\n{table(found)}\n")
        for change, (outcome, difference) in found.items():
            if outcome not in SEEN:
                print(f"{change}: {outcome}\n{difference}")


if __name__ == "__main__":
    main()
