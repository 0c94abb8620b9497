"""The command line of `auth-plugins`: its commands, exit codes, and what an error prints."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import click

from auth_plugins import __version__
from auth_plugins.core import (
    AuthError,
    ConfigurationError,
    CredentialsRejected,
    InvalidTokenResponse,
    LoginRequired,
    StoreError,
    TokenEndpointUnavailable,
)

from .demo import demo
from .doctor import doctor
from .requesting import request
from .serving import providers, serve
from .tokens import login, logout, status, token

__all__ = ["cli", "run"]

_EXIT_CODES: tuple[tuple[tuple[type[AuthError], ...], int], ...] = (
    ((CredentialsRejected, LoginRequired), 3),
    ((TokenEndpointUnavailable, InvalidTokenResponse), 4),
    ((ConfigurationError, StoreError), 5),
)


@click.group()
@click.version_option(__version__, prog_name="auth-plugins")
def cli() -> None:
    """HTTP authentication that is set once and forgotten.

    Credentials come from environment variables, such as FYATU_APP_ID and
    FYATU_SECRET_KEY, or from a profile. Tokens are kept in a folder that only
    you can read.
    """


for _command in (token, request, status, login, logout, doctor, serve, providers, demo):
    cli.add_command(_command)


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command, print an error on standard error, and return the exit code."""
    try:
        code: Any = cli.main(arguments, prog_name="auth-plugins", standalone_mode=False)
    except click.Abort:
        raise KeyboardInterrupt from None
    except click.ClickException as wrong:
        wrong.show()
        return wrong.exit_code
    except AuthError as error:
        click.echo(f"auth-plugins: {error}", err=True)
        return next((code for kinds, code in _EXIT_CODES if isinstance(error, kinds)), 1)
    finally:
        sys.stdout.flush()
    return code if isinstance(code, int) else 0
