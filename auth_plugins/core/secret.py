"""Secrets as arguments: a text, an object such as pydantic's `SecretStr`, or a function that is called when needed."""

from __future__ import annotations

import itertools
import secrets
import weakref
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass, replace
from inspect import iscoroutine
from pathlib import PurePath
from types import MethodType
from typing import Any, Protocol, Self, TypeVar

from .checks import check_callable, check_text
from .errors import ConfigurationError
from .wire import TokenRequest

__all__ = [
    "Secret",
    "SecretSource",
    "SecretValue",
    "check_secret",
    "filled",
    "needs_secrets",
    "request_with_secrets",
    "secrets_of",
]


class SecretValue(Protocol):
    """An object that hides a secret, such as pydantic's `SecretStr`."""

    def get_secret_value(self) -> str:
        """Return the secret."""


Secret = str | SecretValue | Callable[[], str | SecretValue]
"""What every secret argument accepts."""

P = TypeVar("P")


class SecretSource(str):
    """Takes the place of a secret in a contract's field; the function is called when a token call needs the secret.

    As a `str` it is not the secret but a text that is the same for all objects with the same function in this process.
    A pickle contains the function, and no secret.
    """

    __slots__ = ("_arguments",)
    _arguments: tuple[str, Callable[[], object], Callable[..., str], Mapping[str, Any]]

    def __new__(
        cls, name: str, function: Callable[[], object], check: Callable[..., str], limits: Mapping[str, Any]
    ) -> Self:
        """Make the source of the parameter `name`; `check` and `limits` are those of a text for it."""
        made = super().__new__(cls, _MARK + _identity_of(function))
        made._arguments = name, function, check, limits
        return made

    def ask(self) -> str:
        """Call the function, and return the secret, without a line end at its end.

        Raises:
            ConfigurationError: the function raised an exception, or returned something that cannot be the secret. The
                error shows neither the value nor the exception's text, which may contain it.
        """
        found = _obtained(*self._arguments)
        if isinstance(found, ConfigurationError):
            raise found
        return found

    def __repr__(self) -> str:
        return "<a secret that is asked for when it is needed>"

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self), self._arguments)


def check_secret(
    name: str, value: object, check: Callable[..., str] = check_text, *, at_once: bool = False, **limits: Any
) -> str:
    """Return a secret argument for a contract's field: the text, or a `SecretSource` for a function.

    Args:
        name: the parameter's name.
        value: a `Secret`.
        check: called with the name, the text and `limits`; a function with a name in a module, because it is pickled.
        limits: keyword arguments of `check`.
        at_once: call a function now, and return the secret. This is for a token that begins a session and names it.

    Raises:
        TypeError, ValueError: the argument is not accepted. The text does not show it.
        ConfigurationError: the function failed (only `at_once`).
    """
    if not isinstance(value, str) and callable(value) and not isinstance(value, type):
        check_callable(name, value)
        source = SecretSource(name, value, check, limits)
        return source.ask() if at_once else source
    plain = _revealed(value)
    if not isinstance(plain, str):
        raise TypeError(f"{name} must be a str, a SecretStr, or a function that returns one of these")
    return check(name, plain, **limits)


def secrets_of(provider: object) -> dict[str, SecretSource]:
    """Return the sources in the fields of a contract, by the field's name."""
    if not is_dataclass(provider):
        return {}
    found = ((field.name, getattr(provider, field.name)) for field in fields(provider))
    return {name: value for name, value in found if isinstance(value, SecretSource)}


def needs_secrets(request: TokenRequest) -> bool:
    """Whether a request was made from a contract whose secrets were not asked for, and would contain them."""
    if any(isinstance(each, SecretSource) for each in request.secrets):
        return True
    return _MARK.encode() in request.body or any(_MARK in value for value in request.headers.values())


def request_with_secrets(provider: P, make: Callable[[P], TokenRequest]) -> tuple[TokenRequest, P]:
    """Return the request that `make` builds, and the contract it was built from.

    The contract's secrets are asked for only if the request needs them; the contract then contains them.

    Raises:
        ConfigurationError: see `SecretSource.ask`.
    """
    request = make(provider)
    if not needs_secrets(request):
        return request, provider
    contract = filled(provider)
    return make(contract), contract


def filled(provider: P) -> P:
    """Ask for the secrets of a contract, and return the contract with them.

    Raises:
        ConfigurationError: see `SecretSource.ask`.
    """
    contract: Any = provider
    found: P = replace(contract, **{name: source.ask() for name, source in secrets_of(provider).items()})
    return found


def _revealed(value: object) -> object:
    reveal = None if isinstance(value, str | type) else getattr(value, "get_secret_value", None)
    return reveal() if callable(reveal) else value


def _obtained(
    name: str, function: Callable[[], object], check: Callable[..., str], limits: Mapping[str, Any]
) -> str | ConfigurationError:
    # The error is returned and not raised: the frames of a raised one would keep the secret.
    try:
        value = _revealed(function())
    except ConfigurationError as error:
        return error.clone()
    except Exception as error:
        # The text of an exception may contain anything; that of an operating system's error is known.
        why = f" ({error.strerror})" if isinstance(error, OSError) and error.strerror else ""
        return _failure(name, f"raised {type(error).__name__}{why}")
    if iscoroutine(value):
        value.close()
    if not isinstance(value, str):
        return _failure(name, f"returned a value of type {type(value).__name__}, and not a str")
    try:
        return check(name, value.removesuffix("\n").removesuffix("\r"), **limits)
    except (TypeError, ValueError) as error:
        return _failure(name, f"returned a value that cannot be used: {error}")


def _failure(name: str, what: str) -> ConfigurationError:
    hint = "Correct the function, or what it reads. Nothing was sent."
    return ConfigurationError(f"The function for {name} {what}", hint=hint)


_MARK = f"secret-{secrets.token_hex(8)}-"
_numbers = itertools.count()
_identities: dict[tuple[int, int], tuple[weakref.ref[Any], weakref.ref[Any], str]] = {}


def _identity_of(function: Callable[[], object]) -> str:
    """Return a text that is the same for the same function, in this process and at any time.

    An object with an `identity`, a `str`, is the same as every object of its class with an equal one. A method is the
    same as the same method of the same object, or of an equal path. Everything else is the same as itself only.
    """
    method = isinstance(function, MethodType)
    owner, code = (function.__self__, function.__func__) if isinstance(function, MethodType) else (function, function)
    stated = str(owner) if isinstance(owner, PurePath) else None if method else getattr(function, "identity", None)
    if isinstance(stated, str):
        kind = type(owner)
        return ":".join((kind.__module__, kind.__qualname__, code.__qualname__ if method else "", stated))
    key = id(owner), id(code)
    known = _identities.get(key)
    # An `id` is used again after the object's end.
    if known is None or known[0]() is not owner or known[1]() is not code:
        text = str(next(_numbers))
        try:
            known = weakref.ref(owner, lambda _: _identities.pop(key, None)), weakref.ref(code), text
        except TypeError:  # The object supports no weak references.
            return text
        _identities[key] = known
    return known[2]
