"""What the end of a session does, in the one thread that does it: lock, load, forget, tell the provider, unlock."""

from __future__ import annotations

from ..core.events import EventKind
from .channel import Channel
from .live import NOTHING, Live
from .locking import GuardedStore
from .outcome import newest
from .place import InStore
from .slot import Slot
from .terms import Terms

__all__ = ["end"]


def end(terms: Terms, slot: Slot, channel: Channel) -> Live:
    """Forget the token everywhere, then tell the provider, if it wants to know.

    Raises:
        StoreError: the store failed, and may keep the token.
        TokenEndpointUnavailable: the provider could not be told; the token is forgotten all the same.
    """
    store, unsaved = GuardedStore(slot.store), slot.unsaved
    place = InStore(store, terms.provider)
    with store.lock_if(place.key, lambda: True, None if unsaved is None else unsaved.want()):
        token = newest(terms, slot, place.load())
        place.delete()
        with slot.lock:
            slot.predecessors = b""
            slot.live, slot.rejected, slot.trouble, slot.unsaved, slot.distrust = NOTHING, token, None, None, False
        request = terms.provider.revoke(token) if token is not None else None
        if request is not None:
            terms.ask(request, channel)
        terms.tell(EventKind.LOGGED_OUT)
    return NOTHING
