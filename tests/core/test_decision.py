"""Every row of the decision is walked, and every state that a token can have is looked up."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auth_plugins.core import (
    AuthError,
    CredentialsRejected,
    InvalidTokenResponse,
    LoginRequired,
    Purpose,
    Token,
    TokenEndpointUnavailable,
)
from auth_plugins.core.decision import (
    Action,
    InFlight,
    Need,
    TokenState,
    call_sequence,
    decide,
    need_of,
    purposes_for,
    state_of,
    worth_trying,
)

LOGIN, REFRESH = Purpose.LOGIN, Purpose.REFRESH
PURPOSES = ((), (LOGIN,), (REFRESH,), (REFRESH, LOGIN))
USABLE = {TokenState.FRESH, TokenState.DUE}
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

# need, in flight, single shot, early back-off, back-off, store check due -> action; None: either.
ROWS: list[tuple[Need, InFlight, bool | None, bool | None, bool | None, bool | None, Action]] = [
    *((Need.NOTHING, each, None, None, None, None, Action.USE) for each in InFlight),
    (Need.RENEWAL_SOON, InFlight.NOTHING, False, False, None, None, Action.RENEW_IN_BACKGROUND),
    (Need.RENEWAL_SOON, InFlight.NOTHING, True, False, None, None, Action.RENEW),
    (Need.RENEWAL_SOON, InFlight.NOTHING, None, True, None, None, Action.USE),
    (Need.RENEWAL_SOON, InFlight.RENEWAL, False, None, None, None, Action.USE),
    (Need.RENEWAL_SOON, InFlight.RENEWAL, True, None, None, None, Action.JOIN),
    (Need.RENEWAL_SOON, InFlight.WAIT, False, None, None, None, Action.USE),
    (Need.RENEWAL_SOON, InFlight.WAIT, True, None, None, None, Action.JOIN),
    (Need.RENEWAL_SOON, InFlight.CALLBACK, None, False, None, None, Action.JOIN),
    (Need.RENEWAL_SOON, InFlight.CALLBACK, None, True, None, None, Action.USE),
    (Need.RENEWAL_NOW, InFlight.NOTHING, None, None, False, None, Action.RENEW),
    (Need.RENEWAL_NOW, InFlight.NOTHING, None, None, True, False, Action.FAIL),
    (Need.RENEWAL_NOW, InFlight.NOTHING, None, None, True, True, Action.CHECK_STORE),
    (Need.RENEWAL_NOW, InFlight.RENEWAL, None, None, None, None, Action.JOIN),
    (Need.RENEWAL_NOW, InFlight.WAIT, None, None, False, None, Action.RENEW),
    (Need.RENEWAL_NOW, InFlight.WAIT, None, None, True, None, Action.FAIL),
    (Need.RENEWAL_NOW, InFlight.CALLBACK, None, None, None, None, Action.JOIN),
]
SITUATIONS = list(itertools.product(Need, InFlight, *[(False, True)] * 4))


def rows_of(*situation: Any) -> list[Action]:
    """Return the actions of all rows that a situation fits."""
    return [
        row[-1]
        for row in ROWS
        if all(wanted is None or wanted is got for wanted, got in zip(row[:-1], situation, strict=True))
    ]


class TestDecide:
    @pytest.mark.parametrize("situation", SITUATIONS, ids=str)
    def test_each_situation_has_one_row_and_its_action(self, situation: Any) -> None:
        need, in_flight, single_shot, early_backoff, backoff, store_check_due = situation
        action = decide(
            need,
            in_flight,
            single_shot=single_shot,
            early_backoff=early_backoff,
            backoff=backoff,
            store_check_due=store_check_due,
        )
        assert [action] == rows_of(*situation)

    def test_every_row_is_reached_by_a_situation(self) -> None:
        reached = {row for row in ROWS for situation in SITUATIONS if row[-1] in rows_of(*situation)}
        assert reached == set(ROWS)

    @given(
        one=st.none() | tokens,
        now=moments,
        opens=moments,
        can_login=st.booleans(),
        facts=st.tuples(*[st.booleans()] * 4),
    )
    def test_a_token_that_ended_is_never_used(
        self, one: Token | None, now: float, opens: float, can_login: bool, facts: tuple[bool, bool, bool, bool]
    ) -> None:
        need = need_of(state_of(one, now, opens), purposes_for(one, now, can_login=can_login))
        single_shot, early, backoff, due = facts
        actions = {
            decide(need, each, single_shot=single_shot, early_backoff=early, backoff=backoff, store_check_due=due)
            for each in InFlight
        }
        usable = one is not None and now < one.expires_at
        assert usable or not actions & {Action.USE, Action.RENEW_IN_BACKGROUND}
        assert not usable or not actions & {Action.FAIL, Action.CHECK_STORE}


class TestNeed:
    @pytest.mark.parametrize("state", TokenState)
    @pytest.mark.parametrize("purposes", PURPOSES)
    def test_every_case(self, state: TokenState, purposes: tuple[Purpose, ...]) -> None:
        need = need_of(state, purposes)
        if state is TokenState.FRESH:
            assert need is Need.NOTHING
        elif state is TokenState.DUE:
            assert need is (Need.RENEWAL_SOON if purposes else Need.NOTHING)
        else:
            assert need is Need.RENEWAL_NOW

    @given(one=tokens, now=moments, opens=moments, can_login=st.booleans())
    def test_a_rejected_token_needs_a_renewal_whatever_its_age(
        self, one: Token, now: float, opens: float, can_login: bool
    ) -> None:
        purposes = purposes_for(one, now, can_login=can_login, rejected=True)
        assert need_of(state_of(one, now, opens, rejected=True), purposes) is Need.RENEWAL_NOW


class TestState:
    @pytest.mark.parametrize(
        ("now", "state"),
        [
            (0.0, TokenState.FRESH),
            (math.nextafter(80.0, 0.0), TokenState.FRESH),
            (80.0, TokenState.DUE),
            (math.nextafter(100.0, 0.0), TokenState.DUE),
            (100.0, TokenState.EXPIRED),
            (math.nextafter(400.0, 0.0), TokenState.EXPIRED),
            (400.0, TokenState.DEAD),
            (1e12, TokenState.DEAD),
        ],
    )
    def test_on_both_sides_of_each_edge(self, now: float, state: TokenState) -> None:
        assert state_of(token(refreshable_until=400.0), now, 80.0) is state

    def test_an_ended_token_that_nothing_renews_is_dead_at_once(self) -> None:
        assert state_of(token(), 100.0, 80.0) is TokenState.DEAD

    def test_an_ended_token_whose_renewal_is_yet_to_come_is_dead(self) -> None:
        one = token(refreshable_from=200.0, refreshable_until=300.0)
        assert [state_of(one, now, 80.0) for now in (150.0, 200.0)] == [TokenState.DEAD, TokenState.EXPIRED]

    def test_a_window_that_opens_after_the_end_leaves_no_time_to_be_due(self) -> None:
        assert [state_of(token(), now, 500.0) for now in (99.0, 100.0)] == [TokenState.FRESH, TokenState.DEAD]

    @given(now=moments, opens=moments, rejected=st.booleans())
    def test_no_token_is_empty_rejected_or_not(self, now: float, opens: float, rejected: bool) -> None:
        assert state_of(None, now, opens, rejected=rejected) is TokenState.EMPTY

    @given(one=tokens, now=moments, opens=moments)
    def test_a_rejected_token_is_rejected_however_young(self, one: Token, now: float, opens: float) -> None:
        assert state_of(one, now, opens, rejected=True) is TokenState.REJECTED
        assert state_of(one, now, opens) is state_of(one, now, opens, rejected=False) is not TokenState.REJECTED

    @given(one=st.none() | tokens, now=moments, opens=moments, can_login=st.booleans(), rejected=st.booleans())
    def test_a_token_that_is_dead_or_missing_is_not_refreshed(
        self, one: Token | None, now: float, opens: float, can_login: bool, rejected: bool
    ) -> None:
        state = state_of(one, now, opens, rejected=rejected)
        purposes = purposes_for(one, now, can_login=can_login, rejected=rejected)
        if state in (TokenState.EMPTY, TokenState.DEAD):
            assert REFRESH not in purposes
        if state is TokenState.EXPIRED:
            assert REFRESH in purposes


class TestPurposes:
    @pytest.mark.parametrize(
        ("refresh_token", "until", "can_login", "rejected", "purposes"),
        [
            # Nothing renews it.
            (None, -math.inf, False, False, ()),
            (None, -math.inf, True, False, (LOGIN,)),
            ("rt", -math.inf, False, True, ()),
            ("rt", -math.inf, True, True, (LOGIN,)),
            # It renews itself (Fyatu).
            (None, 400.0, False, False, (REFRESH,)),
            (None, 400.0, True, False, (REFRESH, LOGIN)),
            (None, 400.0, True, True, (LOGIN,)),
            (None, 400.0, False, True, (REFRESH,)),
            # A refresh token renews it.
            ("rt", 400.0, False, False, (REFRESH,)),
            ("rt", 400.0, True, False, (REFRESH, LOGIN)),
            ("rt", 400.0, True, True, (REFRESH, LOGIN)),
            ("rt", 400.0, False, True, (REFRESH,)),
        ],
    )
    def test_every_case(
        self, refresh_token: str | None, until: float, can_login: bool, rejected: bool, purposes: tuple[Purpose, ...]
    ) -> None:
        one = token(refresh_token=refresh_token, refreshable_until=until)
        assert purposes_for(one, 50.0, can_login=can_login, rejected=rejected) == purposes

    @pytest.mark.parametrize(
        ("now", "purposes"),
        [
            (math.nextafter(10.0, 0.0), (LOGIN,)),
            (10.0, (REFRESH, LOGIN)),
            (math.nextafter(400.0, 0.0), (REFRESH, LOGIN)),
            (400.0, (LOGIN,)),
        ],
    )
    def test_on_both_sides_of_each_edge(self, now: float, purposes: tuple[Purpose, ...]) -> None:
        one = token(refreshable_from=10.0, refreshable_until=400.0)
        assert purposes_for(one, now, can_login=True) == purposes

    @pytest.mark.parametrize("rejected", [False, True])
    def test_without_a_token_there_is_the_login_or_nothing(self, rejected: bool) -> None:
        assert purposes_for(None, 0.0, can_login=True, rejected=rejected) == (LOGIN,)
        assert purposes_for(None, 0.0, can_login=False, rejected=rejected) == ()


class TestCallSequence:
    @pytest.mark.parametrize(
        ("tries", "purposes", "calls"),
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
    def test_every_case(self, tries: int, purposes: tuple[Purpose, ...], calls: tuple[Purpose, ...]) -> None:
        assert call_sequence(tries, purposes) == calls

    @given(tries=st.integers(min_value=1, max_value=50), purposes=st.sampled_from(PURPOSES))
    def test_a_refresh_is_never_repeated_and_comes_first(self, tries: int, purposes: tuple[Purpose, ...]) -> None:
        calls = call_sequence(tries, purposes)
        assert calls.count(REFRESH) == purposes.count(REFRESH)
        assert REFRESH not in calls[1:]

    @given(tries=st.integers(min_value=1, max_value=50), purposes=st.sampled_from(PURPOSES))
    def test_each_purpose_is_tried_and_no_other(self, tries: int, purposes: tuple[Purpose, ...]) -> None:
        assert set(call_sequence(tries, purposes)) == set(purposes)


class TestWorthTrying:
    """Whether a call is made after another failed."""

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

    def test_after_a_request_for_time_a_login_is_made_only_if_a_request_waits(self) -> None:
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
