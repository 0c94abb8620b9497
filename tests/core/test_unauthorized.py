"""The rule on 401s by itself: facts in, verdict out, with a clock that is a number."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auth_plugins.core import RefreshPolicy, Token
from auth_plugins.core.endpoints import endpoint_of
from auth_plugins.core.unauthorized import NO_BACKOFF, UnauthorizedBackoff

POLICY = RefreshPolicy()
GOOD = [f"GET /good/{each}" for each in range(3)]
REFUSING = [f"GET /refusing/{each}" for each in range(3)]
FLAPPING = [f"GET /flapping/{each}" for each in range(3)]


@dataclass
class Api:
    """Endpoints behind the rule, and one client that asks it as the engine does."""

    now: float = 0.0
    known: UnauthorizedBackoff = NO_BACKOFF
    number: int = 0
    revoked: bool = False
    calls: list[float] = field(default_factory=list)
    helped: int = 0
    """The calls after which the request was accepted."""
    seen: dict[str, int] = field(default_factory=dict)
    """The endpoints whose acceptance was seen during a back-off, and their streaks."""

    @property
    def token(self) -> Token:
        return Token(access_token=str(self.number), issued_at=0.0, expires_at=1e9)

    def send(self, endpoint: str, *, accepts: bool = True, accepts_replay: bool | None = None) -> int:
        """Send a request; return its status, after a replay if there is one."""
        if accepts and not self.revoked:
            self._accepted(endpoint, replay=False)
            return 200
        believed, self.known = self.known.rejected(endpoint, POLICY, self.now)
        if not believed:
            return 401
        self.calls.append(self.now)
        self.number, self.revoked = self.number + 1, False
        if accepts if accepts_replay is None else accepts_replay:
            self._accepted(endpoint, replay=True)
            self.helped += 1
            return 200
        self.known = self.known.failed(self.token, POLICY, self.now, refused_by=endpoint)
        return 401

    def _accepted(self, endpoint: str, *, replay: bool) -> None:
        if self.known.is_on:
            self.seen[endpoint] = self.seen.get(endpoint, 0) + 1
        self.known = self.known.accepted_by(endpoint, POLICY, self.now, replay=replay, current=True)


@pytest.mark.parametrize("endpoints", [1, 5000])
def test_a_server_that_refuses_everything_is_called_at_0_1_3_7_15_seconds(endpoints: int) -> None:
    api = Api()
    for each in range(6000):
        api.now = each / 100
        assert api.send(f"GET /{each % endpoints}", accepts=False) == 401
    assert [round(each, 1) for each in api.calls] == [0, 1, 3, 7, 15, 31]


def test_thousands_of_refusing_paths_beside_a_good_one_cost_12_calls_in_10_minutes() -> None:
    api = Api()
    for each in range(60_000):
        api.now = each / 100
        api.send(f"GET /refusing/{each % 5000}", accepts=False)
        assert api.send("GET /good") == 200
    assert len(api.calls) <= 12
    assert len(api.known.endpoints) == 1


def test_an_endpoint_that_accepted_is_believed_after_10_minutes_of_anothers_refusals() -> None:
    api = Api()
    for each in range(600):
        api.now = float(each)
        api.send("GET /refusing", accepts=False)
        assert api.send("GET /good") == 200
    api.revoked = True
    assert api.send("GET /refusing", accepts=False) == 401
    assert api.send("GET /good") == 200


@pytest.mark.parametrize("paths", [1, 30])
def test_a_load_balancer_with_a_bad_node_of_two_costs_30_calls_in_15_seconds_and_then_fewer(paths: int) -> None:
    for seed in range(4):
        calls = flapping(seed, bad=0.5, paths=paths)
        assert len([each for each in calls if each < 15]) <= 30
        assert len([each for each in calls if each >= 45]) <= 12


@pytest.mark.parametrize("paths", [1, 30])
@pytest.mark.parametrize("bad", [0.1, 0.02])
def test_a_load_balancer_with_a_rare_bad_node_costs_no_more_calls_than_the_bound(bad: float, paths: int) -> None:
    for seed in range(2):
        assert len(flapping(seed, bad=bad, paths=paths)) <= 40 + 3 * 60


def flapping(seed: int, *, bad: float, paths: int) -> list[float]:
    """Send 120 requests a second for a minute, of which `bad` reach a node that refuses every token."""
    chance, api = random.Random(seed), Api()
    for each in range(120 * 60):
        api.now = each / 120
        served = chance.random() > bad
        status = api.send(f"GET /{chance.randrange(paths)}", accepts=served, accepts_replay=chance.random() > bad)
        assert status == 200 or not served, "what a good node serves goes on"
    return api.calls


def test_forty_revocations_in_a_row_that_a_renewal_heals_are_all_healed() -> None:
    api = Api()
    for _ in range(40):
        api.revoked = True
        assert api.send("GET /good") == 200
    assert len(api.calls) == 40


def test_revocations_twice_a_second_are_healed_for_ever() -> None:
    api = Api()
    for each in range(2000):
        api.now, api.revoked = each / 2, True
        assert api.send("GET /good") == 200


def test_a_renewal_is_refunded_once_and_only_by_the_endpoint_that_asked_for_it() -> None:
    api = Api()
    api.revoked = True
    assert api.send("GET /good") == 200
    assert api.known.budget == pytest.approx(7.9)
    for _ in range(3):
        api._accepted("GET /good", replay=True)
        api._accepted("GET /other", replay=True)
    assert api.known.budget == pytest.approx(7.9)
    api.known = api.known.refused("GET /other", POLICY, api.now)
    assert api.known.budget == pytest.approx(7.9)
    api.known = api.known.refused("GET /good", POLICY, api.now)
    assert api.known.budget == pytest.approx(7.0)
    api._accepted("GET /good", replay=True)
    assert api.known.budget == pytest.approx(7.0)


def test_an_endpoint_that_refused_the_new_token_first_is_not_refunded_when_another_node_of_it_accepts() -> None:
    api = Api()
    api.send("GET /flapping", accepts=False)
    before = api.known.budget
    api._accepted("GET /flapping", replay=True)
    assert api.known.budget <= before == pytest.approx(7.0)


def test_the_last_part_of_the_budget_is_for_steady_endpoints() -> None:
    api = Api()
    api.send("GET /refusing", accepts=False)
    api.send("GET /seldom")
    for _ in range(8):
        api.send("GET /steady")
    for each in range(100):
        api.send(f"GET /flapping/{each}")
        api.send(f"GET /flapping/{each}", accepts=False, accepts_replay=each % 3 == 0)
    assert api.known.budget < 4.0
    assert api.known.is_on
    api.revoked = True
    assert api.send("GET /seldom") == 401
    assert api.send("GET /steady") == 200


def test_a_server_that_begins_to_refuse_everything_during_a_backoff_costs_6_calls_more_at_most() -> None:
    api = Api()
    for each in range(100):
        api.now = each / 10
        api.send("GET /refusing", accepts=False)
        for good in range(100):
            api.send(f"GET /{good}")
    before = len(api.calls)
    for good in range(100):
        assert api.send(f"GET /{good}", accepts=False) == 401
    assert len(api.calls) - before <= 6


def test_a_backoff_ends_by_a_helpful_renewal_for_an_endpoint_that_was_subject_to_it_and_by_no_other() -> None:
    api = Api()
    api.send("GET /refusing", accepts=False)
    api.send("GET /good")
    api.revoked = True
    assert api.send("GET /good") == 200
    assert api.known.is_on
    api.now = 1.5
    api.revoked = True
    assert api.send("GET /new") == 200
    assert not api.known.is_on


def test_a_backoff_is_not_ended_by_a_renewal_that_helps_once_the_budget_is_used_up() -> None:
    api = Api()
    api.send("GET /refusing", accepts=False)
    api.known = replace(api.known, budget=1.0)
    failures, until = api.known.failures, api.known.until
    api.now = until
    assert api.send("GET /new", accepts=False, accepts_replay=True) == 200
    assert (api.known.is_on, api.known.failures) == (True, failures + 1)
    assert api.known.until == until + POLICY.unauthorized_backoff.delay(failures + 1)
    api.now = until + 100
    assert api.send("GET /another", accepts=False, accepts_replay=True) == 200
    assert not api.known.is_on


def test_an_endpoint_that_ended_a_backoff_is_believed_in_the_next_one() -> None:
    api = Api()
    api.send("GET /refusing", accepts=False)
    api.now, api.revoked = 5.0, True
    assert api.send("GET /good") == 200
    assert not api.known.is_on
    api.send("GET /refusing", accepts=False)
    api.revoked = True
    assert api.send("GET /good") == 200


def test_a_backoff_ends_when_no_401_has_come_for_the_longest_pause() -> None:
    api = Api()
    api.send("GET /refusing", accepts=False)
    api.now = 300.9
    api.send("GET /good")
    assert api.known.is_on
    api.now = 301.0
    api.send("GET /good")
    assert not api.known.is_on


def test_the_memory_is_bounded_and_steady_endpoints_stay() -> None:
    api = Api()
    api.send("GET /refusing", accepts=False)
    for _ in range(8):
        api.send("GET /steady")
    for each in range(1000):
        api.send(f"GET /items/{each}")
    assert len(api.known.endpoints) == 128
    assert api.known.endpoints["GET /steady"].is_steady
    assert "GET /items/999" in api.known.endpoints


def test_an_acceptance_that_changes_nothing_returns_the_same_object() -> None:
    api = Api()
    api.send("GET /refusing", accepts=False)
    for _ in range(8):
        api.send("GET /good")
    before = api.known
    api.send("GET /good")
    assert api.known is before


ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("wait"), st.sampled_from([0.01, 0.3, 1.0, 5.0, 31.0, 70.0, 400.0])),
        st.tuples(st.just("good"), st.integers(0, 2)),
        st.tuples(st.just("refusing"), st.integers(0, 2)),
        st.tuples(st.just("flapping"), st.integers(0, 2), st.booleans(), st.booleans()),
        st.tuples(st.just("revoke")),
    ),
    max_size=120,
)


def play(api: Api, actions: list[tuple[object, ...]], *, steady: bool) -> None:
    """Play a life, and hold the law in it.

    A good endpoint that was seen accepting a token is never answered 401 for what other endpoints do. With flapping
    ones about, that holds for an endpoint that has been steady. Revocations are 5 seconds apart, as the budget grows.
    """
    last_revocation, accepted_in_a_row = -5.0, dict.fromkeys(FLAPPING, 0)
    for kind, *more in actions:
        if kind == "wait":
            api.now += more[0]  # type: ignore[operator]
        elif kind == "revoke" and api.now >= last_revocation + 5.0:
            last_revocation, api.revoked = api.now, True
        elif kind == "good":
            endpoint = GOOD[more[0]]  # type: ignore[call-overload]
            for _ in range(9 if steady and not api.revoked else 1):
                known = endpoint in api.seen if not steady else api.seen.get(endpoint, 0) >= 9
                assert api.send(endpoint) == 200 or not known
        elif kind == "refusing":
            api.send(REFUSING[more[0]], accepts=False)  # type: ignore[call-overload]
        elif kind == "flapping":
            endpoint = FLAPPING[more[0]]  # type: ignore[call-overload]
            accepts = bool(more[1]) and accepted_in_a_row[endpoint] < 6
            accepted_in_a_row[endpoint] = accepted_in_a_row[endpoint] + 1 if accepts else 0
            api.send(endpoint, accepts=accepts, accepts_replay=bool(more[2]))


@given(ACTIONS)
@settings(max_examples=200)
def test_no_endpoint_that_accepted_is_answered_401_for_what_refusing_ones_do(actions: list[tuple[object, ...]]) -> None:
    play(Api(), [each for each in actions if each[0] != "flapping"], steady=False)


@given(ACTIONS)
@settings(max_examples=200)
def test_no_steady_endpoint_is_answered_401_for_what_flapping_ones_do(actions: list[tuple[object, ...]]) -> None:
    play(Api(), actions, steady=True)


@given(ACTIONS, st.integers(1, 20))
@settings(max_examples=100)
def test_the_calls_stay_under_the_bound(actions: list[tuple[object, ...]], times: int) -> None:
    api = Api()
    for _ in range(times):
        _run(api, actions)
    assert api.helped <= 41 + 3 * api.now
    assert len(api.calls) - api.helped <= 16 + api.now / 3


def _run(api: Api, actions: list[tuple[object, ...]]) -> None:
    for kind, *more in actions:
        if kind == "wait":
            api.now += more[0]  # type: ignore[operator]
        elif kind == "revoke":
            api.revoked = True
        elif kind == "flapping":
            api.send(FLAPPING[more[0]], accepts=bool(more[1]), accepts_replay=bool(more[2]))  # type: ignore[call-overload]
        else:
            api.send((GOOD if kind == "good" else REFUSING)[more[0]], accepts=kind == "good")  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("method", "url", "name"),
    [
        ("GET", "https://api.example/a/b?key=1#x", "GET https://api.example/a/b"),
        ("POST", "https://user:pass@api.example:444/a", "POST https://api.example:444/a"),
        (None, "http://api.example", "GET http://api.example"),
        ("GET", "https://api.example/@me?x@y/z", "GET https://api.example/@me"),
    ],
)
def test_the_name_of_an_endpoint_has_no_user_and_no_query(method: str | None, url: str, name: str) -> None:
    assert endpoint_of(method, url) == name


def test_the_names_of_endpoints_are_short_and_differ() -> None:
    names = {endpoint_of("GET", f"https://api.example/{'x' * 5000}{each}") for each in range(3)}
    assert len(names) == 3
    assert max(map(len, names)) < 250
