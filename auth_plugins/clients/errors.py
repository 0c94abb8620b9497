"""What leaves a door: our error, which is also the library's own, so that existing `except` clauses go on working."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from ..core.errors import AuthError

__all__ = ["as_library_error", "hidden_response"]


def as_library_error(error: AuthError, base: type[Exception]) -> AuthError:
    """Make an error that is both `error` and a `base`."""
    return _rebuild(type(error), base, error.message, error.details(), error.remembered)


def hidden_response(failure: BaseException, library: Any) -> Any:
    """Return the response for which an event hook of httpx raised, or None; `failure` is what ended the flow.

    `event_hooks={"response": [raise_for_status]}` hides a 401 from the flow. The client closes the flow while it
    handles the hook's exception, which is then the context of the `GeneratorExit`, and which carries the response. An
    asynchronous generator gets a `GeneratorExit` without context, so an `AsyncClient` shows nothing of it.
    """
    for error in (failure, failure.__context__):
        if isinstance(error, library.HTTPStatusError):
            return error.response
    return None


def _rebuild(
    kind: type[AuthError], base: type[Exception], message: str, details: dict[str, Any], remembered: bool = False
) -> AuthError:
    made = _twin(kind, base)(message, **details)
    made.remembered = remembered
    return made


def _make_twin(kind: type[AuthError], base: type[Exception]) -> type[AuthError]:
    def reduce(self: AuthError) -> tuple[Any, ...]:
        return (_rebuild, (kind, base, self.message, self.details(), self.remembered))

    # The class is made here and found nowhere: what an unpickler finds are the two it is made of.
    body = {"__doc__": kind.__doc__, "__module__": kind.__module__, "__reduce__": reduce}
    return type(kind.__name__, (kind, base), body)


# To a type checker classes are not hashable.
_twin: Callable[[type[AuthError], type[Exception]], type[AuthError]] = cache(_make_twin)  # type: ignore[assignment]
