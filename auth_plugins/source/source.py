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
from .channel import Channel
from .clock import Clock
from .ending import end
from .flight import Flight
from .launch import launch, launching
from .live import NOTHING, Live
from .renewal import look, renew, ripen
from .slot import slot_for
from .unauthorized import AnswerJudge

__all__ = ["Source"]

_WAITS = range(2)
"""The first may be the end of a renewal that has published its token and still unlocks the store; the second is the
wait for `valid_from`."""


class Source(AnswerJudge):
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
        self.slot = slot_for(provider, store, self._given, clock)

    def _given(self, owner: bytes) -> Live:
        given = self.provider.initial_token()
        if given is None:
            return NOTHING
        return Live.of(given, self.provider, self.clock, self.policy.due_at(given), owner=owner)

    @property
    def _deadline(self) -> float:
        return self.policy.deadline

    def current(self, channel: Channel, *, once: bool = False) -> Live:
        """Give a token to use now; wait for it, within the deadline, only if there is none that is valid.

        A request that can be sent only `once` (its body is a stream) waits for a renewal that is due as well, and until
        its token is accepted.

        Raises:
            AuthError: there is none to be had.
        """
        live = self.slot.live
        if not once and live.is_fresh(self.clock):
            return live
        found = self._think(channel, once=once)
        if not isinstance(found, Live):
            found = found.wait(self._deadline, self._instead(live, once))
        return self.settled(found) if once else found

    async def acurrent(self, channel: Channel, *, once: bool = False) -> Live:
        """Do as `current`, in a task of asyncio or trio."""
        live = self.slot.live
        if not once and live.is_fresh(self.clock):
            return live
        found = self._think(channel, once=once)
        if not isinstance(found, Live):
            found = await found.wait_async(self._deadline, self._instead(live, once))
        return await self.asettled(found) if once else found

    def settled(self, found: Live | Flight) -> Live:
        """Wait for the token, and until its `valid_from`: the request can be sent only once more.

        Raises:
            AuthError: a new token is not to be had.
        """
        live = found.wait(self._deadline) if isinstance(found, Flight) else found
        for _ in _WAITS:
            ripening = self._ripening(live)
            if ripening is None:
                break
            live = ripening.wait(self._deadline, live)
        return live

    async def asettled(self, found: Live | Flight) -> Live:
        """Do as `settled`, in a task of asyncio or trio."""
        live = await found.wait_async(self._deadline) if isinstance(found, Flight) else found
        for _ in _WAITS:
            ripening = self._ripening(live)
            if ripening is None:
                break
            live = await ripening.wait_async(self._deadline, live)
        return live

    def logout(self, channel: Channel) -> None:
        """Forget the token, and revoke it where the provider can.

        Raises:
            TokenEndpointUnavailable: the provider could not be told. The token is forgotten all the same.
            InvalidTokenResponse: its answer makes no sense. Likewise.
            StoreError: the store failed, and may keep the token.
        """
        self._begin_end(channel).wait(self._deadline)

    async def alogout(self, channel: Channel) -> None:
        """Do as `logout`, in a task of asyncio or trio."""
        await self._begin_end(channel).wait_async(self._deadline)

    def _instead(self, live: Live, once: bool) -> Live | None:
        """Give what a request that waits of its own accord goes on with if the renewal fails."""
        if not once or live.token is None or self.slot.rejects(live.token):
            return None
        return live if live.now(self.clock) < live.token.expires_at else None

    def _think(self, channel: Channel, *, once: bool = False) -> Live | Flight:
        """Look the step up, and see to the flight that it asks for, if it does."""
        with launching(self, self.slot), self.slot.lock:
            return self._decide(channel, once=once)

    def _decide(self, channel: Channel, *, once: bool) -> Live | Flight:
        slot = self.slot
        live = slot.live
        verb = self._verb(live)
        monotonic = self.clock.monotonic()
        flying = slot.flying(monotonic, self._deadline)
        beside = verb is Verb.BESIDE and not (once and slot.unsaved is None)
        if verb is Verb.USE or (verb is Verb.BESIDE and flying is None and slot.resting(monotonic)):
            return live
        if flying is not None and (flying.renews or verb is Verb.BESIDE):
            return live if beside else flying
        if slot.flight is not None and slot.flight.is_told_here and not slot.rejects(live.token):
            return slot.flight  # A listener asks, and the token ended as it came. So would the next one.
        # The table may give up on what this process knows; the store may know better, so a flight looks there.
        failure = None if verb is Verb.BESIDE else slot.remembered(monotonic)
        if failure is not None and (flying is not None or not slot.looks(monotonic)):
            raise failure
        job = partial(renew, channel=channel) if failure is None else partial(look, channel=channel, failure=failure)
        flight = slot.flight = Flight(monotonic, job, renews=failure is None, failure=failure)
        if verb is Verb.BESIDE and live.token is not None:
            slot.live = live.until(live.token.expires_at)
        return live if beside else flight

    def _ripening(self, live: Live) -> Flight | None:
        """See to the wait for a token that is not accepted yet."""
        slot, monotonic = self.slot, self.clock.monotonic()
        if live.token is None or not 0 < live.token.valid_from - live.now(self.clock) <= self._deadline:
            return None
        with launching(self, slot), slot.lock:
            flying = slot.flying(monotonic, self._deadline)
            if flying is not None:
                return flying
            flight = slot.flight = Flight(monotonic, ripen, renews=False)
            return flight

    def _verb(self, live: Live) -> Verb:
        clock, provider, rejected = self.clock, self.provider, self.slot.rejects(live.token)
        now = live.now(clock)
        age = age_of(live.token, now, live.window_at, rejected=rejected)
        means = means_of(live.token, now, can_login=provider.can_login, rejected=rejected)
        verb = LIFECYCLE[age, means].verb
        return Verb.BESIDE if verb is Verb.USE and self.slot.unsaved is not None else verb

    def _begin_end(self, channel: Channel) -> Flight:
        # Not the slot's flight: whoever asks meanwhile is to log in again, not to wait for the end.
        flight = Flight(self.clock.monotonic(), partial(end, channel=channel))
        with self.slot.lock:
            self.slot.reject(by_server=False)
        launch(self, self.slot, flight)
        return flight
