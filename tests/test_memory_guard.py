"""What a set of credentials costs to keep: counted in bytes, which no busy machine can change."""

from __future__ import annotations

import logging
from typing import Any

import pytest

ALLOWED = 1_900
"""For a credential set whose object is kept (some 1,680 bytes in a new process), with what dictionaries of this size
have in reserve: those of the process have served other tests before. A set also keeps the number of its token, the
predecessors of the token and how long its pauses matter. So few sets also share less than many do.

Why it is no less: docs/explanation/adr/0011-what-slots-share.md.
"""

ALLOWED_FOR_A_USER = 1_700
ALLOWED_FOR_A_REFUSAL = 2_000


def test_a_credential_set_takes_no_more_memory_than_is_allowed(bench: Any) -> None:
    assert 1_000 < bench("sizes").kept(1_300)[1] <= ALLOWED


def test_a_user_takes_no_more_memory_than_is_allowed_and_no_session_is_lost(bench: Any) -> None:
    """In the default store, with objects made for each request; a kilobyte more for each of the latest 1,024 users."""
    lost, each = bench("sessions").rotating(1_500)
    assert (lost, 400 < each <= ALLOWED_FOR_A_USER) == (0, True)


def test_a_refusal_takes_no_more_memory_than_is_allowed_while_it_is_remembered(
    bench: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL, "auth_plugins")  # pytest keeps every record of the log.
    calls, each = bench("sessions").refused(1_500)
    assert (calls, 400 < each <= ALLOWED_FOR_A_REFUSAL) == (1, True)
