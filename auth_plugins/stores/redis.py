"""Tokens of a fleet: a Redis or Valkey server that all its machines share."""

from __future__ import annotations

import hashlib
import inspect
import logging
import math
import secrets
import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import Any, Self

from ..core.checks import check_count, check_seconds, check_text
from ..core.errors import StoreError
from ..core.token import LONG_AGO, Token
from ..core.wire import Masked
from .encryption import Encryption, Keys
from .record import CorruptRecord, decode, encode
from .redis_client import check_behaviour, connected, eval_and_wait, time_outs_of, warn_of_its_pool
from .redis_errors import as_store_error
from .redis_lock import Held, Locks, OfThisThread
from .redis_salt import Salt
from .redis_scripts import ASIDE, DELETE, RETIRE, SAVE
from .store import LockLost

__all__ = ["RedisStore"]

_log = logging.getLogger("auth_plugins")
_SALT = secrets.token_bytes(32)
"""Of the digests of URLs, which may have passwords, by which this process tells servers apart."""
_FOREVER = 0
_SKEW = 60.0
"""Seconds for which a token is kept longer: the clocks of a fleet do not agree."""
_LONGEST = 10 * 365 * 86_400_000
"""Milliseconds. A server refuses ends that lie too far ahead."""


class RedisStore:
    """A server of Redis 7 or Valkey 7.2, or newer, by a client of redis-py or valkey-py.

    Each token is a hash with a lock next to it, which ends by itself after the `lease`. A lock comes with a number that
    is higher than all before, and a token is saved with the number of the lock under which it was obtained. A save
    never replaces a token with a higher number: a holder that was stopped past its lease cannot put an older token in
    place of a newer one, and a lower number shows that the server was set back. Waiting looks at the lock in pauses
    that grow to half a second.

    Args:
        client: a synchronous client, for its settings (TLS, cluster, sentinel) are the caller's own. Its pool should
            wait for a connection (`redis.BlockingConnectionPool`); the log has a warning about one that does not.
        prefix: what all keys begin with; without `{}`, after which a cluster looks for no other hash tag.
        encryption_key: see `FileStore`.
        lease: seconds after which a lock ends by itself; longer than the policy's `deadline` and the time-outs of
            the client together, and at most ten years.
        lock_timeout: seconds to wait for another renewal of the same token; not less than the policy's `deadline`.
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
        wait_replicas: int = 0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._client = _synchronous(client)
        check_behaviour(client)
        self._prefix = check_text("prefix", prefix, at_most=256)
        if "{}" in prefix:  # A cluster looks at the first hash tag alone, and an empty one is none.
            raise ValueError("prefix must not have {} in it: a cluster could not keep a token beside its lock")
        self._encryption = Encryption(encryption_key)
        self._lease = check_seconds("lease", lease, above_zero=True, at_most=_LONGEST / 1000)
        self._lock_timeout = check_seconds("lock_timeout", lock_timeout, above_zero=True)
        self._wait_replicas = 0 if wait_replicas == 0 else check_count("wait_replicas", wait_replicas, at_most=100)
        if not callable(clock):
            raise TypeError("clock must be callable")
        self._clock = clock
        warn_of_its_pool(client)
        scratch = self._name(f"check-{secrets.token_hex(8)}")
        self._locks = Locks(client, self._lease_ms, self._lock_timeout, scratch)
        self._mine = OfThisThread()
        self._url: Masked | None = None
        self._salt = Salt(client, prefix, self._encryption)

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
        return self._lease

    @property
    def lock_timeout(self) -> float:
        """Seconds to wait for a lock."""
        return self._lock_timeout

    @property
    def identity(self) -> Hashable:
        """The server (by URL, or else by the client) and all settings; `None` in a subclass: it may have others."""
        if type(self) is not RedisStore:
            return None
        server = self._client if self._url is None else hashlib.blake2b(self._url.encode(), key=_SALT).digest()
        settings = (
            self._prefix,
            self._encryption.key_names,
            self._lease,
            self._lock_timeout,
            self._wait_replicas,
            self._clock,
        )
        return (server, *settings)

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

    def load(self, key: str) -> Token | None:
        """Return the token kept under `key`. Redis alone decides how long it is kept, by the provider's statement."""
        return self.load_numbered(key)[0]

    def load_numbered(self, key: str) -> tuple[Token | None, int]:
        """Do as `load`, and return the token's number as well; -1 if there is no token."""
        name = self._name(key)
        if key in self._mine.seen:  # It came along with the lock, or with its refusal.
            raw, number = self._mine.seen.pop(key)
        else:
            found, saved = as_store_error(lambda: self._client.hmget(name, ["token", "saved"]))
            raw, number = _bytes(found), -1 if saved is None else int(saved)
        return self._decoded(key, raw, number)

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
        name, held = self._name(key), self._mine.held.get(key)
        arguments = (
            "" if number is None else number,
            self._encryption.encrypt(encode(key, token)),
            self._ms_to_live(token),
            "" if held is None else held.holder,
            self._lease_ms,
            int(before_call),
        )
        done, *newer = self._written(name, f"{name}:lock", *arguments)
        if int(done) < 0:
            raise LockLost("The lock ran out before the token could be renewed")
        found = self._decoded(key, _bytes(newer[1]), int(newer[0])) if newer else None
        if found == (None, -1):  # It was damaged, and is set aside.
            return self.save_numbered(key, token, number, before_call=before_call)
        if held is not None:
            held.kept = False
        return found

    def lock_numbers(self, key: str) -> tuple[int, int]:
        """Return the number of this thread's lock, and that of a lock that was waited for and forgotten by the server.

        Each is 0 without a lock.
        """
        held = self._mine.held.get(key)
        return (0, 0) if held is None else (held.number, held.lost)

    def delete(self, key: str) -> None:
        """Forget what is kept under `key`; the number of its lock stays for a day."""
        as_store_error(lambda: self._client.eval(DELETE, 1, self._name(key), "", 0))

    def delete_numbered(self, key: str, number: int, *, ends: bool) -> bool:
        """Do as `delete` and return True; but return False if there is a token with a higher number.

        If it `ends` the session, the number stays for a day: a token with a lower one is not saved any more.
        """
        return bool(as_store_error(lambda: self._client.eval(DELETE, 1, self._name(key), number, int(ends))))

    def retire(self, key: str) -> None:
        """Let what is kept under `key` end within a day: the provider does not renew it any more."""
        as_store_error(lambda: self._client.eval(RETIRE, 1, self._name(key)))

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
        held = Held(self._name(key), permit.holder) if isinstance(permit, Held) else Held(self._name(key))

        def is_needed(*record: *tuple[bytes | None, int]) -> bool:
            self._mine.seen[key] = record
            return held.number > 0 or needed()

        got, held.kept = True, permit is not None  # Until the lock is continued, its end is not ours to hasten.
        try:
            got = self._locks.wait_for(held, is_needed)
            held.kept = False
            if got:
                self._mine.held[key] = held
            yield got
        finally:
            self._mine.held.pop(key, None)
            self._mine.seen.pop(key, None)
            if got:  # Also where the answer was lost, and it is not known whether the lock is ours.
                self._locks.give_back(held)

    def permit(self, key: str) -> object:
        """Keep the lock of this thread beyond its end, for a token that could not be saved: see `lock_if`."""
        held = self._mine.held.get(key)
        if held is not None:
            held.kept = True
        return held

    @property
    def _lease_ms(self) -> int:
        return math.ceil(self._lease * 1000)

    def _ms_to_live(self, token: Token) -> int:
        # By the host's clock, or as long as the provider said, by the clock of the host that asked it: what is longer.
        stated = token.useful_until - token.issued_at if token.issued_at > LONG_AGO else 0.0
        left = max(token.useful_until - self._clock(), stated)
        return _FOREVER if left == math.inf else min(max(1, math.ceil((left + _SKEW) * 1000)), _LONGEST)

    def _decoded(self, key: str, raw: bytes | None, number: int) -> tuple[Token | None, int]:
        if raw is None:
            return None, number
        try:
            return decode(key, self._encryption.decrypt(raw)), number
        except CorruptRecord:
            as_store_error(lambda: self._client.eval(ASIDE, 1, self._name(key), raw))
            _log.warning("A token in Redis was damaged or is not ours; it is set aside")
            return None, -1

    def _written(self, *arguments: Any) -> list[Any]:
        answer: list[Any]
        if not self._wait_replicas:
            answer = as_store_error(lambda: self._client.eval(SAVE, 2, *arguments))
            return answer
        answer, replicas = as_store_error(lambda: eval_and_wait(self._client, self._wait_replicas, SAVE, *arguments))
        if int(answer[0]) > 0 and replicas < self._wait_replicas:
            raise StoreError(f"The token was saved, but {replicas} of {self._wait_replicas} replicas have confirmed it")
        return answer

    def _name(self, key: str) -> str:
        return f"{self._prefix}{{{key}}}"  # The braces keep a token and its lock on one node of a cluster.

    def __repr__(self) -> str:
        # Without a prefix the constructor has raised.
        return f"RedisStore(prefix={getattr(self, '_prefix', None)!r})"

    def __getstate__(self) -> dict[str, object]:
        keys = [None if key is None else str(key) for key in self._encryption.keys]
        settings: dict[str, object] = {"prefix": self._prefix, "lease": self._lease, "lock_timeout": self._lock_timeout}
        settings["wait_replicas"] = self._wait_replicas
        place = {"client": self._client} if self._url is None else {"url": str(self._url)}
        return {**place, "clock": self._clock, "encryption_key": keys or None, **settings}

    def __setstate__(self, state: dict[str, Any]) -> None:
        url = state.pop("url", None)
        if url is not None:
            state["client"] = connected(url)
        self.__init__(**state)  # type: ignore[misc]
        self._url = None if url is None else Masked(url)


def _synchronous(client: Any) -> Any:
    if _is_asynchronous(type(client)):
        raise TypeError("client must be a synchronous one: a renewal runs in a thread of its own, and blocks no loop")
    if not all(callable(getattr(client, name, None)) for name in ("get", "set", "hmget", "hdel", "eval", "delete")):
        raise TypeError("client must be a redis.Redis or a valkey.Valkey")
    return client


def _is_asynchronous(kind: type) -> bool:
    # Not by its methods alone: those of redis-py are the same functions in both of its clients.
    methods = (getattr(kind, name, None) for name in ("execute_command", "get", "eval"))
    only_async = hasattr(kind, "__aenter__") and not hasattr(kind, "__enter__")
    return only_async or any(map(inspect.iscoroutinefunction, methods))


def _bytes(value: Any) -> bytes | None:
    return value.encode() if isinstance(value, str) else value  # A client may decode its answers.
