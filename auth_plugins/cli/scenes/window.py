"""Scenes in the renewal window: the token still serves, and a new one is due."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Event as Flag
from typing import TYPE_CHECKING, Any

from auth_plugins.core import EventKind
from auth_plugins.core.policy import Backoff, RefreshPolicy

from ..stage import Counts, Scene, Stage
from ..users import PATIENCE, Send, sleep_until, using
from .counting import one, token_calls

if TYPE_CHECKING:
    from collections.abc import Callable

    from auth_plugins.auth import TokenAuth
    from auth_plugins.core import Event

__all__ = ["EARLY", "OUTAGE"]

_LIFETIME = 120.0
_WINDOW_AFTER = 0.2
_TOKEN_CALL_TAKES = 0.3
_THREADS = 4
_REQUESTS = 100
# The window is nearly the whole life of the token, so that no machine is too slow to be served within it. The
# pause after a failed renewal is longer than the demo, so that a slow one does not see the next.
_POLICY = RefreshPolicy(
    window=_LIFETIME - _WINDOW_AFTER, window_share=1.0, jitter=0.0, early_backoff=Backoff(60.0, 60.0)
)


@dataclass(frozen=True, slots=True)
class _Attached:
    """How long one request was kept from going out, and what it then carried."""

    seconds: float
    header: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Stopwatch:
    """Stands before an auth object and takes its time."""

    auth: TokenAuth
    attached: list[_Attached] = field(default_factory=list)

    def __call__(self, request: Any) -> Any:
        began = time.perf_counter()
        request = self.auth(request)
        self.attached.append(_Attached(time.perf_counter() - began, request.headers["Authorization"]))
        return request

    def renewed(self) -> bool:
        """Whether a request has gone out with a newer token than the first."""
        return self.attached[-1].header != self.attached[0].header

    def waited(self) -> int:
        """How many requests after the first, which logged in, were kept for half as long as a token call takes."""
        return sum(each.seconds >= _TOKEN_CALL_TAKES / 2 for each in self.attached[1:])


def _early(stage: Stage) -> tuple[Counts, Counts]:
    watch, ends = _Stopwatch(stage.auth(policy=_POLICY)), time.monotonic() + PATIENCE
    stage.cast.let_tokens_live(_LIFETIME)
    with using("requests", watch) as log_in:
        log_in("GET", stage.url)
    stage.cast.let_tokens_live(_LIFETIME * 10)
    stage.simulator.latency = _TOKEN_CALL_TAKES
    stage.ledger.clear()

    def send_on(send: Send) -> None:
        while not watch.renewed() and time.monotonic() < ends:
            send("GET", stage.url)
            time.sleep(0.005)

    _in_threads(watch, send_on)
    expected = one(stage.cast.renews_by) | {"requests held up": 0, "answers 401": 0}
    waited = {"requests held up": watch.waited(), "answers 401": stage.answers(401)}
    return expected, token_calls(stage.ledger) | waited


def _outage(stage: Stage) -> tuple[Counts, Counts]:
    failed = Flag()

    def listen(event: Event) -> None:
        if event.kind is EventKind.RENEWAL_FAILED:
            failed.set()

    auth = stage.auth(policy=_POLICY, on_event=listen)
    stage.cast.let_tokens_live(_LIFETIME)
    token = auth.token()
    stage.simulator.outage = "unavailable"
    stage.ledger.clear()
    sleep_until(max(token.issued_at + _WINDOW_AFTER, token.refreshable_from))
    _send_many(auth, stage.url)
    failed.wait(PATIENCE)
    _send_many(auth, stage.url)
    expected = {"token calls": stage.cast.tries, "answers 200": 2 * _REQUESTS}
    return expected, {"token calls": stage.ledger.token_calls, "answers 200": stage.answers(200)}


def _send_many(auth: TokenAuth, url: str) -> None:
    def send_some(send: Send) -> None:
        for _ in range(_REQUESTS // _THREADS):
            send("GET", url)

    _in_threads(auth, send_some)


def _in_threads(auth: TokenAuth | _Stopwatch, work: Callable[[Send], None]) -> None:
    def with_a_client() -> None:
        with using("requests", auth) as send:
            work(send)

    with ThreadPoolExecutor(_THREADS) as pool:
        for run in [pool.submit(with_a_client) for _ in range(_THREADS)]:
            run.result()


EARLY = Scene(
    "early renewal",
    f"Four threads send on while the token is renewed, which takes {_TOKEN_CALL_TAKES} s. None waits.",
    _early,
)
OUTAGE = Scene(
    "outage",
    f"Renewal is due, the token endpoint is down. {2 * _REQUESTS} requests go on with the token there is.",
    _outage,
)
