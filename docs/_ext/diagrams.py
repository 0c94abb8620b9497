"""The two kinds of picture in these pages, drawn while the pages are built.

`lifecycle` draws `auth_plugins.core.LIFECYCLE`: what is in the table is in the picture. `sequence` draws who tells
whom what, from lines `one -> other: words`.
"""

from __future__ import annotations

from typing import Any

from docutils import nodes
from docutils.parsers.rst import Directive
from drawing import lifecycle_svg, sequence_svg

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


class _Sequence(_Picture):
    """The first line is the title, the second names the actors, with bars between them."""

    def draw(self) -> str:
        title, actors, *messages = [line for line in self.content if line.strip()]
        return sequence_svg(title, [actor.strip() for actor in actors.split("|")], messages)


def setup(app: Any) -> dict[str, Any]:
    """Give Sphinx the two directives."""
    app.add_directive("lifecycle", _Lifecycle)
    app.add_directive("sequence", _Sequence)
    return {"parallel_read_safe": True}
