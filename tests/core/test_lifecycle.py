"""The whole table is walked, and every moment that can be is looked up in it."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auth_plugins.core import (
    LIFECYCLE,
    Age,
    AuthError,
    CredentialsRejected,
    InvalidTokenResponse,
    LoginRequired,
    Means,
    Purpose,
    Step,
    Token,
    TokenEndpointUnavailable,
    Verb,
)
from auth_plugins.core.lifecycle import _table, age_of, grant_sequence, means_of, worth_trying

LOGIN, REFRESH = Purpose.LOGIN, Purpose.REFRESH
GRANTS = {
    Means.NOTHING: (),
    Means.LOGIN: (LOGIN,),
    Means.REFRESH: (REFRESH,),
    Means.BOTH: (REFRESH, LOGIN),
}
CAN_REFRESH = {Means.REFRESH, Means.BOTH}
moments = st.floats(min_value=0.0, max_value=1000.0)


def token(**fields: Any) -> Token:
    return Token(**{"access_token": "at", "issued_at": 0.0, "expires_at": 100.0, **fields})


tokens = st.builds(
    Token,
    access_token=st.just("at"),
    refresh_token=st.sampled_from([None, "rt"]),
    issued_at=st.just(0.0),
    expires_at=moments,
    refreshable_from=st.one_of(st.just(-math.inf), moments),
    refreshable_until=st.one_of(st.just(-math.inf), moments, st.just(math.inf)),
)


def expected(age: Age, means: Means) -> Step:
    """What design says, in other words than the table does."""
    grants = GRANTS[means]
    if age is Age.FRESH:
        return Step(Verb.USE)
    if age is Age.DUE:
        return Step(Verb.BESIDE, grants) if grants else Step(Verb.USE)
    return Step(Verb.WAIT, grants) if grants else Step(Verb.GIVE_UP)


class TestTable:
    def test_has_every_pair_that_can_be_and_no_other(self) -> None:
        impossible = {
            *((Age.EMPTY, means) for means in CAN_REFRESH),
            *((Age.DEAD, means) for means in CAN_REFRESH),
            (Age.EXPIRED, Means.NOTHING),
            (Age.EXPIRED, Means.LOGIN),
        }
        assert set(LIFECYCLE) == set(itertools.product(Age, Means)) - impossible

    @pytest.mark.parametrize(("age", "means"), list(LIFECYCLE))
    def test_step_is_the_one_that_design_names(self, age: Age, means: Means) -> None:
        assert LIFECYCLE[age, means] == expected(age, means)

    def test_comes_out_the_same_when_it_is_made_again(self) -> None:
        assert dict(_table()) == {(age, means): expected(age, means) for age, means in LIFECYCLE}

    def test_cannot_be_changed(self) -> None:
        with pytest.raises(TypeError):
            LIFECYCLE[Age.FRESH, Means.BOTH] = Step(Verb.GIVE_UP)  # type: ignore[index]

    @pytest.mark.parametrize("step", LIFECYCLE.values())
    def test_who_waits_has_something_to_wait_for(self, step: Step) -> None:
        assert bool(step.grants) is (step.verb in (Verb.WAIT, Verb.BESIDE))

    @given(
        one=st.none() | tokens,
        now=moments,
        due_at=moments,
        can_login=st.booleans(),
        rejected=st.booleans(),
    )
    def test_answers_at_every_moment_of_every_token(
        self, one: Token | None, now: float, due_at: float, can_login: bool, rejected: bool
    ) -> None:
        age = age_of(one, now, due_at, rejected=rejected)
        means = means_of(one, now, can_login=can_login, rejected=rejected)
        assert (age, means) in LIFECYCLE

    @given(one=st.none() | tokens, now=moments, due_at=moments, can_login=st.booleans())
    def test_never_lets_an_ended_token_be_used(
        self, one: Token | None, now: float, due_at: float, can_login: bool
    ) -> None:
        step = LIFECYCLE[age_of(one, now, due_at), means_of(one, now, can_login=can_login)]
        usable = one is not None and now < one.expires_at
        assert (step.verb in (Verb.USE, Verb.BESIDE)) is usable

    @given(one=tokens, now=moments, due_at=moments, can_login=st.booleans())
    def test_never_lets_a_rejected_token_be_used(self, one: Token, now: float, due_at: float, can_login: bool) -> None:
        age = age_of(one, now, due_at, rejected=True)
        means = means_of(one, now, can_login=can_login, rejected=True)
        assert LIFECYCLE[age, means].verb in (Verb.WAIT, Verb.GIVE_UP)


class TestAge:
    @pytest.mark.parametrize(
        ("now", "age"),
        [
            (0.0, Age.FRESH),
            (math.nextafter(80.0, 0.0), Age.FRESH),
            (80.0, Age.DUE),
            (math.nextafter(100.0, 0.0), Age.DUE),
            (100.0, Age.EXPIRED),
            (math.nextafter(400.0, 0.0), Age.EXPIRED),
            (400.0, Age.DEAD),
            (1e12, Age.DEAD),
        ],
    )
    def test_on_both_sides_of_each_edge(self, now: float, age: Age) -> None:
        assert age_of(token(refreshable_until=400.0), now, 80.0) is age

    def test_an_ended_token_that_nothing_renews_is_dead_at_once(self) -> None:
        assert age_of(token(), 100.0, 80.0) is Age.DEAD

    def test_an_ended_token_whose_renewal_is_yet_to_come_is_dead(self) -> None:
        one = token(refreshable_from=200.0, refreshable_until=300.0)
        assert [age_of(one, now, 80.0) for now in (150.0, 200.0)] == [Age.DEAD, Age.EXPIRED]

    def test_a_window_that_begins_after_the_end_leaves_no_time_to_be_due(self) -> None:
        assert [age_of(token(), now, 500.0) for now in (99.0, 100.0)] == [Age.FRESH, Age.DEAD]

    @given(now=moments, due_at=moments, rejected=st.booleans())
    def test_nothing_is_empty_rejected_or_not(self, now: float, due_at: float, rejected: bool) -> None:
        assert age_of(None, now, due_at, rejected=rejected) is Age.EMPTY

    @given(one=tokens, now=moments, due_at=moments)
    def test_a_rejected_token_is_rejected_however_young(self, one: Token, now: float, due_at: float) -> None:
        assert age_of(one, now, due_at, rejected=True) is Age.REJECTED
        assert age_of(one, now, due_at) is age_of(one, now, due_at, rejected=False) is not Age.REJECTED


class TestMeans:
    @pytest.mark.parametrize(
        ("refresh_token", "until", "can_login", "rejected", "means"),
        [
            # Nothing renews it.
            (None, -math.inf, False, False, Means.NOTHING),
            (None, -math.inf, True, False, Means.LOGIN),
            ("rt", -math.inf, False, True, Means.NOTHING),
            ("rt", -math.inf, True, True, Means.LOGIN),
            # It renews itself (Fyatu).
            (None, 400.0, False, False, Means.REFRESH),
            (None, 400.0, True, False, Means.BOTH),
            (None, 400.0, True, True, Means.LOGIN),
            (None, 400.0, False, True, Means.REFRESH),
            # A refresh token renews it.
            ("rt", 400.0, False, False, Means.REFRESH),
            ("rt", 400.0, True, False, Means.BOTH),
            ("rt", 400.0, True, True, Means.BOTH),
            ("rt", 400.0, False, True, Means.REFRESH),
        ],
    )
    def test_every_case(
        self, refresh_token: str | None, until: float, can_login: bool, rejected: bool, means: Means
    ) -> None:
        one = token(refresh_token=refresh_token, refreshable_until=until)
        assert means_of(one, 50.0, can_login=can_login, rejected=rejected) is means

    @pytest.mark.parametrize(
        ("now", "means"),
        [
            (math.nextafter(10.0, 0.0), Means.LOGIN),
            (10.0, Means.BOTH),
            (math.nextafter(400.0, 0.0), Means.BOTH),
            (400.0, Means.LOGIN),
        ],
    )
    def test_on_both_sides_of_each_edge(self, now: float, means: Means) -> None:
        one = token(refreshable_from=10.0, refreshable_until=400.0)
        assert means_of(one, now, can_login=True) is means

    @pytest.mark.parametrize("rejected", [False, True])
    def test_without_a_token_there_is_the_login_or_nothing(self, rejected: bool) -> None:
        assert means_of(None, 0.0, can_login=True, rejected=rejected) is Means.LOGIN
        assert means_of(None, 0.0, can_login=False, rejected=rejected) is Means.NOTHING


class TestGrantsWithin:
    @pytest.mark.parametrize(
        ("tries", "grants", "turns"),
        [
            (1, (), ()),
            (3, (), ()),
            (1, (LOGIN,), (LOGIN,)),
            (2, (LOGIN,), (LOGIN, LOGIN)),
            (4, (LOGIN,), (LOGIN,) * 4),
            (1, (REFRESH,), (REFRESH,)),
            (4, (REFRESH,), (REFRESH,)),
            (2, (REFRESH, LOGIN), (REFRESH, LOGIN)),
            (3, (REFRESH, LOGIN), (REFRESH, LOGIN, LOGIN)),
        ],
    )
    def test_every_case(self, tries: int, grants: tuple[Purpose, ...], turns: tuple[Purpose, ...]) -> None:
        assert grant_sequence(tries, grants) == turns

    @given(tries=st.integers(min_value=1, max_value=50), grants=st.sampled_from(list(GRANTS.values())))
    def test_a_refresh_is_never_repeated_and_comes_first(self, tries: int, grants: tuple[Purpose, ...]) -> None:
        turns = grant_sequence(tries, grants)
        assert turns.count(REFRESH) == grants.count(REFRESH)
        assert REFRESH not in turns[1:]

    @given(tries=st.integers(min_value=1, max_value=50), grants=st.sampled_from(list(GRANTS.values())))
    def test_each_grant_has_its_turn_and_no_other_does(self, tries: int, grants: tuple[Purpose, ...]) -> None:
        assert set(grant_sequence(tries, grants)) == set(grants)


class TestWorthTrying:
    """Whether a grant is worth a call after another failed."""

    GONE = TokenEndpointUnavailable("It did not answer")
    ASKED = TokenEndpointUnavailable("Later", retry_after=5.0)
    ASKED_FOR_NOTHING = TokenEndpointUnavailable("Later", retry_after=0.0)
    REFUSED = CredentialsRejected("Wrong")
    DEAD = LoginRequired("Too old")
    ODD = InvalidTokenResponse("Garbage")

    @pytest.mark.parametrize("failure", [GONE, DEAD, ODD], ids=lambda failure: failure.code)
    @pytest.mark.parametrize("needed", [True, False])
    def test_a_login_follows_a_refresh_that_failed(self, failure: AuthError, needed: bool) -> None:
        assert worth_trying(LOGIN, REFRESH, failure, needed=needed)

    def test_where_the_endpoint_asked_for_time_it_does_if_somebody_waits(self) -> None:
        assert worth_trying(LOGIN, REFRESH, self.ASKED, needed=True)
        assert not worth_trying(LOGIN, REFRESH, self.ASKED, needed=False)
        assert worth_trying(LOGIN, REFRESH, self.ASKED_FOR_NOTHING, needed=False)

    @pytest.mark.parametrize("needed", [True, False])
    def test_nothing_follows_a_refusal_and_no_login_one_that_was_asked_to_wait(self, needed: bool) -> None:
        assert not worth_trying(LOGIN, LOGIN, self.REFUSED, needed=needed)
        assert not worth_trying(LOGIN, REFRESH, self.REFUSED, needed=needed)
        assert not worth_trying(LOGIN, LOGIN, self.ASKED, needed=needed)

    @pytest.mark.parametrize("needed", [True, False])
    def test_a_login_is_repeated_only_if_it_may_not_have_arrived(self, needed: bool) -> None:
        assert worth_trying(LOGIN, LOGIN, self.GONE, needed=needed)
        assert worth_trying(LOGIN, LOGIN, self.ASKED_FOR_NOTHING, needed=needed)
        assert not worth_trying(LOGIN, LOGIN, self.ODD, needed=needed)
        assert not worth_trying(LOGIN, LOGIN, self.DEAD, needed=needed)
