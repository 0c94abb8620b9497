"""What the answer to a request says about its token.

A 401 is judged by comparison with what the request carried. If there is another token by now, that one is used, and no
call is made: only the token that was rejected is replaced. A request that was signed before its token's `valid_from`
is sent again with the same token after that time, however late its 401 arrives. Every other 401 for the current token
is judged by `core.unauthorized`: it may be about the token, or about the endpoint.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..core.events import EventKind
from ..core.token import Token
from ..core.unauthorized import NO_BACKOFF, UnauthorizedBackoff, Verdict
from ..stores.store import Store
from .context import Context
from .shared_state import SharedState
from .snapshot import Snapshot

__all__ = ["AnswerJudge", "Header"]

Header = Callable[[str], Any]
"""Returns the value of a request's header of a given name, or None."""


class AnswerJudge(Context):
    """Learns from the answers to requests: the half of `TokenSource` that decides whether a token is dead."""

    __slots__ = ("shared",)
    shared: SharedState

    @property
    def store(self) -> Store:
        """Where the tokens are kept."""
        return self.shared.store

    @property
    def token(self) -> Token | None:
        """The current token, valid or not."""
        return self.shared.snapshot.token

    @property
    def header_names(self) -> list[str]:
        """The names of the headers that carry the current token."""
        return [name for name, _ in self.shared.snapshot.headers]

    @property
    def header_bytes(self) -> list[bytes]:
        """The values of these headers, as bytes."""
        return [value.encode() for _, value in self.shared.snapshot.headers]

    def owns(self, value: object) -> bool:
        """Whether a header's value is a token of these credentials, as text or as bytes."""
        return getattr(value, "owner", None) == self.shared.key

    def is_current(self, header: Header) -> bool:
        """Whether a request carries the current token."""
        return self.shared.snapshot.is_carried(header)

    def shares_with(self, other: AnswerJudge) -> bool:
        """Whether `other` is for the same credentials and store."""
        return other.shared is self.shared

    @property
    def watches_answers(self) -> bool:
        """Whether accepted requests have to be reported by `accepted`."""
        return self.shared.snapshot.watched

    def judge(self, header: Header, endpoint: str, *, sent_early: bool) -> tuple[Verdict, Snapshot]:
        """Judge a 401. Return what follows from it, and the current token.

        Args:
            header: see `Header`; of the rejected request.
            endpoint: see `core.endpoints.endpoint_of`.
            sent_early: the request was signed before its token's `valid_from`.
        """
        shared = self.shared
        with shared.lock:
            snapshot, before = shared.snapshot, shared.unauthorized
            token = snapshot.token
            if token is None or shared.rejects(token) or not snapshot.is_carried(header):
                return Verdict.REPLACED, snapshot
            if sent_early or snapshot.is_early(self.clock) or _is_marked_early(snapshot, header):
                is_soon = token.valid_from - snapshot.now(self.clock) <= self.policy.deadline
                return (Verdict.TOO_EARLY if is_soon else Verdict.NOT_BELIEVED), snapshot
            believed = self._reject(snapshot, token, endpoint)
        self._warn_if_begun(before, endpoint)
        return (Verdict.BELIEVED if believed else Verdict.NOT_BELIEVED), snapshot

    def accepted(self, header: Header, endpoint: str = "", *, replay: bool) -> None:
        """Learn that a request got another answer than a 401. Needed only while `watches_answers`.

        Args:
            header: see `Header`; of the accepted request.
            endpoint: see `core.endpoints.endpoint_of`.
            replay: it was sent again after a 401. Only that shows that a renewal helped: other requests may never
                have needed it.
        """
        shared, policy, clock = self.shared, self.policy, self.clock
        snapshot, known, monotonic = shared.snapshot, shared.unauthorized, clock.monotonic()
        current = snapshot.is_carried(header)
        if known.is_on and not (current and snapshot.unproven):
            # A back-off may last for hours: an answer that changes nothing takes no lock.
            learned = known.accepted_by(endpoint, policy, monotonic, replay=replay, current=current)
            if learned is known:
                return
        with shared.lock:
            current = shared.snapshot.is_carried(header)
            known = shared.unauthorized
            if current and shared.snapshot.unproven:
                shared.snapshot = shared.snapshot.proven(watched=True)
            shared.learn_backoff(known.accepted_by(endpoint, policy, monotonic, replay=replay, current=current), clock)

    def still_unauthorized(self, snapshot: Snapshot, endpoint: str = "") -> None:
        """Learn that a replay with another token got a 401 as well."""
        with self.shared.lock:
            before = self.shared.unauthorized
            self.shared.learn_backoff(self._counted(snapshot, refused_by=endpoint), self.clock)
        self._warn_if_begun(before, endpoint)
        self.notify(EventKind.STILL_UNAUTHORIZED, snapshot.token)

    def unanswered(self, snapshot: Snapshot) -> None:
        """Learn that a replay got no answer, which says nothing about its token."""
        with self.shared.lock:
            if snapshot.unproven:
                self.shared.unauthorized = self.shared.unauthorized.excusing(snapshot.token)

    def not_replayed(self) -> None:
        """Learn that a 401 was returned to the caller, because the body cannot be sent again."""
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
                believed, known = shared.unauthorized.reported(self.policy, self.clock.monotonic())
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
        """Reject the current token if a 401 is about it. Return whether it is. The caller holds the lock."""
        shared, now = self.shared, snapshot.now(self.clock)
        shared.learn_backoff(self._counted(snapshot), self.clock)
        if not self.provider.can_login and now < token.refreshable_from < token.refreshable_until:
            return False  # Nothing can replace it yet, and the fault need not be the token's.
        believed, known = shared.unauthorized.rejected(endpoint, self.policy, self.clock.monotonic())
        shared.learn_backoff(known, self.clock)
        if believed:
            shared.reject(by_server=True)
        return believed

    def _counted(self, snapshot: Snapshot, *, refused_by: str | None = None) -> UnauthorizedBackoff:
        """Count a 401 for a token that was fetched on a 401, unless it is not valid yet or has expired meanwhile."""
        token, now, known = snapshot.token, snapshot.now(self.clock), self.shared.unauthorized
        if token is None or now < token.valid_from or (snapshot.arrived_valid and token.expires_at <= now):
            return known
        if not snapshot.unproven:
            return known.refused(refused_by, self.policy, self.clock.monotonic())
        return known.failed(token, self.policy, self.clock.monotonic(), refused_by=refused_by)

    def _warn_if_begun(self, before: UnauthorizedBackoff, endpoint: str) -> None:
        """Log the beginning of a back-off, for an operator."""
        after = self.shared.unauthorized
        if before.is_on or not after.is_on:
            return
        cause = "answered 401 too often" if after.token is None else "answered 401 to a new token as well"
        self.warn("%s %s: renewals on a 401 back off", endpoint or "An API", cause)


def _is_marked_early(snapshot: Snapshot, header: Header) -> bool:
    """Whether the headers of a request say that it was signed before `valid_from`: requests keeps the very objects."""
    return any(getattr(header(name), "sent_early", False) for name, _ in snapshot.headers)


def _text_of(token: Token | str) -> str:
    return token if isinstance(token, str) else token.access_token
