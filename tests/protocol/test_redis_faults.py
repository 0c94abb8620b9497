"""Every command that a renewal sends to Redis goes wrong, in every way, for a provider that ends a session on reuse."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest

from auth_plugins import RedisStore
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

    def __init__(self, server: RedisServer, plan: Plan, kit: Any) -> None:
        self.server, self.plan, self.kit = server, plan, kit
        self.clock, self.prefix = FakeClock(), f"test-protocol-{next(_numbers)}:"
        self.control: Any = server.client()
        self.session: Session = kit.Session(self.store(), self.store(), clock=self.clock, deadline=DEADLINE)

    def store(self) -> RedisStore:
        return RedisStore(
            self.kit.faulty_client(self.server, self.plan),
            prefix=self.prefix,
            lease=LEASE,
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
            self.control.restore(key, 0, value)

    def close(self) -> None:
        self.control.close()
        for auth in self.session.processes:
            store: Any = auth._source.shared.store
            store._client.close()


@pytest.fixture
def make(redis_servers: dict[str, RedisServer], kit: Any) -> Any:
    made: list[World] = []

    def build(*plan: Any) -> World:
        made.append(World(redis_servers["valkey"], kit.Plan(*plan), kit))
        return made[-1]

    yield build
    for world in made:
        world.close()


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("length", [1])
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
