"""Makes errors that are also exceptions of the HTTP library, so that existing `except` clauses keep working."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from ..core.errors import AuthError

__all__ = ["as_library_error", "hidden_response"]


def as_library_error(error: AuthError, base: type[Exception]) -> AuthError:
    """Return a copy of `error` that is also an instance of `base`."""
    return _rebuild(type(error), base, error.message, error.details(), error.remembered)


def hidden_response(failure: BaseException | None, library: Any) -> Any:
    """Return the response for which an event hook of httpx raised, or None; `failure` is what ended the flow.

    `event_hooks={"response": [raise_for_status]}` hides a 401 from the flow. The client closes the flow while it
    handles the hook's exception, which is then the context of the `GeneratorExit`, and which carries the response.
    """
    for error in (failure, getattr(failure, "__context__", None)):
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

    # No module has the class as an attribute, so a pickle names the two classes it is made of.
    body = {"__doc__": kind.__doc__, "__module__": kind.__module__, "__reduce__": reduce}
    return type(kind.__name__, (kind, base), body)


# Type checkers do not accept classes as hashable arguments.
_twin: Callable[[type[AuthError], type[Exception]], type[AuthError]] = cache(_make_twin)  # type: ignore[assignment]
