"""How the pictures in these pages are drawn: as SVG, in the theme's colours, so that they do in light and in dark."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from itertools import groupby

from auth_plugins.core import LIFECYCLE, Age, Means, Step, Token, Verb
from auth_plugins.core.lifecycle import age_of

__all__ = ["lifecycle_svg", "sequence_svg"]

_FILL = {Verb.USE: "#2e9e5b", Verb.BESIDE: "#2f7fd6", Verb.WAIT: "#d68f1d", Verb.GIVE_UP: "#d0453f"}
_WORDS = {Verb.USE: "use it", Verb.BESIDE: "use it, beside:", Verb.WAIT: "wait for:", Verb.GIVE_UP: "LoginRequired"}
_FONT = 'font-family="inherit" font-size="13"'


def _text(x: float, y: float, words: str, *, weight: int = 400, anchor: str = "start", faint: bool = False) -> str:
    style = f'font-weight="{weight}" text-anchor="{anchor}"' + (' opacity="0.75"' if faint else "")
    return f'<text x="{x:g}" y="{y:g}" {style} fill="currentColor">{escape(words)}</text>'


def _box(x: float, y: float, width: float, height: float, colour: str | None, more: str = "") -> str:
    fill = f'fill="{colour}" fill-opacity="0.22" stroke="{colour}"' if colour else 'fill="none" stroke="none"'
    return f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="5" {fill} {more}/>'


def _svg(width: float, height: float, title: str, parts: Iterable[str]) -> str:
    inside = "\n".join(parts)
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" role="img" {_FONT}>'
    return f"{head}\n<title>{escape(title)}</title>\n{inside}\n</svg>"


# The life of a token.

_LEFT, _CELL, _ROW, _TOP = 185, 160, 54, 130


def lifecycle_svg() -> str:
    """Draw one token's life as a line, and below it what is done at each age."""
    parts = [*_timeline(), *_heads(), *(part for entry in LIFECYCLE.items() for part in _cell(*entry))]
    height = _TOP + _ROW * len(Age) + 8
    return _svg(_LEFT + _CELL * len(Means), height, "What is done with a token, by its age", parts)


def _timeline() -> Iterator[str]:
    """Ask the rules for the age of a token at every moment of its life, and draw what they say."""
    token = Token(access_token="drawn", issued_at=0, expires_at=60, refreshable_until=80)
    ages = [age_of(token, now, 48) for now in range(100)]
    scale, now = (_LEFT + _CELL * len(Means)) / 100, 0
    names = iter(["issued_at", "window begins", "expires_at", "refreshable_until"])
    for age, moments in groupby(ages):
        length = len(list(moments))
        step = LIFECYCLE.get((age, Means.BOTH)) or LIFECYCLE[age, Means.LOGIN]
        yield _box(now * scale + 2, 30, length * scale - 4, 30, _FILL[step.verb])
        yield _text((now + length / 2) * scale, 50, age.name, weight=600, anchor="middle")
        yield _text(now * scale + 2, 20, next(names), faint=True)
        now += length


def _heads() -> Iterator[str]:
    yield _text(2, 95, "The age of the token", weight=600)
    yield _text(_LEFT, 95, "What the provider can do for it just now", weight=600)
    for column, means in enumerate(Means):
        yield _text(_LEFT + column * _CELL, 117, means.value)
    for row, age in enumerate(Age):
        yield _text(2, _TOP + row * _ROW + 22, age.name, weight=600)
        yield _text(2, _TOP + row * _ROW + 40, age.value, faint=True)
        for column, means in enumerate(Means):
            if (age, means) not in LIFECYCLE:
                yield _text(_LEFT + column * _CELL + 12, _TOP + row * _ROW + 30, "cannot be", faint=True)


def _cell(where: tuple[Age, Means], step: Step) -> Iterator[str]:
    age, means = where
    x, y = _LEFT + list(Means).index(means) * _CELL, _TOP + list(Age).index(age) * _ROW
    grants = ", then ".join(grant.value for grant in step.grants)
    yield f'<g data-age="{age.name}" data-means="{means.name}" data-verb="{step.verb.name}" data-grants="{grants}">'
    yield f"<title>{escape(step.verb.value)}</title>"
    yield _box(x, y, _CELL - 6, _ROW - 6, _FILL[step.verb])
    yield _text(x + 10, y + (20 if grants else 29), _WORDS[step.verb], weight=600)
    yield _text(x + 10, y + 38, grants) if grants else ""
    yield "</g>"


# Who tells whom what.

_ACTOR, _LINE = 150, 40
_MESSAGE = re.compile(r"(?P<one>.+?) (?P<arrow>->|-->) (?P<other>.+?): (?P<words>.+)")


def sequence_svg(title: str, actors: Sequence[str], messages: Sequence[str]) -> str:
    """Draw messages, each `one -> other: words` (or `-->`, dashed, for an answer), from top to bottom."""
    height = 60 + _LINE * len(messages)
    parts = [part for index, actor in enumerate(actors) for part in _actor(index, actor, height)]
    for row, message in enumerate(messages):
        parts += _message(message, actors, 72 + row * _LINE)
    return _svg(_ACTOR * len(actors), height, title, parts)


def _actor(index: int, name: str, height: float) -> Iterator[str]:
    middle = (index + 0.5) * _ACTOR
    line = 'stroke="currentColor" stroke-opacity="0.35" stroke-dasharray="3 4"'
    yield f'<line x1="{middle:g}" y1="38" x2="{middle:g}" y2="{height:g}" {line}/>'
    yield _box(index * _ACTOR + 6, 8, _ACTOR - 12, 30, "#2f7fd6")
    yield _text(middle, 28, name, weight=600, anchor="middle")


def _message(message: str, actors: Sequence[str], y: float) -> Iterator[str]:
    match = _MESSAGE.fullmatch(message)
    if match is None:
        raise ValueError(f"not a message: {message}")
    start, end = (actors.index(match[name]) for name in ("one", "other"))
    x1, x2 = (start + 0.5) * _ACTOR, (end + 0.5) * _ACTOR
    if start == end:
        yield f'<circle cx="{x1:g}" cy="{y:g}" r="4" fill="currentColor"/>'
        yield _text(x1 + 10, y + 4, match["words"])
        return
    back = -7 if x2 > x1 else 7
    dash = ' stroke-dasharray="6 4"' if match["arrow"] == "-->" else ""
    yield f'<line x1="{x1:g}" y1="{y:g}" x2="{x2:g}" y2="{y:g}" stroke="currentColor"{dash}/>'
    yield f'<path d="M{x2:g} {y:g} l{back} -4 v8 z" fill="currentColor"/>'
    yield _text(min(x1, x2) + 10, y - 6, match["words"])
