"""The whole demo, as a user runs it."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import CliRunner

from auth_plugins.cli.casts import CASTS
from auth_plugins.cli.command import cli
from auth_plugins.cli.scenes import SCENES

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

NAMES = [scene.name for scene in SCENES]


@pytest.fixture(scope="module")
def table(run: Callable[..., Any]) -> Any:
    return run("-m", "auth_plugins", "demo", COLUMNS="80", PYTHONIOENCODING="utf-8")


@pytest.fixture(scope="module")
def document(run: Callable[..., Any]) -> Any:
    return run("-m", "auth_plugins", "demo", *CASTS, "--json")


def test_json_is_one_list_in_which_every_scene_is_as_expected(document: Any) -> None:
    scenes = json.loads(document.out)
    assert [(scene["provider"], scene["name"]) for scene in scenes] == [(p, n) for p in CASTS for n in NAMES]
    for scene in scenes:
        assert scene["ok"], scene
        assert scene["expected"] == scene["counted"]
        assert scene["expected"]
        assert scene["failure"] is None
        assert scene["seconds"] >= 0
    for provider in CASTS:
        assert sum(scene["seconds"] for scene in scenes if scene["provider"] == provider) < 20
    assert (document.code, document.err) == (0, "")


def test_the_herd_made_one_token_call(document: Any) -> None:
    [herd] = [each for each in json.loads(document.out) if each["name"] == "herd"][:1]
    assert herd["counted"] == {"token calls": 1, "answers 401": 0, "answers 200": 64 + 1000 + 100}


def test_the_table_names_every_scene_and_fits_80_columns(table: Any) -> None:
    words = table.out.split()
    for name in NAMES:
        assert set(name.split()) <= set(words)
    assert max(map(len, table.out.splitlines())) <= 80
    assert "…" not in table.out


def test_the_last_line_says_it_all(table: Any) -> None:
    count = len(NAMES) * len(CASTS)
    assert table.out.splitlines()[-1].startswith(f"{count} of {count} as expected in ")
    assert (table.code, table.err) == (0, "")


def test_there_is_no_colour_where_there_is_no_terminal(table: Any) -> None:
    assert "\x1b" not in table.out


def test_no_output_holds_a_token(table: Any, document: Any) -> None:
    for finished in (table, document):
        assert "eyJ" not in finished.out + finished.err


def test_no_output_holds_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []

    def remember(size: int, make: Callable[[int], str] = secrets.token_urlsafe) -> str:
        made.append(make(size))
        return made[-1]

    monkeypatch.setattr(secrets, "token_urlsafe", remember)
    output = CliRunner().invoke(cli, ["demo"], env={"COLUMNS": "100"}).output
    assert len(made) >= len(NAMES)
    assert not [secret for secret in made if secret in output or secret[::-1] in output]
    assert "eyJ" not in output
