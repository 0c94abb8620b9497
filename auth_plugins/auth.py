"""`TokenAuth`: an auth object that works with requests, httpx and httpx2 at the same time."""

from __future__ import annotations

import copy
import os
from collections.abc import Iterable
from dataclasses import is_dataclass
from typing import Any, ClassVar, Self, TypedDict, Unpack

import httpx
import requests

from .clients import AnyAuth, FastPath
from .clients.token_client import transport_for
from .core.checks import check_bool, check_callable, check_origins
from .core.events import Listener
from .core.origin import Origin
from .core.policy import RefreshPolicy
from .core.provider import Provider
from .core.renew_on import RENEW_ON_401, RenewOn, RenewOnOption
from .core.token import Token
from .engine import SYSTEM_CLOCK, Clock, TokenSource
from .stores import PROCESS_STORE, Store
from .stores.store import check_store

__all__ = ["Options", "TokenAuth"]


class Options(TypedDict, total=False):
    """The keyword arguments of every auth object, in addition to its credentials."""

    store: Store | None
    """The store that keeps and shares the tokens. `None`: a memory cache shared by all objects in this process."""
    policy: RefreshPolicy | None
    """When to renew, and the time-outs and pauses of token calls. `None`: the provider's default policy."""
    origins: Iterable[str]
    """Further URLs whose origins (scheme, host, port) get the token, in addition to the origin of `base_url`."""
    token_client: requests.Session | httpx.Client | None
    """The synchronous client that makes the token calls, for a proxy, a private CA or a test's transport."""
    on_event: Listener | None
    """Called with each `Event`, in the thread in which it happened."""
    renew_on: RenewOnOption | None
    """The answers of the API that say that the token is dead: statuses, or a function of status and headers that
    returns a bool. `None`: 401."""
    allow_http: bool
    """Whether the token may be sent over plain http to other machines. To this machine it always may."""
    clock: Clock | None
    """The clock, for tests. `None`: the system clock."""


_POLICY = RefreshPolicy()


class TokenAuth(FastPath, AnyAuth):
    """Attach a provider's token to requests, renew it before it expires, and retry a request once after a 401.

    An object may be used by any number of threads, event loops and HTTP libraries at the same time. Objects with equal
    credentials and the same store share a token. Copies and pickles contain the credentials and options, but no token.

    Args:
        provider: the contract, which contains the credentials.
        options: see `Options`.

    Raises:
        TypeError: an argument is of a wrong type.
        ValueError: an argument is out of range. Neither text shows a value.
    """

    kind: ClassVar[str] = ""
    """The word for the class in profiles and on the command line, such as "fyatu"; `""`: the class has no profiles."""
    env_prefix: ClassVar[str] = ""
    """What the names of the class's environment variables begin with, such as "FYATU_"."""

    def __init__(
        self,
        provider: Provider,
        *,
        store: Store | None = None,
        policy: RefreshPolicy | None = None,
        origins: Iterable[str] = (),
        token_client: requests.Session | httpx.Client | None = None,
        on_event: Listener | None = None,
        renew_on: RenewOnOption | None = None,
        allow_http: bool = False,
        clock: Clock | None = None,
    ) -> None:
        check_bool("allow_http", allow_http)
        check_callable("on_event", on_event)
        check_store(store)
        _check_kind("policy", policy, RefreshPolicy)
        _check_kind("clock", clock, Clock)
        rule = RENEW_ON_401 if renew_on is None else RenewOn.of(renew_on)
        contract = _contract(provider)
        allowed = check_origins(contract.base_url, origins, allow_http=allow_http)
        clock = SYSTEM_CLOCK if clock is None else clock
        store = PROCESS_STORE if store is None else store
        policy = _POLICY if policy is None else policy
        if store.lease <= policy.deadline + getattr(store, "margin", 0.0):
            raise ValueError(
                "store must have a lease that is longer than the policy's deadline and its client's time-outs together"
            )
        if getattr(store, "lock_timeout", policy.deadline) < policy.deadline:
            raise ValueError("store must have a lock_timeout that is not shorter than the policy's deadline")
        source = TokenSource(contract, policy, clock, on_event, store=store)
        home = Origin.of(contract.base_url)
        assert home is not None, "check_origins has checked it"  # noqa: S101 - narrows a type
        self._open(source, home, allowed, transport_for(token_client), rule)

    @classmethod
    def from_env(cls, prefix: str | None = None, **options: Unpack[Options]) -> Self:
        """Return an object with arguments from environment variables: a prefix, and the parameter's name in capitals.

        A variable with `_FILE` at its end names a file with the value. A secret is read from that file when a token
        call needs it, so a replaced file is noticed.

        Args:
            prefix: what the variables' names begin with; `None`: the class's `env_prefix`.
            options: see `Options`. They take precedence over variables.

        Raises:
            ConfigurationError: a variable is missing or wrong. The text names it, and shows no value.
        """
        from .credentials import arguments_from_env, made

        arguments, names = arguments_from_env(cls, cls.env_prefix if prefix is None else prefix, given=options)
        return made(cls, arguments, options, names)

    @classmethod
    def from_profile(cls, name: str, *, path: str | os.PathLike[str] | None = None, **options: Unpack[Options]) -> Self:
        """Return an object with arguments from a profile, a table of a TOML file that only its owner can read.

        Args:
            name: the table's name.
            path: the file; `None`: `$AUTH_PLUGINS_PROFILES`, or else `auth-plugins/profiles.toml` in the user's folder
                for configuration.
            options: see `Options`. They take precedence over the profile.

        Raises:
            ConfigurationError: the file or the profile is missing, wrong, or open to other users; no value is shown.
        """
        from .credentials import arguments_from_profile, made

        arguments, names = arguments_from_profile(cls, cls.kind, name, path, options)
        return made(cls, arguments, options, names)

    @property
    def _provider(self) -> Provider:
        return self._source.provider

    def token(self) -> Token:
        """Return a valid token; log in or renew first if necessary.

        Raises:
            AuthError: no valid token could be obtained.
        """
        return _present(self._source.current(self._transport).token)

    async def atoken(self) -> Token:
        """Return a valid token as `token` does, without blocking the event loop (asyncio or trio).

        Raises:
            AuthError: no valid token could be obtained.
        """
        return _present((await self._source.acurrent(self._transport)).token)

    def invalidate(self, token: Token | str | None = None) -> None:
        """Reject the current token, as a 401 does: the next request replaces it.

        Args:
            token: the token that a server refused, or its text. If it is not the current token any more, nothing
                happens: many reports of one token cost one renewal, and a late report drops no newer token. Since a
                server may refuse every token, reports are limited to 5 in a row and then 1 in 5 seconds. `None`:
                reject the current token in any case, and clear remembered failures.

        Raises:
            TypeError: `token` is of another type.
        """
        if token is not None and not isinstance(token, (Token, str)):
            raise TypeError("token must be a Token, a str or None")
        self._source.invalidate(token)

    def logout(self) -> None:
        """Delete the token from this object and the store, and revoke it if the provider has a call for that.

        Raises:
            TokenEndpointUnavailable: the revocation failed. The token is deleted all the same.
            InvalidTokenResponse: the answer to the revocation is invalid. The token is deleted all the same.
            StoreError: the store failed, and may still contain the token.
        """
        self._source.logout(self._transport)

    async def alogout(self) -> None:
        """Log out as `logout` does, without blocking the event loop (asyncio or trio)."""
        await self._source.alogout(self._transport)

    def __repr__(self) -> str:
        hook = getattr(self, "_requests", None)
        # Tools that show the locals of frames also print an object whose constructor raises.
        return f"<{type(self).__name__}{f' for {hook.source.provider.base_url}' if hook is not None else ''}>"

    def __getstate__(self) -> dict[str, Any]:
        source, origins = self._source, self._requests.allowed.origins
        return {
            "attributes": _attributes_of(self),
            "provider": source.provider,
            # Defaults are pickled as None: the process that loads the pickle has its own, perhaps of another version.
            "store": None if source.store is PROCESS_STORE else source.store,
            "policy": None if source.policy is _POLICY else source.policy,
            "origins": tuple(map(str, origins)),
            "token_client": self._transport.client,
            "on_event": source.listener,
            "renew_on": self._requests.renew_on.option,
            "allow_http": not all(origin.is_secure for origin in origins),
            "clock": source.clock,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        # The constructor of a subclass is not called: its arguments are not known.
        options = dict(state)
        attributes = options.pop("attributes", {})
        TokenAuth.__init__(self, **options)
        _set_attributes(self, attributes)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        # The store, the listener and the client for token calls are shared by all copies.
        made = copy.copy(self)
        memo[id(self)] = made
        _set_attributes(made, copy.deepcopy(_attributes_of(self), memo))
        return made


def _attributes_of(auth: object) -> dict[str, Any]:
    """Return the attributes that a subclass added, in `__dict__` and in `__slots__`."""
    state: Any = object.__getstate__(auth)
    in_dictionary, in_slots = state if isinstance(state, tuple) else (state, None)
    return {
        name: value
        for name, value in {**(in_dictionary or {}), **(in_slots or {})}.items()
        if name not in FastPath.__slots__
    }


def _set_attributes(auth: object, attributes: dict[str, Any]) -> None:
    for name, value in attributes.items():
        object.__setattr__(auth, name, value)


def _check_kind(name: str, value: object, kind: type) -> None:
    if value is not None and not isinstance(value, kind):
        raise TypeError(f"{name} must be a {kind.__name__}")


def _contract(provider: object) -> Provider:
    if is_dataclass(provider) and not isinstance(provider, type) and isinstance(provider, Provider):
        return provider
    raise TypeError("provider must be a dataclass that implements Provider")


def _present(token: Token | None) -> Token:
    assert token is not None, "a token source returns a snapshot with a token, or raises"  # noqa: S101 - narrows a type
    return token
