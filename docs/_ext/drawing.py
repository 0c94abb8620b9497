"""How the pictures in these pages are drawn: as SVG, in the theme's colours, so that they do in light and in dark."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from itertools import groupby

from auth_plugins.core import Purpose, Token
from auth_plugins.core.decision import Action, InFlight, Need, TokenState, decide, need_of, state_of

__all__ = ["DECISION_COLUMNS", "decision_rows", "lifecycle_svg", "sequence_svg"]

_FILL = {Need.NOTHING: "#2e9e5b", Need.RENEWAL_SOON: "#2f7fd6", Need.RENEWAL_NOW: "#d68f1d"}
_FAILS = "#d0453f"
_WORDS = {Need.NOTHING: "use it", Need.RENEWAL_SOON: "use it, renew by:", Need.RENEWAL_NOW: "wait for:"}
_PURPOSES: dict[tuple[Purpose, ...], str] = {
    (): "nothing",
    (Purpose.LOGIN,): "log in",
    (Purpose.REFRESH,): "refresh",
    (Purpose.REFRESH, Purpose.LOGIN): "refresh, or log in",
}
_NEVER = {TokenState.EMPTY, TokenState.DEAD}
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


def can_be(state: TokenState, purposes: tuple[Purpose, ...]) -> bool:
    """Whether a token in `state` can be replaced by calls for `purposes`: a dead one is not refreshable."""
    refreshable = Purpose.REFRESH in purposes
    return not (refreshable and state in _NEVER) and (refreshable or state is not TokenState.EXPIRED)


def lifecycle_svg() -> str:
    """Draw a token's life as a line, and below it what a request does in each state."""
    cells = [(state, purposes) for state in TokenState for purposes in _PURPOSES if can_be(state, purposes)]
    parts = [*_timeline(), *_heads(), *(part for cell in cells for part in _cell(*cell))]
    height = _TOP + _ROW * len(TokenState) + 8
    return _svg(_LEFT + _CELL * len(_PURPOSES), height, "What a request does, by the state of its token", parts)


def _timeline() -> Iterator[str]:
    """Draw the state of a token at every moment of its life."""
    token = Token(access_token="drawn", issued_at=0, expires_at=60, refreshable_until=80)
    states = [state_of(token, now, 48) for now in range(100)]
    scale, now = (_LEFT + _CELL * len(_PURPOSES)) / 100, 0
    names = iter(["issued_at", "window opens", "expires_at", "refreshable_until"])
    for state, moments in groupby(states):
        length = len(list(moments))
        yield _box(now * scale + 2, 30, length * scale - 4, 30, _FILL[need_of(state, (Purpose.LOGIN,))])
        yield _text((now + length / 2) * scale, 50, state.name, weight=600, anchor="middle")
        yield _text(now * scale + 2, 20, next(names), faint=True)
        now += length


def _heads() -> Iterator[str]:
    yield _text(2, 95, "The state of the token", weight=600)
    yield _text(_LEFT, 95, "What could replace it now", weight=600)
    for column, words in enumerate(_PURPOSES.values()):
        yield _text(_LEFT + column * _CELL, 117, words)
    for row, state in enumerate(TokenState):
        yield _text(2, _TOP + row * _ROW + 22, state.name, weight=600)
        yield _text(2, _TOP + row * _ROW + 40, state.value, faint=True)
        for column, purposes in enumerate(_PURPOSES):
            if not can_be(state, purposes):
                yield _text(_LEFT + column * _CELL + 12, _TOP + row * _ROW + 30, "cannot be", faint=True)


def _cell(state: TokenState, purposes: tuple[Purpose, ...]) -> Iterator[str]:
    need = need_of(state, purposes)
    x, y = _LEFT + list(_PURPOSES).index(purposes) * _CELL, _TOP + list(TokenState).index(state) * _ROW
    calls = "" if need is Need.NOTHING else ", then ".join(purpose.value for purpose in purposes)
    fails = need is Need.RENEWAL_NOW and not purposes
    yield f'<g data-state="{state.name}" data-can="{_PURPOSES[purposes]}" data-need="{need.name}" data-calls="{calls}">'
    yield f"<title>{escape(need.value)}</title>"
    yield _box(x, y, _CELL - 6, _ROW - 6, _FAILS if fails else _FILL[need])
    yield _text(x + 10, y + (20 if calls else 29), "LoginRequired" if fails else _WORDS[need], weight=600)
    yield _text(x + 10, y + 38, calls) if calls else ""
    yield "</g>"


# The decision of one request.

DECISION_COLUMNS: dict[str, dict[str, bool]] = {
    "no back-off": {},
    "single-shot request": {"single_shot": True},
    "early back-off": {"early_backoff": True},
    "back-off": {"backoff": True, "early_backoff": True},
    "back-off, store check due": {"backoff": True, "early_backoff": True, "store_check_due": True},
}


def decision_rows() -> Iterator[tuple[Need, InFlight, list[Action]]]:
    """Ask `decide` for the action of a request in each situation of the table."""
    facts = dict.fromkeys(("single_shot", "early_backoff", "backoff", "store_check_due"), False)
    for need in Need:
        for in_flight in InFlight:
            yield need, in_flight, [decide(need, in_flight, **{**facts, **more}) for more in DECISION_COLUMNS.values()]


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
