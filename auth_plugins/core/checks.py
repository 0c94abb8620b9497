"""Checks of arguments. Their exceptions name the parameter and never show the value."""

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
"""Maximum characters of a token argument; equal to the default of `RefreshPolicy.max_response_bytes`."""


def check_text(name: str, value: object, *, at_least: int = 1, at_most: int = 4096) -> str:
    """Return `value` if it is visible ASCII within the limits: safe in a header, a form and a JSON string.

    Raises:
        TypeError: the value is not a `str`.
        ValueError: the value is too short, too long, or has blanks, control or non-ASCII characters, as after pasting.
    """
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a str")
    if not at_least <= len(value) <= at_most:
        raise ValueError(f"{name} must have {at_least} to {at_most} characters")
    if any(not "!" <= character <= "~" for character in value):
        raise ValueError(f"{name} must be visible ASCII, without blanks or line ends")
    return value


def check_json_text(name: str, value: object, *, blanks: bool = True, at_most: int = 4096) -> str:
    """Return `value` if it is a valid value for a JSON string, such as a password: any characters but controls.

    The value is returned unchanged: a provider compares bytes, so nothing is trimmed or normalised.

    Raises:
        TypeError: the value is not a `str`.
        ValueError: the value is empty or too long, has control characters, line ends or halves of a surrogate pair, or
            has blanks and `blanks` is false.
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
"""The Unicode categories of controls, surrogates, and line and paragraph separators."""


def check_url(name: str, value: object, *, allow_http: bool = False) -> str:
    """Return an absolute https URL without trailing slashes; http is accepted for this machine or with `allow_http`.

    Raises:
        TypeError: the value is not a `str`.
        ValueError: the value is not such a URL, or has a user, password, query or fragment.
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
    """Return the origins that get the token: of `base_url` and of the URLs in `origins`.

    Raises:
        TypeError: `origins` is not an iterable of URLs.
        ValueError: a URL is not accepted by `check_url`.
    """
    if isinstance(origins, (str, bytes)) or not isinstance(origins, Iterable):
        raise TypeError("origins must be an iterable of URLs")
    urls = [check_url("origins", each, allow_http=allow_http) for each in origins]
    found = [Origin.of(url) for url in (check_url("base_url", base_url, allow_http=allow_http), *urls)]
    return frozenset(origin for origin in found if origin is not None)


def check_bool(name: str, value: object) -> bool:
    """Return `value` if it is a `bool`. The string "false" would count as true, so it raises `TypeError`."""
    if not isinstance(value, bool):
        raise TypeError(f"{name} must be a bool")
    return value


def check_seconds(name: str, value: object, *, above_zero: bool = False, at_most: float = sys.float_info.max) -> float:
    """Return a finite number from 0 to `at_most` as a float; 0 itself only without `above_zero`.

    Raises:
        TypeError: the value is not a number.
        ValueError: the value is out of range.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{name} must be a number")
    # An int that is too large for a float can still be compared.
    if not 0 <= value <= at_most or (above_zero and value == 0):
        limit = "" if at_most == sys.float_info.max else f", and at most {at_most:,.0f}"
        raise ValueError(f"{name} must be a finite number {'above' if above_zero else 'not below'} zero{limit}")
    return float(value)


def check_count(name: str, value: object, *, at_most: int | None = None) -> int:
    """Return an integer from 1 to `at_most`, which may be `None` for no limit.

    Raises:
        TypeError: the value is not an `int`.
        ValueError: the value is out of range.
    """
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be an int")
    if value < 1 or (at_most is not None and value > at_most):
        raise ValueError(f"{name} must be 1 {'or more' if at_most is None else f'to {at_most:,}'}")
    return value


def check_callable(name: str, value: object) -> None:
    """Accept `None` or a callable. A coroutine function is refused: its result would never be awaited.

    Raises:
        TypeError: the value is not callable, is a coroutine function, or is an object whose `__call__` is one.
    """
    if value is None:
        return
    if not callable(value):
        raise TypeError(f"{name} must be callable")
    if iscoroutinefunction(value) or iscoroutinefunction(getattr(type(value), "__call__", None)):  # noqa: B004
        raise TypeError(f"{name} must be an ordinary function, and not a coroutine function")
