"""The keys of sessions and access tokens in a store: keyed digests of a contract's fields."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from typing import Any, Literal, get_args

from .origin import Origin
from .provider import Provider
from .secret import SecretSource, secrets_of

__all__ = [
    "Role",
    "fingerprint",
    "object_fingerprint",
    "role",
    "scope_set",
    "secret_proof",
    "variant_fingerprint",
]

Role = Literal["credential", "session", "server", "variant", "tuning"]
"""The part that a field of a contract plays in the keys of a store; see `role`."""

_METADATA = "auth_plugins.role"


def role(kind: Role, *, key: Callable[[Any], object] | None = None) -> Mapping[str, object]:
    """Return the `metadata` for a contract's field with the role `kind`. A field without a role is a `credential`.

    The key of a session depends on its origin. A session that a login opened is identified by all fields except
    `tuning`. A session that the user supplied, by its first refresh token, is identified by that token and the fields
    with the roles `session` and `server`. Objects with the same key share the newest refresh token; objects that also
    have equal `variant` fields share an access token.

    Args:
        kind: `credential`: a secret or other value that opens a session or authenticates the client. It may change
            during a supplied session. `session`: the owner of the session, such as a client's id. `server`: a URL;
            only its origin identifies a supplied session. `variant`: the purpose of an access token, such as its scope.
            Use it only if a refresh needs nothing but the refresh token. `tuning`: a field that is in no key.
        key: a function that returns the relevant part of the value, such as `sorted` if the order does not matter.

    Raises:
        ValueError: `kind` is not one of these roles.
    """
    if kind not in get_args(Role):
        raise ValueError(f"kind must be one of {', '.join(get_args(Role))}")
    return {_METADATA: (kind, key)}


def scope_set(scope: str | None) -> list[str] | None:
    """Return the scopes in `scope`, sorted: their order does not matter (RFC 6749, section 3.3)."""
    return None if scope is None else sorted(set(scope.split()))


def fingerprint(provider: Provider, salt: bytes) -> str:
    """Return the key under which a store keeps a session: 64 hexadecimal digits.

    The key is a digest keyed by `salt` (at most 64 bytes), so the values cannot be derived from it. It covers the
    provider's name, the module and the qualified name of the contract's class, and the fields that identify the session
    (see `role`). The key of a session that a login opened also covers the origin of `base_url`. A field with its
    default value is left out, unless its role is `server`, so a later version may add fields without changing the keys.
    Each name and value is preceded by its length, so different contracts never produce the same input. A secret that
    is asked for (`SecretSource`) is not covered: see `secret_proof`. Fields are strings, numbers, booleans, `None`, and
    tuples and mappings of these.

    Raises:
        TypeError: the contract is not a dataclass, or has a field of another type.
    """
    first = _first_refresh_token(provider)
    if first is None:
        parts = _parts(provider, "credential", "session", "server", "variant")
        return _digest(salt, "credentials", _origin(provider), *_class(provider), *parts)
    return _digest(salt, "given", first, *_class(provider), *_parts(provider, "session", "server", whole=False))


def variant_fingerprint(provider: Provider, salt: bytes) -> str | None:
    """Return the key of an access token within a supplied session; `None` for a session that a login opened.

    The key covers the fields with the role `variant` (see `role`) and the origin of `base_url`.

    Raises:
        TypeError: see `fingerprint`.
    """
    if _first_refresh_token(provider) is None:
        return None
    return _digest(salt, "variant", _origin(provider), *_parts(provider, "variant"))[:32]


def object_fingerprint(provider: Provider, salt: bytes) -> str:
    """Return the key of the state that auth objects in one process share: a digest of every field.

    Raises:
        TypeError: see `fingerprint`.
    """
    parts = _parts(provider, "credential", "session", "server", "variant", "tuning")
    return _digest(salt, "object", _origin(provider), *_class(provider), *parts, *secrets_of(provider).values())


def secret_proof(provider: Provider, filled: Provider, salt: bytes) -> str:
    """Return a digest of the secrets that were asked for: the difference between `provider` and `filled`.

    The key of a session does not cover such a secret, because it may be replaced while the session lives. The session's
    record contains this digest instead, and only a process that has had the secret uses the record.
    """
    parts = (part for name in secrets_of(provider) for part in (name, str(getattr(filled, name))))
    return _digest(salt, "secrets", *parts)


def _digest(salt: bytes, *parts: str) -> str:
    digest = hashlib.blake2b(key=salt, digest_size=32)
    for part in parts:
        raw = part.encode("utf-8", "surrogatepass")
        digest.update(len(raw).to_bytes(8, "big") + raw)
    return digest.hexdigest()


def _class(provider: Provider) -> tuple[str, str, str]:
    kind = type(provider)
    # A child process that multiprocessing spawned imports the main module under another name.
    module = "__main__" if kind.__module__ == "__mp_main__" else kind.__module__
    return provider.name, module, kind.__qualname__


def _origin(provider: Provider) -> str:
    return _origin_of(provider.base_url)


def _origin_of(url: str) -> str:
    return str(Origin.of(url) or url)


def _first_refresh_token(provider: Provider) -> str | None:
    """Return the first refresh token that the user supplied, if the contract has a field with the role `session`."""
    if all(kind != "session" for _, kind, _ in _fields(provider)):
        return None
    given = provider.initial_token()
    return None if given is None else given.refresh_token


def _fields(provider: object) -> Iterator[tuple[Field[Any], Role, Callable[[Any], object] | None]]:
    if not is_dataclass(provider) or isinstance(provider, type):
        raise TypeError("provider must be an instance of a dataclass")
    for field in fields(provider):
        yield (field, *field.metadata.get(_METADATA, ("credential", None)))


def _parts(provider: Provider, *kinds: Role, whole: bool = True) -> Iterator[str]:
    for field, kind, key in _fields(provider):
        value = getattr(provider, field.name)
        if kind in kinds and (kind == "server" or value != _default(field)):
            if isinstance(value, SecretSource):
                value = ["asked"]  # No text has this form.
            elif key is not None:
                value = key(value)
            elif kind == "server" and not whole:
                value = _origin_of(value)
            yield field.name
            # Not `repr`: it is the same for all values that hide their content.
            yield json.dumps(value, sort_keys=True)


def _default(field: Field[Any]) -> object:
    # By its type: in a class that cloudpickle has copied with its fields, the marker is a copy, too.
    factory: Any = field.default_factory
    return field.default if isinstance(factory, type(MISSING)) else factory()
