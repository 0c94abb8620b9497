"""Functions for secrets that are in a file or in the key-ring. A token call reads them when it needs the secret."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from ..core.errors import ConfigurationError

__all__ = ["KeyringSecret", "SecretFile"]

_LARGEST = 1_048_576
"""Bytes. A longer file is no secret."""


@dataclass(frozen=True)
class SecretFile:
    """A secret in a file, such as one that Docker, Kubernetes or systemd mounts. A replaced file is read anew."""

    path: str = field(repr=False)  # Users put the secret itself into the variable by mistake.
    named_by: str
    """The variable or member that names the file, for errors."""

    @property
    def identity(self) -> str:
        """The file's absolute path: two objects for it are the same."""
        return str(Path(self.path).absolute())

    def __call__(self) -> str:
        """Return the text of the file, without a line end at its end.

        Raises:
            ConfigurationError: the file cannot be read. The error does not show its name.
        """
        try:
            with open(self.path, "rb") as file:
                content = file.read(_LARGEST + 1)
            if len(content) <= _LARGEST:
                return content.decode().removesuffix("\n").removesuffix("\r")
            why = "it is longer than a mebibyte"
        except OSError as error:
            why = error.strerror or type(error).__name__
        except ValueError:
            why = "it is not UTF-8, or its name is none"
        raise ConfigurationError(
            f"The file that {self.named_by} names cannot be read: {why}",
            hint="Check the name, which must not be the secret itself, and the file's permissions.",
        )


@dataclass(frozen=True)
class KeyringSecret:
    """A secret in the key-ring of the operating system, which the package `keyring` reads."""

    service: str
    username: str

    @property
    def identity(self) -> str:
        """The service and the user name: two objects with the same ones are the same."""
        return f"{len(self.service)}:{self.service}:{self.username}"

    def __call__(self) -> str:
        """Return the password that the key-ring has for the service and the user name.

        Raises:
            ConfigurationError: the package is missing, the key-ring is locked, or it has no such entry.
        """
        found, why = _from_keyring(self.service, self.username)
        if found is None:
            raise ConfigurationError(
                f"The key-ring was asked for {self.username!r} of {self.service!r}, and {why}",
                hint="Add the entry with: keyring set SERVICE USERNAME.",
            )
        return found


def _from_keyring(service: str, username: str) -> tuple[str | None, str]:
    try:
        import keyring

        return keyring.get_password(service, username), "has no such entry"
    except ImportError:
        return None, "its package is missing: install auth-plugins with the extra keyring"
    except Exception as error:
        return None, f"failed ({type(error).__name__})"
