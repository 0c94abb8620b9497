"""One renewal by itself: which place it looks at, what it believes, how long it tries, and what it leaves behind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

import pytest

from auth_plugins import (
    AuthError,
    CredentialsRejected,
    Event,
    EventKind,
    InvalidTokenResponse,
    LoginRequired,
    MemoryStore,
    RefreshPolicy,
    StoreError,
    Token,
    TokenEndpointUnavailable,
)
from auth_plugins.core import Answer, ErrorInfo, Purpose, TokenRequest, TokenResponse, bearer, fingerprint
from auth_plugins.engine.context import Context
from auth_plugins.engine.logout import logout
from auth_plugins.engine.outcome import pick_current
from auth_plugins.engine.renewal import renew
from auth_plugins.engine.shared_state import SharedState
from auth_plugins.engine.snapshot import NO_TOKEN, Snapshot
from auth_plugins.engine.unauthorized import AnswerJudge
from auth_plugins.engine.unsaved import UnsavedToken
from auth_plugins.testing import FakeClock

URL = "https://api.example"
THEN = 1_800_000_000.0


def token(name: str, issued_at: float = THEN, lifetime: float = 3600.0, **more: Any) -> Token:
    kept: dict[str, Any] = {"refresh_token": f"r-{name}", "refreshable_until": issued_at + 2 * lifetime, **more}
    return Token(access_token=name, issued_at=issued_at, expires_at=issued_at + lifetime, **kept)


@dataclass(frozen=True, slots=True)
class Toy:
    """A provider whose answers are the tokens' names."""

    can_login: bool = True
    rotates: bool = False
    name = "toy"
    base_url = URL

    def initial_token(self) -> Token | None:
        return None

    def login(self) -> TokenRequest:
        return TokenRequest(Purpose.LOGIN, URL)

    def refresh(self, token: Token, now: float) -> TokenRequest:
        return TokenRequest(Purpose.REFRESH, URL, body=f"{now:.1f}".encode(), token=token)

    def revoke(self, token: Token) -> TokenRequest:
        return TokenRequest(Purpose.REVOKE, URL, token=token)

    def read(self, answer: Answer, now: float) -> Token:
        return token(answer.response.body.decode(), now)

    def error_info(self, response: TokenResponse) -> ErrorInfo:
        return ErrorInfo()

    headers = staticmethod(bearer)


def count_failure(stage: Stage, snapshot: Snapshot) -> None:
    judge = AnswerJudge(stage.context.provider, stage.context.policy, stage.clock)
    judge.shared = stage.shared
    judge.still_unauthorized(snapshot, "GET /x")


Outcome = TokenResponse | AuthError


@dataclass(slots=True)
class Script:
    """A channel that answers what it was told to, and remembers what it was asked."""

    answers: list[Callable[[], Outcome]]
    asked: list[tuple[TokenRequest, float]] = field(default_factory=list)
    """What was called, and with how much time."""
    policies: list[RefreshPolicy] = field(default_factory=list)

    def send(self, request: TokenRequest, policy: RefreshPolicy, deadline: float) -> TokenResponse:
        self.asked.append((request, deadline))
        self.policies.append(policy)
        answer = self.answers.pop(0)()
        if isinstance(answer, AuthError):
            raise answer
        return answer

    @property
    def grants(self) -> list[Purpose]:
        return [request.purpose for request, _ in self.asked]


class Watched(MemoryStore):
    """A store that tells what was done with it, and does what it is told before it gives its lock."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(clock=clock)
        self.done: list[tuple[str, str]] = []
        self.before_lock: Callable[[], None] = lambda: None
        self.fails = self.full = False

    def load(self, key: str) -> Token | None:
        self.done.append(("load", key))
        if self.fails:
            raise StoreError("The disk is gone")
        return super().load(key)

    def save(self, key: str, token: Token) -> None:
        self.done.append(("save", key))
        if self.full:
            raise StoreError("The disk is full")
        super().save(key, token)

    def delete(self, key: str) -> None:
        self.done.append(("delete", key))
        super().delete(key)

    @contextmanager
    def lock(self, key: str) -> Iterator[None]:
        self.before_lock()
        self.done.append(("lock", key))
        with super().lock(key):
            yield


class Stage:
    """All that a renewal gets."""

    def __init__(self, *answers: str | Callable[[], Outcome], toy: Toy | None = None, **policy: Any) -> None:
        self.clock, self.events = FakeClock(THEN), list[Event]()
        self.store = Watched(self.clock)
        policy = {"jitter": 0.0, **policy}
        self.context = Context(toy or Toy(), RefreshPolicy(**policy), self.clock, self.events.append)
        self.shared = SharedState(self.store, NO_TOKEN)
        self.key = fingerprint(self.context.provider, self.store.salt)
        self.script = Script([_answering(each) for each in answers])

    def keep(self, kept: Token) -> None:
        """Put a token into the store, as a peer does."""
        MemoryStore.save(self.store, self.key, kept)

    def kept(self) -> Token | None:
        return MemoryStore.load(self.store, self.key)

    def have(self, snapshot: Token, window_opens_at: float | None = None) -> Snapshot:
        """Let a token be at hand."""
        due = self.context.policy.due_at(snapshot) if window_opens_at is None else window_opens_at
        self.shared.snapshot = Snapshot.of(snapshot, self.context.provider, self.clock, due)
        return self.shared.snapshot

    def renew(self) -> Snapshot:
        return renew(self.context, self.shared, self.script)


def _answering(answer: str | Callable[[], Outcome]) -> Callable[[], Outcome]:
    return answer if callable(answer) else lambda: TokenResponse(200, body=answer.encode())


def after(clock: FakeClock, seconds: float, answer: Outcome) -> Callable[[], Outcome]:
    def answering() -> Outcome:
        clock.advance(seconds)
        return answer

    return answering


def lost(**more: Any) -> AuthError:
    return TokenEndpointUnavailable("It got lost", **more)


class TestThePlace:
    def test_is_loaded_locked_loaded_and_saved_under_the_tokens_own_key(self) -> None:
        stage = Stage("new")
        stage.renew()
        assert stage.store.done == [(what, stage.key) for what in ("load", "lock", "load", "save")]

    def test_is_locked_loaded_and_emptied_at_the_end_under_the_tokens_own_key(self) -> None:
        stage = Stage("bye")
        stage.keep(token("old"))
        logout(stage.context, stage.shared, stage.script)
        assert stage.store.done == [(what, stage.key) for what in ("lock", "load", "delete")]
        assert stage.script.grants == [Purpose.REVOKE]

    def test_is_not_locked_to_take_over_a_peers_token(self) -> None:
        stage = Stage()
        stage.keep(token("peer's"))
        assert stage.renew().token == token("peer's")
        assert stage.store.done == [("load", stage.key)]
        assert [event.kind for event in stage.events] == [EventKind.ADOPTED]

    def test_is_not_written_to_if_what_is_at_hand_is_good_and_kept(self) -> None:
        stage = Stage()
        stage.keep(token("old"))
        snapshot = stage.have(token("old"))
        assert stage.renew() is snapshot
        assert [what for what, _ in stage.store.done] == ["load", "lock", "load"]

    def test_a_store_that_cannot_be_read_gets_nothing_and_the_token_it_held_is_remembered(self) -> None:
        stage = Stage("new")
        stage.have(token("old"))
        stage.clock.advance(3600)
        stage.store.fails = True
        assert stage.renew().token == token("new", THEN + 3600)
        assert stage.shared.unsaved == UnsavedToken(token("old"))
        assert stage.kept() is None

    def test_a_store_that_still_cannot_be_read_is_taken_to_hold_what_it_held_at_first(self) -> None:
        stage = Stage("newer")
        stage.have(token("new"))
        stage.shared.unsaved = UnsavedToken(token("old"))
        stage.clock.advance(3600)
        stage.store.fails = True
        stage.renew()
        assert stage.shared.unsaved == UnsavedToken(token("old"))

    def test_a_store_that_still_takes_nothing_is_tried_again_after_a_pause_that_grows(self) -> None:
        stage = Stage()
        stage.have(OURS)
        stage.shared.unsaved, stage.store.full = UnsavedToken(None), True
        for failures, pause in ((1, 5.0), (2, 10.0)):
            assert stage.renew().token == OURS
            failure = stage.shared.failure
            assert failure is not None
            assert (failure.failures, failure.error.message) == (failures, "The disk is full")
            assert (
                failure.no_early_renewal_before - stage.clock.monotonic()
                == stage.shared.snapshot.recheck_at - stage.clock()
                == pause
            )
        assert [event.kind for event in stage.events] == [EventKind.SAVE_FAILED] * 2


OLD, OURS, THEIRS = token("old"), token("ours", THEN + 10), token("theirs", THEN + 20)
LATER = token("later", THEN + 5)


class TestWhichIsNewest:
    @pytest.mark.parametrize(
        ("rotates", "ours", "unsaved", "stored", "wanted"),
        [
            (False, OURS, None, None, OURS),
            (False, OURS, None, THEIRS, THEIRS),
            (False, OURS, None, LATER, LATER),
            (False, OURS, UnsavedToken(OLD), OLD, OURS),
            (False, OURS, UnsavedToken(OLD), THEIRS, THEIRS),
            (False, OURS, UnsavedToken(OLD), LATER, OURS),
            (True, OURS, UnsavedToken(OLD), OLD, OURS),
            (True, OURS, UnsavedToken(OLD), LATER, LATER),
            (False, None, UnsavedToken(OLD), LATER, LATER),
            (False, None, None, None, None),
        ],
    )
    def test_is_what_the_store_has_unless_it_did_not_take_ours(
        self,
        rotates: bool,
        ours: Token | None,
        unsaved: UnsavedToken | None,
        stored: Token | None,
        wanted: Token | None,
    ) -> None:
        stage = Stage(toy=Toy(rotates=rotates))
        stage.shared.snapshot, stage.shared.unsaved = replace(NO_TOKEN, token=ours), unsaved
        assert pick_current(stage.context, stage.shared, stored) == wanted

    def test_is_what_is_revoked_at_the_end(self) -> None:
        stage = Stage("bye")
        stage.keep(LATER)
        stage.have(OURS)
        stage.shared.unsaved = UnsavedToken(OLD)
        logout(stage.context, stage.shared, stage.script)
        assert stage.script.asked[0][0].token == OURS


class TestAPeersToken:
    @pytest.mark.parametrize("rejected", [True, False], ids=["rejected", "ended"])
    def test_is_no_use_if_it_was_rejected_or_has_ended(self, rejected: bool) -> None:
        stage = Stage("new")
        stage.keep(token("peer's"))
        if rejected:
            stage.shared.rejected = token("peer's")
        else:
            stage.clock.advance(3600)
        assert stage.renew().token == token("new", stage.clock())
        assert len(stage.script.asked) == 1

    def test_that_comes_while_one_waits_for_the_lock_is_judged_by_its_own_window(self) -> None:
        stage = Stage()
        stage.have(token("old"))
        stage.clock.advance(3400)
        peers = token("peer's", THEN + 3390)
        stage.store.before_lock = lambda: stage.keep(peers)
        snapshot = stage.renew()
        assert (snapshot.token, snapshot.window_opens_at) == (peers, peers.expires_at - 300)
        assert stage.script.asked == []

    def test_is_judged_by_the_wall_clock_though_that_was_set_back(self) -> None:
        stage = Stage()
        stage.have(token("old"))
        stage.clock.advance(4000)
        stage.clock.jump(-4000)
        peers = token("peer's", lifetime=3000)
        stage.store.before_lock = lambda: stage.keep(peers)
        assert stage.renew().token == peers
        assert stage.script.asked == []

    def test_that_is_there_once_a_refresh_was_refused_is_taken_with_its_own_window(self) -> None:
        stage = Stage(lambda: _refused(stage))
        stage.keep(token("old"))
        stage.have(token("old"))
        stage.clock.advance(3500)
        snapshot = stage.renew()
        assert snapshot.token == token("peer's", THEN + 3500)
        assert (snapshot.window_opens_at, stage.script.grants) == (THEN + 3500 + 3600 - 300, [Purpose.REFRESH])


def _refused(stage: Stage) -> AuthError:
    stage.keep(token("peer's", THEN + 3500))
    return LoginRequired("It was used")


def test_the_token_at_hand_has_the_window_that_was_drawn_for_it() -> None:
    stage = Stage()
    stage.keep(token("old"))
    snapshot = stage.have(token("old"), window_opens_at=THEN + 3599)
    stage.clock.advance(3598)
    assert stage.renew() is snapshot


def test_each_token_draws_its_own_window() -> None:
    drawn = set()
    for _ in range(20):
        drawn.add(Stage("new", jitter=1.0).renew().window_opens_at)
    assert len(drawn) > 10
    assert all(THEN + 3600 - 600 <= window_opens_at <= THEN + 3600 - 300 for window_opens_at in drawn)


def test_what_is_distrusted_is_replaced_once_and_trust_begins_anew() -> None:
    stage = Stage("new")
    stage.keep(token("old"))
    stage.shared.distrust = True
    snapshot = stage.renew()
    assert (snapshot.token, snapshot.unproven) == (token("new"), False)
    assert (stage.shared.distrust, stage.shared.rejected, stage.shared.rejected_by_server) == (
        False,
        token("old"),
        False,
    )


def test_a_refresh_is_made_for_the_time_that_it_is() -> None:
    stage = Stage("new")
    stage.have(token("old"))
    stage.clock.advance(3500)
    stage.renew()
    ((request, _),) = stage.script.asked
    assert (request.purpose, request.body) == (Purpose.REFRESH, b"1800003500.0")


def test_every_token_call_gets_the_policy_object_of_its_auth_object() -> None:
    stage = Stage(tries=3)
    stage.script.answers = [lost, lost, lost]
    with pytest.raises(TokenEndpointUnavailable):
        stage.renew()
    assert len(stage.script.policies) == 3
    assert all(policy is stage.context.policy for policy in stage.script.policies)


class TestTheDeadline:
    def test_is_that_of_all_calls_of_a_renewal_together(self) -> None:
        stage = Stage(tries=3)
        clock = stage.clock
        stage.script.answers = [after(clock, 10, lost()), after(clock, 19.6, lost()), after(clock, 0, lost())]
        with pytest.raises(TokenEndpointUnavailable):
            stage.renew()
        first, second, third = (deadline for _, deadline in stage.script.asked)
        assert first == 30.0
        assert 19.7 <= second <= 19.95
        assert 0 < third <= 0.3

    def test_leaves_a_moment_to_a_call_that_begins_just_before_it(self) -> None:
        stage = Stage()
        stage.script.answers = [after(stage.clock, 29.99, lost()), lost]
        with pytest.raises(TokenEndpointUnavailable):
            stage.renew()
        assert stage.script.asked[1][1] == 0.001

    def test_allows_no_call_once_it_has_come(self) -> None:
        stage = Stage()
        stage.script.answers = [after(stage.clock, 30, lost()), lost]
        with pytest.raises(TokenEndpointUnavailable):
            stage.renew()
        assert len(stage.script.asked) == 1


def test_a_login_is_repeated_only_if_it_may_not_have_arrived() -> None:
    stage = Stage(lost, lambda: InvalidTokenResponse("Garbage"), lost, tries=3)
    with pytest.raises(InvalidTokenResponse):
        stage.renew()
    assert stage.script.grants == [Purpose.LOGIN, Purpose.LOGIN]


@pytest.mark.parametrize("job", [renew, logout])
def test_a_date_to_come_again_counts_from_when_the_call_was_made(
    job: Callable[[Context, SharedState, Script], Snapshot],
) -> None:
    date = format_datetime(datetime.fromtimestamp(THEN + 120, UTC), usegmt=True)
    stage = Stage(toy=Toy(can_login=False))
    stage.keep(token("old", THEN - 3700) if job is renew else token("old"))
    stage.script.answers = [after(stage.clock, 5, TokenResponse(503, {"retry-after": date}))] * 2
    with pytest.raises(TokenEndpointUnavailable) as caught:
        job(stage.context, stage.shared, stage.script)
    assert caught.value.retry_after == 120


@pytest.mark.parametrize(
    ("then", "retry_after"),
    [(lost, 120.0), (lambda: lost(retry_after=7.0), 120.0), (lambda: CredentialsRejected("No"), None)],
    ids=["lost", "asked for less", "refused"],
)
def test_what_a_refresh_was_asked_to_wait_is_kept_whatever_becomes_of_the_login(
    then: Callable[[], Outcome], retry_after: float | None
) -> None:
    stage = Stage(lambda: TokenResponse(429, {"retry-after": "120"}), then)
    stage.have(token("old", THEN - 3700))
    with pytest.raises(AuthError) as caught:
        stage.renew()
    assert (stage.script.grants, caught.value.retry_after) == ([Purpose.REFRESH, Purpose.LOGIN], retry_after)


class TestTheSlot:
    def test_rests_after_a_failure_for_as_long_as_the_policy_says(self) -> None:
        stage = Stage()
        stage.have(token("old"))
        stage.clock.advance(3400)
        stage.shared.record_failure(lost(), stage.context.policy, stage.clock)
        assert stage.shared.snapshot.recheck_at == THEN + 3405
        assert (stage.shared.snapshot.token, stage.shared.snapshot.window_opens_at) == (token("old"), THEN + 3300)

    @pytest.mark.parametrize(
        ("errors", "pauses"),
        [
            ([lost(), lost(), lost(), lost()], [0, 0.25, 0.5, 1]),
            ([lost(), InvalidTokenResponse("No token"), lost()], [0, 0.25, 0.5]),
            ([lost(), CredentialsRejected("No"), LoginRequired("No"), lost(), lost()], [0, 30, 60, 0, 0.25]),
            ([StoreError("Full"), StoreError("Full"), StoreError("Full"), lost(), lost()], [0, 0, 0, 0, 0.25]),
            ([lost(), lost(retry_after=20.0), lost(retry_after=0.0)], [0, 20, 0.5]),
        ],
    )
    def test_pauses_by_whose_fault_it_was_and_how_often_in_a_row(
        self, errors: list[AuthError], pauses: list[float]
    ) -> None:
        stage, found = Stage(jitter=0.0), []
        for error in errors:
            stage.shared.record_failure(error, stage.context.policy, stage.clock)
            assert stage.shared.failure is not None
            found.append(stage.shared.failure.no_call_before - stage.clock.monotonic())
        assert found == pauses

    def test_shortens_the_pause_of_an_outage_by_up_to_the_jitter(self) -> None:
        pauses = set()
        for _ in range(200):
            stage = Stage(jitter=0.5)
            stage.shared.record_failure(lost(), stage.context.policy, stage.clock)
            stage.shared.record_failure(lost(), stage.context.policy, stage.clock)
            assert stage.shared.failure is not None
            pauses.add(stage.shared.failure.no_call_before - stage.clock.monotonic())
        assert 0.125 <= min(pauses) < 0.15 < 0.225 < max(pauses) <= 0.25

    @pytest.mark.parametrize(("now", "counts"), [(-0.5, 0), (0.0, 1), (9.5, 1), (10.0, 0), (11.0, 0)])
    def test_counts_a_401_only_between_the_tokens_first_moment_and_its_last(self, now: float, counts: int) -> None:
        stage = Stage()
        stage.clock.jump(-1.0)
        new = token("new", THEN, lifetime=10.0, valid_from=THEN)
        snapshot = Snapshot.of(new, stage.context.provider, stage.clock, new.expires_at, unproven=True)
        stage.clock.advance(1.0 + now)
        count_failure(stage, snapshot)
        assert stage.shared.unauthorized.failures == counts

    def test_counts_a_401_for_a_token_that_had_ended_when_it_came(self) -> None:
        stage = Stage()
        snapshot = Snapshot.of(token("new", THEN - 10, lifetime=10.0), Toy(), stage.clock, THEN, unproven=True)
        count_failure(stage, snapshot)
        assert stage.shared.unauthorized.failures == 1
