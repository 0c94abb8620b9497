"""One process of the fleet: it asks for the tokens of all sessions in turn, and writes down what becomes of it."""

from __future__ import annotations

import json
import random
import sys
import threading
import time
from typing import Any

from redis.sentinel import Sentinel, SentinelConnectionPool

from auth_plugins import AuthError, OAuth2RefreshTokenAuth, RedisStore, RefreshPolicy, Token
from auth_plugins.core import Event

from .provider import CLIENT, digest_of
from .servers import MASTER

_THREADS = 8
_write = threading.Lock()


def say(what: str, session: int | None, **more: Any) -> None:
    """Write a line of the protocol of this process."""
    with _write:
        print(json.dumps({"at": time.time(), "what": what, "session": session, **more}), flush=True)


class BehindProxies(Sentinel):
    """Asks the sentinels who is the master, and goes there by its proxy."""

    ports: dict[int, int]

    def discover_master(self, service_name: str) -> tuple[str, int]:
        """Return the address of the master's proxy."""
        host, port = super().discover_master(service_name)  # type: ignore[no-untyped-call]
        return host, self.ports[port]


class ToldStore(RedisStore):
    """Tells which saves have succeeded, for the judgement of sessions that ended."""

    last = ""
    """The epoch at the last look."""

    def save_numbered(
        self, key: str, token: Token, number: int | None, *, before_call: bool = False
    ) -> tuple[Token | None, int] | None:
        """Save, then tell."""
        newer = super().save_numbered(key, token, number, before_call=before_call)
        if newer is None:
            say("saved", None, token=digest_of(token.refresh_token or ""))  # The run knows whose it is.
        return newer

    def epoch(self) -> tuple[str, float]:
        """Look, then tell if something has changed."""
        epoch, left = super().epoch()
        if epoch != self.last:
            self.last = epoch
            say("looks", None, text=f"at a new epoch, with {left:.1f} s left")
        return epoch, left


class Worker:
    """All sessions as this process has them."""

    def __init__(self, said: dict[str, Any]) -> None:
        self.said, self.over = said, threading.Event()
        sentinel = BehindProxies([("127.0.0.1", port) for port in said["sentinels"]], socket_timeout=1.0)  # type: ignore[no-untyped-call]
        sentinel.ports = {int(port): proxy for port, proxy in said["ports"].items()}
        client = sentinel.master_for(  # type: ignore[no-untyped-call]
            MASTER, connection_pool_class=SentinelConnectionPool, socket_timeout=1.0, socket_connect_timeout=1.0
        )
        options = {"lease": said["lease"], "lock_timeout": said["lease"] * 1.5, "settle_time": said["settle_time"]}
        store = ToldStore(client, **options)
        self.auths = [self._auth(store, number, token) for number, token in enumerate(said["tokens"])]

    def _auth(self, store: ToldStore, number: int, token: str) -> OAuth2RefreshTokenAuth:
        def on_event(event: Event) -> None:
            held = "" if event.token is None else digest_of(event.token.refresh_token or "")
            if event.kind.value in ("refreshed", "adopted", "save_failed"):
                say(event.kind.value, number, token=held)

        policy = RefreshPolicy(deadline=self.said["deadline"])
        return OAuth2RefreshTokenAuth(
            self.said["url"], CLIENT[0], token, client_secret=CLIENT[1], store=store, policy=policy, on_event=on_event
        )

    def loop(self, seed: int) -> None:
        """Ask for tokens until it is over."""
        dice = random.Random(seed)  # noqa: S311
        while not self.over.wait(dice.uniform(0.05, 0.15)):
            number = dice.randrange(len(self.auths))
            auth, began = self.auths[number], time.time()
            held = auth._source.shared.snapshot.token
            valid = held is not None and bool(held.access_token) and began < held.expires_at
            try:
                auth.token()
            except AuthError as error:
                still = valid and held is not None and time.time() < held.expires_at
                say(
                    "failed",
                    number,
                    error=type(error).__name__,
                    text=str(error),
                    valid=still,
                    seconds=time.time() - began,
                )


def main() -> None:
    """Work until the standard input ends."""
    said = json.loads(sys.stdin.readline())
    worker = Worker(said)
    threads = [threading.Thread(target=worker.loop, args=(said["seed"] * 100 + each,)) for each in range(_THREADS)]
    for thread in threads:
        thread.start()
    sys.stdin.readline()
    worker.over.set()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main()
