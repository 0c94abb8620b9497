"""The threads that renewals run in: a bounded number, started on demand, ended when idle.

`submit` waits for nothing, since event loops call it: it appends to a queue, and then either wakes an idle worker or
starts the *manager*. That is a short-lived thread that starts the workers, because `threading.Thread.start` waits
until the new thread runs, which takes long in a process with many busy threads. The manager ends when the queue is
empty. While the queue is not, it looks again every now and then: a worker that is stuck no longer counts.

The threads are daemons, so that a token endpoint that hangs does not delay the end of the program. What must not be
lost then is kept by `exit_guard`.
"""

from __future__ import annotations

import _thread
import threading
import time
from collections import Counter, deque
from collections.abc import Hashable

from ..stores.forks import in_child
from . import exit_guard
from .fair_queue import FairQueue
from .job import PATIENCE, THREADS, Job

__all__ = ["WORKER_NAME", "WorkerPool", "pool"]

WORKER_NAME = "auth_plugins renewal"
_RESERVE = 4
"""Further threads for all other servers."""
_BACKGROUND = 4
"""Threads for one server, above which no renewal in the background begins: no request waits for it, and all requests
would be slower."""
_MOST = 128
"""Threads in all, with those that do not count: they are stuck, or wait for the lock of another process."""
_IDLE = 1.0
"""Seconds after which an idle thread ends."""
_PAUSE = 0.1
"""Seconds between two looks of the manager at a queue whose jobs cannot start yet."""


class _Manager:
    """Starts workers. `began` is False for a moment, or for ever if its thread was not started."""

    def __init__(self) -> None:
        self.made, self.began = time.monotonic(), False

    @property
    def is_at_work(self) -> bool:
        return self.began or time.monotonic() - self.made < PATIENCE


class WorkerPool:
    """Runs jobs in threads. No method of it waits for a job."""

    def __init__(self) -> None:
        # Re-entrant, because the garbage collector may run a finalizer that uses an auth object in the middle of it.
        self._lock = threading.RLock()
        self._incoming: deque[tuple[Job, bool]] = deque()
        self._queue = FairQueue()
        self._running: set[Job] = set()
        self._workers: set[int] = set()
        self._alive = 0
        """The number of workers, with those that are being started."""
        self._idle: deque[threading.Lock] = deque()
        """A lock for each idle worker, which waits for its release. The latest idle worker is woken first."""
        self._manager: _Manager | None = None
        self.answered_at: dict[Hashable, float] = {}
        """When a job for each server last got an answer, by `time.monotonic`, for the jobs that wait."""

    @property
    def is_busy(self) -> bool:
        """Whether a job runs or waits."""
        with self._lock:
            return bool(self._incoming or self._queue or self._running)

    @property
    def is_worker(self) -> bool:
        """Whether the calling thread is one of the pool's. It must not wait for a job that may need its place."""
        return threading.get_ident() in self._workers

    def answered(self, server: Hashable) -> None:
        """Note that a job for `server` got an answer. Requests whose jobs wait for a thread wait on."""
        if self._has_jobs():
            self.answered_at[server] = time.monotonic()
        else:
            self.answered_at.clear()

    def submit(self, job: Job, *, awaited: bool) -> bool:
        """Run `job` as soon as it has a thread; return False if there is no thread, and none can be started."""
        self._incoming.append((job, awaited))
        return self.go_on()

    def go_on(self) -> bool:
        """See to it that the jobs in the queue are run; return False if that needs a thread that cannot be started."""
        if exit_guard.is_ending():
            return False
        return self._wake() or self._start_manager()

    def _wake(self) -> bool:
        """Wake an idle worker; return False if there is none."""
        try:
            self._idle.pop().release()
        except IndexError:
            return False
        return True

    def _start_manager(self) -> bool:
        current = self._manager
        if current is not None and current.is_at_work:
            return True
        manager = _Manager()
        try:
            self._manager = manager
            _thread.start_new_thread(self._manage, (manager,))
        except RuntimeError:  # The limit of threads is reached, or the interpreter is ending.
            self._manager = None
            return bool(self._workers)
        except BaseException:  # Ctrl-C, for example: it is not known whether the thread was started.
            if not manager.began:
                self._manager = None
            raise
        return True

    def _manage(self, manager: _Manager) -> None:
        manager.began = True
        try:
            while True:
                if self._has_jobs() and self._wake():
                    time.sleep(_PAUSE / 10)
                    continue
                job = self._take(for_new_worker=True)
                if job is not None:
                    self._start_worker(job)
                elif self._has_jobs():
                    time.sleep(_PAUSE)
                else:
                    self._manager = None
                    # A job that came since then has found a manager at work, and so has started none.
                    if not self._has_jobs() or self._manager is not None:
                        return
                    self._manager = manager
        finally:
            if self._manager is manager:
                self._manager = None

    def _start_worker(self, job: Job) -> None:
        first = [job]
        try:
            threading.Thread(target=self._work, args=(first,), name=WORKER_NAME, daemon=True).start()
        except RuntimeError:  # No other thread can be started, so this one does the work.
            self._work(first, may_idle=False)

    def _work(self, first: list[Job], *, may_idle: bool = True) -> None:
        me = threading.get_ident()
        self._workers.add(me)
        job: Job | None = first.pop()
        try:
            while job is not None:
                try:
                    job.run()
                finally:
                    self._running.discard(job)
                job = None  # An idle worker must not keep a token alive.
                job = self._take() or (self._wait_idle() if may_idle else None)
        finally:
            self._workers.discard(me)
            with self._lock:
                self._alive -= 1
            if self._has_jobs():
                self.go_on()

    def _wait_idle(self) -> Job | None:
        """Wait for a job, for a while; return None if there is none."""
        while True:
            wake = threading.Lock()
            wake.acquire()
            self._idle.append(wake)
            job = self._take()  # It may have come before this worker could be woken.
            woken = job is None and wake.acquire(timeout=_IDLE)
            if not woken:
                try:
                    self._idle.remove(wake)
                except ValueError:  # It has been woken in this very moment.
                    woken = True
            if job is None and woken:
                job = self._take()
            if job is not None or not woken:
                return job

    def _has_jobs(self) -> bool:
        return bool(self._incoming or self._queue)

    def _take(self, *, for_new_worker: bool = False) -> Job | None:
        """Take the next job that may run. The caller runs it, or starts the worker that does."""
        if not self._has_jobs():
            return None
        with self._lock:
            while self._incoming:
                job, awaited = self._incoming.popleft()
                self._queue.push(job, awaited=awaited)
            now = time.monotonic()
            counted = Counter(each.server for each in self._running.copy() if each.counts(now))
            stuck = len(self._running) - counted.total()
            threads = self._alive if for_new_worker else self._alive - 1

            def may_run(job: Job) -> bool:
                more = job.limit - THREADS
                has_thread = threads - stuck < THREADS + _RESERVE + more and threads < _MOST + more
                return has_thread and counted[job.server] < job.limit

            def may_run_in_background(job: Job) -> bool:
                return counted[job.server] < _BACKGROUND and may_run(job)

            taken = self._queue.pop(may_run, may_run_in_background)
            if taken is not None:
                taken.began = now
                self._running.add(taken)
                self._alive += for_new_worker
            return taken


pool = WorkerPool()


def _after_fork() -> None:
    # The parent's threads do not exist in the child.
    pool.__init__()  # type: ignore[misc]


in_child(_after_fork)
