"""What the answer to a request says of its token, and what follows from it.

A 401 is judged by comparison with what the request carried. If the slot has another token by now, that is the answer,
and no call is made: only the token that was rejected is replaced. A request that was signed before its token's
`valid_from` is sent again with the same token after that moment, however late its 401 arrives. Every other 401 for the
current token is judged by `core.unauthorized`: it may be about the token, or about the endpoint.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

from ..core.errors import AuthError
from ..core.events import EventKind
from ..core.token import Token
from ..core.unauthorized import NO_BACKOFF, UnauthorizedBackoff
from .channel import Channel
from .flight import Flight
from .live import Live
from .slot import Slot
from .terms import Terms

__all__ = ["AnswerJudge", "Header"]

Header = Callable[[str], Any]
"""Finds what a request carried under a header's name."""


class AnswerJudge(Terms):
    """Learns from the answers to requests: the half of `Source` that decides whether a token is dead."""

    __slots__ = ("slot",)
    slot: Slot

    def _think(self, channel: Channel, *, once: bool = False) -> Live | Flight:
        raise NotImplementedError

    def after_401(
        self, header: Header, channel: Channel, endpoint: str = "", *, sent_early: bool = False
    ) -> Live | Flight | None:
        """Judge a 401: return the token to send the request with once more, or the flight that will fetch it.

        `None`: hand the 401 to the caller. An adapter releases the connection before it waits (`settled`).

        Args:
            header: finds the rejected request's headers.
            channel: makes the token call.
            endpoint: see `core.unauthorized.endpoint_of`.
            sent_early: the request was signed before its token's `valid_from`.

        Raises:
            AuthError: a new token is needed, and was refused a moment ago.
        """
        slot = self.slot
        with slot.lock:
            live, before, believed = slot.live, slot.unauthorized_backoff, True
            if live.token is not None and live.is_carried(header) and not slot.rejects(live.token):
                if sent_early or live.is_early(self.clock) or _is_tagged_early(live, header):
                    return live if live.token.valid_from - live.now(self.clock) <= self.policy.deadline else None
                believed = self._reject(live, live.token, endpoint)
        self._warn_if_begun(before, endpoint)
        return self._think(channel) if believed else None

    def hidden_401(self, header: Header, channel: Channel, endpoint: str, *, sent_early: bool = False) -> None:
        """Learn of a 401 that an event hook turned into an exception: the token is renewed for the next request."""
        with contextlib.suppress(AuthError):
            self.after_401(header, channel, endpoint, sent_early=sent_early)

    def accepted(self, header: Header, endpoint: str = "", *, replay: bool) -> None:
        """Learn that a request with a token that is watched got another answer than a 401: the token is a good one.

        Only a `replay` shows that the renewal helped: other requests may never have needed it.
        """
        slot, policy, clock = self.slot, self.policy, self.clock
        live, known, monotonic = slot.live, slot.unauthorized_backoff, clock.monotonic()
        current = live.is_carried(header)
        if known.is_on and not (current and live.unproven):
            # A back-off may last for hours: an answer that changes nothing takes no lock.
            learned = known.accepted_by(endpoint, policy, monotonic, replay=replay, current=current)
            if learned is known:
                return
        with slot.lock:
            current = slot.live.is_carried(header)
            known = slot.unauthorized_backoff
            if current and slot.live.unproven:
                slot.live = slot.live.proven(watched=True)
            slot.learn_backoff(known.accepted_by(endpoint, policy, monotonic, replay=replay, current=current), clock)

    def still_unauthorized(self, live: Live, endpoint: str = "") -> None:
        """Learn that a request which was sent again with another token got a 401 as well."""
        with self.slot.lock:
            before = self.slot.unauthorized_backoff
            self.slot.learn_backoff(self._counted(live, refused_by=endpoint), self.clock)
        self._warn_if_begun(before, endpoint)
        self.tell(EventKind.STILL_UNAUTHORIZED, live.token)

    def unanswered(self, live: Live) -> None:
        """Learn that a request which was sent again got no answer, which does not speak against its token."""
        with self.slot.lock:
            if live.unproven:
                self.slot.unauthorized_backoff = self.slot.unauthorized_backoff.excusing(live.token)

    def not_replayed(self) -> None:
        """Learn that a 401 went to the caller, since the body is used up."""
        self.tell(EventKind.NOT_REPLAYED, self.slot.live.token)

    def invalidate(self, token: Token | str | None = None) -> None:
        """Reject the current token: the next request renews it, or logs in.

        Without `token` this is a command: remembered failures and back-offs are forgotten, too. With `token` it is a
        report, as a 401 is. It counts if that is the current token, within the budget of renewals on a 401.
        """
        slot = self.slot
        with slot.lock:
            current = slot.live.token
            if token is not None:
                if current is None or slot.rejects(current) or current.access_token != _text_of(token):
                    return
                believed, known = slot.unauthorized_backoff.reported(self.policy, self.clock.monotonic())
                slot.learn_backoff(known, self.clock)
                if not believed:
                    return
            else:
                slot.trouble = None
                slot.learn_backoff(NO_BACKOFF, self.clock)
            slot.reject(by_server=False)
            if current is not None and current == self.provider.initial_token():
                slot.distrust = True  # It was not compared with what the store has yet.

    def _reject(self, live: Live, token: Token, endpoint: str) -> bool:
        """Reject the current token if a 401 is about it; return whether it is. The caller holds the slot's lock."""
        slot, now = self.slot, live.now(self.clock)
        slot.learn_backoff(self._counted(live), self.clock)
        if not self.provider.can_login and now < token.refreshable_from < token.refreshable_until:
            return False  # Nothing can replace it yet, and the fault need not be the token's.
        believed, known = slot.unauthorized_backoff.rejected(endpoint, self.policy, self.clock.monotonic())
        slot.learn_backoff(known, self.clock)
        if believed:
            slot.reject(by_server=True)
        return believed

    def _counted(self, live: Live, *, refused_by: str | None = None) -> UnauthorizedBackoff:
        """Count a 401 for a token that was fetched on a 401; not if it was used too early, or ended on its way."""
        token, now, known = live.token, live.now(self.clock), self.slot.unauthorized_backoff
        if token is None or now < token.valid_from or (live.came_valid and token.expires_at <= now):
            return known
        if not live.unproven:
            return known.refused(refused_by, self.policy, self.clock.monotonic())
        return known.failed(token, self.policy, self.clock.monotonic(), refused_by=refused_by)

    def _warn_if_begun(self, before: UnauthorizedBackoff, endpoint: str) -> None:
        """Log the beginning of a back-off, for an operator; not if it resumes one that ended a moment ago."""
        if before.failures == 0 and self.slot.unauthorized_backoff.failures == 1:
            self.warn(
                "%s rejected a new token as well, so renewals on a 401 back off: it may reject every token",
                endpoint or "An API",
            )


def _is_tagged_early(live: Live, header: Header) -> bool:
    """Whether the headers of a request say that it was signed before `valid_from`: requests keeps the very objects."""
    return any(getattr(header(name), "sent_early", False) for name, _ in live.headers)


def _text_of(token: Token | str) -> str:
    return token if isinstance(token, str) else token.access_token
