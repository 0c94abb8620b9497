"""The pictures and the table in these pages that are drawn while the pages are built.

`lifecycle` and `decision` call the functions of `auth_plugins.core.decision`. `sequence` draws which actor sends what
to which other, from lines `actor -> other: words`.
"""

from __future__ import annotations

from html import escape
from typing import Any

from docutils import nodes
from docutils.parsers.rst import Directive
from drawing import DECISION_COLUMNS, decision_rows, lifecycle_svg, sequence_svg

__all__ = ["setup"]


class _Picture(Directive):
    has_content = True

    def draw(self) -> str:
        raise NotImplementedError

    def run(self) -> list[nodes.Node]:
        return [nodes.raw("", f'<div class="diagram">{self.draw()}</div>', format="html")]


class _Lifecycle(_Picture):
    has_content = False

    def draw(self) -> str:
        return lifecycle_svg()


class _Decision(_Picture):
    has_content = False

    def draw(self) -> str:
        heads = "".join(f"<th>{escape(head)}</th>" for head in ("need", "in flight", *DECISION_COLUMNS))
        rows = "".join(
            "<tr>"
            + "".join(f"<td>{escape(each)}</td>" for each in (need.value, in_flight.value))
            + "".join(f"<td><code>{action.name}</code></td>" for action in actions)
            + "</tr>"
            for need, in_flight, actions in decision_rows()
        )
        return f'<div class="table-wrapper"><table class="docutils"><tr>{heads}</tr>{rows}</table></div>'


class _Sequence(_Picture):
    """The first line is the title, the second names the actors, with bars between them."""

    def draw(self) -> str:
        title, actors, *messages = [line for line in self.content if line.strip()]
        return sequence_svg(title, [actor.strip() for actor in actors.split("|")], messages)


def setup(app: Any) -> dict[str, Any]:
    """Add the directives to Sphinx."""
    app.add_directive("lifecycle", _Lifecycle)
    app.add_directive("decision", _Decision)
    app.add_directive("sequence", _Sequence)
    return {"parallel_read_safe": True}
