"""What a set of credentials costs to keep: counted in bytes, which no busy machine can change."""

from __future__ import annotations

from typing import Any

ALLOWED = 1_820
"""For a credential set whose object is kept, with what dictionaries of this size have in reserve: those of the process
have served other tests before. So few sets also share less than many what is kept for them all.

Why it is no less: docs/explanation/adr/0011-what-slots-share.md.
"""


def test_a_credential_set_takes_no_more_memory_than_is_allowed(bench: Any) -> None:
    assert 1_000 < bench("sizes").kept(1_300)[1] <= ALLOWED
