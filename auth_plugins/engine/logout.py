"""The job of a logout, run in one thread: lock, load, delete, revoke, unlock."""

from __future__ import annotations

from ..core.events import EventKind
from .context import Context
from .locking import GuardedStore
from .outcome import next_number, pick_current
from .shared_state import SharedState
from .snapshot import NO_TOKEN, Snapshot
from .store_entry import InStore
from .token_transport import TokenTransport

__all__ = ["logout"]


def logout(context: Context, shared: SharedState, transport: TokenTransport) -> Snapshot:
    """Delete the token from the store and the shared state, then revoke it if the provider has a revocation endpoint.

    Raises:
        StoreError: the store failed, and may still hold the token.
        TokenEndpointUnavailable: the revocation got no answer. The token is deleted all the same.
        InvalidTokenResponse: the answer to the revocation is not valid. The token is deleted all the same.
    """
    store, unsaved = GuardedStore(shared.store), shared.unsaved
    place = InStore(store, context.provider, shared)
    if unsaved is not None:
        unsaved.attempts.stop()
    with store.lock_if(place.key, lambda: True, None if unsaved is None else unsaved.permit):
        token = pick_current(context, shared, place.load(), place.number)
        place.delete(next_number(shared, place))
        with shared.lock:
            shared.predecessors, shared.number = b"", 0
            shared.snapshot, shared.rejected, shared.distrust = NO_TOKEN, token, False
            shared.failure = shared.unsaved = None
        if token is not None and context.provider.revoke(token) is not None:
            context.call_endpoint(context.request(lambda provider: provider.revoke(token))[0], transport)
        context.notify(EventKind.LOGGED_OUT)
    return NO_TOKEN
