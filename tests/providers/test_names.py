"""The providers' classes are found by name when they are asked for."""

from __future__ import annotations

import pytest

from auth_plugins import TokenAuth, providers


@pytest.mark.parametrize("name", providers.__all__)
def test_each_is_a_door_of_that_name(name: str) -> None:
    # As the first use finds it, which no import has prepared.
    found = providers.__getattr__(name)
    assert issubclass(found, TokenAuth)
    assert found.__name__ == name
    assert name in dir(providers)


def test_another_is_an_error_that_names_it() -> None:
    with pytest.raises(AttributeError, match=r"^module 'auth_plugins.providers' has no attribute 'GoogleAuth'$"):
        providers.__getattr__("GoogleAuth")
