"""The arguments that several commands have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from auth_plugins.providers.kinds import KINDS

__all__ = ["PROVIDER", "json_option", "provider_arguments"]

PROVIDER = click.Choice(list(KINDS))


def provider_arguments(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `[PROVIDER]` and `--profile NAME`."""
    command = click.option("--profile", metavar="NAME", help="Take the credentials from this profile.")(command)
    return click.argument("provider", type=PROVIDER, required=False, metavar="[PROVIDER]")(command)


def json_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--json`."""
    return click.option("--json", "json_wanted", is_flag=True, help="Print one JSON document.")(command)
