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
from .context import Context
from .flight import Flight
from .shared_state import SharedState
from .snapshot import Snapshot
from .token_transport import TokenTransport

__all__ = ["AnswerJudge", "Header"]

Header = Callable[[str], Any]
"""Finds what a request carried under a header's name."""


class AnswerJudge(Context):
    """Learns from the answers to requests: the half of `Source` that decides whether a token is dead."""

    __slots__ = ("shared",)
    shared: SharedState

    def _think(self, transport: TokenTransport, *, once: bool = False) -> Snapshot | Flight:
        raise NotImplementedError

    def after_401(
        self, header: Header, transport: TokenTransport, endpoint: str = "", *, sent_early: bool = False
    ) -> Snapshot | Flight | None:
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
        shared = self.shared
        with shared.lock:
            snapshot, before, believed = shared.snapshot, shared.unauthorized_backoff, True
            if snapshot.token is not None and snapshot.is_carried(header) and not shared.rejects(snapshot.token):
                if sent_early or snapshot.is_early(self.clock) or _is_tagged_early(snapshot, header):
                    return (
                        snapshot
                        if snapshot.token.valid_from - snapshot.now(self.clock) <= self.policy.deadline
                        else None
                    )
                believed = self._reject(snapshot, snapshot.token, endpoint)
        self._warn_if_begun(before, endpoint)
        return self._think(transport) if believed else None

    def hidden_401(self, header: Header, transport: TokenTransport, endpoint: str, *, sent_early: bool = False) -> None:
        """Learn of a 401 that an event hook turned into an exception: the token is renewed for the next request."""
        with contextlib.suppress(AuthError):
            self.after_401(header, transport, endpoint, sent_early=sent_early)

    def accepted(self, header: Header, endpoint: str = "", *, replay: bool) -> None:
        """Learn that a request with a token that is watched got another answer than a 401: the token is a good one.

        Only a `replay` shows that the renewal helped: other requests may never have needed it.
        """
        shared, policy, clock = self.shared, self.policy, self.clock
        snapshot, known, monotonic = shared.snapshot, shared.unauthorized_backoff, clock.monotonic()
        current = snapshot.is_carried(header)
        if known.is_on and not (current and snapshot.unproven):
            # A back-off may last for hours: an answer that changes nothing takes no lock.
            learned = known.accepted_by(endpoint, policy, monotonic, replay=replay, current=current)
            if learned is known:
                return
        with shared.lock:
            current = shared.snapshot.is_carried(header)
            known = shared.unauthorized_backoff
            if current and shared.snapshot.unproven:
                shared.snapshot = shared.snapshot.proven(watched=True)
            shared.learn_backoff(known.accepted_by(endpoint, policy, monotonic, replay=replay, current=current), clock)

    def still_unauthorized(self, snapshot: Snapshot, endpoint: str = "") -> None:
        """Learn that a request which was sent again with another token got a 401 as well."""
        with self.shared.lock:
            before = self.shared.unauthorized_backoff
            self.shared.learn_backoff(self._counted(snapshot, refused_by=endpoint), self.clock)
        self._warn_if_begun(before, endpoint)
        self.notify(EventKind.STILL_UNAUTHORIZED, snapshot.token)

    def unanswered(self, snapshot: Snapshot) -> None:
        """Learn that a request which was sent again got no answer, which does not speak against its token."""
        with self.shared.lock:
            if snapshot.unproven:
                self.shared.unauthorized_backoff = self.shared.unauthorized_backoff.excusing(snapshot.token)

    def not_replayed(self) -> None:
        """Learn that a 401 went to the caller, since the body is used up."""
        self.notify(EventKind.NOT_REPLAYED, self.shared.snapshot.token)

    def invalidate(self, token: Token | str | None = None) -> None:
        """Reject the current token: the next request renews it, or logs in.

        Without `token` this is a command: remembered failures and back-offs are forgotten, too. With `token` it is a
        report, as a 401 is. It counts if that is the current token, within the budget of renewals on a 401.
        """
        shared = self.shared
        with shared.lock:
            current = shared.snapshot.token
            if token is not None:
                if current is None or shared.rejects(current) or current.access_token != _text_of(token):
                    return
                believed, known = shared.unauthorized_backoff.reported(self.policy, self.clock.monotonic())
                shared.learn_backoff(known, self.clock)
                if not believed:
                    return
            else:
                shared.failure = None
                shared.learn_backoff(NO_BACKOFF, self.clock)
            shared.reject(by_server=False)
            if current is not None and current == self.provider.initial_token():
                shared.distrust = True  # It was not compared with what the store has yet.

    def _reject(self, snapshot: Snapshot, token: Token, endpoint: str) -> bool:
        """Reject the current token if a 401 is about it; return whether it is. The caller holds the slot's lock."""
        shared, now = self.shared, snapshot.now(self.clock)
        shared.learn_backoff(self._counted(snapshot), self.clock)
        if not self.provider.can_login and now < token.refreshable_from < token.refreshable_until:
            return False  # Nothing can replace it yet, and the fault need not be the token's.
        believed, known = shared.unauthorized_backoff.rejected(endpoint, self.policy, self.clock.monotonic())
        shared.learn_backoff(known, self.clock)
        if believed:
            shared.reject(by_server=True)
        return believed

    def _counted(self, snapshot: Snapshot, *, refused_by: str | None = None) -> UnauthorizedBackoff:
        """Count a 401 for a token that was fetched on a 401; not if it was used too early, or ended on its way."""
        token, now, known = snapshot.token, snapshot.now(self.clock), self.shared.unauthorized_backoff
        if token is None or now < token.valid_from or (snapshot.arrived_valid and token.expires_at <= now):
            return known
        if not snapshot.unproven:
            return known.refused(refused_by, self.policy, self.clock.monotonic())
        return known.failed(token, self.policy, self.clock.monotonic(), refused_by=refused_by)

    def _warn_if_begun(self, before: UnauthorizedBackoff, endpoint: str) -> None:
        """Log the beginning of a back-off, for an operator; not if it resumes one that ended a moment ago."""
        if before.failures == 0 and self.shared.unauthorized_backoff.failures == 1:
            self.warn(
                "%s rejected a new token as well, so renewals on a 401 back off: it may reject every token",
                endpoint or "An API",
            )


def _is_tagged_early(snapshot: Snapshot, header: Header) -> bool:
    """Whether the headers of a request say that it was signed before `valid_from`: requests keeps the very objects."""
    return any(getattr(header(name), "sent_early", False) for name, _ in snapshot.headers)


def _text_of(token: Token | str) -> str:
    return token if isinstance(token, str) else token.access_token
