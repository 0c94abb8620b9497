from __future__ import annotations

import subprocess
import sys

import pytest

import auth_plugins.simulators
import auth_plugins.testing
from auth_plugins.testing import FakeClock


class TestFakeClock:
    def test_time_passes_on_both_clocks_or_not_at_all(self) -> None:
        clock = FakeClock(100.0)
        assert (clock(), clock()) == (100.0, 100.0)
        clock.advance(5)
        clock.sleep(2.5)
        assert (clock(), clock.tick()) == (107.5, 7.5)

    def test_a_jump_is_seen_on_the_wall_only(self) -> None:
        clock = FakeClock(100.0)
        clock.jump(-50)
        assert (clock(), clock.tick()) == (50.0, 0.0)

    def test_time_does_not_pass_backwards(self) -> None:
        with pytest.raises(ValueError, match="backwards"):
            FakeClock().sleep(-1)


def test_every_public_name_is_there() -> None:
    for module in (auth_plugins.testing, auth_plugins.simulators):
        assert all(getattr(module, name) is not None for name in module.__all__)
        assert set(module.__all__) <= set(dir(module))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        getattr(auth_plugins.testing, "nothing")  # noqa: B009


@pytest.mark.parametrize(
    ("imported", "unwanted"),
    [
        ("auth_plugins.testing", {"responses", "uvicorn", "joserfc"}),
        ("auth_plugins.testing.transports", {"responses", "uvicorn"}),
        ("auth_plugins.simulators", {"responses", "uvicorn", "joserfc"}),
    ],
)
def test_nothing_heavy_is_imported_before_it_is_used(imported: str, unwanted: set[str]) -> None:
    code = f"import sys, {imported}; print(sorted({unwanted} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
