"""Files that hold secrets: owned and readable by this user alone, written atomically, and never symbolic links."""

from __future__ import annotations

import os
import secrets
import stat
import time
from collections.abc import Callable
from contextlib import suppress
from itertools import takewhile
from pathlib import Path
from typing import TypeVar

from ..core.errors import StoreError
from ..core.wire import MaskedBytes

__all__ = [
    "DIGEST",
    "LARGEST",
    "as_store_error",
    "check_folder",
    "check_if_there",
    "held",
    "read",
    "remove_held",
    "replace",
    "set_aside",
    "sweep",
]

LARGEST = 1_048_576
"""The maximum size of a file, in bytes. A longer file is not read."""

DIGEST = "[0-9a-f]" * 64
"""The glob pattern of the file name, without suffix, of a key. Other files in the folder are left alone."""

_NO_LINKS = getattr(os, "O_NOFOLLOW", 0)  # Windows has no such flag, nor POSIX owners and modes.
_AT_ONCE = getattr(os, "O_NONBLOCK", 0)  # To open a named pipe in the file's place would block.
_BINARY = getattr(os, "O_BINARY", 0)
_STALE = 3600.0
_TAIL = "[0-9a-f]" * 16 + ".tmp"

T = TypeVar("T")


def as_store_error(path: Path, call: Callable[[], T]) -> T:
    """Return what `call` returns; raise an `OSError` as a `StoreError` that names `path`.

    Raises:
        StoreError: `call` raised an `OSError`.
    """
    try:
        return call()
    except OSError as error:
        why = error.strerror or type(error).__name__
    raise StoreError(f"{path}: {why}")


def check_folder(path: Path) -> None:
    """Create the folder if it does not exist, and check that no other user owns it or has access to it.

    Raises:
        StoreError: it is not a directory, belongs to another user, or is open to other users.
    """
    missing = [path, *takewhile(lambda parent: not parent.exists(), path.parents)]
    for folder in reversed(missing):
        with suppress(FileExistsError):
            folder.mkdir(0o700)
            folder.chmod(0o700)  # The umask may have removed permissions.
            _sync(folder.parent)
    _check_ours(path, path.lstat(), stat.S_ISDIR, "a directory", "700")


def check_file(path: Path, found: os.stat_result) -> None:
    """Check that a file is a plain file, and that no other user owns it or has access to it.

    Raises:
        StoreError: it is not a plain file, belongs to another user, or is open to other users.
    """
    _check_ours(path, found, stat.S_ISREG, "a plain file", "600")


def check_if_there(path: Path) -> None:
    """Check the file at `path` like `check_file`, if it exists."""
    with suppress(FileNotFoundError):
        check_file(path, path.lstat())


def read(path: Path) -> MaskedBytes | None:
    """Return the content of a file: `None` if it does not exist, no bytes if it is longer than `LARGEST`.

    Raises:
        StoreError: it is not a plain file, belongs to another user, or is open to other users.
    """
    try:
        check_file(path, path.lstat())
        descriptor = os.open(path, os.O_RDONLY | _NO_LINKS | _AT_ONCE | _BINARY)
    except FileNotFoundError:
        return None
    try:
        check_file(path, os.fstat(descriptor))  # The file may have been replaced since the first check.
        with open(descriptor, "rb", closefd=False) as file:
            content = MaskedBytes(file.read(LARGEST + 1))
    finally:
        os.close(descriptor)
    return content if len(content) <= LARGEST else MaskedBytes()


def replace(path: Path, content: bytes) -> None:
    """Replace the content of a file. A reader finds the whole old or the whole new content, even after a power cut."""
    scratch = _scratch(path)
    try:
        _write(scratch, content)
        _rename(scratch, path)
    except BaseException:
        scratch.unlink(missing_ok=True)
        raise
    _sync(path.parent)


def set_aside(path: Path) -> Path | None:
    """Rename a damaged file to `*.damaged`, replacing an earlier one. Return the new path.

    Return `None` if the file does not exist any more: another process may have renamed it.
    """
    aside = path.with_suffix(".damaged")
    try:
        _rename(path, aside)
    except FileNotFoundError:
        return None
    return aside


def held(path: Path) -> os.stat_result | None:
    """Return the identity of a lock file that was just locked, or `None`; another file may take its place later."""
    try:
        return path.lstat()
    except OSError:
        return None


def remove_held(path: Path, lock: os.stat_result | None) -> None:
    """Remove the lock file that the caller holds.

    A waiter that has opened the file finds, once it gets the lock, that the file has no name any more, and opens the
    file that has the name by then (`filelock` does so). A file with content is itself the lock, which `filelock` uses
    on file systems without other locks, and is left to `filelock`. Windows removes no open file: there it stays.
    """
    with suppress(OSError):
        found = path.lstat()
        if lock is not None and os.path.samestat(found, lock) and found.st_size == 0:
            path.unlink()


def sweep(folder: Path) -> None:
    """Remove temporary files that writers left when they were killed, once they are an hour old."""
    for scratch in (*folder.glob(f"{DIGEST}.{_TAIL}"), *folder.glob(f"salt.{_TAIL}")):
        try:
            if time.time() - scratch.lstat().st_mtime > _STALE:
                scratch.unlink()
        except OSError:
            continue  # Another process has removed it, or it cannot be removed.


def _rename(source: Path, target: Path) -> None:
    for pause in _PAUSES:
        try:
            os.replace(source, target)
        except PermissionError:
            time.sleep(pause)
        else:
            return
    os.replace(source, target)


_PAUSES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5) if os.name == "nt" else ()
"""Seconds between attempts. Windows refuses to replace a file that another process (a reader, a virus scanner) has
open. To give up at once would lose a refresh token that the provider has just issued in place of a used one."""


def _scratch(path: Path) -> Path:
    return path.with_name(f"{path.stem}.{secrets.token_hex(8)}.tmp")


def _write(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NO_LINKS | _BINARY, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        if hasattr(os, "fchmod"):
            os.fchmod(descriptor, 0o600)  # The umask may have removed permissions.
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    if os.name == "nt":  # Windows cannot open a folder.
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _check_ours(path: Path, found: os.stat_result, kind: Callable[[int], bool], what: str, mode: str) -> None:
    if not kind(found.st_mode):
        raise StoreError(f"{path} is not {what}", hint="Something else stands in its place: find out who put it there.")
    if os.name == "nt":
        return
    if found.st_uid != os.geteuid():
        raise StoreError(f"{path} belongs to another user", hint="Each user needs a place of their own.")
    if found.st_mode & 0o077:
        raise StoreError(f"{path} is open to other users", hint=f"Others may have read it; then: chmod {mode}.")
