"""The parameters of an auth class's constructor, and how each is read from a text or from a TOML value."""

from __future__ import annotations

import inspect
import json
import re
import types
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from ..core.errors import ConfigurationError
from ..core.secret import SecretValue

__all__ = ["Kind", "Parameter", "converted", "made", "parameters_of"]

T = TypeVar("T")

Kind = Literal["secret", "text", "whole", "number", "flag", "words", "table"]

_OPTIONS: dict[str, Kind] = {"origins": "words", "allow_http": "flag"}
"""The options of every auth object that a text can state."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a constructor."""

    name: str
    kind: Kind
    is_required: bool


def parameters_of(auth: type) -> tuple[Parameter, ...]:
    """Return the parameters that can be read from outside, those with another type left out."""
    found, hints = list[Parameter](), get_type_hints(auth.__init__)  # type: ignore[misc]
    for name, parameter in list(inspect.signature(auth.__init__).parameters.items())[1:]:  # type: ignore[misc]
        if parameter.kind is inspect.Parameter.VAR_KEYWORD:
            found += [Parameter(option, kind, False) for option, kind in _OPTIONS.items()]
            continue
        kind = _kind_of(hints.get(name))
        if kind is not None:
            found.append(Parameter(name, kind, parameter.default is inspect.Parameter.empty))
    return tuple(found)


def _kind_of(hint: Any) -> Kind | None:
    members = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
    kinds = [each for each in members if each is not type(None)]
    if SecretValue in kinds:
        return "secret"
    for each in kinds:
        simple: dict[Any, Kind] = {bool: "flag", int: "whole", float: "number", str: "text"}
        if each in simple:
            return simple[each]
        origin = get_origin(each)
        if origin is Literal:
            return "text"
        if origin is not None and isinstance(origin, type):
            return "table" if issubclass(origin, Mapping) else "words" if issubclass(origin, Iterable) else None
    return None


def converted(kind: Kind, value: object) -> object:
    """Return a value from a text or from TOML as the constructor takes it.

    Raises:
        ValueError: the value is not of this kind. The text completes a sentence and shows no value.
    """
    if isinstance(value, str):
        return _from_text(kind, value)
    fits = {
        "whole": isinstance(value, int) and not isinstance(value, bool),
        "number": isinstance(value, int | float) and not isinstance(value, bool),
        "flag": isinstance(value, bool),
        "words": isinstance(value, list) and all(isinstance(each, str) for each in value),
        "table": isinstance(value, dict),
    }
    if not fits.get(kind, False):
        raise ValueError(f"must be {_WORDS[kind]}")
    return value


def _from_text(kind: Kind, text: str) -> object:
    try:
        match kind:
            case "whole":
                return int(text)
            case "number":
                return float(text)
            case "flag":
                return {"true": True, "1": True, "false": False, "0": False}[text.lower()]
            case "words":
                return text.split()
            case "table":
                found = json.loads(text)
                if isinstance(found, dict):
                    return found
            case _:
                return text
    except (ValueError, KeyError, RecursionError):
        pass
    raise ValueError(f"must be {_WORDS[kind]}")


_WORDS: dict[Kind, str] = {
    "secret": "a text, or a reference to a file, a variable or the key-ring",
    "text": "a text",
    "whole": "a whole number",
    "number": "a number",
    "flag": "true or false",
    "words": "words, separated by blanks",
    "table": "a JSON object",
}


def made(
    auth: Callable[..., T], arguments: Mapping[str, object], options: Mapping[str, object], names: Mapping[str, str]
) -> T:
    """Call the constructor, and return the object. An error about an argument from outside names the outside's name.

    Raises:
        ConfigurationError: such an argument is not accepted. The text shows no value.
        TypeError, ValueError: an option is not accepted.
    """
    try:
        return auth(**{**arguments, **options})
    except (TypeError, ValueError) as error:
        text = str(error)
        first = text.partition(" ")[0]
        if first not in names or first in options:
            raise
    for name, outside in names.items():
        # At the beginnings of clauses only: a name may also be a word of the sentence.
        text = re.sub(rf"(^|: |and |so is |with |fit ){name}\b", rf"\1{outside}", text)
    raise ConfigurationError(f"A setting is not accepted: {text}", hint="Correct the setting that the message names.")
