"""The lock of a token in a folder: a lock file, and a wait that ends early once the token is there."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType

from ..core.errors import StoreError
from . import private_files

__all__ = ["filelock_module", "hold"]

_LOOKS = 0.25
"""Seconds between two looks at the token while another holder has the lock."""


def filelock_module() -> ModuleType:
    """Return `filelock`.

    Raises:
        ImportError: it is not installed.
    """
    try:
        import filelock
    except ImportError:
        raise ImportError("FileStore needs: pip install 'auth-plugins[file]'") from None
    return filelock


@contextmanager
def hold(path: Path, timeout: float, needed: Callable[[], bool]) -> Iterator[bool]:
    """Hold the lock file at `path`, and yield True; or yield False, without it, as soon as it is not `needed`.

    `needed` is called while another holder has the lock, at first and whenever the file of the token has changed. If
    there is no token at the end, the lock file is removed: a token that was refused leaves no file.

    Raises:
        StoreError: the lock was held elsewhere for the whole of `timeout`, or its file cannot be used.
    """
    lock = filelock_module().FileLock(path, mode=0o600, thread_local=False)
    if not private_files.as_store_error(path, lambda: _wait_for(lock, path.with_suffix(".token"), timeout, needed)):
        yield False
        return
    held = private_files.held(path)
    try:
        yield True
    finally:
        if not os.path.lexists(path.with_suffix(".token")):
            private_files.remove_held(path, held)
        with suppress(OSError):  # The operating system releases the lock when the process ends.
            lock.release()


def _wait_for(lock: object, token: Path, timeout: float, needed: Callable[[], bool]) -> bool:
    ends, seen = time.monotonic() + timeout, object()
    while True:
        left = max(0.0, ends - time.monotonic())
        if _try_acquire(lock, min(left, _LOOKS)):
            return True
        now = _version(token)
        if now != seen and not needed():
            return False
        if left <= _LOOKS:
            raise StoreError("Another renewal of the same token did not end", hint="Try again later.")
        seen = now


def _try_acquire(lock: object, timeout: float) -> bool:
    try:
        lock.acquire(timeout=timeout)  # type: ignore[attr-defined]
    except filelock_module().Timeout:
        return False
    return True


def _version(token: Path) -> object:
    try:
        found = token.lstat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
