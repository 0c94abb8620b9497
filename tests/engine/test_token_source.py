"""A source by itself: its thread, its troubles, and waits that take real time."""

from __future__ import annotations

import _thread
import asyncio
import gc
import threading
import time
import weakref
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import anyio
import httpx
import pytest

from auth_plugins import (
    AuthError,
    ConfigurationError,
    CredentialsRejected,
    Event,
    EventKind,
    MemoryStore,
    OAuth2RefreshTokenAuth,
    RefreshPolicy,
    StoreError,
    Token,
    TokenAuth,
    TokenEndpointUnavailable,
)
from auth_plugins.core import Answer, Origin, TokenRequest
from auth_plugins.engine import flight_runner, limiter
from auth_plugins.engine import shared_state as slots
from auth_plugins.engine.flight import Flight
from auth_plugins.engine.limiter import call_permit
from auth_plugins.engine.recent import Recent
from auth_plugins.engine.token_source import TokenSource
from auth_plugins.engine.worker_pool import WorkerPool, pool
from auth_plugins.providers.fyatu import FyatuContract
from auth_plugins.simulators import FyatuSimulator, OAuth2Simulator
from auth_plugins.testing import FakeClock, mock_transport, settle
from tests.conftest import APP_ID, SECRET_KEY

URL = "https://api.example/api/v3"
POLICY = RefreshPolicy(jitter=0.0)


class Room:
    """An object, a provider without a network, and a clock."""

    def __init__(
        self, contract: Any = None, *, store: Any = None, clock: Any = None, fyatu: Any = None, **policy: Any
    ) -> None:
        self.clock: Any = clock or FakeClock()
        self.fyatu: Any = fyatu or FyatuSimulator()
        self.events: list[Event] = []
        self.threads: list[threading.Thread] = []
        self.auth = TokenAuth(
            contract or FyatuContract(APP_ID, SECRET_KEY, URL),
            token_client=httpx.Client(transport=mock_transport(self.fyatu, self.clock)),
            clock=self.clock,
            store=MemoryStore(clock=self.clock) if store is None else store,
            policy=replace(POLICY, **policy),
            on_event=self._heard,
        )

    def _heard(self, event: Event) -> None:
        self.events.append(event)
        self.threads.append(threading.current_thread())

    @property
    def shared(self) -> Any:
        return self.auth._source.shared

    def hurry(self) -> None:
        """Let nobody wait for long from now on: the first token may take what it takes."""
        source = self.auth._source
        source.policy = replace(source.policy, deadline=0.3)

    def told(self) -> list[tuple[EventKind, Token | None]]:
        settle(self.auth)
        come_home()
        return [(event.kind, event.token) for event in self.events]


def come_home() -> None:
    """Wait for the ends of all renewals: what failed is told after those who waited for it were told."""
    ends = time.monotonic() + 30.0
    while pool.is_busy and time.monotonic() < ends:
        time.sleep(0.001)


@pytest.fixture(autouse=True)
def nobody_speaks_in_the_next_test() -> Iterator[None]:
    yield
    come_home()


def test_a_renewal_runs_in_a_daemon_thread_of_the_pool() -> None:
    room = Room()
    room.auth.token()
    (thread,) = room.threads
    assert (thread.name, thread.daemon) == ("auth_plugins renewal", True)
    assert thread is not threading.current_thread()


def no_thread(*_: object) -> int:
    raise RuntimeError("can't start new thread")


@pytest.fixture
def empty_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pool without threads: that of the process may have idle ones."""
    monkeypatch.setattr(flight_runner, "pool", WorkerPool())


@pytest.mark.usefixtures("empty_pool")
def test_where_no_thread_can_be_started_the_caller_renews(monkeypatch: pytest.MonkeyPatch) -> None:
    room = Room()
    monkeypatch.setattr(_thread, "start_new_thread", no_thread)
    token = room.auth.token()
    assert room.told() == [(EventKind.LOGGED_IN, token)]
    assert room.threads == [threading.current_thread()]


@pytest.mark.usefixtures("empty_pool")
def test_where_no_thread_can_be_started_a_task_gets_an_error_at_once_and_the_next_caller_a_token(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    room = Room()
    with monkeypatch.context() as patch:
        patch.setattr(_thread, "start_new_thread", no_thread)
        for _ in range(2):
            with pytest.raises(ConfigurationError, match="no thread could be started"):
                asyncio.run(room.auth.atoken())
        assert room.fyatu.ledger.token_calls == 0
    assert asyncio.run(room.auth.atoken()) == room.auth.token()
    assert room.fyatu.ledger.token_calls == 1


@pytest.mark.usefixtures("empty_pool")
@pytest.mark.parametrize("already", [False, True], ids=["before it had begun", "when it had begun"])
def test_who_is_ended_while_a_renewal_takes_off_leaves_it_to_the_others(
    monkeypatch: pytest.MonkeyPatch, already: bool
) -> None:
    start, starts = _thread.start_new_thread, list[object]()

    def interrupted(*arguments: Any) -> Any:
        starts.append(arguments)
        if already or len(starts) > 1:
            start(*arguments)
        if len(starts) == 1:
            raise KeyboardInterrupt

    room = Room()
    monkeypatch.setattr(_thread, "start_new_thread", interrupted)
    with pytest.raises(KeyboardInterrupt):
        room.auth.token()
    began = time.monotonic()
    token = room.auth.token()
    assert time.monotonic() - began < 20, "nobody waited for a renewal that never began"
    assert room.told() == [(EventKind.LOGGED_IN, token)]
    assert room.fyatu.ledger.token_calls == 1


def test_a_flight_is_claimed_once() -> None:
    flight = Flight(0.0)
    assert [flight.claim() for _ in range(3)] == [True, False, False]


def test_a_thread_that_is_ended_by_anything_at_all_tells_whoever_waits() -> None:
    @dataclass(frozen=True, slots=True)
    class Ending(FyatuContract):
        def login(self) -> TokenRequest:
            raise SystemExit

    with pytest.raises(AuthError, match="ended by SystemExit") as caught:
        Room(Ending(APP_ID, SECRET_KEY, URL)).auth.token()
    assert caught.value.hint == "Try again."


def test_a_contract_that_trips_says_over_which_status() -> None:
    @dataclass(frozen=True, slots=True)
    class Tripping(FyatuContract):
        def read(self, answer: Answer, now: float) -> Token:
            raise KeyError

    with pytest.raises(AuthError, match=r"could not be read \(KeyError\)") as caught:
        Room(Tripping(APP_ID, SECRET_KEY, URL)).auth.token()
    assert caught.value.status == 200


def test_a_failure_is_told_with_the_token_at_hand_and_the_error() -> None:
    room = Room()
    token = room.auth.token()
    room.clock.advance(86_400 - 200)
    room.fyatu.outage = "unavailable"
    assert room.auth.token() == token
    assert room.told()[1:] == [(EventKind.RENEWAL_FAILED, token)]
    assert isinstance(room.events[1].error, TokenEndpointUnavailable)


class Sulking(MemoryStore):
    """A store that takes nothing while it sulks."""

    sulks = True

    def save(self, key: str, token: Token) -> None:
        if self.sulks:
            raise StoreError("The disk is full")
        super().save(key, token)


def test_what_could_not_be_saved_is_told_and_saved_later_and_the_window_stays_where_it_was() -> None:
    clock = FakeClock()
    room = Room(store=Sulking(clock=clock), clock=clock)
    token = room.auth.token()
    room.told()
    (failed, logged_in) = room.events
    assert (failed.kind, failed.token) == (EventKind.SAVE_FAILED, token)
    assert isinstance(failed.error, StoreError)
    assert logged_in.kind is EventKind.LOGGED_IN
    assert room.shared.failure is not None
    room.shared.store.sulks = False
    clock.advance(600)
    assert room.auth.token() == token
    settle(room.auth)
    assert len(room.shared.store) == 1
    assert (room.shared.unsaved, room.shared.failure) == (None, None)
    assert room.shared.snapshot.recheck_at == room.shared.snapshot.window_opens_at == token.expires_at - 300
    calls = room.fyatu.ledger.token_calls
    clock.advance(1)
    assert room.auth.token() == token
    settle(room.auth)
    assert room.fyatu.ledger.token_calls == calls


def test_a_failure_that_is_remembered_says_how_long_it_will_be() -> None:
    room = Room(FyatuContract(APP_ID, "not_the_secret_key", URL))
    for passed, left in ((0, 30.0), (10, 20.0), (15, 5.0)):
        room.clock.advance(passed)
        if passed:
            with pytest.raises(CredentialsRejected) as caught:
                room.auth.token()
            assert caught.value.retry_after == left
        else:
            with pytest.raises(CredentialsRejected):
                room.auth.token()


class Sleeping(FakeClock):
    """A clock that tells how long one has slept."""

    slept: tuple[float, ...] = ()

    def sleep(self, seconds: float) -> None:
        self.slept += (seconds,)
        super().sleep(seconds)


@dataclass(frozen=True, slots=True)
class LateContract(FyatuContract):
    """Its tokens are accepted some time after they came."""

    early: float = 0.25

    def read(self, answer: Answer, now: float) -> Token:
        return replace(FyatuContract.read(self, answer, now), valid_from=now + self.early)


def _after_401(room: Room, snapshot: Any, way: str) -> Any:
    carried, source, transport = dict(snapshot.headers).get, room.auth._source, room.auth._transport
    rejected = source.after_401(carried, transport)
    if rejected is None or way == "thread":
        return rejected and source.wait_usable(rejected)
    return anyio.run(source.await_usable, rejected, backend=way)


WAYS = pytest.mark.parametrize("way", ["thread", "asyncio", "trio"])


@WAYS
def test_a_token_that_was_used_too_early_is_given_once_its_time_has_come_and_no_later(way: str) -> None:
    room = Room(LateContract(APP_ID, SECRET_KEY, URL), clock=Sleeping())
    snapshot = room.auth._source.current(room.auth._transport)
    began = room.clock.monotonic()
    assert _after_401(room, snapshot, way) is snapshot
    assert (room.clock.monotonic() - began, room.clock.slept) == (0.25, (0.25,))
    assert room.fyatu.ledger.token_calls == 1


@WAYS
@pytest.mark.parametrize("once", [False, True])
def test_only_what_has_one_try_waits_until_a_token_is_accepted_before_it_is_used(way: str, once: bool) -> None:
    room = Room(LateContract(APP_ID, SECRET_KEY, URL), clock=Sleeping())
    source, transport = room.auth._source, room.auth._transport
    if way == "thread":
        snapshot = source.current(transport, once=once)
    else:
        snapshot = anyio.run(partial(source.acurrent, transport, once=once), backend=way)
    assert snapshot is room.shared.snapshot
    assert room.clock.slept == ((0.25,) if once else ())


@WAYS
def test_many_who_were_too_early_wait_in_one_flight(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class Patient(Sleeping):
        def sleep(self, seconds: float) -> None:
            for _ in range(5):
                assert waiting.acquire(timeout=30.0)
            super().sleep(seconds)

    def counted(self: TokenSource, snapshot: Any) -> Flight | None:
        found = ripening(self, snapshot)
        waiting.release()
        return found

    waiting, ripening = threading.Semaphore(0), TokenSource._wait_until_valid
    monkeypatch.setattr(TokenSource, "_wait_until_valid", counted)
    room = Room(LateContract(APP_ID, SECRET_KEY, URL), clock=Patient())
    snapshot = room.auth._source.current(room.auth._transport)
    found: list[Any] = []
    threads = [threading.Thread(target=lambda: found.append(_after_401(room, snapshot, way))) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [snapshot] * 5
    assert room.clock.slept == (0.25,)


@WAYS
def test_who_was_too_early_has_waited_by_the_time_the_token_is_given(way: str) -> None:
    given, was_given = threading.Event(), list[bool]()

    class Slow(FakeClock):
        def sleep(self, seconds: float) -> None:
            was_given.append(given.wait(0.2))
            super().sleep(seconds)

    room = Room(LateContract(APP_ID, SECRET_KEY, URL), clock=Slow())
    snapshot = room.auth._source.current(room.auth._transport)
    assert _after_401(room, snapshot, way) is snapshot
    given.set()
    settle(room.auth)
    assert was_given == [False]


@WAYS
def test_what_was_rejected_is_replaced_and_the_new_one_waited_for(way: str) -> None:
    room = Room(LateContract(APP_ID, SECRET_KEY, URL), clock=Sleeping())
    snapshot = room.auth._source.current(room.auth._transport)
    room.clock.advance(1)
    room.clock.slept = ()
    newer = _after_401(room, snapshot, way)
    assert newer.token != snapshot.token
    assert room.clock.slept == (0.25,)
    assert room.clock() >= newer.token.valid_from


@WAYS
def test_nobody_waits_for_longer_than_the_deadline(way: str) -> None:
    class Stuck(FakeClock):
        def sleep(self, seconds: float) -> None:
            assert go.wait(30.0)
            super().sleep(seconds)

    go = threading.Event()
    room = Room(LateContract(APP_ID, SECRET_KEY, URL), clock=Stuck())
    snapshot = room.auth._source.current(room.auth._transport)
    room.hurry()
    began = time.monotonic()
    assert _after_401(room, snapshot, way) is snapshot, "it is tried all the same"
    assert time.monotonic() - began < 20
    go.set()
    settle(room.auth)


def test_dozens_of_sets_have_a_lock_each_and_thousands_do_with_those() -> None:
    rooms = [Room() for _ in range(64)]
    assert len({id(room.shared.lock) for room in rooms}) == 64
    rooms += [Room() for _ in range(36)]
    assert len({id(room.shared.lock) for room in rooms}) == 64


def test_no_set_waits_for_anothers_token_call() -> None:
    called, go = threading.Event(), threading.Event()

    @dataclass(frozen=True, slots=True)
    class Slow(FyatuContract):
        def read(self, answer: Answer, now: float) -> Token:
            called.set()
            assert go.wait(60.0)
            return FyatuContract.read(self, answer, now)

    slow, other = Room(Slow(APP_ID, SECRET_KEY, URL)), Room()
    waiting = threading.Thread(target=slow.auth.token)
    waiting.start()
    assert called.wait(30.0)
    assert other.auth.token() is not None
    other.auth.invalidate()
    assert other.auth.token() is not None
    assert slow.shared.flight is not None, "it is still on its way"
    go.set()
    waiting.join(30.0)
    assert slow.shared.snapshot.token is not None


@pytest.mark.parametrize("whose", ["its own", "another"])
def test_who_uses_an_object_while_one_is_thought_about_does_not_wait_for_himself(whose: str) -> None:
    class Nosy(FakeClock):
        """Reading it uses an object, as a finalizer may that the collector calls at that moment."""

        inside: Any = None

        def monotonic(self) -> float:
            inside, self.inside = self.inside, None
            if inside is not None:
                inside()
            return super().monotonic()

    clock = Nosy()
    room = Room(clock=clock)
    asked = room if whose == "its own" else Room()
    first = room.auth.token()
    asked.auth.token()
    room.auth.invalidate()
    clock.inside = asked.auth.invalidate
    found: list[Token] = []
    asking = threading.Thread(target=lambda: found.append(room.auth.token()), daemon=True)
    asking.start()
    asking.join(30.0)
    assert [token != first for token in found] == [True]
    assert clock.inside is None
    settle(room.auth)


def test_after_a_fork_a_child_has_no_flight_and_thinks_again_when_its_window_begins() -> None:
    room = Room()
    token = room.auth.token()
    with room.shared.lock:
        room.shared.snapshot = room.shared.snapshot.until(token.expires_at)
        room.shared.flight = Flight(0.0)
        slots._after_fork()
    assert Room().auth.token() is not None, "others can be made"
    assert (room.shared.flight, room.shared.snapshot.recheck_at) == (None, token.expires_at - 300)
    assert room.shared.snapshot.token == token
    assert room.auth.token() == token


def test_a_cache_that_another_thread_was_changing_at_the_fork_is_made_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    class HalfChanged(Recent[Any]):
        def use(self, key: bytes, memory: Any) -> None:
            raise KeyError(key)

    room = Room()
    monkeypatch.setattr(slots, "_recent", HalfChanged())
    slots._after_fork()
    assert room.shared.key in slots._recent
    assert Room().auth.token() is not None


def test_a_flight_that_has_outlived_the_deadline_does_not_count() -> None:
    room = Room()
    room.clock.advance(1000)
    flight = room.shared.flight = Flight(room.clock.monotonic())
    room.clock.advance(30)
    assert room.shared.renewal_under_way(room.clock.monotonic(), 30.0) is flight
    room.clock.advance(0.5)
    assert room.shared.renewal_under_way(room.clock.monotonic(), 30.0) is None
    assert room.auth.token() is not None


def test_objects_with_equal_credentials_share_a_slot_that_outlives_them() -> None:
    room = Room()
    store, token, shared = room.shared.store, room.auth.token(), weakref.ref(room.shared)
    settle(room.auth)
    del room.auth
    gc.collect()
    assert shared() is not None
    again = Room(store=store, clock=room.clock)
    assert again.shared is shared()
    assert again.auth.token() == token
    assert again.fyatu.ledger.token_calls == 0


def test_a_new_slot_knows_of_no_trouble() -> None:
    shared = Room().shared
    assert (shared.rejected, shared.rejected_by_server, shared.distrust, shared.unsaved) == (None, False, False, None)
    assert (shared.failure, shared.flight, shared.snapshot.token) == (None, None, None)


def _current(room: Room, way: str) -> Any:
    source, transport = room.auth._source, room.auth._transport
    return source.current(transport) if way == "thread" else anyio.run(source.acurrent, transport, backend=way)


@WAYS
def test_a_fresh_token_is_taken_without_the_lock(way: str) -> None:
    room, found = Room(), []
    token = room.auth.token()
    asking = threading.Thread(target=lambda: found.append(_current(room, way)), daemon=True)
    with room.shared.lock:
        asking.start()
        asking.join(9.0)
        given = list(found)
    assert [snapshot.token for snapshot in given] == [token]


class Halting(FyatuSimulator):
    """An endpoint that lets nobody go until it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.go = threading.Event()
        self.go.set()

    def handle(self, *arguments: Any, **more: Any) -> Any:
        assert self.go.wait(30.0)
        return super().handle(*arguments, **more)


@pytest.fixture
def halted() -> Iterator[Room]:
    """Give a room whose token is due, and whose endpoint hangs."""
    room = Room(fyatu=Halting())
    room.auth.token()
    room.clock.advance(86_400 - 200)
    room.fyatu.go.clear()
    yield room
    room.fyatu.go.set()
    settle(room.auth)


@WAYS
def test_a_due_token_is_taken_while_it_is_renewed_and_nobody_thinks_again_before_it_ends(
    halted: Room, way: str
) -> None:
    before = halted.shared.snapshot
    assert _current(halted, way).token == before.token
    assert halted.shared.flight is not None
    assert halted.shared.snapshot.recheck_at == before.token.expires_at


@WAYS
def test_a_due_token_is_taken_though_its_renewal_was_begun_by_somebody_else(halted: Room, way: str) -> None:
    before = halted.shared.snapshot
    halted.auth._source.current(halted.auth._transport)
    halted.shared.snapshot = before  # As after a fork, or a jump of the clock.
    assert _current(halted, way) is before


def test_a_newer_token_that_is_due_itself_is_sent_again_without_a_wait(halted: Room) -> None:
    before = halted.shared.snapshot
    carried = {"Authorization": "Bearer older"}
    assert halted.auth._source.after_401(carried.get, halted.auth._transport) is before


@WAYS
@pytest.mark.parametrize("what", ["after a 401", "logout"])
def test_who_waits_for_a_hanging_endpoint_is_told_at_the_deadline(halted: Room, way: str, what: str) -> None:
    def after_a_401() -> None:
        _after_401(halted, halted.shared.snapshot, way)

    def logout() -> None:
        halted.auth.logout() if way == "thread" else anyio.run(halted.auth.alogout, backend=way)

    halted.hurry()
    with pytest.raises(TokenEndpointUnavailable, match=r"did not end within 0\.3 seconds"):
        logout() if what == "logout" else after_a_401()


class TestAStreamThatWaits:
    """It can be sent once only, so it waits for a renewal; if that fails, it goes with what is still good."""

    def test_goes_with_a_token_that_is_still_good(self) -> None:
        room = Room()
        token = room.auth.token()
        room.clock.advance(86_400 - 200)
        room.fyatu.outage = "unavailable"
        assert room.auth._source.current(room.auth._transport, once=True).token == token

    @pytest.mark.parametrize("left", [0, -1], ids=["just now", "before"])
    def test_does_not_go_with_one_that_has_ended(self, left: int) -> None:
        room = Room()
        room.auth.token()
        room.clock.advance(86_400 - left)
        room.fyatu.outage = "unavailable"
        with pytest.raises(TokenEndpointUnavailable):
            room.auth._source.current(room.auth._transport, once=True)

    def test_does_not_go_with_one_that_was_rejected(self) -> None:
        room = Room()
        room.auth.token()
        room.auth.invalidate()
        room.fyatu.outage = "unavailable"
        with pytest.raises(TokenEndpointUnavailable):
            room.auth._source.current(room.auth._transport, once=True)

    def test_does_not_go_without_any(self) -> None:
        room = Room()
        room.fyatu.outage = "unavailable"
        with pytest.raises(TokenEndpointUnavailable):
            room.auth._source.current(room.auth._transport, once=True)


def test_a_token_that_has_ended_is_not_used_though_it_could_not_be_saved() -> None:
    clock = FakeClock()
    room = Room(store=Sulking(clock=clock), clock=clock)
    token = room.auth.token()
    clock.advance(86_400)
    assert room.auth.token() != token


@pytest.mark.parametrize(("early", "slept"), [(30.0, (30.0,)), (30.5, ()), (0.5, (0.5,))])
def test_a_token_is_waited_for_up_to_the_deadline(early: float, slept: tuple[float, ...]) -> None:
    room = Room(LateContract(APP_ID, SECRET_KEY, URL, early=early), clock=Sleeping())
    snapshot = room.auth._source.current(room.auth._transport)
    assert _after_401(room, snapshot, "thread") is (snapshot if slept else None)
    assert room.clock.slept == slept


def test_nobody_waits_for_a_token_that_is_accepted_from_just_now() -> None:
    room = Room(LateContract(APP_ID, SECRET_KEY, URL, early=0.0), clock=Sleeping())
    snapshot = room.auth._source.current(room.auth._transport)
    assert _after_401(room, snapshot, "thread").token != snapshot.token
    assert room.clock.slept == ()


def test_a_401_for_a_token_that_came_after_a_401_earns_a_pause_though_nothing_was_sent_again() -> None:
    room = Room()
    snapshot = room.auth._source.current(room.auth._transport)
    newer = _after_401(room, snapshot, "thread")
    assert newer.unproven
    assert _after_401(room, newer, "thread") is None
    assert (room.shared.unauthorized.failures, room.shared.snapshot) == (1, newer)


def test_a_token_that_served_is_proven() -> None:
    room = Room()
    snapshot = room.auth._source.current(room.auth._transport)
    newer = _after_401(room, snapshot, "thread")
    room.auth._source.accepted(dict(newer.headers).get, replay=True)
    assert room.shared.snapshot.unproven is False
    assert room.shared.snapshot.fast_header == dict(newer.headers)["Authorization"]


def test_what_was_not_sent_again_is_told_with_the_token_at_hand() -> None:
    room = Room()
    snapshot = room.auth._source.current(room.auth._transport)
    room.auth._source.not_replayed()
    assert room.told()[1:] == [(EventKind.NOT_REPLAYED, snapshot.token)]


@pytest.mark.parametrize("kind", [EventKind.ADOPTED, EventKind.SAVE_FAILED, EventKind.LOGGED_IN, EventKind.LOGGED_OUT])
def test_a_listener_that_uses_its_auth_object_does_not_wait_for_its_own_flight(kind: EventKind) -> None:
    clock, used = FakeClock(), list[Token]()
    store = Sulking(clock=clock)
    store.sulks = kind is EventKind.SAVE_FAILED
    if kind is EventKind.ADOPTED:
        Room(store=store, clock=clock).auth.token()

    def use(event: Event) -> None:
        if event.kind is kind and not used:
            snapshot = room.auth._source.current(room.auth._transport)
            assert snapshot.token is not None
            used.append(snapshot.token)

    # Its tokens are accepted after some time, so the listener has to wait for that, but for nothing else.
    late = LateContract(APP_ID, SECRET_KEY, URL) if kind is EventKind.LOGGED_IN else None
    if kind is EventKind.ADOPTED:
        slots._slots.clear()  # Another process.
    room = Room(late, store=store, clock=clock, deadline=5.0)
    room.auth._source.listener = use
    token = room.auth.token()
    if kind is EventKind.LOGGED_OUT:
        room.auth.logout()
        assert used[0] != token
    else:
        assert used == [token]


def test_a_listener_may_send_a_request_with_a_token_that_is_not_accepted_yet() -> None:
    room, waited = Room(LateContract(APP_ID, SECRET_KEY, URL), clock=Sleeping(), deadline=5.0), list[Any]()

    def use(event: Event) -> None:
        if event.kind is EventKind.LOGGED_IN:
            waited.append(room.auth._source.wait_usable(room.shared.snapshot))

    room.auth._source.listener = use
    room.auth.token()
    assert (waited, room.clock.slept) == ([room.shared.snapshot], (0.25,))


def test_a_listener_that_asks_for_a_token_that_ended_as_it_came_is_given_that_one() -> None:
    @dataclass(frozen=True, slots=True)
    class Ended(FyatuContract):
        def read(self, answer: Answer, now: float) -> Token:
            return replace(FyatuContract.read(self, answer, now), expires_at=now)

    def use(event: Event) -> None:
        if len(given) < 10:
            given.append(room.auth.token())

    given: list[Token] = []
    room = Room(Ended(APP_ID, SECRET_KEY, URL), deadline=5.0)
    room.auth._source.listener = use
    assert [room.auth.token()] == given
    assert room.fyatu.ledger.token_calls == 1


def test_a_listener_that_drops_the_token_is_given_another_one() -> None:
    def use(event: Event) -> None:
        if not given:
            room.auth.invalidate()
            given.append(None)
            given[0] = room.auth.token()

    given: list[Any] = []
    room = Room(deadline=5.0)
    room.auth._source.listener = use
    assert room.auth.token() != given[0] is not None
    assert room.auth.token() == given[0]


@pytest.mark.parametrize("drop", ["invalidate", "rejected"])
def test_after_a_fork_a_child_does_not_take_what_was_dropped_for_good(drop: str) -> None:
    room = Room()
    first = room.auth.token()
    if drop == "invalidate":
        room.auth.invalidate()
    else:
        room.shared.reject(by_server=True)
    with room.shared.lock:
        slots._after_fork()
    assert room.auth.token() != first


class TestWhileCallsPause:
    """A peer may have renewed meanwhile, and what it has put into the store costs no call."""

    @staticmethod
    def _refused(pause: float = 300.0) -> tuple[Room, Token]:
        room = Room()
        token = room.auth.token()
        room.clock.advance(86_400)
        room.fyatu.rate_limit = pause
        with pytest.raises(TokenEndpointUnavailable):
            room.auth.token()
        room.fyatu.rate_limit = None
        room.told()
        return room, token

    @staticmethod
    def _peer_renews(room: Room) -> Token:
        slots._slots.clear()  # It is another process.
        return Room(store=room.shared.store, clock=room.clock, fyatu=room.fyatu).auth.token()

    def test_a_peers_token_is_taken_over(self) -> None:
        room, old = self._refused()
        newer = self._peer_renews(room)
        calls = room.fyatu.ledger.token_calls
        room.clock.advance(1)
        assert room.auth.token() == newer != old
        assert room.fyatu.ledger.token_calls == calls
        assert room.told()[-1] == (EventKind.ADOPTED, newer)

    def test_one_looks_for_it_once_in_a_second(self) -> None:
        room, _ = self._refused()
        looks = list[str]()
        load = room.shared.store.load

        def looked_up(key: str) -> Token | None:
            looks.append(key)
            found: Token | None = load(key)
            return found

        room.shared.store.load = looked_up
        for passed, looked in ((0.75, 0), (0.25, 1), (0.5, 1), (0.5, 2)):
            room.clock.advance(passed)
            for _ in range(3):
                with pytest.raises(TokenEndpointUnavailable):
                    room.auth.token()
            assert len(looks) == looked

    def test_a_look_that_finds_nothing_changes_nothing_and_is_not_told(self) -> None:
        room, _ = self._refused()
        told = room.told()
        before = room.shared.failure
        for left in (299, 298, 297):
            room.clock.advance(1)
            with pytest.raises(TokenEndpointUnavailable) as caught:
                room.auth.token()
            assert caught.value.retry_after == left
        assert replace(room.shared.failure, next_store_check=before.next_store_check) == before
        assert room.told() == told

    def test_a_look_that_the_store_does_not_allow_changes_nothing(self) -> None:
        room, _ = self._refused()
        room.clock.advance(1)

        def gone(_key: str) -> None:
            raise StoreError("The disk is gone")

        room.shared.store.load = gone
        with pytest.raises(TokenEndpointUnavailable):
            room.auth.token()

    def test_a_look_that_the_store_does_not_answer_changes_nothing_and_no_other_request_waits_for_it(self) -> None:
        room, _ = self._refused()
        room.hurry()
        looks, go = list[str](), threading.Event()

        def hanging(key: str) -> None:
            looks.append(key)
            assert go.wait(30.0)

        room.shared.store.load = hanging
        for left in (299, 298, 297):
            room.clock.advance(1)
            with pytest.raises(TokenEndpointUnavailable, match="called too often") as caught:
                room.auth.token()
            # The first one waited; his clock stood still meanwhile.
            assert caught.value.retry_after == left
            room.shared.flight.started = (
                room.clock.monotonic() + 100
            )  # It has not outlived the deadline, short as that is.
        assert len(looks) == 1
        go.set()


@dataclass(frozen=True, slots=True)
class SameContract(FyatuContract):
    """A provider that gives one token out until it ends, however often it is asked."""

    def read(self, answer: Answer, now: float) -> Token:
        return replace(FyatuContract.read(self, answer, now), access_token="the-same-one")


@pytest.mark.parametrize("way", ["invalidate", "401"])
def test_a_token_that_the_provider_gives_again_is_a_good_one_again(way: str) -> None:
    room = Room(SameContract(APP_ID, SECRET_KEY, URL))
    source, transport = room.auth._source, room.auth._transport
    snapshot = source.current(transport)
    if way == "invalidate":
        room.auth.invalidate()
    else:
        found = source.after_401(dict(snapshot.headers).get, transport)
        assert found is not None
        source.wait_usable(found)
    source.current(transport)
    calls = room.fyatu.ledger.token_calls
    assert calls == 2
    for _ in range(3):
        source.current(transport, once=True)
    assert room.fyatu.ledger.token_calls == calls
    room.clock.advance(86_400 - 100)
    room.fyatu.outage = "unavailable"
    assert source.current(transport).token is not None, "it goes on to its end"


@dataclass(frozen=True, slots=True)
class NotYetContract(FyatuContract):
    """It cannot log in, and its token can be renewed from a moment on."""

    can_login = False

    def initial_token(self) -> Token | None:
        now = FakeClock()()
        return Token(
            access_token="given",
            issued_at=now,
            expires_at=now + 3600,
            refreshable_from=now + 60,
            refreshable_until=now + 3600,
        )


def test_a_401_before_a_token_can_be_renewed_is_handed_over_and_the_token_used_on() -> None:
    room = Room(NotYetContract(APP_ID, SECRET_KEY, URL))
    source, transport = room.auth._source, room.auth._transport
    snapshot = source.current(transport)
    assert source.after_401(dict(snapshot.headers).get, transport) is None
    assert source.current(transport) is snapshot
    room.clock.advance(60)
    found = source.after_401(dict(snapshot.headers).get, transport)
    assert isinstance(found, Flight), "now it can be renewed"
    with pytest.raises(AuthError):
        source.wait_usable(found)
    assert room.fyatu.ledger.count("refresh") == 1


@WAYS
def test_who_drops_a_token_that_others_wait_for_gets_another_one(way: str) -> None:
    class Stuck(FakeClock):
        def sleep(self, seconds: float) -> None:
            asleep.set()
            assert go.wait(30.0)
            super().sleep(seconds)

    asleep, go = threading.Event(), threading.Event()
    room = Room(LateContract(APP_ID, SECRET_KEY, URL), clock=Stuck())
    source, transport = room.auth._source, room.auth._transport
    first = room.auth.token()
    waits = threading.Thread(target=lambda: source.current(transport, once=True))
    waits.start()
    assert asleep.wait(30.0)
    room.auth.invalidate()
    second = room.auth.token() if way == "thread" else anyio.run(room.auth.atoken, backend=way)
    assert second != first
    go.set()
    waits.join(30.0)
    assert room.shared.flight is None


def test_invalidate_before_the_first_request_means_the_stores_token_also_where_one_was_given() -> None:
    clock = FakeClock()
    server = OAuth2Simulator("an_id", rotate=True)
    server.client_auth = frozenset({"none"})
    given = server.consent()

    def make() -> TokenAuth:
        slots._slots.clear()  # Another process.
        client = httpx.Client(transport=mock_transport(server, clock))
        url = f"https://api.example{server.base_path}/token"
        return OAuth2RefreshTokenAuth(url, "an_id", given, token_client=client, store=store, clock=clock)

    store = MemoryStore(clock=clock)
    first = make().token()
    assert make().token() == first
    another = make()
    another.invalidate()
    assert another.token() != first


@dataclass(frozen=True, slots=True)
class GivenContract(FyatuContract):
    """It begins with a token that is good for an hour."""

    def initial_token(self) -> Token | None:
        now = FakeClock()()
        return Token(access_token="given", issued_at=now, expires_at=now + 3600)


def test_a_given_token_that_was_dropped_is_not_used_again_though_the_store_has_a_newer_one() -> None:
    clock = FakeClock()
    store, contract = MemoryStore(clock=clock), GivenContract(APP_ID, SECRET_KEY, URL)
    peer = Room(contract, store=store, clock=clock)
    peer.auth.invalidate()
    newer = peer.auth.token()
    slots._slots.clear()  # Another process.
    room = Room(contract, store=store, clock=clock)
    assert room.auth.token().access_token == "given"
    room.auth.invalidate()
    room.fyatu.outage = "unavailable"
    for _ in range(2):
        with pytest.raises(TokenEndpointUnavailable):
            room.auth.token()
    room.fyatu.outage = None
    clock.advance(60)
    assert room.auth.token().access_token not in ("given", newer.access_token)


class TestTurns:
    """How many calls there are at once at one server."""

    def test_are_waited_for_half_of_the_deadline(self) -> None:
        class Turns:
            def acquire(self, timeout: float) -> bool:
                waited.append(timeout)
                return True

            def release(self) -> None:
                waited.append(0.0)

        room, waited, taken = Room(max_concurrent_calls=7, deadline=20.0), list[float](), Turns()
        limiter._semaphores[Origin.of(URL), 7] = taken  # type: ignore[assignment]
        room.auth.token()
        assert waited == [10.0, 0.0]

    def test_are_as_many_as_the_policy_says_whatever_the_credentials(self) -> None:
        clock, busy, most = FakeClock(), list[int](), list[int]()
        gate, lock = threading.Semaphore(0), threading.Lock()

        def answer(request: httpx.Request) -> httpx.Response:
            with lock:
                busy.append(1)
                most.append(len(busy))
            assert gate.acquire(timeout=30.0)
            with lock:
                busy.pop()
            return httpx.Response(503)

        def make(number: int) -> TokenAuth:
            return TokenAuth(
                FyatuContract(f"{APP_ID}{number}", SECRET_KEY, URL),
                token_client=httpx.Client(transport=httpx.MockTransport(answer)),
                policy=RefreshPolicy(tries=1, max_concurrent_calls=3),
                store=MemoryStore(clock=clock),
                clock=clock,
            )

        def ask(number: int) -> None:
            with pytest.raises(TokenEndpointUnavailable, match="503"):
                make(number).token()

        threads = [threading.Thread(target=ask, args=[number]) for number in range(10)]
        for thread in threads:
            thread.start()
        while len(most) < 3:
            time.sleep(0.001)
        for _ in threads:
            gate.release()
        for thread in threads:
            thread.join(30.0)
        assert (len(most), max(most)) == (10, 3)

    def test_that_do_not_come_are_an_outage_and_no_call(self) -> None:
        room = Room(max_concurrent_calls=1, deadline=0.05)
        with call_permit(room.auth._provider, 1, 1.0, room.clock):
            with pytest.raises(TokenEndpointUnavailable):
                room.auth.token()
            assert room.told() == [(EventKind.RENEWAL_FAILED, None)]
        (failed,) = room.events
        assert str(failed.error).startswith("No token call could start at https://api.example: 1 under way")
        assert room.fyatu.ledger.token_calls == 0
        room.auth._source.policy = replace(room.auth._source.policy, deadline=30.0)
        assert room.auth.token() is not None

    def test_do_not_lengthen_a_renewal(self) -> None:
        room = Room()
        with call_permit(room.auth._provider, 1, 30.0, room.clock) as left:
            assert left == 30.0
        clock = Waiting()
        with call_permit(room.auth._provider, 1, 30.0, clock) as left:
            assert left == 23.0

    def test_are_counted_for_each_server(self) -> None:
        room = Room()
        other = FyatuContract(APP_ID, SECRET_KEY, "https://other.example/api")
        with call_permit(room.auth._provider, 1, 1.0, room.clock), call_permit(other, 1, 0.01, room.clock) as left:
            assert left == 0.01

    def test_that_others_took_before_a_fork_are_free_in_the_child(self) -> None:
        room = Room()
        with call_permit(room.auth._provider, 1, 1.0, room.clock):
            limiter._after_fork()
            with call_permit(room.auth._provider, 1, 0.01, room.clock) as left:
                assert left == 0.01


class Waiting(FakeClock):
    """A clock by which seven seconds go by between two looks."""

    def monotonic(self) -> float:
        self.advance(7)
        return super().monotonic()
