"""The records of tokens in Redis: a hash for each, with the token, its number and that of the last lock."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ..core.errors import StoreError
from ..core.token import LONG_AGO, Token
from .encryption import Encryption
from .record import CorruptRecord, decode, encode
from .redis_client import eval_and_wait
from .redis_errors import as_store_error
from .redis_lock import Held
from .redis_scripts import ASIDE, DELETE, RETIRE, SAVE
from .store import LockLost

__all__ = ["LONGEST_MS", "Records"]

_log = logging.getLogger("auth_plugins")
_FOREVER = 0
_SKEW = 60.0
"""Seconds for which a token is kept longer: the clocks of a fleet do not agree."""
_UNUSED = 366 * 86_400.0
"""Seconds after which a token goes that states no end and that a login can replace, if it was not saved meanwhile."""
LONGEST_MS = 10 * 365 * 86_400_000
"""Milliseconds. A server refuses ends that lie too far ahead."""


class Records:
    """Reads and writes the records by one client. `name` is that of the hash, `key` what the record is of."""

    def __init__(
        self, client: Any, encryption: Encryption, clock: Callable[[], float], wait_replicas: int, lease_ms: int
    ) -> None:
        self._client, self._encryption, self._clock = client, encryption, clock
        self._wait_replicas, self._lease_ms = wait_replicas, lease_ms

    def load(self, name: str, key: str) -> tuple[Token | None, int]:
        """Return the token and its number; `(None, -1)` if there is none."""
        return self._read(name, key, *as_store_error(lambda: self._client.hmget(name, ["token", "saved"])))

    def load_all(self, names: Sequence[tuple[str, str]]) -> list[tuple[Token | None, int]]:
        """Do as `load` for each `(name, key)`."""
        pipeline = self._client.pipeline(transaction=False)
        for name, _ in names:
            pipeline.hmget(name, ["token", "saved"])
        found = as_store_error(pipeline.execute)
        return [self._read(*each, *record) for each, record in zip(names, found, strict=True)]

    def _read(self, name: str, key: str, raw: Any, saved: Any) -> tuple[Token | None, int]:
        raw = raw.encode() if isinstance(raw, str) else raw  # A client may decode its answers.
        return self.decoded(name, key, raw, -1 if saved is None else int(saved))

    def decoded(self, name: str, key: str, raw: bytes | None, number: int) -> tuple[Token | None, int]:
        """Return the token that is in a record; a record that cannot be read is set aside."""
        if raw is None:
            return None, number
        try:
            return decode(key, self._encryption.decrypt(raw)), number
        except CorruptRecord:
            as_store_error(lambda: self._client.eval(ASIDE, 1, name, raw))
            _log.warning("A token in Redis was damaged or is not ours; it is set aside")
            return None, -1

    def save(
        self, name: str, key: str, token: Token, number: int | None, held: Held | None, *, before_call: bool
    ) -> tuple[Token | None, int] | None:
        """Save `token` under its number; or return the newer token that is there, with its number.

        Without a `number` it replaces whatever is there.

        Raises:
            LockLost: the lock is not `held` any more, and the token is about to be renewed (`before_call`).
        """
        holder = "" if held is None else held.holder
        arguments = self._arguments(name, key, token, number, holder=holder, before_call=before_call)
        done, *newer = self._written(*arguments)
        if int(done) < 0:
            raise LockLost("The lock ran out before the token could be renewed")
        if not newer:
            return None
        raw = newer[1].encode() if isinstance(newer[1], str) else newer[1]
        found = self.decoded(name, key, raw, int(newer[0]))
        if found == (None, -1):  # It was damaged, and is set aside.
            return self.save(name, key, token, number, held, before_call=before_call)
        return found

    def save_all(self, records: Iterable[tuple[str, str, Token, int]]) -> None:
        """Save tokens, each as `(name, key, token, number)`, where there is an older one or none."""
        pipeline = self._client.pipeline(transaction=False)
        for name, key, token, number in records:
            pipeline.eval(SAVE, 2, *self._arguments(name, key, token, number))
        as_store_error(pipeline.execute)

    def _arguments(
        self, name: str, key: str, token: Token, number: int | None, *, holder: str = "", before_call: bool = False
    ) -> tuple[Any, ...]:
        record = self._encryption.encrypt(encode(key, token))
        numbered = "" if number is None else number
        return name, f"{name}:lock", numbered, record, self._ms_to_live(token), holder, self._lease_ms, int(before_call)

    def delete(self, name: str, number: int | None, *, ends: bool) -> bool:
        """Delete the token, but return False if it has a higher number; `ends`: the number stays for a day."""
        fence = "" if number is None else number
        return bool(as_store_error(lambda: self._client.eval(DELETE, 1, name, fence, int(ends))))

    def retire(self, name: str) -> None:
        """Let the record end within a day."""
        as_store_error(lambda: self._client.eval(RETIRE, 1, name))

    def _ms_to_live(self, token: Token) -> int:
        # By the host's clock, or as long as the provider said, by the clock of the host that asked it: what is longer.
        stated = token.useful_until - token.issued_at if token.issued_at > LONG_AGO else 0.0
        left = max(token.useful_until - self._clock(), stated)
        if left == math.inf:
            if token.irreplaceable:
                return _FOREVER
            left = _UNUSED
        return min(max(1, math.ceil((left + _SKEW) * 1000)), LONGEST_MS)

    def _written(self, *arguments: Any) -> list[Any]:
        answer: list[Any]
        if not self._wait_replicas:
            answer = as_store_error(lambda: self._client.eval(SAVE, 2, *arguments))
            return answer
        answer, replicas = as_store_error(lambda: eval_and_wait(self._client, self._wait_replicas, SAVE, *arguments))
        if int(answer[0]) > 0 and replicas < self._wait_replicas:
            raise StoreError(f"The token was saved, but {replicas} of {self._wait_replicas} replicas have confirmed it")
        return answer
