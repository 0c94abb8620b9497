"""What `auth-plugins` takes on the command line."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator, Sequence
from itertools import groupby

import click
from rich.console import Console

from auth_plugins import __version__

from .cast import Cast
from .casts import CASTS
from .report import as_json, as_table, closing_line
from .scenes import SCENES
from .stage import Result, Scene, perform

__all__ = ["cli"]


@click.group()
@click.version_option(__version__, prog_name="auth-plugins")
def cli() -> None:
    """HTTP authentication that is set once and forgotten."""


@cli.command()
@click.argument("providers", nargs=-1, type=click.Choice(list(CASTS)), metavar="[PROVIDER]...")
@click.option("--json", "json_wanted", is_flag=True, help="Print one JSON document instead of a table.")
def demo(providers: tuple[str, ...], json_wanted: bool) -> None:
    """See it work, over real HTTP to simulated providers on this machine.

    Each scene shows what was counted, mostly by the server, beside what was expected. Without a PROVIDER
    it plays them all. The exit code is 1 if anything was not as expected.
    """
    logging.getLogger("auth_plugins").addHandler(logging.NullHandler())  # Some scenes fail on purpose.
    began = time.monotonic()
    casts = [CASTS[name] for name in dict.fromkeys(providers or CASTS)]
    results = list(_with_progress(casts, SCENES))
    if json_wanted:
        click.echo(as_json(results))
    else:
        _print_tables(results, time.monotonic() - began)
    sys.exit(0 if all(result.ok for result in results) else 1)


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
