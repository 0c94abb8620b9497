"""The scene of a redirect to another origin, which asks for a token."""

from __future__ import annotations

from urllib.parse import quote

from auth_plugins.testing import serve

from ..stage import Counts, Scene, Stage
from ..users import LIBRARIES, using

__all__ = ["REDIRECT"]


def _redirect(stage: Stage) -> tuple[Counts, Counts]:
    auth = stage.auth()
    stranger = type(stage.cast)().simulator
    with serve(stranger) as elsewhere:  # another port, and so another origin
        lure = f"{stage.base_url}/redirect?to={quote(elsewhere.url + stranger.base_path, safe='')}"
        for library in LIBRARIES:
            with using(library, auth) as send:
                send("GET", lure)
    calls = stranger.ledger.calls()
    counted = {"token calls": stage.ledger.token_calls, "calls there": len(calls)}
    counted["tokens there"] = sum(call.had_authorization for call in calls)
    return {"token calls": 1, "calls there": len(LIBRARIES), "tokens there": 0}, counted


REDIRECT = Scene(
    "redirect",
    "The API sends requests, httpx and httpx2 to a foreign host, which answers 401. It never sees the token.",
    _redirect,
)
