"""Who renews, who waits, and who uses the old token meanwhile.

Theory of operation
-------------------
Objects with equal credentials share one `Slot`. A request that finds a token whose renewal window has not begun
takes it: two clock readings and two comparisons, no lock (`current`). Any other request thinks, under the slot's
lock, for as long as it takes to look a step up in the lifecycle table. The step is one of

    USE      take the token;
    BESIDE   take the token, and see to it that one renewal is under way;
    WAIT     wait for the one renewal that is under way, or start it.

A request whose body is a stream can be sent only once, so it waits where others would go on beside a renewal, and
where they would try a token that is not accepted yet.

A renewal is a `Flight`. It runs in a thread of its own, whoever asked for it, so it is bound to no event loop, it
blocks none, and it survives a caller that is cancelled or runs out of time: a provider that rotates its refresh
tokens would else end the session. The thread is no daemon: at the interpreter's end a renewal comes home first.
At most one flight is up in a slot; a flight that has outlived the deadline no longer counts.

When a flight lands, the new token is published by replacing `slot.live`, a frozen snapshot, so a request in
between holds either the old token or the new one, with its headers. A failure is shared by all who waited; none of
them tries again in its turn. What it means for the next request is written into the slot as `Trouble`. While that
forbids a call, now and then one of the requests looks into the store: a peer may have renewed.

What an answer says of the token is judged in `unauthorized.py`.
"""

from __future__ import annotations

from functools import partial

from ..core.events import Listener
from ..core.lifecycle import LIFECYCLE, Verb, age_of, means_of
from ..core.policy import RefreshPolicy
from ..core.provider import Provider
from ..stores.store import Store
from .clock import Clock
from .flight import Flight
from .flight_runner import launching, start
from .logout import logout
from .renewal import check_store, renew, wait_until_valid
from .shared_state import shared_state_for
from .snapshot import NO_TOKEN, Snapshot
from .token_transport import TokenTransport
from .unauthorized_backoff import AnswerJudge

__all__ = ["TokenSource"]

_WAITS = range(2)
"""The first may be the end of a renewal that has published its token and still unlocks the store; the second is the
wait for `valid_from`."""


class TokenSource(AnswerJudge):
    """Where a door gets its token. One for each auth object; what it finds out, it shares."""

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
        """Give a token to use now; wait for it, within the deadline, only if there is none that is valid.

        A request that can be sent only `once` (its body is a stream) waits for a renewal that is due as well, and until
        its token is accepted.

        Raises:
            AuthError: there is none to be had.
        """
        snapshot = self.shared.snapshot
        if not once and snapshot.is_fresh(self.clock):
            return snapshot
        found = self._decide(transport, once=once)
        if not isinstance(found, Snapshot):
            found = found.wait(self._deadline, self._fallback(snapshot, once))
        return self.wait_usable(found) if once else found

    async def acurrent(self, transport: TokenTransport, *, once: bool = False) -> Snapshot:
        """Do as `current`, in a task of asyncio or trio."""
        snapshot = self.shared.snapshot
        if not once and snapshot.is_fresh(self.clock):
            return snapshot
        found = self._decide(transport, once=once)
        if not isinstance(found, Snapshot):
            found = await found.wait_async(self._deadline, self._fallback(snapshot, once))
        return await self.await_usable(found) if once else found

    def wait_usable(self, found: Snapshot | Flight) -> Snapshot:
        """Wait for the token, and until its `valid_from`: the request can be sent only once more.

        Raises:
            AuthError: a new token is not to be had.
        """
        snapshot = found.wait(self._deadline) if isinstance(found, Flight) else found
        for _ in _WAITS:
            ripening = self._wait_until_valid(snapshot)
            if ripening is None:
                break
            snapshot = ripening.wait(self._deadline, snapshot)
        return snapshot

    async def await_usable(self, found: Snapshot | Flight) -> Snapshot:
        """Do as `settled`, in a task of asyncio or trio."""
        snapshot = await found.wait_async(self._deadline) if isinstance(found, Flight) else found
        for _ in _WAITS:
            ripening = self._wait_until_valid(snapshot)
            if ripening is None:
                break
            snapshot = await ripening.wait_async(self._deadline, snapshot)
        return snapshot

    def logout(self, transport: TokenTransport) -> None:
        """Forget the token, and revoke it where the provider can.

        Raises:
            TokenEndpointUnavailable: the provider could not be told. The token is forgotten all the same.
            InvalidTokenResponse: its answer makes no sense. Likewise.
            StoreError: the store failed, and may keep the token.
        """
        self._start_logout(transport).wait(self._deadline)

    async def alogout(self, transport: TokenTransport) -> None:
        """Do as `logout`, in a task of asyncio or trio."""
        await self._start_logout(transport).wait_async(self._deadline)

    def _fallback(self, snapshot: Snapshot, once: bool) -> Snapshot | None:
        """Give what a request that waits of its own accord goes on with if the renewal fails."""
        if not once or snapshot.token is None or self.shared.rejects(snapshot.token):
            return None
        return snapshot if snapshot.now(self.clock) < snapshot.token.expires_at else None

    def _decide(self, transport: TokenTransport, *, once: bool = False) -> Snapshot | Flight:
        """Look the step up, and see to the flight that it asks for, if it does."""
        with launching(self, self.shared), self.shared.lock:
            return self._decide(transport, once=once)

    def _decide(self, transport: TokenTransport, *, once: bool) -> Snapshot | Flight:
        shared = self.shared
        snapshot = shared.snapshot
        verb = self._verb(snapshot)
        monotonic = self.clock.monotonic()
        flying = shared.renewal_under_way(monotonic, self._deadline)
        beside = verb is Verb.BESIDE and not (once and shared.unsaved is None)
        if verb is Verb.USE or (verb is Verb.BESIDE and flying is None and shared.in_early_backoff(monotonic)):
            return snapshot
        if flying is not None and (flying.renews or verb is Verb.BESIDE):
            return snapshot if beside else flying
        if (
            shared.flight is not None
            and shared.flight.is_notified_by_this_thread
            and not shared.rejects(snapshot.token)
        ):
            return shared.flight  # A listener asks, and the token ended as it came. So would the next one.
        # The table may give up on what this process knows; the store may know better, so a flight looks there.
        failure = None if verb is Verb.BESIDE else shared.blocking_failure(monotonic)
        if failure is not None and (flying is not None or not shared.claim_store_check(monotonic)):
            raise failure
        job = (
            partial(renew, transport=transport)
            if failure is None
            else partial(check_store, transport=transport, failure=failure)
        )
        flight = shared.flight = Flight(monotonic, job, renews=failure is None, failure=failure)
        if verb is Verb.BESIDE and snapshot.token is not None:
            shared.snapshot = snapshot.until(snapshot.token.expires_at)
        return snapshot if beside else flight

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

    def _verb(self, snapshot: Snapshot) -> Verb:
        clock, provider, rejected = self.clock, self.provider, self.shared.rejects(snapshot.token)
        now = snapshot.now(clock)
        age = age_of(snapshot.token, now, snapshot.window_opens_at, rejected=rejected)
        means = means_of(snapshot.token, now, can_login=provider.can_login, rejected=rejected)
        verb = LIFECYCLE[age, means].verb
        return Verb.BESIDE if verb is Verb.USE and self.shared.unsaved is not None else verb

    def _start_logout(self, transport: TokenTransport) -> Flight:
        # Not the slot's flight: whoever asks meanwhile is to log in again, not to wait for the end.
        flight = Flight(self.clock.monotonic(), partial(logout, transport=transport))
        with self.shared.lock:
            self.shared.reject(by_server=False)
        start(self, self.shared, flight)
        return flight
