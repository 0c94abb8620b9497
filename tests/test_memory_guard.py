"""What a set of credentials costs to keep: counted in bytes, which no busy machine can change.

Each count is made in a process of its own: a dictionary that other tests have filled reserves room for thousands more,
and which of the sets is charged for that depends on the order of the tests.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow
ALLOWED = 1_750
"""For a credential set whose object is kept; some 1,680 bytes, which do not depend on the machine.

A set also keeps the number of its token, the predecessors of the token and how long its pauses matter.
Why it is no less: docs/explanation/adr/0011-what-slots-share.md.
"""

ALLOWED_FOR_A_USER = 1_700
ALLOWED_FOR_A_REFUSAL = 2_000
ROOT = Path(__file__).parents[1]


def measured(module: str, expression: str) -> Any:
    """Return what the expression gives in a new process, with a module of the benchmarks as `bench`."""
    program = f"import json; import tools.benchmarks.bench.{module} as bench; print(json.dumps({expression}))"
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        timeout=60,
        check=True,
    )
    return json.loads(done.stdout)


def test_a_credential_set_takes_no_more_memory_than_is_allowed() -> None:
    assert 1_000 < measured("sizes", "bench.kept(1_300)[1]") <= ALLOWED


def test_a_user_takes_no_more_memory_than_is_allowed_and_no_session_is_lost() -> None:
    """In the default store, with objects made for each request; a kilobyte more for each of the latest 1,024 users."""
    lost, each = measured("sessions", "bench.rotating(1_500)")
    assert (lost, 400 < each <= ALLOWED_FOR_A_USER) == (0, True)


def test_a_refusal_takes_no_more_memory_than_is_allowed_while_it_is_remembered() -> None:
    calls, each = measured("sessions", "bench.refused(1_500)")
    assert (calls, 400 < each <= ALLOWED_FOR_A_REFUSAL) == (1, True)
