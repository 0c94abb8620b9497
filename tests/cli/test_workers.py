"""The demo of processes that share a token, as a user runs it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.conftest import RedisServer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

SCENES = {"workers cold": 1, "workers expiry": 1, "workers revoked": 5}


def test_workers_share_one_token_through_a_folder(run: Callable[..., Any]) -> None:
    done = run("-m", "auth_plugins", "demo", "fyatu", "vault", "--workers", "3", "--json")
    played = json.loads(done.out)
    assert [(each["provider"], each["name"]) for each in played] == [
        (p, name) for p in ("fyatu", "vault") for name in SCENES
    ]
    for each in played:
        calls = SCENES[each["name"]]
        assert each["counted"] == each["expected"] == {"token calls": calls, "answers 200": calls * 3 * 8}, each
    assert (done.code, done.err) == (0, "")


def test_workers_share_one_token_through_redis_and_leave_nothing_there(
    run: Callable[..., Any], redis_server: RedisServer
) -> None:
    done = run("-m", "auth_plugins", "demo", "marketiger", "--workers", "3", "--redis", redis_server.url)
    assert (done.code, done.err) == (0, "")
    assert "3 of 3 as expected" in done.out
    with redis_server.client() as client:
        assert client.keys() == []


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--redis", "redis://127.0.0.1"], "--redis is for --workers"),
        (["--workers", "2", "--redis", "http://user:pass@127.0.0.1"], "--redis: url must be redis://"),
        (["--workers", "2", "--redis", "redis://user:pass@127.0.0.1:1"], "--redis: Redis did not do"),
        (["--workers", "1"], "--workers"),
    ],
    ids=["alone", "no Redis", "nobody there", "one is none"],
)
def test_what_cannot_be_played_is_said_without_the_url(
    run: Callable[..., Any], arguments: list[str], says: str
) -> None:
    done = run("-m", "auth_plugins", "demo", "fyatu", *arguments)
    assert done.code == 2
    assert says in " ".join(done.err.split())
    assert "pass" not in done.err
