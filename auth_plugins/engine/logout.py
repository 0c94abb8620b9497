"""What the end of a session does, in the one thread that does it: lock, load, forget, tell the provider, unlock."""

from __future__ import annotations

from ..core.events import EventKind
from .context import Context
from .locking import GuardedStore
from .outcome import pick_current
from .shared_state import SharedState
from .snapshot import NO_TOKEN, Snapshot
from .store_entry import InStore
from .token_transport import TokenTransport

__all__ = ["logout"]


def logout(context: Context, shared: SharedState, transport: TokenTransport) -> Snapshot:
    """Forget the token everywhere, then tell the provider, if it wants to know.

    Raises:
        StoreError: the store failed, and may keep the token.
        TokenEndpointUnavailable: the provider could not be told; the token is forgotten all the same.
    """
    store, unsaved = GuardedStore(shared.store), shared.unsaved
    place = InStore(store, context.provider)
    with store.lock_if(place.key, lambda: True, None if unsaved is None else unsaved.want()):
        token = pick_current(context, shared, place.load())
        place.delete()
        with shared.lock:
            shared.predecessors = b""
            shared.snapshot, shared.rejected, shared.failure, shared.unsaved, shared.distrust = (
                NO_TOKEN,
                token,
                None,
                None,
                False,
            )
        request = context.provider.revoke(token) if token is not None else None
        if request is not None:
            context.call_endpoint(request, transport)
        context.notify(EventKind.LOGGED_OUT)
    return NO_TOKEN
