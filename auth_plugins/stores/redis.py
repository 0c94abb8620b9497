"""Tokens of a fleet: a Redis or Valkey server that all its machines share."""

from __future__ import annotations

import hashlib
import inspect
import logging
import math
import random
import secrets
import threading
import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Self

from ..core.checks import check_seconds, check_text
from ..core.errors import StoreError
from ..core.token import Token
from ..core.wire import Masked
from .record import Damaged, decode, encode
from .scripts import ACQUIRE, ASIDE, RELEASE, SAVE
from .seal import Keys, Seal

__all__ = ["RedisStore"]

_log = logging.getLogger("auth_plugins")
_PAUSES = (0.01, 0.5)
"""The first and the longest pause between two looks at a lock that somebody else has, in seconds."""
_SALT = secrets.token_bytes(32)
"""Of the digests of URLs, which may have passwords, by which this process tells servers apart."""
_FOREVER = 0
_SKEW = 60.0
"""Seconds for which a token is kept longer: the clocks of a fleet do not agree."""
_LONGEST = 10 * 365 * 86_400_000
"""Milliseconds. A server refuses ends that lie too far ahead."""


class RedisStore:
    """A server of Redis 7 or Valkey 7.2, or newer, by a client of redis-py or valkey-py.

    Each token is a hash, and beside it stands its lock, which ends by itself after the `lease`: a holder that was
    killed keeps nobody waiting for longer. Whoever gets the lock gets a number with it that is higher than all before,
    and a save with a number that is not the last one is refused: a holder that was stopped past its lease cannot
    put an older token in place of a newer one. Waiting looks at the lock in pauses that grow to half a second.

    Args:
        client: a synchronous client, for its settings (TLS, cluster, sentinel) are the caller's own.
        prefix: what all keys begin with; without `{}`, after which a cluster looks for no other hash tag.
        encryption_key: see `FileStore`.
        lease: seconds after which a lock ends by itself; longer than the policy's `deadline`, and at most
            ten years.
        lock_timeout: seconds to wait for another renewal of the same token; not less than the policy's `deadline`.
        clock: what tells the time, in seconds since the epoch.

    Raises:
        TypeError: an argument is of a wrong type, or the client is an asynchronous one.
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
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._client = _synchronous(client)
        self._prefix = check_text("prefix", prefix, at_most=256)
        if "{}" in prefix:  # A cluster looks at the first hash tag alone, and an empty one is none.
            raise ValueError("prefix must not have {} in it: a cluster could not keep a token beside its lock")
        self._seal = Seal(encryption_key)
        self._lease = check_seconds("lease", lease, above_zero=True, at_most=_LONGEST / 1000)
        self._lock_timeout = check_seconds("lock_timeout", lock_timeout, above_zero=True)
        if not callable(clock):
            raise TypeError("clock must be callable")
        self._clock = clock
        self._mine = threading.local()
        self._url: Masked | None = None

    @classmethod
    def from_url(cls, url: str, **options: Any) -> Self:
        """Connect by redis-py to `redis://`, `rediss://` (TLS) or `unix://`; the connection is made when it is needed.

        Nothing is waited for longer than 5 seconds, unless the URL says otherwise (`?socket_timeout=`).

        Args:
            url: with user and password, if need be; it is never shown.
            options: those of `RedisStore`.

        Raises:
            ValueError: the URL is none of these.
            ImportError: redis is not installed.
        """
        store = cls(_connected(url), **options)
        store._url = Masked(url)
        return store

    @property
    def lease(self) -> float:
        """Seconds after which a lock ends though nobody gave it back."""
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
        return server, self._prefix, self._seal.key_names, self._lease, self._lock_timeout, self._clock

    @property
    def salt(self) -> bytes:
        """Random, made by whoever comes first."""
        name = self._prefix + "salt"
        for _ in range(3):
            raw = _bytes(self._told(lambda: self._client.get(name)))
            salt = self._salt_of(raw)
            if salt is not None and raw is not None:
                if not self._seal.is_current(raw):
                    again = self._seal.close(salt.hex().encode())
                    self._told(lambda again=again: self._client.set(name, again, xx=True))  # type: ignore[misc]
                return salt
            made = self._seal.close(secrets.token_hex(32).encode())
            if raw is not None:
                _log.warning("The salt in Redis was damaged; there is a new one")
                self._told(lambda raw=raw: self._client.eval(RELEASE, 1, name, raw))  # type: ignore[misc]
            self._told(lambda made=made: self._client.set(name, made, nx=True))  # type: ignore[misc]
        raise StoreError("The salt in Redis comes and goes")

    def load(self, key: str) -> Token | None:
        """Give the token kept under `key`, if it still serves for anything."""
        name = self._name(key)
        raw = _bytes(self._told(lambda: self._client.hget(name, "token")))
        if raw is None:
            return None
        try:
            token = decode(key, self._seal.open(raw))
        except Damaged:
            self._told(lambda: self._client.eval(ASIDE, 1, name, raw))
            _log.warning("A token in Redis was damaged or is not ours; it is set aside")
            return None
        return token if self._clock() < token.useful_until else None

    def save(self, key: str, token: Token) -> None:
        """Keep `token` until its `useful_until`, unless the lock was lost to somebody else."""
        name, (number, holder) = self._name(key), self._held.get(key, (0, ""))
        left = token.useful_until - self._clock()
        ends = _FOREVER if left == math.inf else min(max(1, math.ceil((left + _SKEW) * 1000)), _LONGEST)
        record = self._seal.close(encode(key, token))
        arguments = (number, record, ends, holder, self._lease_ms)
        if not self._told(lambda: self._client.eval(SAVE, 2, name, name + ":lock", *arguments)):
            raise StoreError("The lock ran out before the token could be saved, and somebody else has had it since")

    def delete(self, key: str) -> None:
        """Forget what is kept under `key`; the number of its lock stays."""
        self._told(lambda: self._client.hdel(self._name(key), "token"))

    @contextmanager
    def lock(self, key: str) -> Iterator[None]:
        """Keep the whole fleet from renewing under `key`, for as long as the lease lasts."""
        name, holder = self._name(key), secrets.token_hex(16)
        try:
            self._held[key] = self._wait_for(name, holder), holder
            try:
                yield
            finally:
                del self._held[key]
        finally:
            with suppress(StoreError):  # Then it ends with its lease. Also where nobody knows whether we had got it.
                self._told(lambda: self._client.eval(RELEASE, 1, name + ":lock", holder))

    @property
    def _held(self) -> dict[str, tuple[int, str]]:
        if not hasattr(self._mine, "held"):
            self._mine.held = {}
        held: dict[str, tuple[int, str]] = self._mine.held
        return held

    @property
    def _lease_ms(self) -> int:
        return math.ceil(self._lease * 1000)

    def _wait_for(self, name: str, holder: str) -> int:
        ends, pause = time.monotonic() + self._lock_timeout, _PAUSES[0]
        while True:
            number = self._told(lambda: self._client.eval(ACQUIRE, 2, name, name + ":lock", holder, self._lease_ms))
            if number:
                return int(number)
            if time.monotonic() + pause > ends:
                raise StoreError("Another renewal of the same token did not end", hint="Try again later.")
            time.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - keeps waiters apart, guards nothing
            pause = min(pause * 1.5, _PAUSES[1])

    def _name(self, key: str) -> str:
        return f"{self._prefix}{{{key}}}"  # The braces keep a token and its lock on one node of a cluster.

    def _told(self, call: Callable[[], Any]) -> Any:
        """Make a call, and tell its failure by its kind alone: its text and its frames may hold the token."""
        try:
            return call()
        except Exception as error:
            what = type(error).__name__
        raise StoreError(f"Redis did not do what it was asked for ({what})")

    def _salt_of(self, raw: bytes | None) -> bytes | None:
        try:
            salt = bytes.fromhex(self._seal.open(raw or b"").decode("ascii", "replace"))
        except (Damaged, ValueError):
            return None
        return salt if len(salt) == 32 else None

    def __repr__(self) -> str:
        return f"RedisStore(prefix={self._prefix!r})"

    def __getstate__(self) -> dict[str, object]:
        keys = [str(key) for key in self._seal.keys]
        settings = {"prefix": self._prefix, "lease": self._lease, "lock_timeout": self._lock_timeout}
        place = {"client": self._client} if self._url is None else {"url": str(self._url)}
        return {**place, "clock": self._clock, "encryption_key": keys or None, **settings}

    def __setstate__(self, state: dict[str, Any]) -> None:
        url = state.pop("url", None)
        if url is not None:
            state["client"] = _connected(url)
        self.__init__(**state)  # type: ignore[misc]
        self._url = None if url is None else Masked(url)


def _connected(url: object) -> Any:
    try:
        import redis
        from redis.backoff import NoBackoff
        from redis.retry import Retry
    except ImportError:
        raise ImportError("RedisStore.from_url needs: pip install 'auth-plugins[redis]'") from None
    if not isinstance(url, str):
        raise TypeError("url must be a str")
    # One more try, at once: a connection that rested may have been cut, and all that we ask can be repeated.
    retry = Retry(NoBackoff(), 1)
    try:
        return redis.Redis.from_url(url, socket_timeout=5.0, socket_connect_timeout=5.0, retry=retry)
    except ValueError:  # Its text may quote the URL, which may have a password.
        pass
    raise ValueError("url must be redis://, rediss:// or unix://")


def _synchronous(client: Any) -> Any:
    if _is_asynchronous(type(client)):
        raise TypeError("client must be a synchronous one: a renewal runs in a thread of its own, and blocks no loop")
    if not all(callable(getattr(client, name, None)) for name in ("get", "set", "hget", "hdel", "eval", "delete")):
        raise TypeError("client must be a redis.Redis or a valkey.Valkey")
    return client


def _is_asynchronous(kind: type) -> bool:
    # Not by its methods alone: those of redis-py are the same functions in both of its clients.
    methods = (getattr(kind, name, None) for name in ("execute_command", "get", "eval"))
    only_async = hasattr(kind, "__aenter__") and not hasattr(kind, "__enter__")
    return only_async or any(map(inspect.iscoroutinefunction, methods))


def _bytes(value: Any) -> bytes | None:
    return value.encode() if isinstance(value, str) else value  # A client may decode its answers.
