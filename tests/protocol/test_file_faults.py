"""Every call that a renewal makes to the disk goes wrong, in every way, for a provider that ends a session on reuse."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from auth_plugins import FileStore
from auth_plugins.testing import FakeClock

if TYPE_CHECKING:
    from tests.protocol.conftest import Session

STEPS: tuple[Any, ...] = (0, 1, "expire", 1, 0, "expire", 0, 1, "expire", 1, "expire", 0)
"""Which process asks for its token; between, tokens end."""


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("length", [1])
@pytest.mark.parametrize("kind", ["not sent", "answer lost"])
def test_no_call_to_the_disk_that_goes_wrong_ends_a_session(
    kind: str, length: int, tmp_path: Path, break_files: Any, kit: Any
) -> None:
    for at in itertools.count():
        clock, plan = FakeClock(), kit.Plan(at, kind, length)
        break_files(plan)
        stores = [FileStore(tmp_path / str(at), clock=clock) for _ in range(2)]
        session: Session = kit.Session(*stores, clock=clock)
        for step in STEPS:
            session.expire() if step == "expire" else session.ask(step)
            assert session.provider.presented_twice == 0, "a refresh token was presented twice"
        if plan.seen <= at:
            break
        session.lives_on()
    assert at > 20


@pytest.mark.slow
def test_a_folder_that_was_set_back_gets_the_newest_token_from_the_process_that_has_it(
    tmp_path: Path, kit: Any
) -> None:
    clock = FakeClock()
    session: Session = kit.Session(*(FileStore(tmp_path, clock=clock) for _ in range(2)), clock=clock)
    session.ask(0)
    session.ask(1)
    backup = {path: path.read_bytes() for path in tmp_path.glob("*.token")}
    session.expire()
    session.ask(0)
    for path, content in backup.items():
        path.write_bytes(content)
    session.expire()
    session.ask(0)
    session.lives_on()
