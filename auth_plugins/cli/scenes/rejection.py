"""Scenes of refusal: a token that the API rejects, credentials that the token endpoint rejects."""

from __future__ import annotations

import secrets
from hashlib import sha256
from tempfile import TemporaryFile

from auth_plugins.core import CredentialsRejected

from ..stage import Counts, Scene, Stage
from ..users import LIBRARIES, Send, using

__all__ = ["REFUSED", "REVOKED"]

_EACH = 10
_SIZE = 40_000


def _revoked(stage: Stage) -> tuple[Counts, Counts]:
    auth = stage.auth()
    auth.token()
    stage.ledger.clear()
    body = secrets.token_bytes(_SIZE)
    for library in LIBRARIES:
        with using(library, auth) as send:
            stage.simulator.revoke_all()
            send("POST", stage.url, body)
            stage.simulator.revoke_all()
            _send_from_the_middle(send, stage.url, body)
    uploads = 2 * len(LIBRARIES)
    seen = [call.body_sha256 for call in stage.ledger.calls("api")]
    intact = sum(seen.count(sha256(sent).hexdigest()) for sent in (body, body[_SIZE // 2 :]))
    expected = {"token calls": uploads, "answers 401": uploads, "answers 200": uploads}
    counted = {"token calls": stage.ledger.token_calls}
    counted |= {f"answers {status}": stage.answers(status) for status in (401, 200)}
    return expected | {"bodies intact": 2 * uploads}, counted | {"bodies intact": intact}


def _send_from_the_middle(send: Send, url: str, body: bytes) -> None:
    with TemporaryFile() as file:
        file.write(body)
        file.seek(_SIZE // 2)
        # httpx would announce the length of the whole file.
        send("POST", url, file, {"Content-Length": str(_SIZE - _SIZE // 2)})


def _refused(stage: Stage) -> tuple[Counts, Counts]:
    auth = stage.auth(wrong=True)
    refusals = 0
    for library in LIBRARIES:
        with using(library, auth) as send:
            for _ in range(_EACH):
                try:
                    send("GET", stage.url)
                except CredentialsRejected:
                    refusals += 1
    expected = {"token calls": 1, "API calls": 0, "clear errors": _EACH * len(LIBRARIES)}
    calls = {"token calls": stage.ledger.token_calls, "API calls": stage.ledger.count("api")}
    return expected, calls | {"clear errors": refusals}


REVOKED = Scene(
    "revoked token",
    "Six uploads, bytes and files from their middle, each just after the token was revoked: one renewal, one replay.",
    _revoked,
)
REFUSED = Scene(
    "wrong credentials",
    f"{_EACH * len(LIBRARIES)} requests fail at once, and the endpoint hears of one of them.",
    _refused,
)
