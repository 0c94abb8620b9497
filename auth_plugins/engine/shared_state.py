"""The state that auth objects with equal credentials share in a process: token, flight and remembered failures."""

from __future__ import annotations

import itertools
import secrets
import threading
import weakref
from collections.abc import Callable, Iterator
from dataclasses import replace

from ..core.errors import AuthError
from ..core.identity import object_fingerprint
from ..core.policy import RefreshPolicy
from ..core.provider import Provider
from ..core.token import LONG_AGO, Token
from ..core.unauthorized import NO_BACKOFF, UnauthorizedBackoff
from ..stores.forks import check_process, in_child
from ..stores.store import Store
from .clock import SYSTEM_CLOCK, Clock
from .flight import Flight
from .lineage import is_predecessor, with_predecessor
from .recent import Recent
from .remembered_failure import RememberedFailure
from .same_store import SameStores, identity_of
from .snapshot import Snapshot
from .unsaved import SaveAttempts, UnsavedToken

__all__ = ["SharedState", "shared_state_for"]

_SALT = secrets.token_bytes(32)
"""Salts the keys of the in-process table. Not the store's salt: reading that may need I/O."""

_KEY_BYTES = 16
"""Half a digest: enough to distinguish the credentials in one process."""


def _new_locks() -> Iterator[threading.RLock]:
    # All shared states use a pool of 64 locks: a lock is larger than the state it guards, and is held only briefly.
    # The locks are re-entrant, because the garbage collector may run a finalizer that uses an auth object while a
    # lock is held.
    return itertools.cycle([threading.RLock() for _ in range(64)])


_locks = _new_locks()


class SharedState:
    """The shared state. `snapshot` is read without the lock. All other reads, and every write, need the lock."""

    __slots__ = (
        "__weakref__",
        "_lock",
        "clock",
        "distrust",
        "failure",
        "flight",
        "held_secrets",
        "key",
        "number",
        "pauses_matter_until",
        "predecessors",
        "rejected",
        "rejected_by_server",
        "snapshot",
        "store",
        "unauthorized",
        "unsaved",
    )

    def __init__(self, store: Store, given: Snapshot, key: bytes = b"", clock: Clock = SYSTEM_CLOCK) -> None:
        self.store, self.key = store, key
        self.snapshot = given
        self.number = 0
        """The number of the current token in a store with numbers: a higher number is newer; 0: it was supplied."""
        self.predecessors = b""
        """Digests of the tokens before the current one, to recognize a store that was restored to an earlier state."""
        self.held_secrets: tuple[str, ...] = ()
        """Proofs of the secrets that were asked for, newest last; see `core.identity.secret_proof`."""
        self.rejected: Token | None = None
        """The token that must not be used again, even if the store still has it."""
        self.rejected_by_server = False
        self.distrust = False
        """Whether the stored token is rejected, too: it had not been loaded when `invalidate()` was called."""
        self.unsaved: UnsavedToken | None = None
        self.failure: RememberedFailure | None = None
        self.unauthorized = NO_BACKOFF
        self.clock, self.pauses_matter_until = clock, LONG_AGO
        self.reset_after_fork()

    def reset_after_fork(self) -> None:
        """Start with a new lock and without a flight: in a forked child, those of the parent would never end."""
        self._lock = next(_locks)
        self.flight: Flight | None = None
        if self.unsaved is not None:  # The thread that saves it, and its lock, are the parent's.
            self.unsaved = replace(self.unsaved, permit=None, attempts=SaveAttempts())

    @property
    def lock(self) -> threading.RLock:
        """The lock of this state, in the process that asks for it."""
        check_process()
        return self._lock

    def replace(self, snapshot: Snapshot) -> None:
        """Replace the current token, which becomes a predecessor of the new one."""
        before, token = self.snapshot.token, snapshot.token
        if before is not None and token is not None and before != token:
            self.predecessors = with_predecessor(self.predecessors, before, token)
        self.snapshot = snapshot

    def succeeded(self, stored: Token) -> bool:
        """Whether `stored` is a predecessor of the current token: the store was restored to an earlier state."""
        return is_predecessor(self.predecessors, stored)

    def reject(self, *, by_server: bool) -> None:
        """Reject the current token: it must not be used again. Without a token, distrust the stored one."""
        if self.snapshot.token is not None:
            self.rejected, self.rejected_by_server = self.snapshot.token, by_server
            self.snapshot = self.snapshot.until(LONG_AGO)
        else:
            self.distrust = True
        self._hold()

    def rejects(self, token: Token | None) -> bool:
        """Whether `token` is the rejected token."""
        return token is not None and self.rejected is not None and token.access_token == self.rejected.access_token

    def learn_backoff(self, known: UnauthorizedBackoff, clock: Clock) -> None:
        """Keep what is known of renewals on a 401. While they back off, the answers to all requests are seen."""
        self.unauthorized, self.clock, monotonic = known, clock, clock.monotonic()
        if known.is_on:
            self.snapshot = self.snapshot.watch()
            self._pause_matters(monotonic, max(0.0, known.until - monotonic))
        elif self.snapshot.watched and not self.snapshot.unproven:
            self.snapshot = self.snapshot.proven(watched=self.snapshot.is_early(clock))

    def renewal_under_way(self, monotonic: float, deadline: float) -> Flight | None:
        """Return the flight that runs or waits for a thread, or `None`, also if it has run longer than `deadline`."""
        flight = self.flight
        if flight is None or flight.is_done:
            return None
        return None if not flight.is_queued and monotonic - flight.started > deadline else flight

    def in_early_backoff(self, monotonic: float) -> bool:
        """Whether a renewal failed so recently that no early renewal may start yet."""
        return self.failure is not None and monotonic < self.failure.no_early_renewal_before

    def blocking_failure(self, monotonic: float) -> AuthError | None:
        """Return the remembered failure while no token call is allowed, or `None`. Its `retry_after` is the time left.

        `CredentialsRejected` and `LoginRequired` block until `credentials_backoff` ends. `TokenEndpointUnavailable`
        and `InvalidTokenResponse` block until the endpoint's `Retry-After`, or, if they repeat, `outage_backoff` ends.
        """
        if self.failure is None or monotonic >= self.failure.no_call_before:
            return None
        return self.failure.raised_again(monotonic)

    def store_check_due(self, monotonic: float) -> bool:
        """Whether token calls pause after a failure, and the store was not checked within the last second."""
        return self.failure is not None and monotonic >= self.failure.next_store_check

    def claim_store_check(self, monotonic: float) -> None:
        """Claim a check of the store for the caller: for a second, `store_check_due` returns False."""
        if self.failure is not None:
            self.failure = self.failure.store_checked(monotonic)

    def record_failure(self, error: AuthError, policy: RefreshPolicy, clock: Clock) -> None:
        """Remember a failed renewal, and set the backoffs that follow from it."""
        monotonic, self.clock = clock.monotonic(), clock
        self.failure = RememberedFailure.of(error, self.failure, policy, monotonic)
        early_again = self.failure.no_early_renewal_before - monotonic
        token = self.snapshot.token
        if token is not None and not self.rejects(token):
            rested = self.snapshot.now(clock) + early_again
            if self.unsaved is None:
                rested = max(rested, self.snapshot.window_opens_at)
            self.snapshot = self.snapshot.until(min(token.expires_at, rested))
        self._pause_matters(monotonic, early_again)

    def _pause_matters(self, monotonic: float, pause: float) -> None:
        # Remembered for twice the pause: a failure soon after the pause makes the next pause longer.
        self.pauses_matter_until = max(self.pauses_matter_until, monotonic + 2.0 * pause)
        self._hold()

    def _hold(self) -> None:
        """Keep this state alive after its auth objects, for as long as it `matters`."""
        if _slots.get(self.key) is self:
            _recent.use(self.key, self)

    @property
    def matters(self) -> bool:
        """Whether forgetting this state would break a backoff, lose a token, or allow the use of a rejected token."""
        if self.flight is not None or self.distrust:
            return True
        pauses = self.failure is not None or self.unauthorized.is_on
        if pauses and self.clock.monotonic() < self.pauses_matter_until:
            return True
        token = self.snapshot.token
        if token is None or not (self.unsaved is not None or self.rejects(token)):
            return False
        return token.is_useful(self.snapshot.now(self.clock))


_lock = threading.RLock()
_slots: weakref.WeakValueDictionary[bytes, SharedState] = weakref.WeakValueDictionary()
_recent: Recent[SharedState] = Recent()
_stores = SameStores()


def shared_state_for(
    provider: Provider, store: Store, given: Callable[[bytes], Snapshot], clock: Clock = SYSTEM_CLOCK
) -> SharedState:
    """Return the shared state of these credentials in `store`. Create it with `given(key)` if it does not exist."""
    check_process()
    identity = identity_of(store)
    with _lock:
        store = _stores.one_for(store, identity)
    # The shared state keeps the store alive, so `id(store)` cannot be reused in the meantime.
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
    # Replaced, because another thread of the parent may have been changing them at the fork.
    living, _recent, _stores = list(_slots.items()), Recent[SharedState](), SameStores()
    for _, shared in living:
        _stores.one_for(shared.store, identity_of(shared.store))
        shared.reset_after_fork()
        snapshot = shared.snapshot
        if snapshot.token is not None and not shared.rejects(snapshot.token):
            # The parent's renewal thread does not exist in the child.
            shared.snapshot = snapshot.until(snapshot.window_opens_at)
    for key, shared in living:
        _recent.use(key, shared)


in_child(_after_fork)
