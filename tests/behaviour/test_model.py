"""Any order of events, against a reference that is small enough to be believed."""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import httpx
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from auth_plugins import AuthError, FyatuAuth, MemoryStore, RefreshPolicy
from auth_plugins.simulators import FyatuSimulator
from auth_plugins.testing import FakeClock, mock_transport, settle
from tests.conftest import can_be_taken_elsewhere

LIFETIME, GRACE, WINDOW = 86_400.0, 300.0, 300.0
APP_ID, SECRET = "A1B2C3D4E5F6G7H8", "your_secret_key_here"
URL = "https://api.example/api/v3"


@dataclass
class Reference:
    """What a perfect client would hold, and whether anybody could get a token just now."""

    ends: float = 0.0
    revoked: bool = True
    endpoint_up: bool = True
    credentials_good: bool = True

    def usable(self, now: float) -> bool:
        return now < self.ends and not self.revoked

    def calls_expected(self, now: float) -> list[list[str]]:
        """What one request costs at token endpoints where nothing is out of order."""
        if now < self.ends - WINDOW:
            return [["login"] if self.revoked else []]
        if now < self.ends + GRACE:
            if not self.revoked:
                return [["refresh"]]
            # The 401 may arrive before the renewal begins, which is in a thread of its own: then there is no refresh.
            return [["refresh", "login"], *([["login"]] if now < self.ends else [])]
        return [["login"]]


class AnyOrder(RuleBasedStateMachine):
    """Time passes, requests come, tokens are revoked, endpoints fail, flows are left half-way."""

    flows = Bundle("flows")

    def __init__(self) -> None:
        super().__init__()
        self.clock, self.fyatu, self.reference = FakeClock(), FyatuSimulator(), Reference()
        self.store = MemoryStore(clock=self.clock)
        self.api = httpx.Client(transport=mock_transport(self.fyatu, self.clock))
        self.tokens = httpx.Client(transport=mock_transport(self.fyatu, self.clock))
        self.auths = [self.make(), self.make()]
        self.failure = False
        """Whether something failed since the last success: pauses may be in force."""

    def make(self) -> FyatuAuth:
        return FyatuAuth(
            APP_ID,
            SECRET,
            base_url=URL,
            token_client=self.tokens,
            clock=self.clock,
            store=self.store,
            policy=RefreshPolicy(jitter=0.0),
        )

    def teardown(self) -> None:
        self.api.close()
        self.tokens.close()

    def adopt(self) -> None:
        """Let the reference hold what the server gave out last."""
        token = self.auths[0]._source.shared.snapshot.token
        if token is not None:
            issued = self.fyatu._issued[self.fyatu.identify(token.access_token) or ""]
            self.reference.ends = issued.end
            self.reference.revoked = issued.revoked or self.auths[0]._source.shared.rejects(token)

    @rule(
        seconds=st.sampled_from(
            [0.5, 1, 30, 299, 300, 301, 3600, LIFETIME - 301, LIFETIME - 299, LIFETIME, 2 * LIFETIME]
        )
    )
    def time_passes(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @rule(by=st.sampled_from([-7200.0, -1.0]))
    def the_wall_clock_is_set_back(self, by: float) -> None:
        self.clock.jump(by)
        self.fyatu.skew -= by  # The server's own clock is right, and it is the one that counts.

    @rule()
    def every_token_is_revoked(self) -> None:
        self.fyatu.revoke_all()
        self.reference.revoked = True

    @rule(how=st.sampled_from(["unavailable", "drop", "lost", None]))
    def the_token_endpoint_fails_or_recovers(self, how: Any) -> None:
        self.fyatu.outage = how
        self.reference.endpoint_up = how is None

    @rule(good=st.booleans())
    def the_secret_is_changed_or_restored(self, good: bool) -> None:
        self.fyatu.rotate_secret(SECRET if good else "another_secret_key")
        self.reference.credentials_good = good

    @rule(which=st.integers(0, 1))
    def somebody_invalidates(self, which: int) -> None:
        self.auths[which].invalidate()
        self.reference.revoked = self.failure = True

    @rule(which=st.integers(0, 1), body=st.binary(max_size=8))
    def a_request_is_made(self, which: int, body: bytes) -> None:
        auth, reference, now = self.auths[which], self.reference, self.clock() + self.fyatu.skew
        before = len(self.fyatu.ledger.calls())
        served = reference.usable(now)
        healthy = reference.endpoint_up and reference.credentials_good
        status = 0
        with contextlib.suppress(AuthError):
            status = self.api.post(f"{URL}/x", content=body, auth=auth).status_code
        settle(auth)
        made = self.fyatu.ledger.calls()[before:]
        token_calls: list[str] = [call.endpoint for call in made if call.endpoint != "api"]
        if served or (healthy and not self.failure):
            assert status == 200, "a perfect client would have served this request"
        if healthy and not self.failure:
            assert token_calls in reference.calls_expected(now)
        assert len(token_calls) <= 4
        assert len(made) - len(token_calls) <= 2
        assert status in (0, 200, 401)
        # While something is or was out of order there may be pauses, of up to a quarter of an hour. A request that is
        # served by the token at hand ends none: who was to be renewed may still rest.
        self.failure = not (healthy and status == 200 and token_calls in reference.calls_expected(now))
        self.adopt()

    @rule(target=flows, which=st.integers(0, 1))
    def a_flow_begins(self, which: int) -> Any:
        """A request leaves and its answer is long in coming."""
        flow = self.auths[which].sync_auth_flow(httpx.Request("GET", f"{URL}/x"))
        try:
            return flow, next(flow), self.auths[which]
        except AuthError:
            self.failure = True
            return None
        finally:
            settle(self.auths[which])
            self.adopt()

    @rule(begun=consumes(flows))
    def a_flow_goes_on(self, begun: tuple[Generator[Any, Any, None], httpx.Request, FyatuAuth] | None) -> None:
        if begun is None:
            return
        flow, request, auth = begun
        answers = []
        before = self.fyatu.ledger.token_calls
        try:
            while True:
                response = self.api.send(request)
                answers.append(response.status_code)
                request = flow.send(response)
        except StopIteration:
            pass
        except AuthError:
            self.failure = True
        settle(auth)
        assert len(answers) <= 2
        assert answers[:-1] in ([], [401])
        if answers == [200]:
            assert self.fyatu.ledger.token_calls == before
        if answers[-1] == 401:
            self.failure = True
        self.adopt()

    @invariant()
    def no_refresh_was_asked_for_too_late(self) -> None:
        refused = [call for call in self.fyatu.ledger.calls("refresh") if call.status == 401]
        assert all(self.fyatu._issued[call.token_id or ""].revoked for call in refused)

    @invariant()
    def nothing_is_under_way_or_locked_once_all_is_settled(self) -> None:
        shared = self.auths[0]._source.shared
        assert shared is self.auths[1]._source.shared
        assert shared.flight is None
        assert can_be_taken_elsewhere(shared.lock)


AnyOrder.TestCase.settings = settings(
    max_examples=150, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)
TestAnyOrder = AnyOrder.TestCase


def test_the_model_knows_that_a_pause_outlasts_a_request_that_the_token_at_hand_served() -> None:
    state = AnyOrder()
    state.a_request_is_made(which=0, body=b"")
    state.the_token_endpoint_fails_or_recovers(how="unavailable")
    state.time_passes(seconds=LIFETIME - 299)
    state.a_request_is_made(which=0, body=b"")
    state.the_token_endpoint_fails_or_recovers(how=None)
    for _ in range(2):
        state.a_request_is_made(which=0, body=b"")
    assert state.failure
    state.teardown()
