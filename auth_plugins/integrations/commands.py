"""Auth objects for commands that a person runs: the command `auth-plugins`, and HTTPie.

Their processes end after a request, so they share tokens through a folder of the user.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from ..auth import TokenAuth
from ..core.errors import ConfigurationError
from ..providers.kinds import auth_class, from_profile
from ..stores.file import FileStore

__all__ = ["auth_for", "store_folder", "user_store"]

_VARIABLE = "AUTH_PLUGINS_STORE"


def store_folder(environ: Mapping[str, str] | None = None) -> Path:
    """Return the folder of the tokens.

    That is the variable `AUTH_PLUGINS_STORE`, or else `auth-plugins/tokens` in `$XDG_STATE_HOME`, in `%LOCALAPPDATA%`
    on Windows, or in `~/.local/state`.
    """
    environ = os.environ if environ is None else environ
    if environ.get(_VARIABLE):
        return Path(environ[_VARIABLE]).expanduser()
    home = environ.get("LOCALAPPDATA" if sys.platform == "win32" else "XDG_STATE_HOME") or ""
    folder = Path(home) if Path(home).is_absolute() else Path("~/.local/state").expanduser()
    return folder / "auth-plugins" / "tokens"


def user_store() -> FileStore:
    """Return the store in `store_folder()`.

    Raises:
        ConfigurationError: the package `filelock` is missing.
    """
    try:
        return FileStore(store_folder())
    except ImportError:
        pass
    raise ConfigurationError("The store needs the package filelock", hint="Install the extra file of this package.")


def auth_for(kind: str | None, profile: str | None = None) -> TokenAuth:
    """Return the auth object of a profile, or of a kind with the credentials in the environment.

    Raises:
        ConfigurationError: neither is given, or an argument is missing or wrong.
    """
    if kind is not None:
        found = auth_class(kind)
        return (
            found.from_env(store=user_store()) if profile is None else found.from_profile(profile, store=user_store())
        )
    if profile is not None:
        return from_profile(profile, store=user_store())
    raise ConfigurationError(
        "Neither a provider nor a profile is named", hint="Name a PROVIDER, or use --profile NAME."
    )
