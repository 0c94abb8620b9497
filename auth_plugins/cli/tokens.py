"""The commands `token`, `status`, `login` and `logout`."""

from __future__ import annotations

import json
import sys
import time
from datetime import UTC, datetime
from typing import Any

import click

from auth_plugins.auth import TokenAuth
from auth_plugins.core import Token
from auth_plugins.core.identity import fingerprint
from auth_plugins.integrations.commands import auth_for, store_folder

from .options import json_option, provider_arguments

__all__ = ["login", "logout", "status", "token"]

_FORMATS = ("token", "header", "curl", "json", "exec-credential")
_MASK = "***"


@click.command()
@provider_arguments
@click.option(
    "--format", "form", type=click.Choice(_FORMATS), default="token", show_default=True, help="What to print."
)
@click.option("--show", is_flag=True, help="Show the token on a terminal, too.")
def token(provider: str | None, profile: str | None, form: str, show: bool) -> None:
    """Print a valid token, renewed if need be.

    On a terminal it is masked, unless --show is given. --format curl is for "curl --config -": what is an argument
    of curl can be read by all users of the machine.
    """
    auth = auth_for(provider, profile)
    found = auth.token()
    masked = sys.stdout.isatty() and not show
    click.echo(_formatted(auth, found, form, masked=masked))
    if masked:
        click.echo("The token is masked on a terminal. --show shows it.", err=True)


def _formatted(auth: TokenAuth, found: Token, form: str, *, masked: bool) -> str:
    def shown(text: str) -> str:
        return text.replace(found.access_token, _MASK) if masked else text

    headers = [f"{name}: {shown(str(value))}" for name, value in auth._provider.headers(found).items()]
    if form == "header":
        return "\n".join(headers)
    if form == "curl":
        return "\n".join(f"header = {json.dumps(header)}" for header in headers)
    if form == "json":
        return json.dumps({"access_token": shown(found.access_token), **_described(found)}, indent=2)
    if form == "exec-credential":
        ends = datetime.fromtimestamp(int(found.expires_at), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        state = {"token": shown(found.access_token), "expirationTimestamp": ends}
        return json.dumps({"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": state})
    return shown(found.access_token)


def _described(found: Token) -> dict[str, Any]:
    return {
        "token_type": found.token_type,
        "expires_at": found.expires_at,
        "expires_in": max(0, round(found.expires_at - time.time())),
        "scopes": list(found.scopes),
    }


@click.command()
@provider_arguments
@json_option
def status(provider: str | None, profile: str | None, json_wanted: bool) -> None:
    """Show what is stored, how long it lives and when it renews. Makes no call."""
    auth = auth_for(provider, profile)
    store, now = auth._source.shared.store, time.time()
    found = store.load(fingerprint(auth._provider, store.salt))
    described: dict[str, Any] = {"base_url": auth._provider.base_url, "store": str(store_folder()), "stored": False}
    if found is not None:
        due, until = auth._source.policy.due_at(found), found.refreshable_until
        described |= {
            "stored": True,
            "valid_for": max(0, round(found.expires_at - now)),
            "renews_in": max(0, round(due - now)),
            "refreshable_for": max(0, round(until - now)) if now < until < float("inf") else None,
            "scopes": list(found.scopes),
        }
    if json_wanted:
        click.echo(json.dumps(described, indent=2))
        return
    for name, value in described.items():
        seconds = name in ("valid_for", "renews_in", "refreshable_for") and value is not None
        shown = ", ".join(value) if isinstance(value, list) else "-" if value is None else value
        click.echo(f"{name.replace('_', ' '):<16} {shown}{' s' if seconds else ''}")


@click.command()
@provider_arguments
def login(provider: str | None, profile: str | None) -> None:
    """Log in, and keep the token. A token that is valid is kept."""
    found = auth_for(provider, profile).token()
    seconds = max(0, round(found.expires_at - time.time()))
    click.echo(f"Logged in: the token is valid for {seconds} s, in {store_folder()}", err=True)


@click.command()
@provider_arguments
def logout(provider: str | None, profile: str | None) -> None:
    """Delete the token, and revoke it if the provider has a call for that."""
    auth_for(provider, profile).logout()
    click.echo("Logged out", err=True)
