from __future__ import annotations

import math
import pickle
from dataclasses import FrozenInstanceError, fields, replace
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from auth_plugins.core import Backoff, RefreshPolicy, Token

ISSUED = 1_800_000_000.0
BACKOFFS = ("early_backoff", "credentials_backoff", "outage_backoff", "unauthorized_backoff")
MAY_BE_ZERO = ("window", "window_share", "jitter", "retry_after_cap", "exit_timeout")
ABOVE_ZERO = ("connect_timeout", "read_timeout", "deadline")
SHARES = ("window_share", "jitter")
COUNTS = ("tries", "max_response_bytes")

lifetimes = st.floats(min_value=0.0, max_value=1e8)
jitter_fraction = st.floats(min_value=0.0, max_value=1.0)
shares = st.floats(min_value=0.0, max_value=1.0)
policies = st.builds(RefreshPolicy, window=st.floats(min_value=0.0, max_value=1e9), window_share=shares, jitter=shares)


def token(lifetime: float, **more: Any) -> Token:
    return Token(access_token="at", issued_at=ISSUED, expires_at=ISSUED + lifetime, **more)


class TestDueAt:
    """When the renewal window begins."""

    @given(
        policy=policies,
        lifetime=lifetimes,
        jitter_fraction=jitter_fraction,
        begins=st.floats(min_value=-1e9, max_value=4e9),
    )
    def test_is_within_the_life_of_the_token(
        self, policy: RefreshPolicy, lifetime: float, jitter_fraction: float, begins: float
    ) -> None:
        one = token(lifetime, refreshable_from=begins)
        assert one.issued_at <= policy.due_at(one, jitter_fraction) <= one.expires_at

    @pytest.mark.parametrize(
        ("lifetime", "window"),
        [(86_400.0, 300.0), (1500.0, 300.0), (1499.0, 299.8), (60.0, 12.0), (1.0, 0.2), (0.0, 0.0)],
    )
    def test_window_is_300_seconds_or_a_fifth_of_the_lifetime(self, lifetime: float, window: float) -> None:
        one = token(lifetime)
        assert RefreshPolicy().due_at(one) == pytest.approx(one.expires_at - window, abs=1e-6)

    @given(policy=policies, lifetime=lifetimes)
    def test_window_is_the_shorter_of_the_two_rules(self, policy: RefreshPolicy, lifetime: float) -> None:
        one = token(lifetime)
        window = one.expires_at - policy.due_at(one)
        assert window == pytest.approx(min(policy.window, lifetime * policy.window_share), abs=1e-5)

    @given(policy=policies, lifetime=lifetimes, jitter_fraction=jitter_fraction)
    def test_jitter_only_ever_widens_the_window(
        self, policy: RefreshPolicy, lifetime: float, jitter_fraction: float
    ) -> None:
        one = token(lifetime)
        assert policy.due_at(one, jitter_fraction) <= policy.due_at(one) == policy.due_at(one, 0.0)

    def test_full_luck_widens_it_by_the_whole_share(self) -> None:
        one = token(86_400.0)
        assert RefreshPolicy(jitter=0.5).due_at(one, 1.0) == one.expires_at - 450.0
        assert RefreshPolicy(jitter=0.5).due_at(one, 0.5) == one.expires_at - 375.0
        assert RefreshPolicy(jitter=0.0).due_at(one, 1.0) == one.expires_at - 300.0

    def test_never_begins_before_the_token_was_issued(self) -> None:
        one = token(100.0)
        assert RefreshPolicy(window=1e9, window_share=1.0, jitter=1.0).due_at(one, 1.0) == one.issued_at

    @given(policy=policies, lifetime=lifetimes, jitter_fraction=jitter_fraction, into=shares)
    def test_waits_until_a_renewal_can_succeed_if_the_token_lives_so_long(
        self, policy: RefreshPolicy, lifetime: float, jitter_fraction: float, into: float
    ) -> None:
        begins = ISSUED + lifetime * into
        assume(begins < ISSUED + lifetime)
        plain, late = token(lifetime), token(lifetime, refreshable_from=begins)
        assert policy.due_at(late, jitter_fraction) == max(policy.due_at(plain, jitter_fraction), begins)

    @given(
        policy=policies,
        lifetime=lifetimes,
        jitter_fraction=jitter_fraction,
        beyond=st.floats(min_value=0.0, max_value=1e9),
    )
    def test_does_not_wait_for_a_renewal_that_the_token_does_not_live_to_see(
        self, policy: RefreshPolicy, lifetime: float, jitter_fraction: float, beyond: float
    ) -> None:
        plain, late = token(lifetime), token(lifetime, refreshable_from=ISSUED + lifetime + beyond)
        assert policy.due_at(late, jitter_fraction) == policy.due_at(plain, jitter_fraction)

    def test_begins_before_the_refresh_token_ends_where_that_is_the_earlier_end(self) -> None:
        """Else nothing could renew the token when it is due, and a user would have to log in."""
        day, half = 86_400.0, 43_200.0
        assert RefreshPolicy().due_at(token(day, refreshable_until=ISSUED + half)) == ISSUED + half - 300.0
        assert RefreshPolicy().due_at(token(day, refreshable_until=ISSUED + half), 1.0) == ISSUED + half - 360.0
        for until in (day, day + 300.0, math.inf, -math.inf):
            one = token(day, refreshable_until=ISSUED + until)
            assert RefreshPolicy().due_at(one) == ISSUED + day - 300.0

    @pytest.mark.parametrize("left", [0.0, 1.0, 299.0, 300.0])
    def test_a_token_that_came_just_before_its_refresh_token_ends_is_not_due_at_once(self, left: float) -> None:
        one = token(86_400.0, refreshable_until=ISSUED + left)
        assert RefreshPolicy().due_at(one) == one.expires_at - 300.0

    @given(
        policy=policies,
        lifetime=lifetimes,
        jitter_fraction=jitter_fraction,
        until=st.floats(min_value=-1e9, max_value=4e9),
    )
    def test_the_end_of_the_refresh_token_only_ever_makes_it_earlier(
        self, policy: RefreshPolicy, lifetime: float, jitter_fraction: float, until: float
    ) -> None:
        plain, ends = token(lifetime), token(lifetime, refreshable_until=until)
        assert plain.issued_at <= policy.due_at(ends, jitter_fraction) <= policy.due_at(plain, jitter_fraction)

    def test_a_token_without_end_is_never_due(self) -> None:
        one = Token(access_token="at", issued_at=ISSUED, expires_at=math.inf)
        assert RefreshPolicy().due_at(one, 0.5) == math.inf


class TestBackoff:
    def test_doubles_up_to_its_cap(self) -> None:
        pauses = [Backoff(5.0, 60.0).delay(failures) for failures in range(1, 8)]
        assert pauses == [5.0, 10.0, 20.0, 40.0, 60.0, 60.0, 60.0]

    def test_may_stay_the_same(self) -> None:
        assert {Backoff(5.0, 5.0).delay(failures) for failures in range(1, 100)} == {5.0}

    def test_goes_on_doubling_as_long_as_anybody_can_wait(self) -> None:
        assert Backoff(1.0, 1e300).delay(64) == 2.0**63
        assert Backoff(1.0, 1e300).delay(65) == 2.0**64

    @given(
        first=st.floats(min_value=1e-300, max_value=1e300),
        factor=st.floats(min_value=1.0, max_value=1e6),
        failures=st.integers(min_value=1, max_value=10**9),
    )
    def test_is_finite_between_first_and_cap_and_never_shorter_than_before(
        self, first: float, factor: float, failures: int
    ) -> None:
        backoff = Backoff(first, first * factor)
        assert backoff.first <= backoff.delay(failures) <= backoff.delay(failures + 1) <= backoff.cap

    @pytest.mark.parametrize("name", ["first", "cap"])
    @pytest.mark.parametrize("value", [True, None, "5", b"5", [5], 5j], ids=repr)
    def test_refuses_what_is_no_number(self, name: str, value: object) -> None:
        with pytest.raises(TypeError, match=rf"\b{name}\b"):
            Backoff(**{"first": 1.0, "cap": 2.0, name: value})  # type: ignore[arg-type]

    @pytest.mark.parametrize("name", ["first", "cap"])
    @pytest.mark.parametrize("value", [0, 0.0, -1, -0.5, math.inf, -math.inf, math.nan])
    def test_refuses_what_is_no_pause(self, name: str, value: float) -> None:
        with pytest.raises(ValueError, match=rf"\b{name}\b"):
            Backoff(**{"first": 1.0, "cap": 2.0, name: value})

    def test_refuses_a_cap_below_the_first_pause(self) -> None:
        with pytest.raises(ValueError, match=r"\bcap\b"):
            Backoff(2.0, math.nextafter(2.0, 0.0))


class TestRefreshPolicy:
    def test_default_is_what_the_documentation_says(self) -> None:
        policy = RefreshPolicy()
        assert (policy.window, policy.window_share, policy.jitter) == (300.0, 0.2, 0.2)
        assert (
            policy.early_backoff,
            policy.credentials_backoff,
            policy.outage_backoff,
            policy.unauthorized_backoff,
        ) == (
            Backoff(5.0, 60.0),
            Backoff(30.0, 900.0),
            Backoff(0.25, 8.0),
            Backoff(1.0, 300.0),
        )
        assert (policy.retry_after_cap, policy.tries) == (300.0, 2)
        assert (policy.connect_timeout, policy.read_timeout, policy.deadline) == (5.0, 10.0, 30.0)
        assert policy.exit_timeout == 5.0
        assert (policy.max_response_bytes, policy.max_concurrent_calls) == (262_144, None)

    def test_every_field_is_tested_here(self) -> None:
        names = {*BACKOFFS, *MAY_BE_ZERO, *ABOVE_ZERO, *COUNTS, "max_concurrent_calls"}
        assert {field.name for field in fields(RefreshPolicy)} == names

    @pytest.mark.parametrize("name", [*MAY_BE_ZERO, *ABOVE_ZERO])
    @pytest.mark.parametrize("value", [True, None, "1", b"1", [1.0], 1j, Backoff(1.0, 2.0)], ids=repr)
    def test_refuses_seconds_and_shares_that_are_no_numbers(self, name: str, value: object) -> None:
        with pytest.raises(TypeError, match=rf"\b{name}\b"):
            RefreshPolicy(**{name: value})  # type: ignore[arg-type]

    @pytest.mark.parametrize("name", [*MAY_BE_ZERO, *ABOVE_ZERO])
    @pytest.mark.parametrize("value", [-1, -5e-324, math.inf, -math.inf, math.nan])
    def test_refuses_seconds_and_shares_out_of_range(self, name: str, value: float) -> None:
        with pytest.raises(ValueError, match=rf"\b{name}\b"):
            RefreshPolicy(**{name: value})  # type: ignore[arg-type]

    @pytest.mark.parametrize("name", ABOVE_ZERO)
    def test_a_time_out_of_no_time_is_refused(self, name: str) -> None:
        with pytest.raises(ValueError, match=rf"\b{name}\b"):
            RefreshPolicy(**{name: 0.0})  # type: ignore[arg-type]

    @pytest.mark.parametrize("name", MAY_BE_ZERO)
    def test_windows_and_shares_may_be_nothing(self, name: str) -> None:
        assert getattr(RefreshPolicy(**{name: 0.0}), name) == 0.0  # type: ignore[arg-type]

    @pytest.mark.parametrize("name", SHARES)
    def test_a_share_is_at_most_the_whole(self, name: str) -> None:
        assert getattr(RefreshPolicy(**{name: 1.0}), name) == 1.0  # type: ignore[arg-type]
        with pytest.raises(ValueError, match=rf"\b{name}\b"):
            RefreshPolicy(**{name: math.nextafter(1.0, 2.0)})  # type: ignore[arg-type]

    @pytest.mark.parametrize("name", COUNTS)
    @pytest.mark.parametrize("value", [True, None, "1", 1.0, [1]])
    def test_refuses_counts_that_are_no_int(self, name: str, value: object) -> None:
        with pytest.raises(TypeError, match=rf"\b{name}\b"):
            RefreshPolicy(**{name: value})  # type: ignore[arg-type]

    @pytest.mark.parametrize("name", COUNTS)
    def test_counts_begin_at_one(self, name: str) -> None:
        assert getattr(RefreshPolicy(**{name: 1}), name) == 1  # type: ignore[arg-type]
        with pytest.raises(ValueError, match=rf"\b{name}\b"):
            RefreshPolicy(**{name: 0})  # type: ignore[arg-type]

    def test_concurrent_calls_are_a_count_or_any_number(self) -> None:
        assert [RefreshPolicy(max_concurrent_calls=each).max_concurrent_calls for each in (None, 1, 10**6)] == [
            None,
            1,
            10**6,
        ]
        for wrong in (0, -1):
            with pytest.raises(ValueError, match=r"\bmax_concurrent_calls\b"):
                RefreshPolicy(max_concurrent_calls=wrong)
        for odd in (True, "1", 1.0):
            with pytest.raises(TypeError, match=r"\bmax_concurrent_calls\b"):
                RefreshPolicy(max_concurrent_calls=odd)  # type: ignore[arg-type]

    @pytest.mark.parametrize(
        ("name", "most"), [*((name, 86_400.0) for name in ABOVE_ZERO), ("tries", 100), ("max_response_bytes", 2**30)]
    )
    def test_nobody_waits_for_more_than_a_day_nor_tries_a_thousand_times(self, name: str, most: float) -> None:
        assert getattr(RefreshPolicy(**{name: most}), name) == most  # type: ignore[arg-type]
        with pytest.raises(ValueError, match=rf"^{name} must be .* {most:,.0f}$"):
            RefreshPolicy(**{name: most + 1})  # type: ignore[arg-type]

    @pytest.mark.parametrize("name", BACKOFFS)
    @pytest.mark.parametrize("value", [None, 5.0, (5.0, 60.0), Backoff, "Backoff"], ids=repr)
    def test_refuses_what_is_no_backoff(self, name: str, value: object) -> None:
        with pytest.raises(TypeError, match=rf"\b{name}\b"):
            RefreshPolicy(**{name: value})  # type: ignore[arg-type]

    def test_cannot_be_changed_and_a_changed_copy_is_checked(self) -> None:
        with pytest.raises(FrozenInstanceError):
            RefreshPolicy().tries = 3  # type: ignore[misc]
        with pytest.raises(ValueError, match="tries"):
            replace(RefreshPolicy(), tries=0)

    def test_is_a_value(self) -> None:
        assert RefreshPolicy(window=60.0) == RefreshPolicy(window=60.0) != RefreshPolicy()
        assert pickle.loads(pickle.dumps(RefreshPolicy(tries=3))) == RefreshPolicy(tries=3)
        assert len({RefreshPolicy(), RefreshPolicy()}) == 1
