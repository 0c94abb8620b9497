"""A store in a folder, which all processes of one user on one machine share."""

from __future__ import annotations

import hashlib
import logging
import math
import os
import secrets
import threading
import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType
from typing import Any

from ..core.checks import check_seconds
from ..core.errors import StoreError
from ..core.token import Token
from . import private_files
from .encryption import Encryption, Keys
from .record import CorruptRecord, decode, encode

__all__ = ["FileStore"]

_log = logging.getLogger("auth_plugins")
_SALT = 32


class FileStore:
    """A folder with a file for each token, a lock for each file, and a salt.

    Only its owner can read the folder (mode 0700, its files 0600). It must be on a local file system: on a network
    file system, locks and atomic replacement are not reliable. File names contain no secret. The contents of the
    files do, and are encrypted if there is an `encryption_key`.

    Args:
        path: the folder. It is created at the first renewal if it does not exist.
        encryption_key: a Fernet key (`cryptography.fernet.Fernet.generate_key()`), or several: the first key
            encrypts, all of them decrypt. To change the key, pass `[old, new]` in every process, then `[new, old]`,
            and `[new]` when all tokens have been replaced.
        lock_timeout: seconds to wait for another process that is renewing the same token; not less than the policy's
            `deadline`.
        clock: returns the time, in seconds since the epoch.

    Raises:
        TypeError: an argument has a wrong type.
        ValueError: `path` is empty, `lock_timeout` is not above zero, or `encryption_key` is not a Fernet key.
        ImportError: `filelock`, or for encryption `cryptography`, is not installed.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        encryption_key: Keys | None = None,
        lock_timeout: float = 60.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._folder = _path(path)
        self._lock_timeout = min(check_seconds("lock_timeout", lock_timeout, above_zero=True), threading.TIMEOUT_MAX)
        self._encryption = Encryption(encryption_key)
        if not callable(clock):
            raise TypeError("clock must be callable")
        self._clock = clock
        self._swept = False
        _filelock()

    @property
    def lease(self) -> float:
        """Infinity: the operating system releases a lock when its process ends, even if the process is killed."""
        return math.inf

    @property
    def lock_timeout(self) -> float:
        """Seconds to wait for a lock."""
        return self._lock_timeout

    @property
    def identity(self) -> Hashable:
        """The folder and all settings. `None` in a subclass, which may have further settings."""
        return self._settings if type(self) is FileStore else None

    @property
    def _settings(self) -> tuple[Hashable, ...]:
        return os.path.normcase(self._folder), self._encryption.key_names, self._lock_timeout, self._clock

    @property
    def salt(self) -> bytes:
        """32 random bytes, generated at first use and kept in the folder."""
        path = self._folder / "salt"
        self._open_folder()
        known = self._salt_in(path)
        if known is None:
            with self.lock("the salt"):
                known = self._salt_in(path) or self._new_salt(path)
        return known

    def load(self, key: str) -> Token | None:
        """Return the token saved under `key`, or `None` if the store has no token that can be used or refreshed."""
        path = self._path_for(key, ".token")
        self._open_folder()
        encryption = self._current_encryption()
        raw = private_files.as_store_error(path, lambda: private_files.read(path))
        if raw is None:
            return None
        with suppress(CorruptRecord):
            token = decode(key, encryption.decrypt(raw))
            return token if self._clock() < token.useful_until else None
        if private_files.as_store_error(path, lambda: private_files.read(path)) != raw:
            return self.load(key)  # Another process found the damage too, and has written a new token.
        self._set_aside(path)
        return None

    def save(self, key: str, token: Token) -> None:
        """Write `token` to its file. It is on the disk when this returns."""
        path = self._path_for(key, ".token")
        self._open_folder()
        record = self._current_encryption().encrypt(encode(key, token))
        if len(record) > private_files.LARGEST:
            raise StoreError(f"The token is longer than {private_files.LARGEST} bytes")
        private_files.as_store_error(path, lambda: private_files.replace(path, record))

    def delete(self, key: str) -> None:
        """Delete the token saved under `key`."""
        path = self._path_for(key, ".token")
        self._open_folder()
        private_files.as_store_error(path, lambda: path.unlink(missing_ok=True))

    @contextmanager
    def lock(self, key: str) -> Iterator[None]:
        """Exclude the other threads and processes of this machine from renewing under `key`.

        If there is no token under `key` at the end, the lock file is removed: a token that was refused leaves no file.

        Raises:
            StoreError: the lock was held elsewhere for the whole of `lock_timeout`, or its file cannot be used.
        """
        path = self._path_for(key, ".lock")
        self._open_folder()
        private_files.as_store_error(path, lambda: private_files.check_if_there(path))
        filelock = _filelock()
        lock = filelock.FileLock(path, timeout=self._lock_timeout, mode=0o600, thread_local=False)
        if not private_files.as_store_error(path, lambda: _try_acquire(lock, filelock.Timeout)):
            raise StoreError("Another renewal of the same token did not end", hint="Try again later.")
        held = private_files.held(path)
        try:
            yield
        finally:
            if not os.path.lexists(path.with_suffix(".token")):
                private_files.remove_held(path, held)
            with suppress(OSError):  # The operating system releases the lock when the process ends.
                lock.release()

    def _current_encryption(self) -> Encryption:
        return self._encryption

    def _path_for(self, key: str, suffix: str) -> Path:
        # The engine's keys are digests. They are hashed again so that no caller can choose a file name.
        return self._folder / (
            hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=32).hexdigest() + suffix
        )

    def _open_folder(self) -> None:
        private_files.as_store_error(self._folder, lambda: private_files.check_folder(self._folder))
        if not self._swept:
            self._swept = True
            private_files.as_store_error(self._folder, lambda: private_files.sweep(self._folder))

    def _salt_in(self, path: Path) -> bytes | None:
        encryption = self._current_encryption()
        raw = private_files.as_store_error(path, lambda: private_files.read(path))
        if raw is None:
            return None
        with suppress(CorruptRecord, ValueError):
            content = bytes.fromhex(encryption.decrypt(raw).decode("ascii", "replace"))
            salt = content[:_SALT]
            if content == salt + _check(salt):
                if not encryption.is_current(raw):
                    self._write_salt(path, salt)  # Otherwise the old key would be needed for ever.
                return salt
        return None

    def _new_salt(self, path: Path) -> bytes:
        if os.path.lexists(path):
            self._set_aside(path)
        salt = secrets.token_bytes(_SALT)
        self._write_salt(path, salt)
        return salt

    def _write_salt(self, path: Path, salt: bytes) -> None:
        content = self._current_encryption().encrypt((salt + _check(salt)).hex().encode())
        private_files.as_store_error(path, lambda: private_files.replace(path, content))

    def _set_aside(self, path: Path) -> None:
        aside = private_files.as_store_error(path, lambda: private_files.set_aside(path))
        if aside is None:
            return
        _log.warning("%s was damaged or is not ours; it is now %s", path, aside.name)

    def __repr__(self) -> str:
        # Without a folder the constructor has raised.
        return f"FileStore({str(getattr(self, '_folder', ''))!r})"

    def __getstate__(self) -> dict[str, object]:
        keys = [None if key is None else str(key) for key in self._encryption.keys]
        return {"lock_timeout": self._lock_timeout, "clock": self._clock, "encryption_key": keys or None} | {
            "path": str(self._folder)
        }

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__init__(**state)  # type: ignore[misc]


def _path(path: object) -> Path:
    if not isinstance(path, str | os.PathLike) or not isinstance(os.fspath(path), str):
        raise TypeError("path must be a str or a pathlib.Path")
    if not os.fspath(path) or "\0" in os.fspath(path):
        raise ValueError("path must name a folder")
    try:
        os.fsencode(path)
        given = Path(path).expanduser().absolute()
        # Links to parent folders are resolved, so that a folder has one name. The folder itself must not be a link.
        return Path(os.path.realpath(given.parent), given.name)
    except (UnicodeError, RuntimeError, OSError):
        pass
    raise ValueError("path must name a folder: its characters, its user or the current folder are unknown")


def _check(salt: bytes) -> bytes:
    return hashlib.blake2b(salt, digest_size=8).digest()


def _filelock() -> ModuleType:
    try:
        import filelock
    except ImportError:
        raise ImportError("FileStore needs: pip install 'auth-plugins[file]'") from None
    return filelock


def _try_acquire(lock: Any, too_late: type[Exception]) -> bool:
    try:
        lock.acquire()
    except too_late:
        return False
    return True
