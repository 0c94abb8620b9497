"""Files that hold secrets: nobody else's, never half written, never followed to another place."""

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
"""Bytes that a file of ours has at most; whatever is longer is not read."""

DIGEST = "[0-9a-f]" * 64
"""The pattern of a key's name: what else stands in the folder is not ours."""

_NO_LINKS = getattr(os, "O_NOFOLLOW", 0)  # Windows has neither these nor owners and modes in our sense.
_AT_ONCE = getattr(os, "O_NONBLOCK", 0)  # A pipe in the file's place would be waited for.
_BINARY = getattr(os, "O_BINARY", 0)
_STALE = 3600.0
_TAIL = "[0-9a-f]" * 16 + ".tmp"

T = TypeVar("T")


def as_store_error(path: Path, call: Callable[[], T]) -> T:
    """Make a call, and tell the system's refusal as a `StoreError` with the name of the place.

    Raises:
        StoreError: the system refused.
    """
    try:
        return call()
    except OSError as error:
        why = error.strerror or type(error).__name__
    raise StoreError(f"{path}: {why}")


def check_folder(path: Path) -> None:
    """Make the folder if there is none, and make sure that it is ours alone.

    Raises:
        StoreError: it is somebody else's, or others may look into it.
    """
    missing = [path, *takewhile(lambda parent: not parent.exists(), path.parents)]
    for folder in reversed(missing):
        with suppress(FileExistsError):
            folder.mkdir(0o700)
            folder.chmod(0o700)  # Whatever the umask takes away.
            _sync(folder.parent)
    _check_ours(path, path.lstat(), stat.S_ISDIR, "a directory", "700")


def check_file(path: Path, found: os.stat_result) -> None:
    """Make sure that a file is a plain one, and ours alone.

    Raises:
        StoreError: it is not.
    """
    _check_ours(path, found, stat.S_ISREG, "a plain file", "600")


def check_if_there(path: Path) -> None:
    """Do as `check_file` with what stands there, if anything does."""
    with suppress(FileNotFoundError):
        check_file(path, path.lstat())


def read(path: Path) -> MaskedBytes | None:
    """Give what is in a file; `None` if there is none, and nothing if it is longer than `LARGEST`.

    Raises:
        StoreError: it is no plain file of ours, or others may read it.
    """
    try:
        check_file(path, path.lstat())
        descriptor = os.open(path, os.O_RDONLY | _NO_LINKS | _AT_ONCE | _BINARY)
    except FileNotFoundError:
        return None
    try:
        check_file(path, os.fstat(descriptor))  # What was opened, not what was.
        with open(descriptor, "rb", closefd=False) as file:
            content = MaskedBytes(file.read(LARGEST + 1))
    finally:
        os.close(descriptor)
    return content if len(content) <= LARGEST else MaskedBytes()


def replace(path: Path, content: bytes) -> None:
    """Write a file anew. Whoever reads meanwhile finds the old one or the new one, whole, even after a power cut."""
    scratch = _scratch(path)
    try:
        _write(scratch, content)
        _rename(scratch, path)
    except BaseException:
        scratch.unlink(missing_ok=True)
        raise
    _sync(path.parent)


def set_aside(path: Path) -> Path | None:
    """Give a file another name, under which nobody will take it for what it is not; the last one is kept.

    `None`: it is not there any more, as where another process found it as well.
    """
    aside = path.with_suffix(".damaged")
    try:
        _rename(path, aside)
    except FileNotFoundError:
        return None
    return aside


def held(path: Path) -> os.stat_result | None:
    """Return what tells a lock file, which has just been locked, from another one that may come in its place."""
    try:
        return path.lstat()
    except OSError:
        return None


def remove_held(path: Path, lock: os.stat_result | None) -> None:
    """Remove the lock file that the caller holds.

    A waiter that has opened it finds, once it gets the lock, that the file has no name any more, and opens the one
    that has it by then (`filelock` does). A file with content is the lock itself (`filelock` has one where a file
    system has no other locks): it is left to `filelock`. Windows removes no file that is open: there it stays.
    """
    with suppress(OSError):
        found = path.lstat()
        if lock is not None and os.path.samestat(found, lock) and found.st_size == 0:
            path.unlink()


def sweep(folder: Path) -> None:
    """Remove what writers who were killed have left."""
    for scratch in (*folder.glob(f"{DIGEST}.{_TAIL}"), *folder.glob(f"salt.{_TAIL}")):
        try:
            if time.time() - scratch.lstat().st_mtime > _STALE:
                scratch.unlink()
        except OSError:
            continue  # Somebody else has swept it away, or nobody can.


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
"""Seconds. On Windows nothing takes the place of a file that somebody has open: a peer that reads it, a virus scanner.
To fail there would drop a refresh token that the provider has just given for the one before."""


def _scratch(path: Path) -> Path:
    return path.with_name(f"{path.stem}.{secrets.token_hex(8)}.tmp")


def _write(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NO_LINKS | _BINARY, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        if hasattr(os, "fchmod"):
            os.fchmod(descriptor, 0o600)  # Whatever the umask takes away.
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    if os.name == "nt":  # A folder cannot be opened there.
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
