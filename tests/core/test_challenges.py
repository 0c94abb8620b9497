"""`insufficient_scope` among the challenges of a 401 (RFC 6750, section 3.1; RFC 9110, section 11.6.1)."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auth_plugins.core.challenges import is_insufficient_scope


@pytest.mark.parametrize(
    "value",
    [
        'Bearer error="insufficient_scope"',
        'bearer realm="x, y", ERROR = "insufficient_scope", scope="a b"',
        "Bearer error=insufficient_scope",
        'Basic realm="simple", Bearer realm="b", error="insufficient_scope"',
        'Negotiate, Bearer error="insufficient_scope", Basic realm="x"',
        'Negotiate YII=, Bearer error="insufficient_scope"',
        'Bearer realm="a \\" error=\\"invalid_token", error="insufficient_scope"',
        ', ,Bearer error="insufficient_scope",',
        'Bearer realm="one", Bearer error="insufficient_scope"',
    ],
)
def test_a_bearer_challenge_says_so_wherever_it_stands(value: str) -> None:
    assert is_insufficient_scope(value)


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        "Bearer",
        'Bearer error="invalid_token"',
        'Bearer error="invalid_token", error_description="not insufficient_scope"',
        'Bearer error="insufficient_scope", Bearer error="invalid_token"',
        'Basic error="insufficient_scope"',
        'Bearer realm="insufficient_scope"',
        'Bearer realm="x, error=insufficient_scope"',
        'Bearer realm="x\\", error=\\"insufficient_scope"',
        'Bearer xerror="insufficient_scope"',
        'Bearer realm="x", DPoP error="insufficient_scope"',
        'error="insufficient_scope"',
        'Bearer realm="never closed, error="insufficient_scope',
    ],
)
def test_nothing_else_says_so(value: str | None) -> None:
    assert not is_insufficient_scope(value)


@given(st.text(alphabet='Bearerscop =",\\\t;/+-_x', max_size=200))
def test_any_text_is_read(text: str) -> None:
    assert is_insufficient_scope(text) in (True, False)
    assert is_insufficient_scope(f"{text}insufficient_scope") in (True, False)


@pytest.mark.parametrize("piece", ['"', "\\", "a=", "a ", ",", 'a="\\', "=", "a=b,"])
def test_long_values_are_read_in_no_time(piece: str) -> None:
    began = time.process_time()
    is_insufficient_scope("Bearer " + piece * 100_000 + "insufficient_scope")
    assert time.process_time() - began < 1.0
