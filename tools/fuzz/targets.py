"""What is fuzzed: the reading of answers, and the reading of a store's records."""

from __future__ import annotations

import json
from collections.abc import Callable

from auth_plugins.core import StoreError, Token, TokenResponse
from auth_plugins.stores.record import CorruptRecord, decode, encode

from . import answers

__all__ = ["TARGETS"]

_KEY = "a" * 64
_PAIRS = [(contract, request) for contract in answers.CONTRACTS.values() for request in answers.requests_of(contract)]
_STATUSES = (200, 201, 202, 204, 302, 400, 401, 403, 404, 405, 424, 429, 500, 503, 600, 0)


def responses(data: bytes) -> None:
    """Take two bytes for what was asked and the status, the rest for headers (to a line's end) and body."""
    if len(data) < 2:
        return
    contract, request = _PAIRS[data[0] % len(_PAIRS)]
    header, _, body = data[2:].partition(b"\n")
    names = ("retry-after", "x-request-id")
    response = TokenResponse(_STATUSES[data[1] % 16], dict.fromkeys(names, header.decode("latin-1")), body)
    answers.judge(contract, request, response)


def records(data: bytes) -> None:
    """Take bytes for the record of a token: it is a token that can be written again, or nothing."""
    try:
        token = decode(_KEY, data)
    except CorruptRecord as damaged:
        assert damaged.__context__ is None, "it would carry the record along"
        assert not damaged.args
    except StoreError:
        assert b"format" in data
    else:
        assert decode(_KEY, encode(_KEY, token)) == token
        assert isinstance(token.useful_until > 0.0, bool)


def _of_responses() -> list[bytes]:
    return [bytes([pair, status]) + b"1\n" + body for body in answers.seeds() for pair, status in ((0, 0), (5, 5))]


def _of_records() -> list[bytes]:
    token = Token(access_token="at", refresh_token="rt", issued_at=0.0, expires_at=9.0, scopes=("a",), extra={"b": "c"})
    good = bytes(encode(_KEY, token))
    later = json.dumps({"format": 2, "key": _KEY}).encode()
    return [
        good,
        good[:40],
        good.replace(b"9.0", b"-Infinity"),
        good.replace(b"9.0", b"1" * 400),
        later,
        *answers.seeds(),
    ]


TARGETS: dict[str, tuple[Callable[[bytes], None], Callable[[], list[bytes]]]] = {
    "responses": (responses, _of_responses),
    "records": (records, _of_records),
}
"""By name: what takes the bytes, and what makes some to begin with."""
