"""Tokens of a fleet: a Redis or Valkey server that all its machines share."""

from __future__ import annotations

import hashlib
import math
import secrets
import time
from collections.abc import Callable, Hashable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Self

from ..core.checks import check_count, check_seconds, check_text
from ..core.token import Token
from ..core.wire import Masked
from .encryption import Encryption, Keys
from .redis_client import check_client, connected, time_outs_of, warn_of_its_pool
from .redis_epoch import Epochs
from .redis_lock import Locks
from .redis_records import LONGEST_MS, Records
from .redis_salt import Salt
from .store import LockLost

__all__ = ["RedisStore"]

_SALT = secrets.token_bytes(32)  # Of the digests by which this process tells the URLs of servers apart.


class RedisStore:
    """A server of Redis 7 or Valkey 7.2, or newer, by a client of redis-py or valkey-py.

    Each token is a hash with a lock next to it, which ends by itself after the `lease`. A lock comes with a number that
    is higher than all before, and a token is saved with the number of the lock under which it was obtained. A save
    never replaces a token with a higher number: a holder that was stopped past its lease cannot put an older token in
    place of a newer one, and a lower number shows that the server was set back.

    Args:
        client: a synchronous client, for its settings (TLS, cluster, sentinel) are the caller's own. Its pool should
            wait for a connection (`redis.BlockingConnectionPool`); the log has a warning about one that does not.
        prefix: what all keys begin with; without `{}`, after which a cluster looks for no other hash tag.
        encryption_key: see `FileStore`.
        lease: seconds after which a lock ends by itself; longer than the policy's `deadline` and the time-outs of
            the client together, and at most ten years.
        lock_timeout: seconds to wait for another renewal of the same token; not less than the policy's `deadline`.
        settle_time: seconds for which no refresh token is used that no login can replace, after the server was
            started, failed over or emptied: processes with newer ones put them back meanwhile. Shorter than the lease.
        wait_replicas: how many replicas have to confirm a token before it counts as saved (`WAIT`). Not for a cluster.
        clock: what tells the time, in seconds since the epoch.

    Raises:
        TypeError: an argument is of a wrong type, or the client is an asynchronous one or a pipeline.
        ValueError: an argument is out of range.
        ImportError: `cryptography` is needed, and is not installed.
    """

    def __init__(
        self,
        client: Any,
        *,
        prefix: str = "auth_plugins:",
        encryption_key: Keys | None = None,
        lease: float = 60.0,
        lock_timeout: float = 90.0,
        settle_time: float = 5.0,
        wait_replicas: int = 0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._client = check_client(client)
        check_text("prefix", prefix, at_most=256)
        if "{}" in prefix:  # A cluster looks at the first hash tag alone, and an empty one is none.
            raise ValueError("prefix must not have {} in it: a cluster could not keep a token beside its lock")
        self._encryption = Encryption(encryption_key)
        self._settings: dict[str, Any] = {
            "prefix": prefix,
            "lease": check_seconds("lease", lease, above_zero=True, at_most=LONGEST_MS / 1000),
            "lock_timeout": check_seconds("lock_timeout", lock_timeout, above_zero=True),
            "settle_time": check_seconds("settle_time", settle_time),
            "wait_replicas": 0 if wait_replicas == 0 else check_count("wait_replicas", wait_replicas, at_most=100),
        }
        if settle_time >= lease:
            raise ValueError("settle_time must be shorter than the lease: it is waited for under the lock")
        if not callable(clock):
            raise TypeError("clock must be callable")
        self._clock = clock
        warn_of_its_pool(client)
        scratch, lease_ms = self._name(f"check-{secrets.token_hex(8)}"), math.ceil(lease * 1000)
        self._locks = Locks(client, lease_ms, lock_timeout, scratch)
        self._records = Records(client, self._encryption, clock, wait_replicas, lease_ms)
        self._mine = self._locks.mine
        self._url: Masked | None = None
        self._salt = Salt(client, prefix, self._encryption)
        self._epochs = Epochs(client, prefix, settle_time)

    @classmethod
    def from_url(cls, url: str, **options: Any) -> Self:
        """Connect by redis-py to `redis://`, `rediss://` (TLS) or `unix://`; the connection is made when it is needed.

        Nothing is waited for longer than 5 seconds, unless the URL says otherwise (`?socket_timeout=`). At most 64
        connections are open (`?max_connections=`); further commands wait for one of them, for 20 seconds (`?timeout=`).

        Args:
            url: with user and password, if need be; it is never shown.
            options: those of `RedisStore`.

        Raises:
            ValueError: the URL has another scheme, or a wrong option, which is named.
            ImportError: redis is not installed.
        """
        store = cls(connected(url), **options)
        store._url = Masked(url)
        return store

    @property
    def lease(self) -> float:
        """Seconds after which a lock ends though it was not given back."""
        return float(self._settings["lease"])

    @property
    def lock_timeout(self) -> float:
        """Seconds to wait for a lock."""
        return float(self._settings["lock_timeout"])

    @property
    def identity(self) -> Hashable:
        """The server (by URL, or else by the client) and all settings; `None` in a subclass: it may have others."""
        if type(self) is not RedisStore:
            return None
        server = self._client if self._url is None else hashlib.blake2b(self._url.encode(), key=_SALT).digest()
        return (server, self._encryption.key_names, self._clock, *self._settings.values())

    @property
    def margin(self) -> float:
        """Seconds by which `lease` has to exceed the policy's `deadline`: the client's time-outs, where they show."""
        return time_outs_of(self._client)

    @property
    def salt(self) -> bytes:
        """What Redis has; else what this process has seen there; else a digest of the settings.

        It is written back where it is missing, so a salt that was lost makes no token unreachable: a process that
        runs knows it, and one that starts derives it from the prefix and the first encryption key.
        """
        return self._salt.read()

    def epoch(self) -> tuple[str, float]:
        """Return an ID that changes when the server may have lost something, and the seconds left of `settle_time`."""
        return self._epochs.look()

    def load(self, key: str) -> Token | None:
        """Return the token kept under `key`. Redis alone decides how long it is kept, by the provider's statement."""
        return self.load_numbered(key)[0]

    def load_numbered(self, key: str) -> tuple[Token | None, int]:
        """Do as `load`, and return the token's number as well; -1 if there is no token."""
        if key not in self._mine.seen:
            return self._records.load(self._name(key), key)
        return self._records.decoded(self._name(key), key, *self._mine.seen.pop(key))  # It came along with the lock.

    def save(self, key: str, token: Token) -> None:
        """Keep `token` until its `useful_until`, unless another holder has had the lock since and has saved a token."""
        held = self._mine.held.get(key)
        if self.save_numbered(key, token, None if held is None else held.number) is not None:
            raise LockLost("The lock ran out before the token could be saved, and another holder has saved one since")

    def save_numbered(
        self, key: str, token: Token, number: int | None, *, before_call: bool = False
    ) -> tuple[Token | None, int] | None:
        """Keep `token` under its number; or return the newer token that is there, with its number.

        Without a `number` it replaces whatever is there.

        Raises:
            LockLost: the lock is not held any more, and the token is about to be renewed (`before_call`).
        """
        held = self._mine.held.get(key)
        newer = self._records.save(self._name(key), key, token, number, held, before_call=before_call)
        if held is not None:
            held.kept = False
        return newer

    def load_all(self, keys: Iterable[str]) -> list[tuple[Token | None, int]]:
        """Do as `load_numbered` for each key, in one round trip."""
        return self._records.load_all([(self._name(key), key) for key in keys])

    def put_back(self, tokens: Iterable[tuple[str, Token, int]]) -> None:
        """Keep tokens, given with their keys and numbers, where there is an older one or none; in one round trip."""
        self._records.save_all((self._name(key), key, token, number) for key, token, number in tokens)

    def lock_numbers(self, key: str) -> tuple[int, int]:
        """Return the number of this thread's lock, and that of one that was waited for and lost; 0 without a lock."""
        held = self._mine.held.get(key)
        return (0, 0) if held is None else (held.number, held.lost)

    def delete(self, key: str) -> None:
        """Forget what is kept under `key`; the number of its lock stays for a day."""
        self._records.delete(self._name(key), None, ends=False)

    def delete_numbered(self, key: str, number: int, *, ends: bool) -> bool:
        """Do as `delete` and return True; but return False if there is a token with a higher number.

        If it `ends` the session, the number stays for a day: a token with a lower one is not saved any more.
        """
        return self._records.delete(self._name(key), number, ends=ends)

    def retire(self, key: str) -> None:
        """Let what is kept under `key` end within a day: the provider does not renew it any more."""
        self._records.retire(self._name(key))

    @contextmanager
    def lock(self, key: str) -> Iterator[None]:
        """Keep the whole fleet from renewing under `key`, for as long as the lease lasts."""
        with self.lock_if(key, lambda: True):
            yield

    @contextmanager
    def lock_if(self, key: str, needed: Callable[[], bool], permit: object = None) -> Iterator[bool]:
        """Do as `lock`, and yield True; but yield False, without the lock, as soon as it is not `needed`.

        `needed` is called while another holder has the lock, whenever the record has changed: `load` then returns
        what came along with the refusal. A `permit` continues a lock under which a save failed.
        """
        with self._locks.hold(key, self._name(key), needed, permit) as got:
            yield got

    def permit(self, key: str) -> object:
        """Keep the lock of this thread beyond its end, for a token that could not be saved: see `lock_if`."""
        held = self._mine.held.get(key)
        if held is not None:
            held.kept = True
        return held

    def _name(self, key: str) -> str:
        return f"{self._settings['prefix']}{{{key}}}"  # The braces keep a token and its lock on one node of a cluster.

    def __repr__(self) -> str:
        # Without settings the constructor has raised.
        return f"RedisStore(prefix={getattr(self, '_settings', {}).get('prefix')!r})"

    def __getstate__(self) -> dict[str, object]:
        keys = [None if key is None else str(key) for key in self._encryption.keys]
        place = {"client": self._client} if self._url is None else {"url": str(self._url)}
        return {**place, "clock": self._clock, "encryption_key": keys or None, **self._settings}

    def __setstate__(self, state: dict[str, Any]) -> None:
        url = state.pop("url", None)
        if url is not None:
            state["client"] = connected(url)
        self.__init__(**state)  # type: ignore[misc]
        self._url = None if url is None else Masked(url)
