"""A token that the store does not take, and a listener that acts on it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests

from auth_plugins import FileStore, LoginRequired, OAuth2RefreshTokenAuth, RedisStore, Store, StoreError
from auth_plugins.core import Event, Token
from auth_plugins.engine.unsaved import SaveAttempts
from auth_plugins.simulators import OAuth2Simulator
from auth_plugins.testing import FakeClock, RequestsAdapter, settle

if TYPE_CHECKING:
    from tests.conftest import RedisServer

SECRET = "7Fjfp0ZBr1KtDRbnfVdmIw"


class FullDisk(FileStore):
    """It takes the old token before the call, and not the new one."""

    saves = 0

    def save(self, key: str, token: Token) -> None:
        self.saves += 1
        if self.saves > 1:
            raise StoreError("No space left on device")
        super().save(key, token)


class FullRedis(RedisStore):
    """The same."""

    saves = 0

    def save_numbered(self, key: str, token: Token, number: int | None, *, before_call: bool = False) -> Any:
        self.saves += 1
        if self.saves > 1:
            raise StoreError("OOM")
        return super().save_numbered(key, token, number, before_call=before_call)


@pytest.mark.parametrize("kind", ["file", "redis"])
def test_a_listener_that_logs_out_when_a_save_failed_waits_for_no_lock(
    kind: str, tmp_path: Path, redis_servers: dict[str, RedisServer]
) -> None:
    store: Store = FullDisk(tmp_path / "tokens")
    if kind == "redis":
        store = FullRedis.from_url(redis_servers["valkey"].url, prefix=f"{tmp_path.name}:", settle_time=0.0)
    clock, server, took = FakeClock(), OAuth2Simulator("an_id", SECRET, rotate=True), list[float]()
    session = requests.Session()
    session.mount("https://", RequestsAdapter(server, clock))

    def on_event(event: Event) -> None:
        if event.kind.value == "save_failed":
            began = time.monotonic()
            auth.logout()
            took.append(time.monotonic() - began)

    auth = OAuth2RefreshTokenAuth(
        f"https://issuer.example{server.base_path}/token",
        "an_id",
        server.consent(),
        client_secret=SECRET,
        store=store,
        clock=clock,
        token_client=session,
        on_event=on_event,
    )
    assert auth.token().access_token
    settle(auth)
    assert len(took) == 1
    assert took[0] < 5.0, "the deadline is 30 seconds"
    assert store.saves == 2  # type: ignore[attr-defined]
    with pytest.raises(LoginRequired):  # The store has no session any more, and the first refresh token is used up.
        auth.token()


def test_saving_that_was_stopped_before_it_began_is_given_up_once() -> None:
    attempts, given_up = SaveAttempts(), list[int]()
    attempts.begin(lambda: given_up.append(1))
    attempts.stop()
    attempts.stop()
    assert (given_up, attempts.claim(), attempts.pause(10.0)) == ([1], False, False)


def test_saving_that_has_begun_is_stopped_and_not_given_up_by_another_thread() -> None:
    attempts, given_up = SaveAttempts(), list[int]()
    attempts.begin(lambda: given_up.append(1))
    assert attempts.claim()
    attempts.stop()
    assert (given_up, attempts.pause(10.0)) == ([], False)
