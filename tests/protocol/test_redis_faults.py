"""Every command that a renewal sends to Redis goes wrong, in every way, for a provider that ends a session on reuse."""

from __future__ import annotations

import itertools
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from auth_plugins import AuthError, LoginRequired, RedisStore
from auth_plugins.engine import put_back
from auth_plugins.stores.redis_scripts import SAVE
from auth_plugins.testing import FakeClock

if TYPE_CHECKING:
    from tests.conftest import RedisServer
    from tests.protocol.conftest import Plan, Session

_numbers = itertools.count()
LEASE, DEADLINE = 0.8, 0.5
STEPS = (0, 1, "expire", 1, 0, "expire", 0, 1, "expire", 1, "expire", 0)
"""Which process asks for its token; between, tokens end."""


class World:
    """Two processes that share a session through one server; the commands of both go wrong by one plan."""

    def __init__(self, server: RedisServer, plan: Plan, kit: Any, settle_time: float = 0.0) -> None:
        self.settle_time = settle_time
        self.server, self.plan, self.kit = server, plan, kit
        self.clock, self.prefix = FakeClock(), f"test-protocol-{next(_numbers)}:"
        self.control: Any = server.client()
        self.session: Session = kit.Session(self.store(), self.store(), clock=self.clock, deadline=DEADLINE)

    def store(self) -> RedisStore:
        return RedisStore(
            self.kit.faulty_client(self.server, self.plan),
            prefix=self.prefix,
            lease=LEASE,
            settle_time=self.settle_time,
            lock_timeout=2.0,
            clock=self.clock,
        )

    def run(self, steps: tuple[Any, ...] = STEPS) -> None:
        for step in steps:
            if step == "expire":
                self.session.expire()
            else:
                self.session.ask(step)
            self.deliver()
            assert self.session.provider.presented_twice == 0, "a refresh token was presented twice"

    def deliver(self) -> None:
        """Execute what was held up on its way."""
        late, self.plan.late = self.plan.late, []
        for command in late:
            self.control.execute_command(*command)

    def dump(self) -> dict[bytes, bytes]:
        return {key: self.control.dump(key) for key in self.control.scan_iter(f"{self.prefix}*")}

    def set_back(self, dump: dict[bytes, bytes]) -> None:
        for key in self.control.scan_iter(f"{self.prefix}*"):
            self.control.delete(key)
        for key, value in dump.items():
            self.control.restore(key, 0, value, replace=True)

    def close(self) -> None:
        self.control.close()
        for auth in self.session.processes:
            store: Any = auth._source.shared.store
            store._client.close()


@pytest.fixture
def make(redis_servers: dict[str, RedisServer], kit: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    made: list[World] = []
    add = put_back._Watch.add

    def watch(watched: Any, shared: Any, provider: Any) -> None:
        if made[-1].settle_time:  # Otherwise the plan counts the commands of renewals alone.
            add(watched, shared, provider)

    monkeypatch.setattr(put_back._Watch, "add", watch)

    def build(*plan: Any, settle_time: float = 0.0) -> World:
        made.append(World(redis_servers["valkey"], kit.Plan(*plan), kit, settle_time))
        return made[-1]

    yield build
    for world in made:
        world.close()


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("length", [1, 3])
@pytest.mark.parametrize("kind", ["not sent", "answer lost", "late"])
def test_no_command_that_goes_wrong_ends_a_session(kind: str, length: int, make: Any) -> None:
    for at in itertools.count():
        world = make(at, kind, length)
        world.run()
        if world.plan.seen <= at:
            break
        world.session.lives_on()
    assert at > 20


@pytest.mark.slow
@pytest.mark.parametrize("how", ["emptied", "set back"])
def test_a_store_that_lost_the_newest_token_gets_it_back_from_the_process_that_has_it(how: str, make: Any) -> None:
    world = make()
    world.run((0, 1))
    dump = {} if how == "emptied" else world.dump()
    world.run(("expire", 0))
    world.set_back(dump)
    world.run(("expire", 0, 1))
    world.session.lives_on()


@pytest.mark.slow
@pytest.mark.parametrize("first", ["idle", "new"])
@pytest.mark.parametrize("how", ["emptied", "set back"])
def test_a_process_with_a_valid_token_puts_it_back_before_another_one_uses_an_older_token(
    how: str, first: str, make: Any
) -> None:
    world = make(settle_time=0.6)
    world.run((0, 1))
    dump = {} if how == "emptied" else world.dump()
    world.run(("expire", 0))
    newest = world.session.held(0)
    world.set_back(dump)
    # A fail-over is to another process of Redis; this server is still the same one.
    world.control.hset(f"{world.prefix}epoch", "run", "another")
    if first == "new":
        world.session.processes.append(world.session.process(world.store()))
    other = 2 if first == "new" else 1
    assert any(world.session.ask(other) for _ in range(10)), "it waits, and takes over what was put back"
    assert world.session.held(other) == newest
    assert world.session.provider.presented_twice == 0
    world.session.lives_on()


@pytest.mark.slow
@pytest.mark.parametrize("how", ["emptied", "set back"])
def test_a_waiter_waits_for_the_call_of_a_holder_whose_lock_the_store_has_lost(how: str, make: Any) -> None:
    world = make()
    world.run((0, 1))
    dump = {} if how == "emptied" else world.dump()
    world.session.expire()
    waiter = threading.Thread(target=world.session.ask, args=(1,))

    def during() -> None:
        waiter.start()
        seen = world.plan.seen
        while world.plan.seen < seen + 4:  # It has seen the lock more than once.
            time.sleep(0.005)
        world.set_back(dump)
        time.sleep(0.2)

    world.session.provider.during = during
    world.session.ask(0)
    waiter.join()
    world.session.lives_on()


def test_a_logout_is_the_end_for_a_process_that_has_an_older_token_and_for_its_late_save(make: Any) -> None:
    world = make()
    world.run((0, 1, "expire", 0, 1))
    (key,) = (each for each in world.control.scan_iter(f"{world.prefix}*") if each.endswith(b"}"))
    late = world.control.hgetall(key)
    world.session.processes[0].logout()
    assert world.control.eval(SAVE, 2, key, key + b":lock", late[b"saved"], late[b"token"], 0, "", 1, 0)[0] == b"0"
    assert world.control.hget(key, "token") is None
    world.session.expire()
    refreshed = world.session.provider.ledger.count("token")
    with pytest.raises(LoginRequired):
        world.session.processes[1].token()
    assert world.session.provider.ledger.count("token") == refreshed


def test_a_token_that_the_user_gives_after_a_logout_begins_a_session_anew(make: Any) -> None:
    world = make()
    world.run((0, 1))
    given, world.session.first = world.session.first, world.session.provider.consent()
    assert given != world.session.first
    world.session.processes.append(world.session.process(world.store()))
    world.session.processes[2].logout()
    assert world.session.process(world.store()).token().access_token
    assert world.session.provider.presented_twice == 0


def test_a_first_refresh_token_that_is_refused_leaves_no_key_without_an_end_but_salt_and_epoch(make: Any) -> None:
    world = make()
    world.session.first = "no token of this provider"
    with pytest.raises(AuthError):
        world.session.process(world.store()).token()
    names = [each for each in world.control.scan_iter(f"{world.prefix}*") if not each.endswith((b"salt", b"epoch"))]
    assert all(world.control.pttl(each) > 0 for each in names)
