"""The benchmarks' own arithmetic. What they measure is no part of the tests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from auth_plugins import EventKind, FyatuAuth, MemoryStore
from auth_plugins.testing import FakeClock, settle
from tests.conftest import APP_ID, SECRET_KEY

FOLDER = Path(__file__).parents[1] / "tools" / "benchmarks"


def test_a_percentile_is_one_of_the_values_and_enough_of_them_do_not_exceed_it(bench: Any) -> None:
    percentile = bench("measure").percentile
    values = [float(each) for each in range(1000, 0, -1)]
    assert [percentile(values, share) for share in (0.0, 0.25, 0.5, 0.999, 1.0)] == [1, 250, 500, 999, 1000]
    assert percentile([7.0], 0.5) == 7


def test_turns_are_interleaved_and_nobody_is_always_the_first(bench: Any) -> None:
    order: list[str] = []

    def turn(name: str) -> float:
        order.append(name)
        return 1.0

    found = bench("measure").interleaved(3, {name: lambda n=name: turn(n) for name in "abc"})
    assert "".join(order) == "abcbcacab"
    assert found == {name: [1.0, 1.0, 1.0] for name in "abc"}


def test_a_table_has_the_columns_of_all_rows_and_a_dash_where_there_is_nothing(bench: Any) -> None:
    drawn = bench("measure").table([{"a": 1, "b": 2.5}, {"a": 12_345, "c": "x"}])
    assert drawn.splitlines() == ["| a | b | c |", "| --- | --- | --- |", "| 1 | 2.5 | – |", "| 12,345 | – | x |"]  # noqa: RUF001


def test_jitter_spreads_a_fleet_and_costs_no_more_than_a_renewal_ahead(bench: Any) -> None:
    rates = bench("fleet").rates
    together, spread = rates(200, 1.0, 3600.0, 0.0), rates(200, 1.0, 3600.0, 0.2)
    late = [max(many for second, many in calls.items() if second > 43_200) for calls in (together, spread)]
    assert late[0] == 200
    assert late[1] <= 20
    assert spread.total() <= together.total() * 1.03


def test_a_case_that_is_measured_again_takes_the_place_of_the_old_one_alone(bench: Any, tmp_path: Path) -> None:
    merged = bench("report").merged
    file = tmp_path / "results.json"
    file.write_text('{"cases": {"fleet": {"rows": [1]}, "attach": {"rows": [1]}}}', encoding="utf-8")
    found = merged(file, {"fleet": {"rows": [2]}}, {"what": "here"})
    assert found == {"cases": {"attach": {"rows": [1]}, "fleet": {"rows": [2], "machine": {"what": "here"}}}}


def test_what_the_documentation_quotes_is_what_a_run_wrote(bench: Any) -> None:
    folder = FOLDER.parents[1] / "docs" / "explanation" / "benchmarks"
    result = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    assert bench("report").page(result) == (folder / "results.md").read_text(encoding="utf-8")


def test_its_server_renews_fyatus_tokens_as_fyatu_does(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(FOLDER))
    clock, told = FakeClock(), list[EventKind]()
    with bench("world").world() as world:
        auth = FyatuAuth(
            APP_ID,
            SECRET_KEY,
            base_url=world.home,
            clock=clock,
            store=MemoryStore(clock=clock),
            on_event=lambda event: told.append(event.kind),
        )
        auth.token()
        clock.advance(3600 - 100)
        auth.token()
        settle(auth)
        assert world.control()["calls"] == 2
    assert told == [EventKind.LOGGED_IN, EventKind.REFRESHED]
