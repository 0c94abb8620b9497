"""What names a session in a store, and an access token under a session: digests over the fields of a contract."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from typing import Any, Literal, get_args

from .origin import Origin
from .provider import Provider

__all__ = ["Role", "fingerprint", "object_fingerprint", "role", "scope_set", "variant_fingerprint"]

Role = Literal["credential", "session", "server", "variant", "tuning"]
"""What a field of a contract is, for the keys of a store; see `role`."""

_METADATA = "auth_plugins.role"


def role(kind: Role, *, key: Callable[[Any], object] | None = None) -> Mapping[str, object]:
    """Return the `metadata` of a contract's field that has this role. A field without a role is a credential.

    Two kinds of session have two kinds of key. A session that credentials open is named by all fields but `tuning`. A
    session that was given, by its first refresh token, is named by that token and the fields `session` and `server`;
    all objects with that name share its newest refresh token, and those that agree in `variant` an access token, too.

    Args:
        kind: `credential`: what opens a session or proves who asks, such as a secret; it may change while a given
            session goes on. `session`: whose session it is, such as a client's id. `server`: the same, but a URL, of
            which the origin alone names a given session. `variant`: what an access token is for, such as a scope;
            only where a refresh takes no more than the refresh token. `tuning`: none of these; it is in no key.
        key: returns what counts of the value, where not all of it does, such as `sorted`.

    Raises:
        ValueError: `kind` is none of these.
    """
    if kind not in get_args(Role):
        raise ValueError(f"kind must be one of {', '.join(get_args(Role))}")
    return {_METADATA: (kind, key)}


def scope_set(scope: str | None) -> list[str] | None:
    """Return the scopes in `scope` in one order: theirs does not matter (RFC 6749, section 3.3)."""
    return None if scope is None else sorted(set(scope.split()))


def fingerprint(provider: Provider, salt: bytes) -> str:
    """Return the key under which a store keeps a session: 64 hexadecimal digits.

    It is a digest keyed by `salt` (at most 64 bytes), so that nothing can be read out of it. It covers the provider's
    name, the module and the qualified name of the contract's class, and of the fields those that name the session (see
    `role`). The key of a session that credentials open covers the origin of `base_url` as well. A field that has its
    default is left out, unless it is a `server`: a later version may add a field and keep the keys. Names and values
    are preceded by their lengths, so that no two contracts run together. Fields are strings, numbers, booleans, `None`,
    and tuples and mappings of these.

    Raises:
        TypeError: the contract is no dataclass, or has a field of another kind.
    """
    first = _first_refresh_token(provider)
    if first is None:
        parts = _parts(provider, "credential", "session", "server", "variant")
        return _digest(salt, "credentials", _origin(provider), *_class(provider), *parts)
    return _digest(salt, "given", first, *_class(provider), *_parts(provider, "session", "server", whole=False))


def variant_fingerprint(provider: Provider, salt: bytes) -> str | None:
    """Return what names an access token under a session that was given; `None` for one that credentials open.

    It covers the fields that are a `variant` (see `role`) and the origin of `base_url`: the only one the token goes to
    unless `origins=` adds others.

    Raises:
        TypeError: see `fingerprint`.
    """
    if _first_refresh_token(provider) is None:
        return None
    return _digest(salt, "variant", _origin(provider), *_parts(provider, "variant"))[:32]


def object_fingerprint(provider: Provider, salt: bytes) -> str:
    """Return what auth objects of one process have in common that share all they know: a digest over every field.

    Raises:
        TypeError: see `fingerprint`.
    """
    parts = _parts(provider, "credential", "session", "server", "variant", "tuning")
    return _digest(salt, "object", _origin(provider), *_class(provider), *parts)


def _digest(salt: bytes, *parts: str) -> str:
    digest = hashlib.blake2b(key=salt, digest_size=32)
    for part in parts:
        raw = part.encode("utf-8", "surrogatepass")
        digest.update(len(raw).to_bytes(8, "big") + raw)
    return digest.hexdigest()


def _class(provider: Provider) -> tuple[str, str, str]:
    kind = type(provider)
    # A child that multiprocessing has spawned imports the program under a name of its own.
    module = "__main__" if kind.__module__ == "__mp_main__" else kind.__module__
    return provider.name, module, kind.__qualname__


def _origin(provider: Provider) -> str:
    return _origin_of(provider.base_url)


def _origin_of(url: str) -> str:
    return str(Origin.of(url) or url)


def _first_refresh_token(provider: Provider) -> str | None:
    """Return the refresh token that a session was given by, if its contract says what else names it."""
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
            if key is not None:
                value = key(value)
            elif kind == "server" and not whole:
                value = _origin_of(value)
            yield field.name
            # Never `repr`: two secrets that hide themselves there would look the same.
            yield json.dumps(value, sort_keys=True)


def _default(field: Field[Any]) -> object:
    if field.default_factory is not MISSING:
        return field.default_factory()
    return field.default
