"""Run in a copy of the project: makes the changes, and lets the tests of each run in a fork.

The tests are collected once. A change then costs no more than a fork and the tests that reach the function that it is
in, the quickest first, up to the first that fails.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import mutmut.__main__ as mutmut
import pytest
from mutmut.configuration import config
from mutmut.mutation.diff_apply import get_diff_for_mutant
from mutmut.mutation.trampoline import set_mutant_under_test
from mutmut.state import state
from mutmut.utils.file_utils import copy_also_copy_files, copy_src_dir, setup_source_paths
from mutmut.utils.format_utils import mangled_name_from_mutant_name
from mutmut.workers.isolation import get_mutant_runner

NOTICED, HANGED, UNNOTICED, UNREACHED = "noticed", "hanged", "unnoticed", "unreached"
_PATIENCE = 60.0
"""Seconds that a fork has, beside ten times what its tests took without a change."""


@dataclass(frozen=True)
class Change:
    """One change of the code, by mutmut's name for it, and the tests that reach it."""

    name: str
    tests: list[str]
    seconds: float


def made() -> list[Change]:
    """Make the changes, and find out which tests reach which."""
    set_mutant_under_test("mutant_generation")
    Path("mutants").mkdir()
    copy_src_dir()
    copy_also_copy_files()
    setup_source_paths()
    mutmut.create_mutants(os.cpu_count() or 1)
    mutmut.collect_or_load_stats(get_mutant_runner(1))
    found, _ = mutmut.collect_source_file_mutation_data(mutant_names=())
    taken, changes = state().duration_by_test, []
    for _, name, _ in found:
        name = name.replace("__init__.", "")  # As mutmut itself has it.
        reached = state().tests_by_mangled_function_name.get(mangled_name_from_mutant_name(name), set())
        tests = sorted(reached, key=taken.__getitem__)
        changes.append(Change(name, tests, sum(taken[test] for test in tests)))
    return sorted(changes, key=lambda change: change.seconds)


class Forks:
    """A plugin of pytest that runs the tests of each change instead of all tests once."""

    def __init__(self, changes: list[Change], children: int) -> None:
        self._changes, self._children = changes, children
        self._running: dict[int, tuple[Change, float, int]] = {}
        self._caught: Counter[str] = Counter()
        self._told = 0
        self._telling: int | None = None
        """In a fork: where to say which test has failed."""
        self._doubted = ""
        """In a fork: what has failed once."""
        self.found: dict[str, str] = {change.name: UNREACHED for change in changes if not change.tests}

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Run the tests of each change, each in a fork."""
        items = {item.nodeid: item for item in session.items}
        nothing = Change("no change at all", sorted({test for each in self._changes for test in each.tests}), 60.0)
        self._fork(session, nothing, [items[test] for test in nothing.tests])
        self._wait(0)
        if self.found.pop(nothing.name) != UNNOTICED:
            sys.exit(f"fails without a change: {', '.join(self._caught)}")
        for change in self._changes:
            if change.tests:
                self._wait(self._children - 1)
                self._fork(session, change, [items[test] for test in change.tests])
        self._wait(0)
        return True

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """End the fork with the first test that fails twice: a machine that is busy may fail one once."""
        if self._telling is None or not report.failed:
            return
        if report.nodeid == self._doubted:
            os.write(self._telling, report.nodeid.encode())
            os._exit(0)  # What a broken flow has left might never come to an end.
        self._doubted = report.nodeid

    def _fork(self, session: pytest.Session, change: Change, items: list[pytest.Item]) -> None:
        items = sorted(items, key=lambda item: -self._caught[item.nodeid])  # Who has noticed much will notice more.
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            self._telling = writing
            with contextlib.suppress(BaseException):
                self._run(session, change, items)
                os._exit(0)
            os._exit(1)
        os.close(writing)
        self._running[child] = (change, time.monotonic() + _PATIENCE + 10 * change.seconds, reading)

    def _run(self, session: pytest.Session, change: Change, items: list[pytest.Item]) -> None:
        os.setpgid(0, 0)  # So that it can be ended with whatever it has started.
        with open(os.devnull, "w") as nowhere:
            for stream in (1, 2):
                os.dup2(nowhere.fileno(), stream)
        set_mutant_under_test(change.name)
        for item, following in zip(items, [*items[1:], None], strict=True):
            session.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            if self._doubted == item.nodeid:
                item._initrequest()  # type: ignore[attr-defined]
                session.config.hook.pytest_runtest_protocol(item=item, nextitem=following)

    def _wait(self, at_most: int) -> None:
        while len(self._running) > at_most:
            for child, (change, until, reading) in list(self._running.items()):
                done, status = os.waitpid(child, os.WNOHANG)
                if done:
                    del self._running[child]
                    with contextlib.suppress(ProcessLookupError):
                        os.killpg(child, signal.SIGKILL)  # Servers that its tests have started.
                    with open(reading, encoding="utf-8") as pipe:
                        noticed_by = pipe.read()
                    self._caught[noticed_by] += 1
                    self.found.setdefault(change.name, NOTICED if noticed_by or status else UNNOTICED)
                elif time.monotonic() > until:
                    self.found[change.name] = HANGED
                    with contextlib.suppress(ProcessLookupError):
                        os.killpg(child, signal.SIGKILL)
            time.sleep(0.005)
            if len(self.found) != self._told:
                self._told = len(self.found)
                print(f"\r{self._told} of {len(self._changes)}", end="", file=sys.stderr, flush=True)


def main() -> None:
    """Write what became of each change into the file that is named."""
    place, children = Path(sys.argv[1]).resolve(), int(sys.argv[2])
    changes = made()
    set_mutant_under_test("")
    forks = Forks(changes, children)
    os.chdir("mutants")
    arguments = [*config().pytest_add_cli_args, *config().pytest_add_cli_args_test_selection]
    if pytest.main(["-q", *arguments], plugins=[forks]) != pytest.ExitCode.OK:
        sys.exit("the tests could not be collected")
    os.chdir("..")
    told = {name: (outcome, _difference(name) if outcome == UNNOTICED else "") for name, outcome in forks.found.items()}
    place.write_text(json.dumps(told), encoding="utf-8")


def _difference(name: str) -> str:
    lines = get_diff_for_mutant(name).splitlines()[2:]
    return "\n".join(f"    {line[0]} {line[1:].strip()}" for line in lines if line[:1] in ("-", "+"))


if __name__ == "__main__":
    main()
