"""Tokens that only the user's own session can read: files whose key is in the operating system's key-ring."""

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

    What the key-ring holds has 44 characters, whatever the tokens are like: some back-ends take no more than 1,280
    (Windows), and none replaces a value in one step. The key is asked for at each renewal and never kept, so a
    key-ring that was locked counts as a store that fails. A key that was removed takes its tokens with it.

    Args:
        path: the folder for the encrypted files; see `FileStore`.
        service: the name under which the key-ring shows the key.
        backend: a `keyring` back-end; by default the one that `keyring` chooses.
        options: `lock_timeout` and `clock` of `FileStore`.

    Raises:
        TypeError: an argument is of a wrong type.
        ValueError: an argument is out of range.
        ImportError: `keyring`, `filelock` or `cryptography` is not installed.
    """

    def __init__(
        self, path: str | os.PathLike[str], *, service: str = "auth_plugins", backend: Any = None, **options: Any
    ) -> None:
        if "encryption_key" in options:
            raise TypeError("encryption_key is not for a KeyringStore: its key is in the key-ring")
        self._backend = _usable(backend)
        super().__init__(path, **options)
        self._service = check_text("service", service, at_most=128)

    @property
    def identity(self) -> Hashable:
        """The folder and all settings; `None` in a subclass, which may have settings of its own."""
        return (*self._settings, self._service, self._backend) if type(self) is KeyringStore else None

    def _sealing(self) -> Encryption:
        key = self._key()
        if key is None:
            with self.lock("the key"):
                key = self._key() or self._new_key()
        try:
            return Encryption(
                key, "Put that key back into the key-ring, or remove the folder: there will be a new login."
            )
        except ValueError:
            pass
        raise StoreError("What the key-ring has for these tokens is no key", hint="Remove it: there will be a new one.")

    def _key(self) -> Masked | None:
        key = _as_store_error(lambda: self._keys().get_password(self._service, self._user()))
        return None if key is None else Masked(key)

    def _new_key(self) -> Masked:
        key = Masked(urlsafe_b64encode(secrets.token_bytes(32)).decode())
        # What stands here now; as soon as the ring has the key, others save with it.
        olds = (*self._folder.glob(f"{private_files.DIGEST}.token"), *self._folder.glob("salt"))
        _as_store_error(lambda: self._keys().set_password(self._service, self._user(), key))
        if self._key() != key:
            raise StoreError("The key-ring does not keep what it is given", hint=_HINT)
        # Not before: a key-ring that fails may have the old key again tomorrow.
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
        return f"KeyringStore({str(self._folder)!r})"

    def __getstate__(self) -> dict[str, object]:
        state = {**super().__getstate__(), "service": self._service, "backend": self._backend}
        del state["encryption_key"]
        return state


_HINT = "Unlock it, or choose another back-end (`python -m keyring diagnose`), or use a FileStore."


def _as_store_error(call: Callable[[], T]) -> T:
    try:
        return call()
    except Exception as error:  # Back-ends raise what they like, and its text may hold the key.
        what = type(error).__name__
    raise StoreError(f"The key-ring failed ({what})", hint=_HINT)


def _usable(backend: Any) -> Any:
    try:
        import cryptography  # noqa: F401 - that all three are there
        import filelock  # noqa: F401
        import keyring  # noqa: F401
    except ImportError:
        raise ImportError("KeyringStore needs: pip install 'auth-plugins[keyring]'") from None
    if backend is not None and not all(callable(getattr(backend, f"{verb}_password", None)) for verb in ("get", "set")):
        raise TypeError("backend must be a keyring.backend.KeyringBackend")
    return backend
