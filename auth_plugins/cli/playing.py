"""Plays the scenes of the demo, and prints the results."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from itertools import groupby

import click
from rich.console import Console

from auth_plugins import RedisStore, StoreError

from .cast import Cast
from .casts import CASTS
from .report import as_json, as_table, closing_line
from .scenes import SCENES
from .scenes.workers import worker_scenes
from .stage import Result, Scene, perform

__all__ = ["play"]


def play(providers: Sequence[str], workers: int | None, redis_url: str | None, *, json_wanted: bool) -> int:
    """Play the scenes with these providers, and return the exit code."""
    logging.getLogger("auth_plugins").addHandler(logging.NullHandler())  # Some scenes fail on purpose.
    began = time.monotonic()
    casts = [CASTS[name] for name in dict.fromkeys(providers)]
    scenes = SCENES if workers is None else worker_scenes(workers, _checked(redis_url))
    results = list(_with_progress(casts, scenes))
    if json_wanted:
        click.echo(as_json(results))
    else:
        _print_tables(results, time.monotonic() - began)
    return 0 if all(result.ok for result in results) else 1


def _checked(redis_url: str | None) -> str | None:
    if redis_url is not None:
        try:
            RedisStore.from_url(redis_url).load("is it there?")
        except (ValueError, StoreError) as error:
            raise click.UsageError(f"--redis: {error}") from None
    return redis_url


def _with_progress(casts: Sequence[type[Cast]], scenes: Sequence[Scene]) -> Iterator[Result]:
    console = Console(stderr=True)
    if not console.is_terminal:
        yield from perform(casts, scenes)
        return
    with console.status("") as status:
        yield from perform(casts, scenes, lambda cast, scene: status.update(f"{cast.name}: {scene.name}"))


def _print_tables(results: Sequence[Result], seconds: float) -> None:
    console = Console()
    for provider, group in groupby(results, key=lambda result: result.provider):
        console.print(as_table(provider, group))
    console.print(closing_line(results, seconds))
