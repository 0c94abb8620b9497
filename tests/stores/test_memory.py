"""What only a store in memory promises: a bound, and to stay in its process."""

from __future__ import annotations

import copy
import gc
import math
import os
import pickle
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auth_plugins import MemoryStore, StoreError, Token
from auth_plugins.stores import PROCESS_STORE
from auth_plugins.testing import FakeClock
from tests.stores.conftest import locked_by_a_thread

NOW = 1_800_000_000.0
LONG = 30.0


def token(name: str = "at", ends: float = NOW + 60.0) -> Token:
    return Token(access_token=name, issued_at=NOW, expires_at=ends)


def a_clock() -> float:
    """A clock that can be pickled."""
    return NOW


class Finalized(Token):
    """A token in the middle of whose saving the collector runs somebody's finalizer."""

    @property
    def useful_until(self) -> float:
        if finalizer:
            finalizer.pop()()
        return NOW + 60.0


finalizer: list[Callable[[], None]] = []


class TestAFinalizerThatRunsInTheMiddleOfACall:
    """It may use an auth object of another set, and then waits for a renewal in another thread."""

    def _interrupted(self, store: MemoryStore, call: Callable[[], object]) -> list[object]:
        found: list[object] = []

        def renew_another() -> None:
            with store.lock("another"):
                store.save("another", token("another"))
                found.append(store.load("another"))
                store.delete("another")
                found.append(store.load("another"))
                store.save("another", token("again"))

        def finalize() -> None:
            renewal = threading.Thread(target=renew_another, daemon=True)
            renewal.start()
            renewal.join(LONG / 3)
            found.append(renewal.is_alive())

        finalizer.append(finalize)
        call()
        return found

    def test_keeps_no_other_set_waiting(self) -> None:
        store = MemoryStore(clock=a_clock)
        slow = Finalized(access_token="slow", issued_at=NOW, expires_at=NOW)
        assert self._interrupted(store, lambda: store.save("slow", slow)) == [token("another"), None, False]
        assert store.load("slow") is slow
        assert store.load("another") == token("again")

    def test_loses_nothing_that_was_done_meanwhile(self) -> None:
        store = MemoryStore(maxsize=2, clock=a_clock)
        store.save("old", token("old"))
        slow = Finalized(access_token="slow", issued_at=NOW, expires_at=NOW)
        self._interrupted(store, lambda: store.save("slow", slow))
        assert len(store) == 2
        assert store.load("old") is None, "it was the least recently used"

    def test_may_itself_use_the_store_for_the_same_key(self) -> None:
        store = MemoryStore(clock=a_clock)
        finalizer.append(lambda: store.save("slow", token("newer")))
        store.save("slow", Finalized(access_token="slow", issued_at=NOW, expires_at=NOW))
        assert store.load("slow") == token("newer")


def test_an_interrupt_in_the_middle_of_a_call_leaves_the_bound_as_it_was() -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    store = MemoryStore(maxsize=3, clock=a_clock)
    for key in "abc":
        store.save(key, token(key))
    finalizer.append(interrupt)
    with pytest.raises(KeyboardInterrupt):
        store.save("d", Finalized(access_token="d", issued_at=NOW, expires_at=NOW))
    assert store.load("d") is not None
    for key in "efghi":
        store.save(key, token(key))
    assert len(store) == 3
    assert [store.load(key) for key in "ghi"] == [token(key) for key in "ghi"]


class TestIrreplaceable:
    """A token that nothing can bring back."""

    def token(self, name: str, ends: float = NOW + 60.0) -> Token:
        return replace(token(name, ends), irreplaceable=True)

    def test_is_not_dropped_for_the_number_of_others(self) -> None:
        store = MemoryStore(maxsize=2, clock=a_clock)
        for number in range(50):
            store.save(str(number), self.token(str(number)))
            store.save(f"other-{number}", token("other"))
        assert [store.load(str(number)) for number in range(50)] == [self.token(str(number)) for number in range(50)]
        assert len(store) == 52

    def test_takes_no_memory_once_it_has_ended(self) -> None:
        clock = FakeClock(NOW)
        store = MemoryStore(maxsize=2, clock=clock)
        for number in range(50):
            store.save(str(number), self.token(str(number)))
        clock.advance(700.0)
        store.save("new", token("new", NOW + 1000.0))
        assert list(store._kept) == ["new"]

    def test_is_kept_until_its_stated_end_and_not_until_the_wall_clock_says_so(self) -> None:
        clock = FakeClock(NOW)
        store = MemoryStore(clock=clock)
        session = replace(self.token("a"), refresh_token="r", refreshable_until=NOW + 43_200.0)
        store.save("a", session)
        for jump in (1e9, -2e9, 1e9):
            clock.jump(jump)
            store.save("new", token("new", clock() + 1.0))  # Which drops what has ended.
            assert store.load("a") == session
        clock.advance(43_200.0)
        store.save("new", token("new", clock() + 1.0))
        assert (store.load("a"), store._ends) == (None, {})

    def test_without_a_stated_end_is_kept_until_it_is_deleted(self) -> None:
        clock = FakeClock(NOW)
        store = MemoryStore(clock=clock)
        session = replace(self.token("a"), refresh_token="r", refreshable_until=math.inf)
        store.save("a", session)
        clock.advance(1e9)
        store.save("new", token("new", clock() + 1.0))
        assert store.load("a") == session
        store.delete("a")
        assert store.load("a") is None

    def test_that_is_declared_replaceable_can_be_dropped(self) -> None:
        store = MemoryStore(maxsize=1, clock=a_clock)
        store.save("a", self.token("a"))
        store.save("a", token("a"))
        store.save("b", token("b"))
        assert store.load("a") is None

    def test_that_is_retired_can_be_dropped_and_is_used_until_then(self) -> None:
        store = MemoryStore(maxsize=1, clock=a_clock)
        store.retire("a")
        store.save("a", self.token("a"))
        store.retire("a")
        assert store.load("a") == token("a")
        store.save("b", token("b"))
        assert store.load("a") is None

    def test_is_equal_to_one_that_is_not(self) -> None:
        assert self.token("a") == token("a")


def test_a_token_that_is_just_being_renewed_is_not_dropped_for_another_one() -> None:
    store = MemoryStore(maxsize=1, clock=a_clock)
    with store.lock("a"):
        store.save("a", token("a"))
        store.save("b", token("b"))
        assert store.load("a") == token("a")


def test_the_lock_of_a_key_has_one_holder_at_a_time_though_it_is_made_anew_each_time() -> None:
    store, held, most = MemoryStore(clock=a_clock), list[int](), list[int]()

    def renew() -> None:
        for _ in range(2000):
            with store.lock("key"):
                held.append(1)
                most.append(len(held))
                held.pop()

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=renew) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(LONG)
    finally:
        sys.setswitchinterval(before)
    assert (max(most), len(most), store._locks) == (1, 12_000, {})


class TestBound:
    def test_the_least_recently_used_goes_first(self) -> None:
        store = MemoryStore(maxsize=2, clock=a_clock)
        store.save("a", token("a"))
        store.save("b", token("b"))
        assert store.load("a") == token("a")
        store.save("c", token("c"))
        assert [store.load(key) for key in "abc"] == [token("a"), None, token("c")]

    def test_saving_again_is_using(self) -> None:
        store = MemoryStore(maxsize=2, clock=a_clock)
        for key in "abac":
            store.save(key, token(key))
        assert [store.load(key) for key in "abc"] == [token("a"), None, token("c")]

    def test_what_has_ended_makes_room_before_anything_else_goes(self) -> None:
        clock = FakeClock(NOW)
        store = MemoryStore(maxsize=2, clock=clock)
        store.save("long", token("long", NOW + 1000.0))
        store.save("short", token("short", NOW + 1.0))
        clock.advance(2.0)
        store.save("new", token("new"))
        assert [store.load(key) for key in ("long", "short", "new")] == [
            token("long", NOW + 1000.0),
            None,
            token("new"),
        ]

    @given(st.integers(1, 20), st.lists(st.integers(0, 50), max_size=60))
    def test_is_never_exceeded(self, maxsize: int, keys: list[int]) -> None:
        store = MemoryStore(maxsize=maxsize, clock=a_clock)
        for key in keys:
            store.save(str(key), token(str(key)))
        assert len(store) == min(maxsize, len(set(keys)))

    def test_ended_tokens_are_not_counted(self) -> None:
        clock = FakeClock(NOW)
        store = MemoryStore(clock=clock)
        store.save("key", token())
        assert len(store) == 1
        clock.advance(60.0)
        assert len(store) == 0

    def test_is_4096_unless_told_otherwise(self) -> None:
        assert repr(MemoryStore()) == "MemoryStore(maxsize=4096)"
        assert repr(MemoryStore(maxsize=3)) == "MemoryStore(maxsize=3)"

    def test_locks_that_nobody_holds_take_no_room(self) -> None:
        store = MemoryStore()
        for key in range(1000):
            with store.lock(str(key)):
                pass
        gc.collect()
        assert len(store._locks) == 0


class TestSalt:
    def test_is_random_for_each_store(self) -> None:
        assert len({MemoryStore().salt for _ in range(10)}) == 10

    def test_is_not_shown(self) -> None:
        store = MemoryStore()
        store.save("key", token("s3cret"))
        assert "s3cret" not in repr(store)
        assert repr(store.salt) not in repr(store)


class TestCopies:
    """Tokens stay in the process they were issued to."""

    @pytest.mark.parametrize(
        "copied",
        [copy.copy, copy.deepcopy, lambda store: pickle.loads(pickle.dumps(store))],
        ids=["copy", "deepcopy", "pickle"],
    )
    def test_are_empty_usable_and_of_the_same_kind(self, copied: Callable[[MemoryStore], MemoryStore]) -> None:
        store = MemoryStore(maxsize=1, clock=a_clock, lock_timeout=0.01)
        store.save("key", token("s3cret"))
        with store.lock("key"):
            again = copied(store)
            with again.lock("key"):
                pass
        assert len(again) == 0
        assert again.salt != store.salt
        again.save("a", token("a"))
        again.save("b", token("b"))
        assert [again.load(key) for key in "ab"] == [None, token("b")]
        assert store.load("key") == token("s3cret")
        with again.lock("key"), pytest.raises(StoreError), again.lock("key"):
            pytest.fail("two at a time")

    def test_pickle_holds_neither_tokens_nor_salt(self) -> None:
        store = MemoryStore(clock=a_clock)
        store.save("the-key", token("s3cret"))
        pickled = pickle.dumps(store)
        assert b"s3cret" not in pickled
        assert b"the-key" not in pickled
        assert store.salt not in pickled


class TestLockTimeout:
    def test_of_any_length_can_be_waited_for(self) -> None:
        with MemoryStore(lock_timeout=1e300).lock("key"):
            pass

    def test_raises_a_store_error_in_the_time_it_says(self) -> None:
        store = MemoryStore(lock_timeout=0.05)
        with store.lock("key"):
            began = time.monotonic()
            with pytest.raises(StoreError), store.lock("key"):
                pytest.fail("two at a time")
            assert 0.04 <= time.monotonic() - began < LONG


def test_the_default_one_is_shared_by_the_process() -> None:
    assert isinstance(PROCESS_STORE, MemoryStore)


def in_a_fork(work: Callable[[], Any]) -> str:
    """Do something in a forked child and give what it says; a child that is stuck is killed."""
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        # From Python 3.12 on a fork beside threads warns: that is the very case that is tested.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        try:
            said = str(work())
        except BaseException as error:
            said = repr(error)
        os.write(writing, said.encode())
        os._exit(0)
    os.close(writing)
    timer = threading.Timer(LONG / 3, os.kill, (child, 9))
    timer.start()
    try:
        with os.fdopen(reading, "rb") as end:
            return end.read().decode() or "stuck"
    finally:
        timer.cancel()
        os.waitpid(child, 0)


MANY_FORKS = """
import os, sys, threading

from auth_plugins import MemoryStore

sys.setswitchinterval(1e-6)
stores = [MemoryStore() for _ in range(10)]


def fork_and_load():
    for _ in range(100):
        child = os.fork()
        if child == 0:
            os._exit(0)
        os.waitpid(child, 0)
        for store in stores:
            store.load("key")


threads = [threading.Thread(target=fork_and_load, daemon=True) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join(6)
print("stuck:", sum(thread.is_alive() for thread in threads), flush=True)
os._exit(0)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
class TestFork:
    def use(self, store: MemoryStore) -> str:
        store.save("other", token("other"))
        with store.lock("key"):
            kept = store.load("other")
        return kept.access_token if kept is not None else "nothing"

    def test_a_lock_held_by_a_thread_of_the_parent_is_free_in_the_child(self) -> None:
        store = MemoryStore(clock=a_clock)
        with locked_by_a_thread(store):
            assert in_a_fork(lambda: self.use(store)) == "other"

    @pytest.mark.parametrize("interrupted", ["save", "load", "delete"])
    def test_a_call_under_way_at_the_fork_is_whole_in_the_child_or_not_there(self, interrupted: str) -> None:
        """The clock is read, and a token asked for its end, in the middle of a call: there it lingers."""
        within, enough = threading.Event(), threading.Event()
        slow = threading.local()
        times = [NOW]

        def linger() -> None:
            if getattr(slow, "here", False):
                within.set()
                enough.wait(LONG)

        def clock() -> float:
            linger()
            return times[0]

        class SlowToken(Token):
            @property
            def useful_until(self) -> float:
                linger()
                return NOW + 60.0

        store = MemoryStore(clock=clock)
        store.save("kept", token("kept"))
        calls: dict[str, Callable[[], object]] = {
            "save": lambda: store.save("kept", SlowToken(access_token="new", issued_at=NOW, expires_at=NOW)),
            "load": lambda: store.load("kept"),
            "delete": lambda: store.delete("kept"),
        }

        def call() -> None:
            slow.here = True
            calls[interrupted]()

        def child() -> str:
            used = self.use(store)
            times[0] = NOW + 60.0
            return f"{used}, ended: {store.load('other') is None}"

        thread = threading.Thread(target=call)
        thread.start()
        assert within.wait(LONG)
        release = threading.Timer(0.05, enough.set)
        release.start()
        assert in_a_fork(child) == "other, ended: True"
        release.join(LONG)
        thread.join(LONG)

    def test_waits_for_no_call_that_is_under_way(self) -> None:
        """So it cannot be interrupted while it waits, with some of the locks taken."""
        within, enough = threading.Event(), threading.Event()

        def linger() -> None:
            within.set()
            enough.wait(LONG)

        store = MemoryStore(clock=a_clock)
        slow = Finalized(access_token="slow", issued_at=NOW, expires_at=NOW)
        finalizer.append(linger)
        thread = threading.Thread(target=store.save, args=("slow", slow))
        thread.start()
        assert within.wait(LONG)
        try:
            began = time.monotonic()
            assert in_a_fork(lambda: self.use(store)) == "other"
            assert time.monotonic() - began < LONG / 2
        finally:
            enough.set()
            thread.join(LONG)

    def test_forks_in_many_threads_at_once_leave_nothing_locked(self) -> None:
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", MANY_FORKS],
            capture_output=True,
            text=True,
            timeout=50,
            check=False,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        assert (done.stdout.strip(), done.stderr) == ("stuck: 0", "")

    def test_the_child_still_has_the_tokens_and_the_salt(self) -> None:
        store = MemoryStore(clock=a_clock)
        store.save("key", token("kept"))
        assert in_a_fork(lambda: (store.load("key") == token("kept"), store.salt)) == str((True, store.salt))

    def test_what_the_child_saves_the_parent_does_not_see(self) -> None:
        store = MemoryStore(clock=a_clock)
        assert in_a_fork(lambda: self.use(store)) == "other"
        assert store.load("other") is None
