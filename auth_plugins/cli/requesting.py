"""The command `request`."""

from __future__ import annotations

import json
import sys
from typing import BinaryIO

import click
import requests

from auth_plugins.core import AuthError
from auth_plugins.integrations.commands import auth_for

from .options import PROVIDER, json_option

__all__ = ["request"]

_TIMEOUT = 60.0
_FAILED = 1


@click.command()
@click.argument("method")
@click.argument("url")
@click.option("--provider", "-p", type=PROVIDER, metavar="PROVIDER", help="The provider; see `auth-plugins providers`.")
@click.option("--profile", metavar="NAME", help="Take the credentials from this profile.")
@click.option("--header", "-H", "headers", multiple=True, metavar="NAME:VALUE", help="A further header.")
@click.option("--data", "-d", type=click.File("rb"), metavar="FILE", help="The body; - is standard input.")
@click.option("--include", "-i", is_flag=True, help="Print status and headers, too.")
@json_option
def request(
    method: str,
    url: str,
    provider: str | None,
    profile: str | None,
    headers: tuple[str, ...],
    data: BinaryIO | None,
    include: bool,
    json_wanted: bool,
) -> int:
    """Send a request with the token, and print the answer's body.

    A URL that begins with a slash goes on from the base URL. The exit code is 1 for a status of 400 or more.
    """
    auth = auth_for(provider, profile)
    whole = auth._provider.base_url.rstrip("/") + url if url.startswith("/") else url
    if not auth._requests.allowed.covers(whole):
        raise click.UsageError(f"URL must be of {auth._provider.base_url} or of another origin of this provider")
    sent = dict(_header(each) for each in headers)
    body = None if data is None else data.read()
    try:
        answer = requests.request(method, whole, headers=sent, data=body, auth=auth, timeout=_TIMEOUT)
    except AuthError:
        raise
    except requests.RequestException as error:
        raise click.ClickException(f"The request failed ({type(error).__name__})") from None
    if json_wanted:
        shown = {"status": answer.status_code, "headers": dict(answer.headers), "body": answer.text}
        click.echo(json.dumps(shown, indent=2))
    else:
        if include:
            lines = [
                f"HTTP {answer.status_code} {answer.reason}",
                *(f"{n}: {v}" for n, v in answer.headers.items()),
                "",
            ]
            click.echo("\n".join(lines))
        sys.stdout.flush()
        sys.stdout.buffer.write(answer.content)
        if sys.stdout.isatty() and not answer.content.endswith(b"\n"):
            click.echo()
    return _FAILED if answer.status_code >= 400 else 0


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not name.strip():
        raise click.UsageError("--header must be NAME:VALUE")
    return name.strip(), value.strip()
