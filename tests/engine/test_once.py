"""What is expensive is built once, however many threads need it first."""

from __future__ import annotations

import os
import signal
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor

import pytest

from auth_plugins.engine import BuiltOnce


def test_threads_that_need_a_value_at_the_same_time_build_it_once() -> None:
    cache, built, start = BuiltOnce(), [], threading.Barrier(16)
    may_end = threading.Event()

    def build() -> object:
        built.append(object())
        may_end.wait(0.05)  # The others have come to the lock by then.
        return built[-1]

    def need(_: int) -> object:
        start.wait(10)
        return cache.get("key", 1, build)

    with ThreadPoolExecutor(16) as pool:
        assert set(pool.map(need, range(16))) == {built[0]}
    assert len(built) == 1


def test_a_new_version_is_built_anew_and_the_old_one_given_up() -> None:
    cache = BuiltOnce()
    first = cache.get("key", 1, object)
    assert cache.get("key", 1, object) is first
    second = cache.get("key", 2, object)
    assert second is not first
    assert cache.get("key", 2, object) is second


def test_a_build_that_fails_is_tried_again_by_the_next() -> None:
    cache = BuiltOnce()
    with pytest.raises(ZeroDivisionError):
        cache.get("key", 1, lambda: 1 / 0)
    assert cache.get("key", 1, lambda: "built") == "built"


def test_a_cache_that_is_asked_for_ever_other_keys_stays_small() -> None:
    cache = BuiltOnce()
    for key in range(1000):
        cache.get(key, 1, object)
    assert len(cache._built) <= 16


def test_a_child_of_a_fork_does_not_wait_for_a_thread_of_its_parent() -> None:
    cache = BuiltOnce()
    with cache._lock:  # Another thread of the parent builds something at this moment.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # Of Python 3.12, for a fork beside threads.
            child = os.fork()
        if child == 0:
            signal.alarm(10)
            os._exit(0 if cache.get("key", 1, lambda: "built") == "built" else 1)
        _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
