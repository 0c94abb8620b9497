"""How the documentation is built: `tox -e docs`, or `sphinx-build -n -W -b html docs docs/_build`."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

from typing import Any

from sphinx.ext.napoleon import Config, GoogleDocstring

from auth_plugins import __version__

project = "auth_plugins"
author = "the auth_plugins authors"
copyright = "the auth_plugins authors"
release = version = __version__

extensions = [
    "diagrams",
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx_copybutton",
]
exclude_patterns = ["_build", "explanation/benchmarks/*"]  # What the benchmarks write is included in their page.
default_role = "code"  # The docstrings put code between single backticks.
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
suppress_warnings = ["myst.header"]  # The changelog's own headings are one level apart from ours.

html_theme = "furo"
html_title = f"auth_plugins {release}"
html_theme_options = {"source_directory": "docs/", "top_of_page_buttons": []}
html_static_path = ["_static"]
html_css_files = ["own.css"]
html_copy_source = False
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
# Extras: the reference can be built without them.
autodoc_mock_imports = ["responses", "uvicorn"]

# Nothing is fetched while the pages are built, so what other packages define is named and not linked.
nitpick_ignore_regex = [
    ("py:.*", r"(anyio|collections|contextlib|enum|httpx|httpx2|requests|responses|types|typing|os)(\..*)?"),
    ("py:.*", r"(Keys|ModuleType|TracebackType|ClientAuth|Unpack|Any|Self|TypeVar|E)"),
    # Names of our own that stand for a type, and rooms that have no page.
    (
        "py:.*",
        r"(auth_plugins\.)?(auth\.)?(Options|Clock|Sleep|Listener|Endpoint|Outage|Generation|AppType|ErrorPlace)",
    ),
    ("py:.*", r"auth_plugins\.(source|clients|testing|simulators|core|providers|stores)\..*"),
]


def _read_as_google(_app: Any, what: str, _name: str, _thing: Any, _options: Any, lines: list[str]) -> None:
    """Read a docstring as Google has it, save an attribute's: napoleon takes all before a colon for its type."""
    if what not in ("attribute", "data", "property"):
        lines[:] = GoogleDocstring(lines, Config(), what=what).lines()


def setup(app: Any) -> None:
    """Connect to Sphinx."""
    app.connect("autodoc-process-docstring", _read_as_google)
