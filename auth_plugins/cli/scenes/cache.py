"""Scenes of the cache: the first request logs in, and later auth objects find the token."""

from __future__ import annotations

from ..stage import Counts, Scene, Stage
from ..users import LIBRARIES, using
from .counting import one, token_calls

__all__ = ["FIRST", "NEXT", "SHARED"]

_EACH = 10


def _first(stage: Stage) -> tuple[Counts, Counts]:
    with using("requests", stage.auth()) as send:
        send("GET", stage.url)
    expected = one(stage.cast.begins_by) | {"answers 200": 1}
    return expected, token_calls(stage.ledger) | {"answers 200": stage.answers(200)}


def _next(stage: Stage) -> tuple[Counts, Counts]:
    auth = stage.auth()
    auth.token()
    stage.ledger.clear()
    for library in LIBRARIES:
        with using(library, auth) as send:
            for _ in range(_EACH):
                send("GET", stage.url)
    return _silent(stage, _EACH * len(LIBRARIES))


def _shared(stage: Stage) -> tuple[Counts, Counts]:
    stage.auth().token()
    stage.ledger.clear()
    for library in LIBRARIES:
        with using(library, stage.auth()) as send:
            send("GET", stage.url)
    return _silent(stage, len(LIBRARIES))


def _silent(stage: Stage, calls: int) -> tuple[Counts, Counts]:
    expected = {"token calls": 0, "answers 200": calls}
    return expected, {"token calls": stage.ledger.token_calls, "answers 200": stage.answers(200)}


FIRST = Scene("first call", "No token exists. The first request logs in by itself.", _first)
NEXT = Scene("cache", f"{_EACH} requests each with requests, httpx and httpx2, all with one auth object.", _next)
SHARED = Scene("sharing", "New auth objects with the same credentials find the token that is there.", _shared)
