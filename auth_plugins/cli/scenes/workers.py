"""Scenes of several processes that share a store, and so a token."""

from __future__ import annotations

import secrets
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import IO, TYPE_CHECKING, Any

from auth_plugins.stores.file import FileStore
from auth_plugins.stores.redis import RedisStore

from ..stage import Counts, Scene, Stage
from ..worker import THREADS, order
from .expiry import outlive_a_token

if TYPE_CHECKING:
    from auth_plugins.auth import TokenAuth

__all__ = ["worker_scenes"]

_ROUNDS = 5


class _Workers:
    """Processes that send at a signal, all at the same time."""

    def __init__(self, count: int, auth: TokenAuth, url: str, stack: ExitStack) -> None:
        command = [sys.executable, "-P", "-m", "auth_plugins.cli.worker"]
        # In a session of its own, a worker gets no Ctrl-C of the terminal: it ends when its standard input does.
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self._processes = [
            stack.enter_context(subprocess.Popen(command, start_new_session=True, **pipes))  # noqa: S603
            for _ in range(count)
        ]
        for process in self._processes:
            stack.callback(process.terminate)  # After Ctrl-C, a worker may be in the middle of a request.
        self._tell(order(auth, url))
        self._answers()

    def send(self) -> int:
        """Let every thread of every process send a request, and return the number of answers with 200."""
        self._tell("\n")
        return sum(map(int, self._answers()))

    def _tell(self, line: str) -> None:
        for process in self._processes:
            pipe = _pipe(process.stdin)
            pipe.write(line)
            pipe.flush()

    def _answers(self) -> list[str]:
        return [_pipe(process.stdout).readline().strip() for process in self._processes]


def _pipe(pipe: IO[str] | None) -> IO[str]:
    assert pipe is not None, "it was asked for"  # noqa: S101 - narrows a type
    return pipe


def worker_scenes(count: int, redis_url: str | None) -> tuple[Scene, ...]:
    """Return the scenes for `count` processes, which share a folder or a Redis."""
    place = "a folder" if redis_url is None else "Redis"
    each = f"{count} processes with {THREADS} threads each"

    def played(
        play: Callable[[Stage, TokenAuth, _Workers], Counts], calls: int
    ) -> Callable[..., tuple[Counts, Counts]]:
        def scene(stage: Stage) -> tuple[Counts, Counts]:
            with _shared(redis_url) as store, ExitStack() as stack:
                auth = stage.auth(store=store)
                counted = play(stage, auth, _Workers(count, auth, stage.url, stack))
            expected = {"token calls": calls, "answers 200": calls * count * THREADS}
            return expected, {"token calls": stage.ledger.token_calls, **counted}

        return scene

    return (
        Scene("workers cold", f"{each} share {place}. None has a token.", played(_cold, 1)),
        Scene("workers expiry", f"{each} find that their token has ended.", played(_ended, 1)),
        Scene("workers revoked", f"{each}; {_ROUNDS} times the token is revoked.", played(_revoked, _ROUNDS)),
    )


def _cold(_stage: Stage, _auth: TokenAuth, workers: _Workers) -> Counts:
    return {"answers 200": workers.send()}


def _ended(stage: Stage, auth: TokenAuth, workers: _Workers) -> Counts:
    outlive_a_token(stage, auth)
    return {"answers 200": workers.send()}


def _revoked(stage: Stage, auth: TokenAuth, workers: _Workers) -> Counts:
    auth.token()
    workers.send()
    stage.ledger.clear()
    answers = 0
    for _ in range(_ROUNDS):
        stage.simulator.revoke_all()
        answers += workers.send()
    return {"answers 200": answers}


@contextmanager
def _shared(redis_url: str | None) -> Iterator[FileStore | RedisStore]:
    """Yield an empty store, and remove its content at the end."""
    if redis_url is None:
        with tempfile.TemporaryDirectory() as folder:
            yield FileStore(f"{folder}/tokens")
        return
    import redis

    prefix = f"auth_plugins-demo-{secrets.token_hex(4)}:"
    try:
        yield RedisStore.from_url(redis_url, prefix=prefix)
    finally:
        with redis.Redis.from_url(redis_url) as client:
            for key in client.scan_iter(f"{prefix}*"):
                client.delete(key)
