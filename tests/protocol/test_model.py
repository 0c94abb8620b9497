"""The protocol of a renewal over a shared store, in every order of its steps. Larger bounds have a command."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

STEPS_TO = {
    "a save fails, and a peer uses the token before": "cannot save the new token",
    "the store is set back, and a process uses the token before its own": "the store fails over to its replica",
    "the store is emptied, and a process with an old token is the first": "the store is emptied",
    "a holder dies after its save, and a peer waits for its lock": "crashes, and starts anew",
    "a release is lost, and the requests of its own process wait": "cannot release its lock",
    "a late save takes a lock that was given back": "a late save is executed",
    "a host's clock is behind, and its token has ended for the others": "loads under the lock",
    "a late save brings a token back after a logout": "a late save is executed",
}
"""The defects of the protocol as it was, and the step that makes each what it is."""


@pytest.mark.parametrize("defect", STEPS_TO)
def test_the_shortest_way_to_a_defect_is_found_in_the_protocol_as_it_was(defect: str, model: Any) -> None:
    case = next(each for each in model("cases").DEFECTS if each.what == defect)
    found = model("explore").explore(case.rules, case.bounds, [case.property])
    assert found.broken is not None
    assert any(STEPS_TO[defect] in step for step in found.broken)
    assert len(found.broken) - 1 == found.depth


@pytest.mark.parametrize("defect", STEPS_TO)
def test_what_was_a_defect_is_not_reached_in_the_protocol_as_it_is(defect: str, model: Any) -> None:
    case = next(each for each in model("cases").DEFECTS if each.what == defect)
    found = model("explore").explore(model("state").NEW, case.bounds)
    assert found.broken is None
    assert found.states > 100 or case.bounds.processes == 1


def test_every_defect_of_the_old_protocol_has_its_own_test(model: Any) -> None:
    assert {case.what for case in model("cases").DEFECTS} == set(STEPS_TO)


@pytest.mark.parametrize("rule", ["save_again", "numbered", "answers", "settle", "revives", "epochs", "publish_first"])
def test_none_of_the_rules_of_the_protocol_can_be_left_out(rule: str, model: Any) -> None:
    case = next(each for each in model("cases").NEEDED if each.what == rule)
    changed = {
        name for name, value in dataclasses.asdict(model("state").NEW).items() if value != getattr(case.rules, name)
    }
    assert changed == {rule}
    assert model("explore").explore(case.rules, case.bounds, [case.property]).broken is not None


def test_host_clocks_decide_nothing_where_records_have_numbers(model: Any) -> None:
    state = model("state")
    rules = dataclasses.replace(state.NEW, server_time=False)
    found = model("explore").explore(rules, state.Bounds(faults=0, slow_clocks=1))
    assert found.broken is None


@pytest.mark.slow
@pytest.mark.parametrize("which", [0, 1])
def test_no_session_ends_in_any_order_of_the_steps_of_two_processes_with_any_one_fault(which: int, model: Any) -> None:
    bounds, verdict = model("cases").SMALL[which], model("verdict")
    found = model("explore").explore(model("state").NEW, bounds)
    assert found.broken is None
    assert found.states > 10_000
    unavoidable = {verdict.ANSWER_LOST, verdict.NOWHERE, verdict.STOPPED}
    assert set(found.lost) == unavoidable


def test_one_of_the_small_bounds_has_every_fault(model: Any) -> None:
    assert model("cases").SMALL[0].kinds == model("cases").ALL_FAULTS


def test_a_call_that_outlasts_the_settling_of_a_store_that_lost_its_lock_is_what_no_protocol_can_cure(
    model: Any,
) -> None:
    bounds = model("state").Bounds(faults=2, kinds=frozenset({"emptied", "long call"}))
    found = model("explore").explore(model("state").NEW, bounds)
    assert found.broken is None
    assert set(found.lost) == {model("verdict").ON_THE_WIRE}
