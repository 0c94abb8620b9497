from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import pytest

from auth_plugins.testing import CLIENT_KINDS, INTEGRATION_KINDS

if TYPE_CHECKING:
    from tests.conftest import World

INSTALLED = tuple(kind for kind in INTEGRATION_KINDS if find_spec(kind.partition("-")[0]) is not None)


@pytest.fixture(params=(*CLIENT_KINDS, *INSTALLED))
def world(request: pytest.FixtureRequest, make_world: Any) -> World:
    """One for every kind of client, those of the integrations included."""
    made: World = make_world(request.param)
    return made
