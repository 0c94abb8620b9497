"""Reads arguments from a profile: a table of a TOML file that only its owner can read."""

from __future__ import annotations

import os
import re
import stat
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..core.checks import check_text
from ..core.errors import ConfigurationError
from .parameters import Kind, converted, parameters_of
from .references import KeyringSecret, SecretFile

__all__ = ["arguments_from_profile", "profile_kind", "profiles_path"]

_VARIABLE = "AUTH_PLUGINS_PROFILES"
_LARGEST = 1_048_576


def profiles_path(environ: Mapping[str, str] | None = None) -> Path:
    """Return where the profiles are.

    That is the variable `AUTH_PLUGINS_PROFILES`, or else `auth-plugins/profiles.toml` in `$XDG_CONFIG_HOME`, in
    `%APPDATA%` on Windows, or in `~/.config`.
    """
    environ = os.environ if environ is None else environ
    if environ.get(_VARIABLE):
        return Path(environ[_VARIABLE]).expanduser()
    home = environ.get("APPDATA" if sys.platform == "win32" else "XDG_CONFIG_HOME") or ""
    # The XDG specification has relative paths ignored.
    folder = Path(home) if Path(home).is_absolute() else Path("~/.config").expanduser()
    return folder / "auth-plugins" / "profiles.toml"


def profile_kind(name: str, path: str | os.PathLike[str] | None = None) -> str:
    """Return the `provider` of a profile, such as "fyatu".

    Raises:
        ConfigurationError: the file or the profile cannot be read, or names no provider.
    """
    kind = _table(name, path).get("provider")
    if not isinstance(kind, str):
        raise _wrong(name, "lacks a provider", "Add a line such as: provider = 'fyatu'.")
    return kind


def arguments_from_profile(
    auth: type, kind: str, name: str, path: str | os.PathLike[str] | None = None, given: Mapping[str, object] = {}
) -> tuple[dict[str, object], dict[str, str]]:
    """Return the arguments for the constructor of `auth`, and each parameter's name in messages.

    Raises:
        ConfigurationError: the file cannot be read or is open to other users; or the profile is missing, is of another
            provider, lacks a member, has an unknown one, or one of another type. The text shows no value.
    """
    table = dict(_table(name, path))
    stated = table.pop("provider", kind)
    if stated != kind:
        raise _wrong(name, f"is not one of {kind}", "Use the class of the profile's provider.")
    arguments, parameters = dict[str, object](), {each.name: each for each in parameters_of(auth)}
    unknown = sorted(set(table) - set(parameters))
    if unknown:
        raise _wrong(name, f"has the unknown member {unknown[0]}", f"Known are {', '.join(parameters)}.")
    for member in table.keys() - given.keys():
        arguments[member] = _value(name, member, parameters[member].kind, table[member])
    missing = [each.name for each in parameters.values() if each.is_required and each.name not in {*arguments, *given}]
    if missing:
        raise _wrong(name, f"lacks {' and '.join(missing)}", "Add the members that the message names.")
    return arguments, {each: each for each in parameters}


def _value(profile: str, member: str, kind: Kind, value: object) -> object:
    if isinstance(value, dict) and kind in ("secret", "text"):
        found = _reference(profile, member, value)
        return found if kind == "secret" or isinstance(found, str) else found()
    try:
        return converted(kind, value)
    except ValueError as error:
        problem = str(error)
    raise _wrong(profile, f"has a wrong {member}: it {problem}", "Correct the member that the message names.")


def _reference(profile: str, member: str, table: Mapping[str, Any]) -> str | Callable[[], str]:
    match table:
        case {"file": str(path), **rest} if not rest:
            return SecretFile(str(Path(path).expanduser()), f"{member}.file in the profile {profile}")
        case {"env": str(variable), **rest} if not rest:
            if os.environ.get(variable):
                return os.environ[variable]
            raise _wrong(profile, f"needs the variable {variable}, which is not set", "Set the variable.")
        case {"keyring": str(service), "username": str(username), **rest} if not rest:
            return KeyringSecret(service, username)
        case _:
            problem = f"has a wrong {member}"
    raise _wrong(
        profile, problem, "Known references are {file = ...}, {env = ...} and {keyring = ..., username = ...}."
    )


def _wrong(profile: str, what: str, hint: str) -> ConfigurationError:
    return ConfigurationError(f"The profile {profile} {what}", hint=hint)


def _table(name: str, path: str | os.PathLike[str] | None) -> Mapping[str, Any]:
    import tomllib  # Imported late: most programs have no profiles.

    check_text("name", name, at_most=64)
    place = profiles_path() if path is None else Path(path)
    try:
        profiles, problem = tomllib.loads(_content(place)), ""
    except tomllib.TOMLDecodeError as error:
        # The position only: the rest of the text may quote a secret's character.
        position = re.search(r"line \d+, column \d+|end of document", str(error))
        profiles, problem = {}, f"is not TOML ({position[0] if position else 'somewhere'})"
    except UnicodeDecodeError:
        profiles, problem = {}, "is not UTF-8"
    if problem:
        raise ConfigurationError(f"The file of profiles {place} {problem}", hint="Correct the file.")
    table = profiles.get(name)
    if not isinstance(table, dict):
        known = ", ".join(sorted(each for each, value in profiles.items() if isinstance(value, dict))) or "none"
        raise ConfigurationError(f"The file of profiles {place} has no profile {name}", hint=f"Known are {known}.")
    return table


def _content(place: Path) -> str:
    try:
        with open(place, "rb") as file:
            found = os.fstat(file.fileno())
            if sys.platform != "win32":
                _check_private(place, found)
            return file.read(_LARGEST).decode()
    except OSError as error:
        why = error.strerror or type(error).__name__
    raise ConfigurationError(
        f"The file of profiles {place} cannot be read: {why}",
        hint=f"Make the file, or set {_VARIABLE} to its name.",
    )


def _check_private(place: Path, found: os.stat_result) -> None:
    # What root owns was put there for this user.
    if found.st_uid not in (os.geteuid(), 0):
        raise ConfigurationError(f"The file of profiles {place} belongs to another user", hint="Make it yours.")
    if stat.S_IMODE(found.st_mode) & 0o077:
        raise ConfigurationError(
            f"The file of profiles {place} is open to other users", hint=f"Close it: chmod 600 {place}."
        )
