"""The command line of `auth-plugins`."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator, Sequence
from itertools import groupby

import click
from rich.console import Console

from auth_plugins import RedisStore, StoreError, __version__

from .cast import Cast
from .casts import CASTS
from .report import as_json, as_table, closing_line
from .scenes import SCENES
from .scenes.workers import worker_scenes
from .stage import Result, Scene, perform

__all__ = ["cli"]


@click.group()
@click.version_option(__version__, prog_name="auth-plugins")
def cli() -> None:
    """HTTP authentication that is set once and forgotten."""


@cli.command()
@click.argument("providers", nargs=-1, type=click.Choice(list(CASTS)), metavar="[PROVIDER]...")
@click.option("--workers", type=click.IntRange(2, 64), metavar="N", help="Play N processes that share a token.")
@click.option("--redis", "redis_url", metavar="URL", help="Let the workers share it through this Redis.")
@click.option("--json", "json_wanted", is_flag=True, help="Print one JSON document instead of a table.")
def demo(providers: tuple[str, ...], workers: int | None, redis_url: str | None, json_wanted: bool) -> None:
    """See it work, over real HTTP to simulated providers on this machine.

    Each scene compares counts, mostly by the server, with the expected ones. Without a PROVIDER all of them
    are played. The exit code is 1 if any count is not as expected.
    """
    logging.getLogger("auth_plugins").addHandler(logging.NullHandler())  # Some scenes fail on purpose.
    began = time.monotonic()
    casts = [CASTS[name] for name in dict.fromkeys(providers or CASTS)]
    if redis_url is not None and workers is None:
        raise click.UsageError("--redis is for --workers")
    scenes = SCENES if workers is None else worker_scenes(workers, _checked(redis_url))
    results = list(_with_progress(casts, scenes))
    if json_wanted:
        click.echo(as_json(results))
    else:
        _print_tables(results, time.monotonic() - began)
    sys.exit(0 if all(result.ok for result in results) else 1)


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
