from __future__ import annotations

import copy
import dataclasses
import json
import math
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auth_plugins.core import Token

NOW = 1_800_000_000.0
moments = st.floats(min_value=0.0, max_value=4e9)


def token(**fields: Any) -> Token:
    return Token(**{"access_token": "at", "issued_at": NOW, "expires_at": NOW + 60.0, **fields})


def test_only_what_must_be_known_has_no_default() -> None:
    plain = token()
    assert (plain.token_type, plain.refresh_token, plain.scopes, dict(plain.extra)) == (
        "Bearer",
        None,
        (),
        {},
    )
    assert (plain.refreshable_from, plain.refreshable_until) == (-math.inf, -math.inf)


def test_tokens_of_which_there_is_no_more_to_say_share_an_empty_mapping_that_nobody_can_write_into() -> None:
    extra: Any = token().extra
    assert token(access_token="another").extra is extra
    assert extra == {}
    assert {} == extra  # noqa: SIM300 - from this side as well
    assert extra != {"a": "b"}
    assert (repr(extra), len(extra), list(extra), extra.get("a")) == ("{}", 0, [], None)
    with pytest.raises(KeyError, match="a"):
        extra["a"]
    assert not any(hasattr(extra, name) for name in ("__setitem__", "__delitem__", "__dict__", "update", "clear"))
    assert pickle.loads(pickle.dumps(token())).extra is extra
    assert copy.copy(token()).extra is extra
    assert hash(extra) == hash(copy.copy(extra))


def test_a_token_as_a_dictionary_can_be_written_as_json() -> None:
    written = json.dumps(dataclasses.asdict(token()))
    assert json.loads(written)["extra"] == {}
    assert Token(**dataclasses.asdict(token())) == token()


@pytest.mark.parametrize("name", ["issued_at", "expires_at", "valid_from", "refreshable_from", "refreshable_until"])
def test_no_time_of_a_token_is_nan(name: str) -> None:
    with pytest.raises(ValueError, match=f"^{name} must be a number"):
        token(**{name: math.nan})
    assert getattr(token(**{name: math.inf}), name) == math.inf


def test_fields_are_given_by_name_alone() -> None:
    with pytest.raises(TypeError):
        Token("at", NOW, NOW + 60.0)  # type: ignore[call-arg]


def test_cannot_be_changed_nor_given_another_field() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        token().access_token = "other"  # type: ignore[misc]
    assert not hasattr(token(), "__dict__")


class TestRefreshable:
    """A renewal can succeed from `refreshable_from`, up to but without `refreshable_until`."""

    @given(begins=moments, ends=moments, now=moments)
    def test_exactly_within_its_two_moments(self, begins: float, ends: float, now: float) -> None:
        one = token(refreshable_from=begins, refreshable_until=ends)
        assert one.refreshable(now) is (begins <= now < ends)

    @pytest.mark.parametrize(
        ("now", "expected"),
        [
            (math.nextafter(100.0, -math.inf), False),
            (100.0, True),
            (math.nextafter(200.0, -math.inf), True),
            (200.0, False),
            (math.nextafter(200.0, math.inf), False),
        ],
    )
    def test_on_both_sides_of_each_edge(self, now: float, expected: bool) -> None:
        assert token(refreshable_from=100.0, refreshable_until=200.0).refreshable(now) is expected

    @given(now=moments)
    def test_never_unless_said(self, now: float) -> None:
        assert not token().refreshable(now)
        assert not token(refresh_token="rt").refreshable(now)

    @given(now=moments)
    def test_a_rejected_token_does_not_renew_itself(self, now: float) -> None:
        assert not token(refreshable_until=math.inf).refreshable(now, rejected=True)
        assert token(refreshable_until=math.inf).refreshable(now, rejected=False)

    @given(begins=moments, ends=moments, now=moments)
    def test_a_refresh_token_outlives_the_rejection_of_its_access_token(
        self, begins: float, ends: float, now: float
    ) -> None:
        one = token(refresh_token="rt", refreshable_from=begins, refreshable_until=ends)
        assert one.refreshable(now, rejected=True) is one.refreshable(now)


class TestIrreplaceable:
    """A token that no login can replace: its times are a reason to try a refresh, and never a reason not to."""

    @given(ends=moments, now=moments)
    def test_no_clock_ends_it(self, ends: float, now: float) -> None:
        one = token(refresh_token="rt", refreshable_until=ends, irreplaceable=True)
        assert one.refreshable(now)
        assert one.is_useful(now)

    @given(now=moments)
    def test_a_refresh_token_that_is_used_up_is_not_tried(self, now: float) -> None:
        one = token(refresh_token="rt", irreplaceable=True)
        assert not one.refreshable(now)
        assert one.is_useful(now) is (now < one.expires_at)

    @pytest.mark.parametrize(
        ("now", "expected"), [(49.0, True), (50.0, False), (99.0, False), (100.0, True), (1e9, True)]
    )
    def test_its_beginning_counts_unless_the_clock_was_set_back_since_it_was_issued(
        self, now: float, expected: bool
    ) -> None:
        one = token(issued_at=50.0, refreshable_from=100.0, refreshable_until=200.0, irreplaceable=True)
        assert one.refreshable(now) is expected

    @given(now=moments)
    def test_a_rejected_token_does_not_renew_itself_all_the_same(self, now: float) -> None:
        assert not token(refreshable_until=math.inf, irreplaceable=True).refreshable(now, rejected=True)


class TestUsefulUntil:
    @given(expires=moments, ends=moments)
    def test_is_the_later_of_the_two_ends(self, expires: float, ends: float) -> None:
        assert token(expires_at=expires, refreshable_until=ends).useful_until == max(expires, ends)

    @given(expires=moments, ends=moments, now=moments)
    def test_after_it_the_token_is_good_for_nothing(self, expires: float, ends: float, now: float) -> None:
        one = token(expires_at=expires, refreshable_until=ends)
        useful = now < one.expires_at or one.refreshable(now)
        assert useful is (now < one.useful_until)


class TestSecrets:
    SECRET = token(
        access_token="access-s3cret",
        refresh_token="refresh-s3cret",
        extra={"session": "extra-s3cret"},
        scopes=("read",),
    )

    @pytest.mark.parametrize("shown", [repr, str, "{}".format, lambda one: repr({"token": one})])
    def test_never_show(self, shown: Any) -> None:
        assert "s3cret" not in shown(self.SECRET)
        assert "read" in shown(self.SECRET)

    def test_count_when_two_tokens_are_compared(self) -> None:
        assert dataclasses.replace(self.SECRET, access_token="other") != self.SECRET
        assert dataclasses.replace(self.SECRET, refresh_token=None) != self.SECRET
        assert copy.deepcopy(self.SECRET) == self.SECRET


def test_can_be_hashed_whatever_the_provider_said_besides() -> None:
    assert hash(token(extra={"a": "b"})) == hash(token(extra={"a": "b"}))


def test_survives_a_pickle() -> None:
    assert pickle.loads(pickle.dumps(TestSecrets.SECRET)) == TestSecrets.SECRET
