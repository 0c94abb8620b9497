"""What auth objects with equal credentials share in this process: one token, one flight, one memory of trouble."""

from __future__ import annotations

import itertools
import os
import random
import secrets
import threading
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from ..core.errors import AuthError, CredentialsRejected, InvalidTokenResponse, LoginRequired, TokenEndpointUnavailable
from ..core.identity import object_fingerprint
from ..core.policy import RefreshPolicy
from ..core.provider import Provider
from ..core.token import LONG_AGO, Token
from ..core.unauthorized import NO_BACKOFF, UnauthorizedBackoff
from ..stores.store import Store
from .clock import SYSTEM_CLOCK, Clock
from .flight import Flight
from .lineage import is_predecessor, with_predecessor
from .recent import Recent
from .same_store import SameStores, identity_of
from .snapshot import Snapshot

__all__ = ["RememberedFailure", "SharedState", "UnsavedToken", "shared_state_for"]

_SALT = secrets.token_bytes(32)
"""Of the keys by which slots are found. A store's own salt is read by a renewal: it may be far away."""

_KEY_BYTES = 16
"""Half a digest: enough to tell the sets of one process apart."""

_STORE_CHECK_INTERVAL = 1.0
"""Seconds between two looks into the store while calls pause: often enough for whoever waits, and next to no load."""

_CREDENTIAL_ERRORS = (CredentialsRejected, LoginRequired)
_ENDPOINT_ERRORS = (TokenEndpointUnavailable, InvalidTokenResponse)


def _side(error: AuthError) -> tuple[type[AuthError], ...] | None:
    """Tell whose fault it is: what we bring, what the endpoint answers, or something in between (a store)."""
    return next((side for side in (_CREDENTIAL_ERRORS, _ENDPOINT_ERRORS) if isinstance(error, side)), None)


@dataclass(frozen=True, slots=True)
class RememberedFailure:
    """A failed renewal that is remembered. Both moments are the steady clock's."""

    error: AuthError
    failures: int
    """In a row, in which the same side was at fault."""
    no_early_renewal_before: float
    """No renewal runs beside the requests before this."""
    no_call_before: float
    """Nobody calls before this, and whoever has nothing to fall back on fails at once."""
    next_store_check: float
    """When it is time to look whether somebody else, who shares the store, has renewed meanwhile."""


@dataclass(frozen=True, slots=True)
class UnsavedToken:
    """The store did not take the token at hand."""

    stored_before: Token | None
    """What it had, as far as we know. While it has that, ours is the newer one."""
    permit: object = field(default=None, compare=False, repr=False)
    """What continues the lock under which it was to be saved; `None`: that lock ends where it was taken."""
    wanted: threading.Event = field(default_factory=threading.Event, compare=False, repr=False)
    """Set when another renewal, or a logout, of this process waits for the lock."""

    def want(self) -> object:
        """Let the thread that keeps saving the token give way; return the permit."""
        self.wanted.set()
        return self.permit


def _new_locks() -> Iterator[threading.RLock]:
    # A lock takes more bytes than all that it guards, and is held for no longer than it takes to look something up:
    # thousands of slots do with a few dozen. They can be entered again, since the collector may just then call a
    # finalizer that itself uses an auth object.
    return itertools.cycle([threading.RLock() for _ in range(64)])


_locks = _new_locks()


class SharedState:
    """The shared state. `live` is read without the lock; everything else, and every write, is done under it."""

    __slots__ = (
        "__weakref__",
        "clock",
        "distrust",
        "failure",
        "flight",
        "key",
        "lock",
        "pauses_matter_until",
        "predecessors",
        "rejected",
        "rejected_by_server",
        "snapshot",
        "store",
        "unauthorized_backoff",
        "unsaved",
    )

    def __init__(self, store: Store, given: Snapshot, key: bytes = b"", clock: Clock = SYSTEM_CLOCK) -> None:
        self.store, self.key = store, key
        self.snapshot = given
        self.predecessors = b""
        """Digests of the tokens that stood here before the one at hand, so that a store that was set back is seen."""
        self.rejected: Token | None = None
        """The token that must not be used again, wherever it turns up."""
        self.rejected_by_server = False
        self.distrust = False
        """Whether what the store has must not be used either: there was no token at hand to reject."""
        self.unsaved: UnsavedToken | None = None
        self.failure: RememberedFailure | None = None
        self.unauthorized_backoff = NO_BACKOFF
        self.clock, self.pauses_matter_until = clock, LONG_AGO
        self.reset_after_fork()

    def reset_after_fork(self) -> None:
        """Begin without locks held or flights up, as in a forked child, where neither will ever end."""
        self.lock = next(_locks)
        self.flight: Flight | None = None

    def replace(self, snapshot: Snapshot) -> None:
        """Put another token in the place of the one at hand, which becomes its predecessor."""
        before, token = self.snapshot.token, snapshot.token
        if before is not None and token is not None and before != token:
            self.predecessors = with_predecessor(self.predecessors, before, token)
        self.snapshot = snapshot

    def succeeded(self, stored: Token) -> bool:
        """Whether the token at hand came after `stored`: a store that has that one was set back."""
        return is_predecessor(self.predecessors, stored)

    def reject(self, *, by_server: bool) -> None:
        """Take the token at hand for one that must not be used again."""
        if self.snapshot.token is not None:
            self.rejected, self.rejected_by_server = self.snapshot.token, by_server
            self.snapshot = self.snapshot.until(LONG_AGO)
        else:
            self.distrust = True
        self._hold()

    def rejects(self, token: Token | None) -> bool:
        """Whether this is the token that must not be used again."""
        return token is not None and self.rejected is not None and token.access_token == self.rejected.access_token

    def learn_backoff(self, known: UnauthorizedBackoff, clock: Clock) -> None:
        """Keep what is known of renewals on a 401. While they back off, the answers of all requests are seen."""
        self.unauthorized_backoff, self.clock, monotonic = known, clock, clock.monotonic()
        if known.is_on:
            self.snapshot = self.snapshot.watch()
            self._pause_matters(monotonic, max(0.0, known.until - monotonic))
        elif self.snapshot.watched and not self.snapshot.unproven:
            self.snapshot = self.snapshot.proven(watched=self.snapshot.is_early(clock))

    def renewal_under_way(self, monotonic: float, deadline: float) -> Flight | None:
        """Give the renewal that is under way; one that has outlived the deadline no longer counts."""
        flight = self.flight
        return None if flight is None or flight.is_done or monotonic - flight.started > deadline else flight

    def in_early_backoff(self, monotonic: float) -> bool:
        """Whether an early renewal failed too short a time ago to try again."""
        return self.failure is not None and monotonic < self.failure.no_early_renewal_before

    def blocking_failure(self, monotonic: float) -> AuthError | None:
        """Give the failure that calling again now would only repeat, or make worse.

        `CredentialsRejected` and `LoginRequired` until the cool-down ends; `TokenEndpointUnavailable` and
        `InvalidTokenResponse` until the moment for which the endpoint asked, or for a moment in an outage.
        """
        if self.failure is None or monotonic >= self.failure.no_call_before:
            return None
        error = self.failure.error.clone()
        error.retry_after, error.remembered = self.failure.no_call_before - monotonic, True
        return error

    def claim_store_check(self, monotonic: float) -> bool:
        """Whether to look into the store in spite of the trouble; says so to one, and then for a while to nobody."""
        if self.failure is None or monotonic < self.failure.next_store_check:
            return False
        self.failure = replace(self.failure, next_store_check=monotonic + _STORE_CHECK_INTERVAL)
        return True

    def record_failure(self, error: AuthError, policy: RefreshPolicy, clock: Clock) -> None:
        """Write down what a failed renewal means for the requests to come."""
        monotonic, known, self.clock = clock.monotonic(), self.failure, clock
        failures = known.failures + 1 if known is not None and _side(known.error) is _side(error) else 1
        again = 0.0
        if _side(error) is _CREDENTIAL_ERRORS:
            again = policy.credentials_backoff.delay(failures)
        elif error.retry_after:
            again = min(error.retry_after, policy.retry_after_cap)
        elif _side(error) is _ENDPOINT_ERRORS and failures > 1:
            jitter_fraction = random.random()  # noqa: S311 - spreads a fleet's calls, guards nothing
            again = policy.outage_backoff.delay(failures - 1) * (1.0 - policy.jitter * jitter_fraction)
        early_again = max(again, policy.early_backoff.delay(failures))
        self.failure = RememberedFailure(
            error, failures, monotonic + early_again, monotonic + again, monotonic + _STORE_CHECK_INTERVAL
        )
        token = self.snapshot.token
        if token is not None and not self.rejects(token):
            rested = self.snapshot.now(clock) + early_again
            if self.unsaved is None:
                rested = max(rested, self.snapshot.window_opens_at)
            self.snapshot = self.snapshot.until(min(token.expires_at, rested))
        self._pause_matters(monotonic, early_again)

    def _pause_matters(self, monotonic: float, pause: float) -> None:
        # For as long again as it lasts: a failure within that time makes the next pause twice as long.
        self.pauses_matter_until = max(self.pauses_matter_until, monotonic + 2.0 * pause)
        self._hold()

    def _hold(self) -> None:
        """Outlive the auth objects that use this, though thousands of others may have been made since."""
        if _slots.get(self.key) is self:
            _recent.use(self.key, self)

    @property
    def matters(self) -> bool:
        """Whether to forget this would repeat a call that pauses, lose a token, or use one that must not be used."""
        if self.flight is not None or self.distrust:
            return True
        pauses = self.failure is not None or self.unauthorized_backoff.is_on
        if pauses and self.clock.monotonic() < self.pauses_matter_until:
            return True
        token = self.snapshot.token
        if token is None or not (self.unsaved is not None or self.rejects(token)):
            return False
        return self.snapshot.now(self.clock) < token.useful_until


_lock = threading.RLock()
_slots: weakref.WeakValueDictionary[bytes, SharedState] = weakref.WeakValueDictionary()
_recent: Recent[SharedState] = Recent()
_stores = SameStores()


def shared_state_for(
    provider: Provider, store: Store, given: Callable[[bytes], Snapshot], clock: Clock = SYSTEM_CLOCK
) -> SharedState:
    """Find the slot of these credentials in that store, or make it, with what is given for its key to begin with."""
    identity = identity_of(store)
    with _lock:
        store = _stores.one_for(store, identity)
    # The slot holds the store: its id is not given to another while the slot lives.
    key = bytes.fromhex(object_fingerprint(provider, _SALT + id(store).to_bytes(8, "big")))[:_KEY_BYTES]
    with _lock:
        shared = _slots.get(key)
        if shared is None:
            shared = _slots[key] = SharedState(store, given(key), key, clock)
        _recent.use(key, shared)
        return shared


def _after_fork() -> None:
    global _lock, _locks, _recent, _stores
    _lock, _locks = threading.RLock(), _new_locks()
    # These are made anew: another thread may just have been changing them, and would never end in the child.
    living, _recent, _stores = list(_slots.items()), Recent[SharedState](), SameStores()
    for _, shared in living:
        _stores.one_for(shared.store, identity_of(shared.store))
        shared.reset_after_fork()
        if shared.snapshot.token is not None and not shared.rejects(shared.snapshot.token):
            shared.snapshot = shared.snapshot.until(
                shared.snapshot.window_opens_at
            )  # The flight it counted on is the parent's.
    for key, shared in living:
        _recent.use(key, shared)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
