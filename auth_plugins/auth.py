"""`TokenAuth`: one object that is the auth of requests, httpx and httpx2 at once."""

from __future__ import annotations

import copy
import inspect
import warnings
from collections.abc import Iterable
from dataclasses import is_dataclass
from typing import TYPE_CHECKING, Any, Self, TypedDict

import httpx
import requests
import requests.auth

from .clients import UsualCase
from .clients.client import lent_channel
from .core.checks import check_bool, check_callable, check_origins
from .core.events import Listener
from .core.origin import Origin
from .core.policy import RefreshPolicy
from .core.provider import Provider
from .core.renew_on import RENEW_ON_401, RenewOn, RenewOnOption
from .core.token import Token
from .engine import SYSTEM_CLOCK, Clock, TokenSource
from .stores import PROCESS_STORE, Store

__all__ = ["Options", "TokenAuth"]


def _warn_of_httpx2(error: Exception) -> None:
    text = f"httpx2 is installed and cannot be imported, so auth_plugins works without it: {error!r}"
    warnings.warn(text, RuntimeWarning, stacklevel=2)


if TYPE_CHECKING:

    class _AnyAuth(requests.auth.AuthBase, httpx.Auth): ...

else:
    _kinds = [requests.auth.AuthBase, httpx.Auth]
    try:
        from httpx2 import Auth as _Httpx2Auth
    except ModuleNotFoundError as missing:
        if missing.name != "httpx2":
            _warn_of_httpx2(missing)
    except Exception as broken:
        _warn_of_httpx2(broken)
    else:
        _kinds.append(_Httpx2Auth)
    # `httpx2.alias_httpx()` makes the last two one and the same.
    _AnyAuth = type("_AnyAuth", tuple(dict.fromkeys(_kinds)), {})


class Options(TypedDict, total=False):
    """What every auth object can be told besides its credentials."""

    store: Store | None
    """Where tokens are kept, and so who shares them; the default is one cache for this process."""
    policy: RefreshPolicy | None
    """When to renew, and how long anything may take."""
    origins: Iterable[str]
    """Further URLs whose origins (scheme, host, port) get the token, beside that of `base_url`."""
    token_client: requests.Session | httpx.Client | None
    """The client to make token calls with, for a proxy, a private CA or a test's transport. Not an async one."""
    on_event: Listener | None
    """Is told what happens, in the thread in which it does."""
    renew_on: RenewOnOption | None
    """Which answers of the API say that the token is dead: statuses, or a function of the status and the headers; the
    default is 401."""
    allow_http: bool
    """Lets the token out over plain http to other machines as well."""
    clock: Clock | None
    """What tells the time, for tests."""


_POLICY = RefreshPolicy()
_PROMISED = tuple(name for name in vars(Store) if not name.startswith("_"))


class TokenAuth(UsualCase, _AnyAuth):
    """Attaches a provider's token, renews it before it ends, and answers a 401 with a renewal and one more try.

    It may be used from any number of threads, event loops and libraries at the same time. Objects with equal
    credentials and the same store share their token. Copies and pickles keep credentials and options, and no token.

    Args:
        provider: the contract, with the credentials in it.
        options: see `Options`.

    Raises:
        TypeError: an argument is of a wrong type.
        ValueError: an argument is out of range. Neither text shows a value.
    """

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
        _check_store(store)
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
        assert home is not None, "it has just been checked"  # noqa: S101 - narrows a type
        self._open(source, home, allowed, lent_channel(token_client), rule)

    @property
    def _provider(self) -> Provider:
        return self._source.provider

    def token(self) -> Token:
        """Give the current token, renewed if need be.

        Raises:
            AuthError: there is none to be had.
        """
        return _present(self._source.current(self._transport).token)

    async def atoken(self) -> Token:
        """Give the current token, renewed if need be, without blocking the event loop (asyncio or trio).

        Raises:
            AuthError: there is none to be had.
        """
        return _present((await self._source.acurrent(self._transport)).token)

    def invalidate(self, token: Token | str | None = None) -> None:
        """Drop the current token: the next request renews it, as after a 401.

        Args:
            token: the token that a server refused, or its text. Nothing happens if it is not the current one any more:
                any number of reports of one token cost one renewal, and a late report drops no newer token. Reports
                are limited to 8 in a row and then 1 in 5 seconds, since a server may refuse every token. `None`:
                whatever the current token is; remembered failures are forgotten, too.

        Raises:
            TypeError: `token` is of another type.
        """
        if token is not None and not isinstance(token, (Token, str)):
            raise TypeError("token must be a Token, a str or None")
        self._source.invalidate(token)

    def logout(self) -> None:
        """Forget the token here and in the store, and revoke it where the provider can.

        Raises:
            TokenEndpointUnavailable: the provider could not be told. The token is forgotten all the same.
            InvalidTokenResponse: its answer makes no sense. Likewise.
            StoreError: the store failed, and may keep the token.
        """
        self._source.logout(self._transport)

    async def alogout(self) -> None:
        """Do as `logout`, without blocking the event loop (asyncio or trio)."""
        await self._source.alogout(self._transport)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} for {self._provider.base_url}>"

    def __getstate__(self) -> dict[str, Any]:
        source, origins = self._source, self._requests.allowed.origins
        return {
            "attributes": _attributes_of(self),
            "provider": source.provider,
            # What is this process' own, or this version's, is left to those who read the pickle.
            "store": None if source.shared.store is PROCESS_STORE else source.shared.store,
            "policy": None if source.policy is _POLICY else source.policy,
            "origins": tuple(map(str, origins)),
            "token_client": self._transport.client,
            "on_event": source.listener,
            "renew_on": None if self._requests.renew_on is RENEW_ON_401 else self._requests.renew_on.given,
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
    """Return what a subclass has added to an object, in its dictionary and in slots of its own."""
    state: Any = object.__getstate__(auth)
    in_dictionary, in_slots = state if isinstance(state, tuple) else (state, None)
    return {
        name: value
        for name, value in {**(in_dictionary or {}), **(in_slots or {})}.items()
        if name not in UsualCase.__slots__
    }


def _set_attributes(auth: object, attributes: dict[str, Any]) -> None:
    for name, value in attributes.items():
        object.__setattr__(auth, name, value)


def _check_kind(name: str, value: object, kind: type) -> None:
    if value is not None and not isinstance(value, kind):
        raise TypeError(f"{name} must be a {kind.__name__}")


def _check_store(store: object) -> None:
    # Never `isinstance`: before Python 3.12 it reads the properties of what it is given, and a salt may be far away.
    if store is None:
        return
    found = [inspect.getattr_static(store, name, None) for name in _PROMISED]
    if any(each is None for each in found):
        raise TypeError("store must be a Store")
    if any(map(inspect.iscoroutinefunction, found)):
        raise TypeError("store must be a Store whose methods are ordinary functions, and not coroutine functions")


def _contract(provider: object) -> Provider:
    if is_dataclass(provider) and not isinstance(provider, type) and isinstance(provider, Provider):
        return provider
    raise TypeError("provider must be a dataclass that keeps the promises of Provider")


def _present(token: Token | None) -> Token:
    assert token is not None, "what a source gives has a token"  # noqa: S101 - narrows a type
    return token
