"""Any order of events: no session is ever renewed twice with one refresh token."""

from __future__ import annotations

import contextlib
from collections import Counter
from typing import Any

import httpx
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from auth_plugins import AuthError, JWTPlusAuth, MemoryStore, RefreshPolicy
from auth_plugins.simulators import JWTPlusSimulator
from auth_plugins.testing import FakeClock, mock_transport, settle

URL = "https://jwtplus.example"


class AnySession(RuleBasedStateMachine):
    """Time passes, requests come and are left half-way, keys rotate, sessions end, the server fails."""

    flows = Bundle("flows")

    def __init__(self) -> None:
        super().__init__()
        self.clock, self.server = FakeClock(), JWTPlusSimulator(token_expire=120, refresh_notbefore=60)
        self.server.fork_within = 1e9  # Whoever asked twice would get two sessions.
        self.api = httpx.Client(transport=mock_transport(self.server, self.clock))
        self.tokens = httpx.Client(transport=mock_transport(self.server, self.clock))
        store = MemoryStore(clock=self.clock)
        self.auths = [self.make(store), self.make(store)]

    def make(self, store: MemoryStore) -> JWTPlusAuth:
        return JWTPlusAuth(
            self.server.app_id,
            self.server._secret,
            base_url=URL,
            ip="192.0.2.1",
            user_agent="x",
            subject="me",
            audience="us",
            token_client=self.tokens,
            clock=self.clock,
            store=store,
            policy=RefreshPolicy(jitter=0.0),
        )

    def teardown(self) -> None:
        self.api.close()
        self.tokens.close()

    @rule(seconds=st.sampled_from([0.25, 1, 5, 20, 59, 60, 61, 95, 100, 117.5, 118.9, 119, 121, 400]))
    def time_passes(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @rule(later=st.sampled_from([0.0, 10.0, 40.0]))
    def the_window_opens(self, later: float) -> None:
        snapshot = self.auths[0]._source.shared.snapshot
        if snapshot.token is not None:
            self.clock.advance(min(max(0.0, snapshot.window_opens_at - snapshot.now(self.clock)), 120.0) + later)

    @rule(which=st.integers(0, 1), how=st.sampled_from(["unavailable", "drop", "lost"]), pause=st.floats(0, 8))
    def requests_go_on_while_the_server_fails(self, which: int, how: Any, pause: float) -> None:
        self.server.outage = how
        for _ in range(3):
            self.a_request_is_made(which)
            self.clock.advance(pause)
        self.server.outage = None

    @rule(by=st.sampled_from([-7200.0, -1.0, 0.4, 30.0]))
    def our_clock_jumps(self, by: float) -> None:
        self.clock.jump(by)
        self.server.skew -= by

    @rule(how=st.sampled_from(["unavailable", "drop", "lost", None, None]))
    def the_server_fails_or_recovers(self, how: Any) -> None:
        self.server.outage = how

    @rule()
    def sessions_are_flushed(self) -> None:
        self.server.revoke_all()

    @rule()
    def the_signing_key_is_rotated(self) -> None:
        self.server.rotate_pki()

    @rule(strict=st.booleans())
    def the_api_asks_or_not(self, strict: bool) -> None:
        self.server.strict = strict

    @rule(opens=st.sampled_from([0, 30, 60, 118, 119, 500]))
    def the_apps_window_is_changed(self, opens: int) -> None:
        self.server.refresh_notbefore = opens

    @rule(which=st.integers(0, 1), how=st.sampled_from(["invalidate", "logout"]))
    def a_token_is_dropped(self, which: int, how: str) -> None:
        with contextlib.suppress(AuthError):
            getattr(self.auths[which], how)()

    @rule(which=st.integers(0, 1))
    def a_request_is_made(self, which: int) -> None:
        before = self.server.ledger.token_calls
        with contextlib.suppress(AuthError):
            self.api.get(f"{URL}/x", auth=self.auths[which])
        settle(self.auths[which])
        assert self.server.ledger.token_calls - before <= 4

    @rule(target=flows, which=st.integers(0, 1))
    def a_flow_begins(self, which: int) -> Any:
        flow = self.auths[which].sync_auth_flow(httpx.Request("GET", f"{URL}/x"))
        with contextlib.suppress(AuthError):
            return flow, next(flow)
        return None

    @rule(begun=consumes(flows))
    def a_flow_goes_on(self, begun: Any) -> None:
        if begun is not None:
            flow, request = begun
            with contextlib.suppress(StopIteration, AuthError):
                while True:
                    request = flow.send(self.api.send(request))
        settle(self.auths[0])

    @invariant()
    def no_refresh_token_was_sent_twice(self) -> None:
        settle(self.auths[0])
        sent = Counter(call.token_id for call in self.server.ledger.calls("refresh"))
        assert max(sent.values(), default=0) <= 1

    @invariant()
    def the_server_never_ended_a_session_for_a_late_renewal(self) -> None:
        ended = {s.jid for s in self.server._sessions.values() if s.deleted_at is not None and s.deleted_at > 0}
        late = [jid for jid in ended if self.server._sessions[jid].deleted_at >= self.server._issued[jid].end]  # type: ignore[operator]
        assert late == []


AnySession.TestCase.settings = settings(
    max_examples=200, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)
TestAnySession = AnySession.TestCase
