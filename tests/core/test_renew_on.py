"""`renew_on=`: which answers say that the token is dead, and what the option refuses."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import pytest

from auth_plugins.core.renew_on import RENEW_ON_401, RenewOn

SCOPE = {"WWW-Authenticate": 'Bearer error="insufficient_scope"'}


def always(_status: int, _headers: Mapping[str, str]) -> bool:
    return True


async def later(_status: int, _headers: Mapping[str, str]) -> bool:
    return True


def test_the_default_is_401_and_the_same_object_whoever_asks_for_it() -> None:
    assert RenewOn.of([401]) is RENEW_ON_401
    assert [status for status in range(100, 600) if RENEW_ON_401.rejects(status, {})] == [401]
    assert not RENEW_ON_401.rejects(401, SCOPE)


def test_statuses_replace_the_default() -> None:
    rule = RenewOn.of({419, HTTPStatus.FORBIDDEN})
    assert [status for status in range(100, 600) if rule.rejects(status, {})] == [403, 419]
    assert not rule.rejects(403, SCOPE)
    assert rule.option == (403, 419)


def test_a_predicate_decides_by_itself() -> None:
    rule = RenewOn.of(always)
    assert rule.rejects(200, SCOPE) is True
    assert rule.option is always


@pytest.mark.parametrize(
    ("wrong", "kind", "text"),
    [
        (403, TypeError, "renew_on must be statuses, as in (401, 403), or a function of the status and the headers"),
        ("401", TypeError, "renew_on must be statuses, as in (401, 403), or a function of the status and the headers"),
        (["401"], TypeError, "renew_on must be statuses that are ints, as in (401, 403)"),
        ([True], TypeError, "renew_on must be statuses that are ints, as in (401, 403)"),
        ((), ValueError, "renew_on must be one or more statuses from 400 to 599"),
        ([401, 200], ValueError, "renew_on must be one or more statuses from 400 to 599"),
        ([600], ValueError, "renew_on must be one or more statuses from 400 to 599"),
        (later, TypeError, "renew_on must be an ordinary function, and not a coroutine function"),
    ],
)
def test_what_is_no_rule_is_refused_with_a_text_that_says_what_is(wrong: Any, kind: type[Exception], text: str) -> None:
    with pytest.raises(kind) as caught:
        RenewOn.of(wrong)
    assert str(caught.value) == text
