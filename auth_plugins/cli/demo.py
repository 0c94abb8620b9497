"""The command `demo`. What it needs in addition is imported when it runs."""

from __future__ import annotations

import click

from . import missing
from .options import json_option

__all__ = ["demo"]

_NEEDED = ("trio", "uvicorn", "httpx2", "joserfc", "redis")
_PROVIDERS = ("fyatu", "vault", "jwtplus", "marketiger")


@click.command()
@click.argument("providers", nargs=-1, type=click.Choice(_PROVIDERS), metavar="[PROVIDER]...")
@click.option("--workers", type=click.IntRange(2, 64), metavar="N", help="Play N processes that share a token.")
@click.option("--redis", "redis_url", metavar="URL", help="Let the workers share it through this Redis.")
@json_option
def demo(providers: tuple[str, ...], workers: int | None, redis_url: str | None, json_wanted: bool) -> None:
    """See it work, over real HTTP to simulated providers on this machine.

    Each scene compares counts, mostly by the server, with the expected ones. Without a PROVIDER all of them
    are played. The exit code is 1 if any count is not as expected.
    """
    absent = missing(_NEEDED)
    if absent:
        raise click.UsageError(f"demo needs {', '.join(absent)}: pip install 'auth-plugins[demo]'")
    if redis_url is not None and workers is None:
        raise click.UsageError("--redis is for --workers")
    from .playing import play

    click.get_current_context().exit(play(providers or _PROVIDERS, workers, redis_url, json_wanted=json_wanted))
