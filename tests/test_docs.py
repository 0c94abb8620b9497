"""What the documentation says of the code is so. Its examples run in docs/test_examples.py."""

from __future__ import annotations

import importlib
import importlib.util
import itertools
import math
import os
import re
import subprocess
import sys
import tomllib
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import httpx
import httpx2
import pytest
import requests

from auth_plugins import AuthError, MarketigerAuth, MemoryStore, Token, core
from auth_plugins.auth import Options
from auth_plugins.core import Purpose
from auth_plugins.core.decision import Action, InFlight, Need, TokenState, need_of, purposes_for, state_of

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
README = (ROOT / "README.md").read_text(encoding="utf-8")
REFERENCE = "\n".join(page.read_text(encoding="utf-8") for page in sorted((DOCS / "reference").rglob("*.md")))
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
TEXTS = [*PAGES, *DOCS.rglob("*.py")]
ERRORS = AuthError.__subclasses__()


def page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def first_cells(text: str) -> set[str]:
    """The names that stand first in the rows of a page's tables."""
    return set(re.findall(r"^\| \[?`(\w+)`", text, flags=re.MULTILINE))


@pytest.fixture
def drawing() -> Any:
    spec = importlib.util.spec_from_file_location("drawing", DOCS / "_ext" / "drawing.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_picture_of_the_lifecycle_holds_every_state_that_can_be_and_no_other(drawing: Any) -> None:
    drawn = {
        (cell.get("data-state"), cell.get("data-can")): (cell.get("data-need"), cell.get("data-calls"))
        for cell in ElementTree.fromstring(drawing.lifecycle_svg()).iter()  # noqa: S314 - our own
        if cell.get("data-state")
    }
    # Ask the rules themselves which pairs there are, for tokens of all kinds at all moments.
    reached = set[tuple[TokenState, tuple[Purpose, ...]]]()
    flags = (False, True)
    for can_login, rejected, refresh_token, until in itertools.product(flags, flags, (None, "rt"), (-math.inf, 80.0)):
        token = Token(
            access_token="at", issued_at=0, expires_at=60, refresh_token=refresh_token, refreshable_until=until
        )
        for one, now in itertools.product((None, token), range(100)):
            purposes = purposes_for(one, now, can_login=can_login, rejected=rejected)
            reached.add((state_of(one, now, 48, rejected=rejected), purposes))
    assert drawn == {
        (state.name, drawing._PURPOSES[purposes]): (
            need_of(state, purposes).name,
            "" if need_of(state, purposes) is Need.NOTHING else ", then ".join(each.value for each in purposes),
        )
        for state, purposes in reached
    }


def test_the_table_of_decisions_has_a_row_for_each_need_and_what_is_in_flight(drawing: Any) -> None:
    rows = list(drawing.decision_rows())
    assert [row[:2] for row in rows] == list(itertools.product(Need, InFlight))
    assert all(len(actions) == len(drawing.DECISION_COLUMNS) for _, _, actions in rows)
    assert {action for _, _, actions in rows for action in actions} == set(Action)


def test_what_a_cell_of_the_picture_says_fits_into_it(drawing: Any) -> None:
    room = drawing._CELL - 26
    for cell in ElementTree.fromstring(drawing.lifecycle_svg()).iter():  # noqa: S314
        if cell.get("data-state"):
            words = [each.text or "" for each in cell.iter() if each.tag.endswith("text")]
            assert max(map(len, words)) * 6.2 < room


def test_a_sequence_draws_every_message_and_refuses_what_is_none(drawing: Any) -> None:
    drawn = drawing.sequence_svg("t", ["a", "b"], ["a -> b: go & see", "b -> b: thinks", "b --> a: found"])
    texts = [each.text for each in ElementTree.fromstring(drawn).iter() if each.tag.endswith("text")]  # noqa: S314
    assert texts == ["a", "b", "go & see", "thinks", "found"]
    with pytest.raises(ValueError, match="not a message"):
        drawing.sequence_svg("t", ["a"], ["a tells b"])


@pytest.mark.parametrize(
    "command",
    ["auth-plugins --help", *(f"auth-plugins {name} --help" for name in ("token", "request", "doctor", "demo"))],
)
def test_the_page_of_the_command_shows_what_it_prints(command: str) -> None:
    shown = re.search(rf"^\$ {command}\n(.*?)^```", page("reference/command.md"), flags=re.MULTILINE | re.DOTALL)
    assert shown is not None
    printed = subprocess.run(
        [sys.executable, "-P", "-m", "auth_plugins", *command.split()[1:]],
        capture_output=True,
        check=True,
        encoding="utf-8",
        env={**os.environ, "COLUMNS": "80", "PYTHONIOENCODING": "utf-8"},
    )
    assert shown[1].split("\n") == printed.stdout.split("\n")


def commands() -> list[str]:
    """The lines of README.md that a reader copies into a shell."""
    return re.findall(r"^    (python3 .*)$", README, flags=re.MULTILINE)


def test_the_readme_has_two_commands_and_each_sets_up_all_that_it_runs() -> None:
    demo, tests = commands()
    # Not .venv: tox leaves a file of that name.
    here = ".demo-venv"
    assert demo == f"python3 -m venv {here} && {here}/bin/pip install '.[demo]' && {here}/bin/auth-plugins demo"
    assert tests == "python3 -m venv .tox-venv && .tox-venv/bin/pip install tox && .tox-venv/bin/tox"


def test_the_command_of_the_demo_is_the_one_that_is_installed_and_tested() -> None:
    with (ROOT / "pyproject.toml").open("rb") as file:
        project = tomllib.load(file)["project"]
    module, _, function = project["scripts"]["auth-plugins"].partition(":")
    assert callable(getattr(importlib.import_module(module), function))
    needed = importlib.import_module(module)._NEEDED, importlib.import_module(f"{module}.demo")._NEEDED
    extras = [{re.split(r"\W", each)[0] for each in project["optional-dependencies"][name]} for name in ("cli", "demo")]
    assert extras == [set(needed[0]), {*needed[0], *needed[1]}]
    assert set(project["optional-dependencies"]) >= {"demo", "httpx2", "testing"}
    assert '"-m", "auth_plugins", "demo"' in (ROOT / "tests/cli/test_demo.py").read_text(encoding="utf-8")


def test_the_command_of_the_tests_is_what_continuous_integration_runs() -> None:
    script = ROOT / ".ci" / "run"
    if not script.exists():
        pytest.skip("not in a source distribution")
    run = script.read_text(encoding="utf-8")
    assert "python3 -m venv" in run
    assert re.search(r"pip install .*\btox$", run, flags=re.MULTILINE)
    assert re.search(r'/bin/tox" run <', run), "`tox` and `tox run` are the same"
    tox = (ROOT / "tox.ini").read_text(encoding="utf-8")
    assert "env_list = lint, type, docs, 3.1{1-3}, lowest" in tox
    assert "skip_missing_interpreters = true" in tox


def test_the_readme_stays_short() -> None:
    assert len(README.splitlines()) < 160


@pytest.mark.parametrize("text", [README, page("reference/options.md")], ids=["README", "options"])
def test_the_tables_of_options_name_all_of_them(text: str) -> None:
    assert first_cells(text) >= set(Options.__annotations__)


@pytest.mark.parametrize("text", [README, page("reference/errors.md")], ids=["README", "errors"])
def test_the_tables_of_errors_name_all_of_them(text: str) -> None:
    assert first_cells(text) >= {error.__name__ for error in ERRORS}


def test_every_code_of_an_error_has_an_anchor_and_the_readme_names_it() -> None:
    for error in ERRORS:
        assert f"\n({error.code})=\n## {error.code}\n" in page("reference/errors.md")
        assert f"| `{error.__name__}` | `{error.code}` |" in README


class Failing(MemoryStore):
    """A store that fails with any error: whatever a renewal ends by, doors tell it in the same way."""

    def __init__(self, error: AuthError) -> None:
        super().__init__()
        self.error = error

    def load(self, key: str) -> Token | None:
        raise self.error


@pytest.mark.parametrize("error", ERRORS)
def test_what_the_table_of_errors_says_of_the_libraries_is_so(error: type[AuthError]) -> None:
    row = next(line for line in README.splitlines() if line.startswith(f"| `{error.__name__}`"))
    of_requests, of_httpx = re.findall(r"`(\w+)`", row)[-2:]
    auth, url = MarketigerAuth("a@b.example", "pass", store=Failing(error("told"))), "https://devapi.marketiger3d.com/x"
    with pytest.raises(getattr(requests, of_requests)) as caught:
        requests.get(url, auth=auth, timeout=5)
    assert isinstance(caught.value, error)
    for library in (httpx, httpx2):
        with library.Client(auth=auth) as client, pytest.raises(getattr(library, of_httpx)) as caught:
            client.get(url)
        assert isinstance(caught.value, error)


def test_the_events_have_a_table_that_names_all_of_them() -> None:
    assert first_cells(page("how-to/events-and-logging.md")) == {kind.name for kind in core.EventKind}


@pytest.mark.parametrize("module", ["", ".core", ".simulators", ".testing", ".providers"])
def test_the_reference_names_everything_that_is_public(module: str) -> None:
    public = importlib.import_module(f"auth_plugins{module}").__all__
    assert [name for name in public if not re.search(rf"\b{name}\b", REFERENCE)] == []


def test_every_decision_is_in_the_index_and_says_what_it_costs() -> None:
    index = page("explanation/adr/index.md")
    decisions = sorted((DOCS / "explanation" / "adr").glob("0*.md"))
    assert [each.stem for each in decisions] == re.findall(r"^0\d{3}-.*$", index, flags=re.MULTILINE)
    for each in decisions:
        text = each.read_text(encoding="utf-8")
        assert re.findall(r"^## (.*)$", text, flags=re.MULTILINE) == [
            "Context and problem",
            "Options considered",
            "Decision",
            "Consequences",
        ]


@pytest.mark.parametrize("text", PAGES, ids=lambda each: each.relative_to(ROOT).as_posix())
def test_a_link_to_a_file_leads_to_one(text: Path) -> None:
    targets = re.findall(r"\]\(([^)\s]+)\)", text.read_text(encoding="utf-8"))
    paths = [target.partition("#")[0] for target in targets if "://" not in target]
    assert [path for path in paths if path and not (text.parent / path).exists()] == []


def test_each_home_of_a_claim_is_there() -> None:
    contributing = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    homes = set(re.findall(r"`((?:tests|auth_plugins)/[\w/.]+)`", contributing.partition("## Tests")[2]))
    assert len(homes) > 12
    assert [home for home in homes if not (ROOT / home).exists()] == []
    folders = {f"tests/{each.parent.name}" for each in (ROOT / "tests").glob("*/*.py")}
    assert folders - homes - {"tests/security"} == set(), "a folder that is the home of no claim"


def test_no_page_fetches_a_font_or_a_script() -> None:
    for text in [*TEXTS, *(DOCS / "_static").iterdir()]:
        assert not re.search(r"@import|<script|<link|url\(http", text.read_text(encoding="utf-8")), text


def test_the_table_of_tools_has_a_row_for_every_tool() -> None:
    table = (ROOT / "tools" / "README.md").read_text(encoding="utf-8")
    tools = {file.parent.name for file in (ROOT / "tools").glob("*/__main__.py")}
    assert set(re.findall(r"`python -m tools\.(\w+)", table)) == tools


def test_every_command_line_of_a_tool_names_a_module_that_exists() -> None:
    texts = [*TEXTS, ROOT / "CONTRIBUTING.md", ROOT / "tox.ini", *ROOT.glob("tools/**/*.py"), ROOT / "tools/README.md"]
    for text in texts:
        for name in re.findall(r"python -m (tools(?:\.[a-z_]+)+)", text.read_text(encoding="utf-8")):
            place = ROOT / name.replace(".", "/")
            assert place.with_suffix(".py").exists() or (place / "__main__.py").exists(), f"{text} names {name}"
