"""How scenes are run and judged, with scenes that are quick, or wrong."""

from __future__ import annotations

import json
import os

import pytest
from click.testing import CliRunner

from auth_plugins import BodyNotReplayed
from auth_plugins.cli import command, playing
from auth_plugins.cli.casts.fyatu import FyatuCast
from auth_plugins.cli.scenes import cache
from auth_plugins.cli.scenes.window import _Attached, _Stopwatch
from auth_plugins.cli.stage import Counts, Scene, Stage, perform

TERMINAL = {"COLUMNS": "80", "NO_COLOR": "1"}


def wrong(stage: Stage) -> tuple[Counts, Counts]:
    stage.auth().token()
    return {"token calls": 7}, {"token calls": stage.ledger.token_calls}


def breaks(stage: Stage) -> tuple[Counts, Counts]:
    raise BodyNotReplayed("eyJ is how every token begins")


WRONG = Scene("wrong", "Seven logins were expected.", wrong)
BREAKS = Scene("breaks", "It does not get to its end.", breaks)


def test_a_difference_ends_with_code_1_and_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(playing, "SCENES", (cache.FIRST, WRONG))
    result = CliRunner().invoke(command.cli, ["demo", "fyatu"], env=TERMINAL)
    assert result.exit_code == 1
    assert "token calls: 7   1         DIFFERS" in result.stdout
    assert "1 of 2 as expected" in result.stdout


def test_a_difference_ends_json_with_code_1(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(playing, "SCENES", (WRONG,))
    result = CliRunner().invoke(command.cli, ["demo", "fyatu", "--json"])
    [scene] = json.loads(result.stdout)
    assert (scene["ok"], scene["expected"], scene["counted"]) == (
        False,
        {"token calls": 7},
        {"token calls": 1},
    )
    assert result.exit_code == 1


def test_a_scene_that_raises_is_shown_and_the_rest_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(playing, "SCENES", (BREAKS, cache.FIRST))
    result = CliRunner().invoke(command.cli, ["demo", "fyatu"], env=TERMINAL)
    assert "Ended by BodyNotReplayed." in result.stdout
    assert "FAILED" in result.stdout
    assert "1 of 2 as expected" in result.stdout
    assert "eyJ" not in result.output
    assert result.exit_code == 1


def test_a_provider_named_twice_plays_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(playing, "SCENES", (cache.FIRST,))
    result = CliRunner().invoke(command.cli, ["demo", "fyatu", "fyatu", "--json"])
    assert len(json.loads(result.stdout)) == 1


def test_an_unknown_provider_is_a_usage_error() -> None:
    result = CliRunner().invoke(command.cli, ["demo", "nobody"])
    assert result.exit_code == 2
    assert "fyatu" in result.stderr


def test_a_scene_that_expects_other_names_than_it_counts_differs() -> None:
    other = Scene("other", "The names differ.", lambda _: ({"logins": 0}, {"refreshes": 0}))
    [result] = perform([FyatuCast], [other])
    assert not result.ok


def test_each_scene_has_a_simulator_and_a_store_of_its_own() -> None:
    stages: list[Stage] = []

    def remember(stage: Stage) -> tuple[Counts, Counts]:
        stages.append(stage)
        return {}, {}

    list(perform([FyatuCast], [Scene("a", "", remember), Scene("b", "", remember)]))
    assert stages[0].simulator is not stages[1].simulator
    assert stages[0].store is not stages[1].store
    assert stages[0].base_url != stages[1].base_url


@pytest.mark.parametrize("before", [None, "example.org"])
def test_a_proxy_in_the_environment_does_not_matter(monkeypatch: pytest.MonkeyPatch, before: str | None) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    if before is None:
        monkeypatch.delenv("no_proxy", raising=False)
    else:
        monkeypatch.setenv("no_proxy", before)
    assert [result.ok for result in perform([FyatuCast], [cache.FIRST, cache.NEXT, cache.SHARED])] == [True] * 3
    assert os.environ.get("no_proxy") == before


def test_a_request_that_waits_counts_whatever_it_then_carries() -> None:
    watch = _Stopwatch(None)  # type: ignore[arg-type]
    watch.attached.extend([_Attached(0.4, "a"), _Attached(0.0, "a"), _Attached(0.25, "a"), _Attached(0.29, "b")])
    assert watch.waited() == 2
