"""A token that is valid only some time after it came: a 401 for a request signed before that moment."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from auth_plugins import MemoryStore, RefreshPolicy, TokenAuth
from auth_plugins.core import Answer, Token
from auth_plugins.providers.fyatu import FyatuContract

if TYPE_CHECKING:
    from auth_plugins.simulators import SimRequest, SimResponse
    from tests.conftest import World

APP_ID, SECRET_KEY = "A1B2C3D4E5F6G7H8", "your_secret_key_here"


@dataclass(frozen=True, slots=True)
class LateContract(FyatuContract):
    """Its tokens are accepted from half a second after they came."""

    def read(self, answer: Answer, now: float) -> Token:
        return replace(FyatuContract.read(self, answer, now), valid_from=now + 0.5)


def late_auth(world: World, **options: Any) -> TokenAuth:
    given = {"store": world.store, "clock": world.clock, **options}
    return TokenAuth(LateContract(APP_ID, SECRET_KEY, world.url), **given)


def slow_road(world: World, *delays: float) -> None:
    """Judge the next API requests when they arrive, and let their answers come back so much later."""
    handle, left, began = world.fyatu.handle, list(delays), world.clock.monotonic()

    def delayed(request: SimRequest, now: float) -> SimResponse:
        if "/auth/" in request.path:
            return handle(request, now)
        early = world.clock.monotonic() < began + 0.5
        response = handle(request, now)
        if left:
            world.clock.advance(left.pop(0))
        return replace(response, status=401) if early else response

    world.fyatu.handle = delayed  # type: ignore[method-assign]


@pytest.mark.matrix(
    group="Rejections",
    case="a 401 that arrives late, for a request signed before the token's `valid_from`",
    outcome="the same token is sent again; no renewal",
)
def test_a_late_401_for_a_request_that_was_signed_too_early_costs_no_token_call(world: World) -> None:
    slow_road(world, 3.0)
    with world.client(late_auth(world)) as client:
        reply = client.send("GET", f"{world.url}/x")
        assert (reply.status, reply.history) == (200, (401,))
        world.clock.advance(1)
        assert client.send("GET", f"{world.url}/x").history == ()
        assert world.token_calls == 1
        world.fyatu.revoke_all()
        assert client.send("GET", f"{world.url}/x").history == (401,), "a request signed later is judged as any other"
    assert world.token_calls == 2


def test_the_short_way_is_taken_from_the_moment_on_at_which_the_token_is_valid(world: World) -> None:
    auth = late_auth(world)
    with world.client(auth) as client:
        client.send("GET", f"{world.url}/x")
        assert auth._shared.snapshot.fast_header is None
        world.clock.advance(1)
        client.send("GET", f"{world.url}/x")
        assert auth._shared.snapshot.fast_header is not None


class SlowToUnlock(MemoryStore):
    """A store whose lock is given back when a test says so."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.go = threading.Event()
        self.go.set()

    @contextmanager
    def lock(self, key: str) -> Iterator[Any]:
        with super().lock(key) as held:
            yield held
            assert self.go.wait(30.0)


@pytest.mark.parametrize("way", ["thread", "asyncio", "trio"])
def test_a_401_judged_before_the_store_is_unlocked_waits_for_the_new_token_to_be_valid(
    one_world: World, way: str
) -> None:
    store = SlowToUnlock(clock=one_world.clock)
    auth = late_auth(one_world, store=store, policy=RefreshPolicy(deadline=25.0))
    source, transport = auth._source, auth._transport
    old = source.current(transport)
    one_world.clock.advance(1)
    store.go.clear()
    flight = source.after_401(dict(old.headers).get, transport)
    assert flight is not None
    while source.shared.snapshot.token is old.token or source.shared.snapshot.token is None:
        threading.Event().wait(0.001)
    published, at = source.shared.snapshot, one_world.clock()
    found = source.after_401(dict(old.headers).get, transport)
    assert found is not None
    threading.Timer(0.05, store.go.set).start()
    renewed = source.wait_usable(found) if way == "thread" else anyio.run(source.await_usable, found, backend=way)
    assert renewed.token == published.token
    assert renewed.token is not None
    assert one_world.clock() >= renewed.token.valid_from == at + 0.5
