"""`python -m tools.protocol`: every state that a renewal over a shared store can reach, within bounds."""

from __future__ import annotations

import argparse
import sys

from .cases import DEFECTS, LARGE, NEEDED, SMALL, Case
from .explore import Exploration, explore
from .state import NEW, Bounds

_HEAD = f"| processes | renewals | faults | of kinds | states | steps | longest way | seconds |\n{'|--:' * 8}|"


def main() -> int:
    """Explore, print what was found, and return 1 if the new protocol breaks a property, or the old one none."""
    parser = argparse.ArgumentParser(prog="python -m tools.protocol", description=__doc__)
    parser.add_argument("--large", action="store_true", help="explore the large bounds as well (minutes)")
    parser.add_argument("--ways", action="store_true", help="print the shortest way to each end")
    given = parser.parse_args()
    good = _defects("The protocol as it was", DEFECTS, given.ways)
    good &= _defects("The protocol as it is, without one of its rules", NEEDED, given.ways)
    ends: dict[str, list[str]] = {}
    print(f"\n## The protocol as it is\n\n{_HEAD}", flush=True)
    for bounds in (*SMALL, *(LARGE if given.large else ())):
        found = explore(NEW, bounds)
        print(_row(bounds, found), flush=True)
        ends = {**found.ways, **ends}
        if found.broken is not None:
            good = False
            _print_way(found.broken)
    print("\nNo property is broken." if good else "\nBROKEN.")
    print("\nSessions that no protocol can keep:\n")
    for what, way in ends.items():
        print(f"- {what}")
        if given.ways:
            _print_way(way)
    return 0 if good else 1


def _defects(title: str, cases: tuple[Case, ...], ways: bool) -> bool:
    print(f"\n## {title}\n\n| what happens | steps to it | states up to there |\n|---|--:|--:|")
    every = True
    for case in cases:
        found = explore(case.rules, case.bounds, [case.property])
        every &= found.broken is not None
        steps = len(found.broken) - 1 if found.broken is not None else "not found"
        print(f"| {case.what} | {steps} | {found.states:,} |", flush=True)
        if ways and found.broken is not None:
            _print_way(found.broken)
    return every


def _row(bounds: Bounds, found: Exploration) -> str:
    numbers = (bounds.processes, bounds.renewals, bounds.faults, len(bounds.kinds), found.states, found.steps)
    return "".join(f"| {each:,} " for each in (*numbers, found.depth)) + f"| {found.seconds:,.1f} |"


def _print_way(way: list[str]) -> None:
    print("".join(f"\n    {number}. {step}" for number, step in enumerate(way, 1)), end="\n\n")


if __name__ == "__main__":
    sys.exit(main())
