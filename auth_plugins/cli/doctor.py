"""The command `doctor`: checks, one after the other, what a token call needs."""

from __future__ import annotations

import json
import os
import socket
import stat
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from email.utils import parsedate_to_datetime

import click
import requests

from auth_plugins.auth import TokenAuth
from auth_plugins.clients.environment import proxy_for
from auth_plugins.core import AuthError
from auth_plugins.core.origin import Origin
from auth_plugins.integrations.commands import auth_for, store_folder

from .options import json_option, provider_arguments

__all__ = ["doctor"]

_TIMEOUT = 10.0
_MOST_SKEW = 30.0
"""Seconds that the clocks may differ without a warning."""


@dataclass(frozen=True, slots=True)
class _Finding:
    name: str
    ok: bool
    text: str
    hint: str = ""


@click.command()
@provider_arguments
@click.option("--login/--no-login", "with_login", default=True, help="Whether to fetch a token at the end.")
@json_option
def doctor(provider: str | None, profile: str | None, with_login: bool, json_wanted: bool) -> int:
    """Check credentials, store, proxy, DNS, TLS, clock and login, and say what to do.

    The exit code is 1 if anything is wrong.
    """
    findings = []
    for finding in _examine(provider, profile, with_login=with_login):
        findings.append(finding)
        if not json_wanted:
            click.echo(f"{'ok' if finding.ok else 'WRONG':<6} {finding.name}: {finding.text}")
            if finding.hint:
                click.echo(f"       {finding.hint}")
    if json_wanted:
        click.echo(json.dumps([asdict(finding) for finding in findings], indent=2))
    return 0 if all(finding.ok for finding in findings) else 1


def _examine(provider: str | None, profile: str | None, *, with_login: bool) -> Iterator[_Finding]:
    try:
        auth = auth_for(provider, profile)
    except AuthError as error:
        yield _Finding("credentials", False, error.message, error.hint)
        return
    yield _Finding("credentials", True, "all required values are there")
    yield _store()
    origin = Origin.of(auth._provider.base_url)
    assert origin is not None, "the constructor has checked it"  # noqa: S101 - narrows a type
    try:
        proxy = proxy_for(str(origin))
    except AuthError as error:
        yield _Finding("proxy", False, error.message, error.hint)
        return
    yield _Finding("proxy", True, "none" if proxy is None else f"{proxy}, by {proxy.variable}")
    if proxy is None:
        found = _dns(origin)
        yield found
        if not found.ok:
            return
    yield from _connection(origin)
    if with_login:
        yield _login(auth)


def _store() -> _Finding:
    folder = store_folder()
    if not folder.exists():
        return _Finding("store", True, f"{folder} will be made")
    if sys.platform != "win32" and stat.S_IMODE(folder.stat().st_mode) & 0o077:
        return _Finding("store", False, f"{folder} is open to other users", f"Close it: chmod 700 {folder}")
    if not os.access(folder, os.W_OK | os.X_OK):
        return _Finding("store", False, f"{folder} cannot be written", "Make it yours, or set AUTH_PLUGINS_STORE.")
    return _Finding("store", True, str(folder))


def _dns(origin: Origin) -> _Finding:
    try:
        found = socket.getaddrinfo(origin.host, origin.port, type=socket.SOCK_STREAM)
    except OSError as error:
        text = f"{origin.host} has no address ({error.strerror or type(error).__name__})"
        return _Finding("DNS", False, text, "Check the base URL, the network, and the name server of this machine.")
    return _Finding("DNS", True, f"{origin.host} is {', '.join(sorted({str(each[4][0]) for each in found}))}")


def _connection(origin: Origin) -> Iterator[_Finding]:
    began = time.time()
    try:
        with requests.Session() as session:
            session.auth = lambda request: request  # No credentials of a .netrc.
            answer = session.head(f"{origin}/", timeout=_TIMEOUT, allow_redirects=False)
    except requests.exceptions.SSLError:
        hint = "Set REQUESTS_CA_BUNDLE or SSL_CERT_FILE to the file of your organization's certificate authority."
        yield _Finding("TLS", False, f"the certificate of {origin} is not trusted", hint)
        return
    except requests.RequestException as error:
        text = f"{origin} gives no answer ({type(error).__name__})"
        yield _Finding("connection", False, text, "Check the base URL, the network, the firewall and the proxy.")
        return
    yield _Finding("TLS" if origin.scheme == "https" else "connection", True, f"{origin} answers")
    yield _clock(answer.headers.get("Date"), (began + time.time()) / 2)


def _clock(date: str | None, now: float) -> _Finding:
    try:
        skew = now - parsedate_to_datetime(date or "").timestamp()
    except (ValueError, TypeError):
        return _Finding("clock", True, "the server states no time to compare with")
    if abs(skew) <= _MOST_SKEW:
        return _Finding("clock", True, "as the server's")
    side = "ahead of" if skew > 0 else "behind"
    text = f"this machine is {abs(skew):.0f} s {side} the server"
    return _Finding(
        "clock", False, text, "Turn on time synchronization (NTP). Tokens may seem expired or not yet valid."
    )


def _login(auth: TokenAuth) -> _Finding:
    try:
        found = auth.token()
    except AuthError as error:
        return _Finding("login", False, str(error).removesuffix(f" {error.hint}"), error.hint)
    return _Finding("login", True, f"a token that is valid for {max(0, found.expires_at - time.time()):.0f} s")
