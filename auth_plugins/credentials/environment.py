"""Reads arguments from environment variables: a prefix and the parameter's name in capitals, such as FYATU_APP_ID."""

from __future__ import annotations

import os
from collections.abc import Mapping

from ..core.checks import check_text
from ..core.errors import ConfigurationError
from .parameters import Parameter, converted, parameters_of
from .references import SecretFile

__all__ = ["arguments_from_env"]


def arguments_from_env(
    auth: type, prefix: str, environ: Mapping[str, str] | None = None, given: Mapping[str, object] | None = None
) -> tuple[dict[str, object], dict[str, str]]:
    """Return the arguments for the constructor of `auth`, and each parameter's variable.

    `X_FILE` may take the place of a variable `X`: it names a file with the value. A secret is then read from the file
    when a token call needs it. An empty variable counts as unset.

    Raises:
        ConfigurationError: a variable is missing, set twice, or not of its type. The text shows no value.
    """
    environ = os.environ if environ is None else environ
    check_text("prefix", prefix)
    arguments, missing = dict[str, object](), list[str]()
    names = {each.name: prefix + each.name.upper() for each in parameters_of(auth)}
    for parameter in parameters_of(auth):
        variable = names[parameter.name]
        if parameter.name in (given or {}):
            continue
        value = _value(parameter, variable, environ)
        if value is not None:
            arguments[parameter.name] = value
        elif parameter.is_required:
            missing.append(variable)
    if missing:
        raise ConfigurationError(
            f"The environment lacks {' and '.join(missing)}: {'it is' if len(missing) == 1 else 'they are'} not set",
            hint="Set each variable, or the same name with _FILE for a file with the value.",
        )
    return arguments, names


def _value(parameter: Parameter, variable: str, environ: Mapping[str, str]) -> object:
    named = f"{variable}_FILE"
    text, path = environ.get(variable) or None, environ.get(named) or None
    if text is not None and path is not None:
        raise ConfigurationError(
            f"The environment has both {variable} and {named}", hint="Remove the one that is not wanted."
        )
    if path is not None:
        file = SecretFile(path, named)
        if parameter.kind == "secret":
            return file
        text = file()
    if text is None:
        return None
    try:
        return converted(parameter.kind, text)
    except ValueError as error:
        problem = str(error)
    raise ConfigurationError(
        f"The environment variable {variable} {problem}", hint="Correct the variable, and start the program again."
    )
