"""A scene with an expired token."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..stage import Counts, Scene, Stage
from ..users import LIBRARIES, sleep_until, using
from .counting import one, token_calls

if TYPE_CHECKING:
    from auth_plugins.auth import TokenAuth

__all__ = ["ENDED", "outlive_a_token"]

_SHORT, _LONG = 0.3, 600.0


def outlive_a_token(stage: Stage, auth: TokenAuth) -> None:
    """Log in, wait until the token expires, and clear the ledger. The next token lives longer than the demo."""
    stage.cast.let_tokens_live(_SHORT)
    ends = auth.token().expires_at
    stage.cast.let_tokens_live(_LONG)
    sleep_until(ends)
    stage.ledger.clear()


def _ended(stage: Stage) -> tuple[Counts, Counts]:
    auth = stage.auth()
    outlive_a_token(stage, auth)
    for library in LIBRARIES:
        with using(library, auth) as send:
            send("GET", stage.url)
    expected = one(stage.cast.revives_by or stage.cast.renews_by) | {"answers 401": 0, "answers 200": len(LIBRARIES)}
    answers = {"answers 401": stage.answers(401), "answers 200": stage.answers(200)}
    return expected, token_calls(stage.ledger) | answers


ENDED = Scene("expiry", "The token has ended. The next request renews it before it goes out.", _ended)
