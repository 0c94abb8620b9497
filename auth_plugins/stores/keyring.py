"""A store of encrypted files whose key is in the key-ring of the operating system."""

from __future__ import annotations

import logging
import os
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

from ..core.checks import check_text
from ..core.errors import StoreError
from ..core.wire import Masked
from . import private_files
from .encryption import Encryption
from .file import FileStore

__all__ = ["KeyringStore"]

_log = logging.getLogger("auth_plugins")
T = TypeVar("T")


class KeyringStore(FileStore):
    """A `FileStore` that is encrypted with a random key, which is kept in the key-ring (by `keyring`).

    The key-ring holds 44 characters, however large the tokens are: some back-ends accept no more than 1,280
    characters (Windows), and none of them replaces a value atomically. The key is read at each use and never
    kept, so a locked key-ring is a store that fails. If the key is removed, its tokens cannot be decrypted any more.

    Args:
        path: the folder for the encrypted files; see `FileStore`.
        service: the name under which the key-ring shows the key.
        backend: a `keyring` back-end; by default the one that `keyring` chooses.
        options: `lock_timeout` and `clock` of `FileStore`.

    Raises:
        TypeError: an argument has a wrong type.
        ValueError: an argument is out of range.
        ImportError: `keyring`, `filelock` or `cryptography` is not installed.
    """

    def __init__(
        self, path: str | os.PathLike[str], *, service: str = "auth_plugins", backend: Any = None, **options: Any
    ) -> None:
        if "encryption_key" in options:
            raise TypeError("encryption_key must not be passed to a KeyringStore: its key is in the key-ring")
        self._backend = _usable(backend)
        super().__init__(path, **options)
        self._service = check_text("service", service, at_most=128)

    @property
    def identity(self) -> Hashable:
        """The folder and all settings. `None` in a subclass, which may have further settings."""
        return (*self._settings, self._service, self._backend) if type(self) is KeyringStore else None

    def _current_encryption(self) -> Encryption:
        key = self._key()
        if key is None:
            with self.lock("the key"):
                key = self._key() or self._new_key()
        try:
            return Encryption(
                key, "Put that key back into the key-ring, or remove the folder, which costs a new login."
            )
        except ValueError:
            pass
        raise StoreError(
            "The key-ring's entry for these tokens is no key", hint="Remove the entry: a new key will be generated."
        )

    def _key(self) -> Masked | None:
        key = _as_store_error(lambda: self._keys().get_password(self._service, self._user()))
        return None if key is None else Masked(key)

    def _new_key(self) -> Masked:
        key = Masked(urlsafe_b64encode(secrets.token_bytes(32)).decode())
        # Listed before the key is set: as soon as the key-ring has it, other processes save files with it.
        olds = (*self._folder.glob(f"{private_files.DIGEST}.token"), *self._folder.glob("salt"))
        _as_store_error(lambda: self._keys().set_password(self._service, self._user(), key))
        if self._key() != key:
            raise StoreError("The key-ring did not keep the new key", hint=_HINT)
        # Not earlier: a key-ring that failed may return the old key later.
        for old in olds:
            private_files.as_store_error(old, lambda old=old: private_files.set_aside(old))  # type: ignore[misc]
            _log.warning("The key of %s is gone from the key-ring", old)
        return key

    def _user(self) -> str:
        return os.path.realpath(self._folder)

    def _keys(self) -> Any:
        if self._backend is not None:
            return self._backend
        import keyring

        return keyring

    def __repr__(self) -> str:
        # Without a folder the constructor has raised.
        return f"KeyringStore({str(getattr(self, '_folder', ''))!r})"

    def __getstate__(self) -> dict[str, object]:
        state = {**super().__getstate__(), "service": self._service, "backend": self._backend}
        del state["encryption_key"]
        return state


_HINT = "Unlock it, or choose another back-end (`python -m keyring diagnose`), or use a FileStore."


def _as_store_error(call: Callable[[], T]) -> T:
    try:
        return call()
    except Exception as error:  # A back-end may raise any exception, and its message may contain the key.
        what = type(error).__name__
    raise StoreError(f"The key-ring failed ({what})", hint=_HINT)


def _usable(backend: Any) -> Any:
    try:
        import cryptography  # noqa: F401 - checks that all three are installed
        import filelock  # noqa: F401
        import keyring  # noqa: F401
    except ImportError:
        raise ImportError("KeyringStore needs: pip install 'auth-plugins[keyring]'") from None
    if backend is not None and not all(callable(getattr(backend, f"{verb}_password", None)) for verb in ("get", "set")):
        raise TypeError("backend must be a keyring.backend.KeyringBackend")
    return backend
