"""The commands `serve` and `providers`."""

from __future__ import annotations

import inspect
import json
import threading
from typing import Any

import click

from auth_plugins.credentials.parameters import parameters_of
from auth_plugins.providers.kinds import KINDS, auth_class

from . import missing
from .options import json_option

__all__ = ["providers", "serve"]

_SIMULATORS = {
    "fyatu": ("FyatuSimulator", {"APP_ID": "app_id", "SECRET_KEY": "secret"}),
    "vault": ("VaultSimulator", {"PARTNER_ID": "partner_id", "EMAIL": "email", "PASSWORD": "secret"}),
    "jwtplus": ("JWTPlusSimulator", {"APP_ID": "app_id", "APP_KEY": "secret"}),
    "marketiger": ("MarketigerSimulator", {"EMAIL": "email", "PASSWORD": "secret"}),
    "oauth2-client-credentials": ("OAuth2Simulator", {"CLIENT_ID": "client_id", "CLIENT_SECRET": "secret"}),
}
"""The simulator of each kind, and its attribute for each variable, without the prefix."""


@click.command()
@click.argument("provider", type=click.Choice(list(_SIMULATORS)), metavar="PROVIDER")
@click.option("--port", type=click.IntRange(0, 65_535), default=0, help="The port on 127.0.0.1; 0, the default: any.")
def serve(provider: str, port: int) -> None:
    """Serve a simulated provider on this machine, until Ctrl-C.

    Prints the variables with which a program finds it; its credentials are made up.
    """
    if missing(["uvicorn", "joserfc"]):
        raise click.UsageError("serve needs uvicorn and joserfc: pip install 'auth-plugins[demo]'")
    import auth_plugins.simulators
    from auth_plugins.testing import serve as serving

    name, attributes = _SIMULATORS[provider]
    simulator = getattr(auth_plugins.simulators, name)()
    prefix = auth_class(provider).env_prefix
    try:
        with serving(simulator, port=port):
            values: dict[str, Any] = {variable: getattr(simulator, each) for variable, each in attributes.items()}
            url = simulator.base_url
            values |= {"TOKEN_URL": f"{url}/token"} if name == "OAuth2Simulator" else {"BASE_URL": url}
            for variable, value in values.items():
                click.echo(f"export {prefix}{variable}={value}")
            click.echo("Serving until Ctrl-C", err=True)
            threading.Event().wait()
    except OSError as error:
        raise click.ClickException(f"Port {port} cannot be used: {error.strerror}") from None


@click.command()
@json_option
def providers(json_wanted: bool) -> None:
    """List the providers, and the variables that hold their credentials."""
    described = [_describe(kind) for kind in KINDS]
    if json_wanted:
        click.echo(json.dumps(described, indent=2))
        return
    for each in described:
        click.echo(click.wrap_text(f"{each['name']}: {each['about']}", width=80, subsequent_indent="    "))
        for variable in each["variables"]:
            click.echo(f"    {variable['name']}{' (required)' if variable['required'] else ''}")


def _describe(kind: str) -> dict[str, Any]:
    found = auth_class(kind)
    about = (inspect.getdoc(found) or "").partition("\n")[0]
    variables = [
        {"name": found.env_prefix + each.name.upper(), "required": each.is_required} for each in parameters_of(found)
    ]
    return {"name": kind, "class": found.__name__, "about": about, "variables": variables}
