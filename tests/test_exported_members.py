"""What is public is what `__all__` says: sorted, complete, there, and explained."""

from __future__ import annotations

import importlib
import inspect
from types import ModuleType

import pytest

ROOMS = [
    "auth_plugins",
    "auth_plugins.core",
    "auth_plugins.providers",
    "auth_plugins.simulators",
    "auth_plugins.stores",
    "auth_plugins.testing",
]


@pytest.fixture(params=ROOMS)
def room(request: pytest.FixtureRequest) -> ModuleType:
    return importlib.import_module(request.param)


def isort_style(name: str) -> tuple[int, str]:
    """CONSTANTS first, then Classes, then functions: the order of ruff's RUF022."""
    if name.isupper() and len(name) > 1:
        return 0, name
    return (1, name) if name[:1].isupper() else (2, name)


def explained(value: object) -> bool:
    """Whether it has a docstring of its own; a class would inherit that of its base."""
    if not isinstance(value, type):
        return bool(inspect.getdoc(value)) or not inspect.isroutine(value)  # A value has no docstring.
    own = value.__dict__.get("__doc__")
    return bool(own) and not str(own).startswith(f"{value.__name__}(")  # What a dataclass makes up itself.


def test_is_sorted(room: ModuleType) -> None:
    assert room.__all__ == sorted(room.__all__, key=isort_style)


def test_names_nothing_twice(room: ModuleType) -> None:
    assert len(room.__all__) == len(set(room.__all__))


def test_names_only_what_is_there(room: ModuleType) -> None:
    for name in room.__all__:
        assert getattr(room, name) is not None


def test_names_all_that_is_public(room: ModuleType) -> None:
    """A name without underscore that is no module, and that was not made elsewhere, is public."""
    found = {
        name
        for name, value in vars(room).items()
        if not name.startswith("_")
        and not isinstance(value, ModuleType)
        and str(getattr(value, "__module__", "")).startswith("auth_plugins")
    }
    assert found - set(room.__all__) == set()


def test_star_gives_all_of_it(room: ModuleType) -> None:
    names: dict[str, object] = {}
    exec(f"from {room.__name__} import *", names)  # noqa: S102 - there is no other way to ask for a star
    assert set(room.__all__) <= set(names)


def test_every_public_name_is_explained(room: ModuleType) -> None:
    assert room.__doc__
    assert [name for name in room.__all__ if not explained(getattr(room, name))] == []


def test_every_public_method_is_explained(room: ModuleType) -> None:
    unexplained = [
        f"{name}.{method}"
        for name in room.__all__
        if isinstance(getattr(room, name), type)
        for method, value in vars(getattr(room, name)).items()
        if not method.startswith("_")
        and (inspect.isfunction(value) or isinstance(value, (property, classmethod, staticmethod)))
        and not inspect.getdoc(value)
    ]
    assert unexplained == []


def test_a_name_that_is_not_there_is_an_attribute_error(room: ModuleType) -> None:
    assert not hasattr(room, "no_such_name")


def test_dir_shows_what_is_public(room: ModuleType) -> None:
    assert set(room.__all__) <= set(dir(room))


def test_version_is_one() -> None:
    version = importlib.import_module("auth_plugins").__version__
    assert [part.isdecimal() for part in version.split(".")[:3]] == [True] * 3
