"""What a constructor may be given. A refusal names the parameter and never shows the value."""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Iterable
from inspect import iscoroutinefunction

from .origin import Origin

__all__ = [
    "MAX_TOKEN_LENGTH",
    "check_bool",
    "check_callable",
    "check_count",
    "check_json_text",
    "check_origins",
    "check_seconds",
    "check_text",
    "check_url",
]


MAX_TOKEN_LENGTH = 262_144
"""Characters of a token that is an argument: as many as an answer has bytes by default."""


def check_text(name: str, value: object, *, at_least: int = 1, at_most: int = 4096) -> str:
    """Accept visible ASCII of a fair length: what can stand in a header, a form and a JSON string alike.

    Raises:
        TypeError: it is not a `str`.
        ValueError: it is too short, too long, or has blanks, control or non-ASCII characters, as a pasted value may.
    """
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a str")
    if not at_least <= len(value) <= at_most:
        raise ValueError(f"{name} must have {at_least} to {at_most} characters")
    if any(not "!" <= character <= "~" for character in value):
        raise ValueError(f"{name} must be visible ASCII, without blanks or line ends")
    return value


def check_json_text(name: str, value: object, *, blanks: bool = True, at_most: int = 4096) -> str:
    """Accept any characters that can be written: what stands in a JSON string and nowhere else, as a password may.

    It is given back as it is: a provider compares bytes, so nothing is trimmed, and no accent is composed.

    Raises:
        TypeError: it is not a `str`.
        ValueError: it is empty or too long, has control characters, line ends or halves of a surrogate pair, or has
            blanks where there must be none.
    """
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a str")
    if not 1 <= len(value) <= at_most:
        raise ValueError(f"{name} must have 1 to {at_most} characters")
    if any(unicodedata.category(character) in _NOT_WRITTEN for character in value):
        raise ValueError(f"{name} must have no control characters or line ends")
    if not blanks and any(character.isspace() for character in value):
        raise ValueError(f"{name} must have no blanks")
    return value


_NOT_WRITTEN = ("Cc", "Cs", "Zl", "Zp")
"""The categories of Unicode that hold controls, surrogates, and the ends of lines and paragraphs."""


def check_url(name: str, value: object, *, allow_http: bool = False) -> str:
    """Accept an absolute https URL, or http to this machine or where allowed; give it without its last slash.

    Raises:
        TypeError: it is not a `str`.
        ValueError: it is no such URL, or has user, password, query or fragment.
    """
    url = check_text(name, value)
    origin = Origin.of(url)
    if origin is None:
        raise ValueError(f"{name} must be an absolute https:// URL")
    if "@" in url or "?" in url or "#" in url:
        raise ValueError(f"{name} must have no user, password, query or fragment")
    if not origin.is_secure and not allow_http:
        raise ValueError(f"{name} must be https:// (http:// only for this machine, or with allow_http=True)")
    return url.rstrip("/")


def check_origins(base_url: str, origins: object, *, allow_http: bool) -> frozenset[Origin]:
    """Accept further URLs whose origins get the token, beside that of `base_url`."""
    if isinstance(origins, (str, bytes)) or not isinstance(origins, Iterable):
        raise TypeError("origins must be an iterable of URLs")
    urls = [check_url("origins", each, allow_http=allow_http) for each in origins]
    found = [Origin.of(url) for url in (check_url("base_url", base_url, allow_http=allow_http), *urls)]
    return frozenset(origin for origin in found if origin is not None)


def check_bool(name: str, value: object) -> bool:
    """Accept `True` and `False`: a string like "false" is true, and a mistake."""
    if not isinstance(value, bool):
        raise TypeError(f"{name} must be a bool")
    return value


def check_seconds(name: str, value: object, *, above_zero: bool = False, at_most: float = sys.float_info.max) -> float:
    """Accept a finite number that is not negative, nor zero where it must be above, nor more than `at_most`.

    Raises:
        TypeError: it is not a number.
        ValueError: it is out of range.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{name} must be a number")
    # A number that no float holds compares all the same.
    if not 0 <= value <= at_most or (above_zero and value == 0):
        limit = "" if at_most == sys.float_info.max else f", and at most {at_most:,.0f}"
        raise ValueError(f"{name} must be a finite number {'above' if above_zero else 'not below'} zero{limit}")
    return float(value)


def check_count(name: str, value: object, *, at_most: int | None = None) -> int:
    """Accept a whole number from 1, and to `at_most`.

    Raises:
        TypeError: it is not an int.
        ValueError: it is less, or more.
    """
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be an int")
    if value < 1 or (at_most is not None and value > at_most):
        raise ValueError(f"{name} must be 1 {'or more' if at_most is None else f'to {at_most:,}'}")
    return value


def check_callable(name: str, value: object) -> None:
    """Accept `None` or an ordinary function: nobody would await what a coroutine function gives.

    Raises:
        TypeError: it cannot be called, or is a coroutine function, or an object with one for its `__call__`.
    """
    if value is None:
        return
    if not callable(value):
        raise TypeError(f"{name} must be callable")
    if iscoroutinefunction(value) or iscoroutinefunction(getattr(type(value), "__call__", None)):  # noqa: B004
        raise TypeError(f"{name} must be an ordinary function, and not a coroutine function")
