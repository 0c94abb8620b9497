"""Reads the arguments of an auth class from the environment or from a profile in a TOML file."""

from .environment import arguments_from_env
from .parameters import made
from .profile import arguments_from_profile, profile_kind, profiles_path
from .references import KeyringSecret, SecretFile

__all__ = [
    "KeyringSecret",
    "SecretFile",
    "arguments_from_env",
    "arguments_from_profile",
    "made",
    "profile_kind",
    "profiles_path",
]
