"""Provides tokens to the adapters: decides who renews, who waits, and who uses the old token meanwhile.

Theory of operation
-------------------
Objects with equal credentials share one `SharedState`. A request that finds a token before its renewal window uses it:
two clock readings and two comparisons, no lock (`current`). Any other request gathers the facts under the lock of the
shared state (the token's state, what is in flight, which back-offs hold), calls `core.decision.decide`, and acts:

    USE                  use the token
    RENEW_IN_BACKGROUND  use the token; start a renewal
    RENEW                start a renewal and wait for it
    JOIN                 wait for what is in flight
    CHECK_STORE          load what another process may have saved, and wait for that
    FAIL                 raise the remembered error

A request whose body is a stream can be sent only once. So it waits where other requests go on during a renewal, and
where they would try a token before its `valid_from`.

A renewal is a `Flight`. It runs in a thread of a pool, so it is bound to no event loop, blocks none, and survives a
caller that is cancelled or runs out of time: a provider that rotates its refresh tokens would otherwise end the
session. The interpreter's exit waits only for a flight that would lose a session (`exit_guard`). There is at most one
flight for a shared state; a flight that has run for longer than the deadline no longer counts.

At the end of a flight the new token is published by replacing `SharedState.snapshot`, a frozen value, so a request in
between has either the old token or the new one, with its headers. A failure is shared by all waiters; none of them
starts another renewal. What it means for the next request is recorded as a `RememberedFailure`. While that forbids
token calls, one request each second looks into the store: a peer may have renewed.

What the answer to a request says about its token is judged in `unauthorized.py`.
"""

from __future__ import annotations

from functools import partial

from ..core.decision import Action, InFlight, Need, decide, need_of, purposes_for, state_of
from ..core.events import Listener
from ..core.policy import RefreshPolicy
from ..core.provider import Provider
from ..core.unauthorized import Verdict
from ..stores.store import Store
from .clock import Clock
from .flight import Flight
from .flight_runner import launching, start
from .logout import logout
from .renewal import check_store, renew, wait_until_valid
from .shared_state import shared_state_for
from .snapshot import NO_TOKEN, Snapshot
from .token_transport import TokenTransport
from .unauthorized import AnswerJudge, Header

__all__ = ["TokenSource"]

_WAITS = range(2)
"""A renewal that has published its token, and still unlocks the store, may have to be waited for before the wait for
the token's `valid_from` can begin."""


class TokenSource(AnswerJudge):
    """Provides tokens to the adapters of one auth object. Objects with equal credentials share the state."""

    __slots__ = ()

    def __init__(
        self,
        provider: Provider,
        policy: RefreshPolicy,
        clock: Clock,
        listener: Listener | None = None,
        *,
        store: Store,
    ) -> None:
        super().__init__(provider, policy, clock, listener)
        self.shared = shared_state_for(provider, store, self._given, clock)

    def _given(self, owner: bytes) -> Snapshot:
        given = self.provider.initial_token()
        if given is None:
            return NO_TOKEN
        return Snapshot.of(given, self.provider, self.clock, self.policy.due_at(given), owner=owner)

    @property
    def _deadline(self) -> float:
        return self.policy.deadline

    def current(self, transport: TokenTransport, *, once: bool = False) -> Snapshot:
        """Return a token to use now. Wait for it, within the deadline, only if no token is valid.

        A request that can be sent only `once` (its body is a stream) waits for a renewal that is due as well, and until
        its token is accepted.

        Raises:
            AuthError: no token could be obtained.
        """
        snapshot = self.shared.snapshot
        if not once and snapshot.is_fresh(self.clock):
            return snapshot
        found = self._token_or_flight(transport, once=once)
        if not isinstance(found, Snapshot):
            found = found.wait(self._deadline, self._fallback(snapshot, once))
        return self.wait_usable(found) if once else found

    async def acurrent(self, transport: TokenTransport, *, once: bool = False) -> Snapshot:
        """Like `current`, in a task of asyncio or trio."""
        snapshot = self.shared.snapshot
        if not once and snapshot.is_fresh(self.clock):
            return snapshot
        found = self._token_or_flight(transport, once=once)
        if not isinstance(found, Snapshot):
            found = await found.wait_async(self._deadline, self._fallback(snapshot, once))
        return await self.await_usable(found) if once else found

    def after_401(
        self, header: Header, transport: TokenTransport, endpoint: str = "", *, sent_early: bool = False
    ) -> Snapshot | Flight | None:
        """Judge a 401. Return the token to send the request again with, or the flight that will yield it.

        `None`: the caller gets the 401. Release the connection before the wait (`wait_usable`).

        Args:
            header: see `Header`; of the rejected request.
            transport: makes the token call.
            endpoint: see `core.endpoints.endpoint_of`.
            sent_early: the request was signed before its token's `valid_from`.

        Raises:
            AuthError: a new token is needed, and was refused a moment ago.
        """
        verdict, snapshot = self.judge(header, endpoint, sent_early=sent_early)
        if verdict is Verdict.NOT_BELIEVED:
            return None
        return snapshot if verdict is Verdict.TOO_EARLY else self._token_or_flight(transport)

    def wait_usable(self, found: Snapshot | Flight) -> Snapshot:
        """Wait for the token and until its `valid_from`: the request can be sent only once more.

        Raises:
            AuthError: no new token could be obtained.
        """
        snapshot = found.wait(self._deadline) if isinstance(found, Flight) else found
        for _ in _WAITS:
            flight = self._wait_until_valid(snapshot)
            if flight is None:
                break
            snapshot = flight.wait(self._deadline, snapshot)
        return snapshot

    async def await_usable(self, found: Snapshot | Flight) -> Snapshot:
        """Like `wait_usable`, in a task of asyncio or trio."""
        snapshot = await found.wait_async(self._deadline) if isinstance(found, Flight) else found
        for _ in _WAITS:
            flight = self._wait_until_valid(snapshot)
            if flight is None:
                break
            snapshot = await flight.wait_async(self._deadline, snapshot)
        return snapshot

    def logout(self, transport: TokenTransport) -> None:
        """Delete the token, and revoke it if the provider has an endpoint for that.

        Raises:
            TokenEndpointUnavailable: the revocation got no answer. The token is deleted all the same.
            InvalidTokenResponse: the answer to the revocation is not valid. The token is deleted all the same.
            StoreError: the store failed, and may keep the token.
        """
        self._start_logout(transport).wait(self._deadline)

    async def alogout(self, transport: TokenTransport) -> None:
        """Like `logout`, in a task of asyncio or trio."""
        await self._start_logout(transport).wait_async(self._deadline)

    def _fallback(self, snapshot: Snapshot, once: bool) -> Snapshot | None:
        """Return the fallback of a request that chose to wait: the old token, while it is valid."""
        if not once or snapshot.token is None or self.shared.rejects(snapshot.token):
            return None
        return snapshot if snapshot.now(self.clock) < snapshot.token.expires_at else None

    def _token_or_flight(self, transport: TokenTransport, *, once: bool = False) -> Snapshot | Flight:
        """Decide for one request. Return the token, or the flight to wait for, which may be a new one."""
        with launching(self, self.shared), self.shared.lock:
            return self._decide(transport, once=once)

    def _decide(self, transport: TokenTransport, *, once: bool) -> Snapshot | Flight:
        shared, monotonic = self.shared, self.clock.monotonic()
        snapshot, failure = shared.snapshot, shared.blocking_failure(monotonic)
        need, (in_flight, current) = self._need(snapshot), self._in_flight(monotonic)
        action = decide(
            need,
            in_flight,
            single_shot=once and shared.unsaved is None,
            early_backoff=shared.in_early_backoff(monotonic),
            backoff=failure is not None,
            store_check_due=shared.store_check_due(monotonic),
        )
        if action is Action.USE:
            return snapshot
        if action is Action.JOIN and current is not None:
            return current
        if action is Action.FAIL and failure is not None:
            raise failure
        job = partial(renew, transport=transport)
        if action is Action.CHECK_STORE and failure is not None:
            shared.claim_store_check(monotonic)
            job = partial(check_store, transport=transport, failure=failure)
        else:
            failure = None
        awaited = action is not Action.RENEW_IN_BACKGROUND
        flight = shared.flight = Flight(monotonic, job, renews=failure is None, failure=failure, awaited=awaited)
        if need is Need.RENEWAL_SOON and snapshot.token is not None:
            shared.snapshot = snapshot.until(snapshot.token.expires_at)
        return flight if awaited else snapshot

    def _in_flight(self, monotonic: float) -> tuple[InFlight, Flight | None]:
        """Return what is under way, and its flight."""
        shared = self.shared
        current = shared.renewal_under_way(monotonic, self._deadline)
        if current is not None:
            return InFlight.RENEWAL if current.renews else InFlight.WAIT, current
        last, rejected = shared.flight, shared.rejects(shared.snapshot.token)
        if last is not None and last.is_notified_by_this_thread and not rejected:
            return InFlight.CALLBACK, last
        return InFlight.NOTHING, None

    def _need(self, snapshot: Snapshot) -> Need:
        rejected, now = self.shared.rejects(snapshot.token), snapshot.now(self.clock)
        state = state_of(snapshot.token, now, snapshot.window_opens_at, rejected=rejected)
        need = need_of(state, purposes_for(snapshot.token, now, can_login=self.provider.can_login, rejected=rejected))
        # A token that the store does not have yet is saved by a renewal in the background.
        return Need.RENEWAL_SOON if need is Need.NOTHING and self.shared.unsaved is not None else need

    def _wait_until_valid(self, snapshot: Snapshot) -> Flight | None:
        """See to the wait for a token that is not accepted yet."""
        shared, monotonic = self.shared, self.clock.monotonic()
        if snapshot.token is None or not 0 < snapshot.token.valid_from - snapshot.now(self.clock) <= self._deadline:
            return None
        with launching(self, shared), shared.lock:
            flying = shared.renewal_under_way(monotonic, self._deadline)
            if flying is not None:
                return flying
            flight = shared.flight = Flight(monotonic, wait_until_valid, renews=False)
            return flight

    def _start_logout(self, transport: TokenTransport) -> Flight:
        # Not stored as the flight: requests during a logout log in again and do not wait for it.
        flight = Flight(self.clock.monotonic(), partial(logout, transport=transport))
        with self.shared.lock:
            self.shared.reject(by_server=False)
        start(self, self.shared, flight)
        return flight
