"""What went wrong between us and a Redis server, in words that hold no part of a command, an answer or a URL."""

from __future__ import annotations

import errno
import re
import socket
import ssl
from collections.abc import Callable, Iterator
from typing import TypeVar

from ..core.errors import StoreError

__all__ = ["as_store_error", "reason_of"]

T = TypeVar("T")

_WORDS = (
    *("NOPERM", "NOAUTH", "WRONGPASS", "OOM", "READONLY", "MISCONF", "NOREPLICAS", "LOADING", "MASTERDOWN"),
    *("MOVED", "ASK", "TRYAGAIN", "CROSSSLOT", "CLUSTERDOWN", "BUSY", "NOSCRIPT", "WRONGTYPE", "UNBLOCKED"),
)
"""The words with which a server begins an error, as far as they say what an operator has to do."""
_BY_KIND = {
    "NoPermissionError": "NOPERM",
    "OutOfMemoryError": "OOM",
    "ReadOnlyError": "READONLY",
    "BusyLoadingError": "LOADING",
    "MasterDownError": "MASTERDOWN",
    "MovedError": "MOVED",
    "AskError": "ASK",
    "TryAgainError": "TRYAGAIN",
    "ClusterCrossSlotError": "CROSSSLOT",
    "ClusterDownError": "CLUSTERDOWN",
    "NoScriptError": "NOSCRIPT",
}
"""Clients cut the word off where they have an exception for it."""
_HINTS = {
    "NOPERM": "Give the user all the commands of the ACL line in the documentation.",
    "WRONGPASS": "Check user and password of the URL or the client.",
    "NOAUTH": "Give the URL or the client a user and a password.",
    "OOM": "Give Redis more memory; the database of tokens must not evict.",
    "READONLY": "Connect to the primary: tokens are never read from, or written to, a replica.",
    "MOVED": "Use a cluster client (redis.RedisCluster).",
}


def as_store_error(call: Callable[[], T]) -> T:
    """Return what `call` returns.

    Raises:
        StoreError: it failed. The error names its kind alone: its text and its frames may hold the token.
    """
    try:
        return call()
    except StoreError:
        raise
    except Exception as error:
        reason, word = reason_of(error), _word_of(error)
    raise StoreError(f"Redis did not do what it was asked for ({reason})", hint=_HINTS.get(word or ""))


def reason_of(error: BaseException) -> str:
    """Return the kind of `error`, and what the server or the system says is the cause."""
    causes = (_word_of(error), _network_cause_of(error))
    return ": ".join([type(error).__name__, *(cause for cause in causes if cause)])


def _word_of(error: BaseException) -> str | None:
    text = str(error)
    if type(error).__name__.startswith("Authentication"):
        return "WRONGPASS" if "username-password" in text or "WRONGPASS" in text else "NOAUTH"
    if "no permissions" in text:  # In a script some servers leave the word out.
        return "NOPERM"
    named = _BY_KIND.get(type(error).__name__)
    return named or next((word for word in _WORDS if re.search(rf"\b{word}\b", text)), None)


def _network_cause_of(error: BaseException) -> str | None:
    for each in _chain(error):
        if isinstance(each, ssl.SSLError):
            return f"TLS: {each.reason or 'the handshake failed'}"
        if isinstance(each, socket.gaierror):
            return "the name of the host does not resolve"
        if isinstance(each, OSError) and each.errno is not None:
            return errno.errorcode.get(each.errno)
    return None


def _chain(error: BaseException) -> Iterator[BaseException]:
    each: BaseException | None = error
    for _ in range(8):
        if each is None:
            return
        yield each
        each = each.__cause__ or each.__context__
