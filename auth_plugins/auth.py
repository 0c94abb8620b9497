"""`TokenAuth`: an auth object that works with requests, httpx and httpx2 at the same time."""

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

from .clients import FastPath, HttpxTransport, RequestsTransport
from .clients.httpx_flow import library_of
from .core.checks import check_bool, check_callable, check_origins
from .core.events import Listener
from .core.origin import Origin
from .core.policy import RefreshPolicy
from .core.provider import Provider
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
    # After `httpx2.alias_httpx()` the last two are the same class, which may be a base only once.
    _AnyAuth = type("_AnyAuth", tuple(dict.fromkeys(_kinds)), {})


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
    allow_http: bool
    """Whether the token may be sent over plain http to other machines. To this machine it always may."""
    clock: Clock | None
    """The clock, for tests. `None`: the system clock."""


_POLICY = RefreshPolicy()
_PROMISED = tuple(name for name in vars(Store) if not name.startswith("_"))


class TokenAuth(FastPath, _AnyAuth):
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

    def __init__(
        self,
        provider: Provider,
        *,
        store: Store | None = None,
        policy: RefreshPolicy | None = None,
        origins: Iterable[str] = (),
        token_client: requests.Session | httpx.Client | None = None,
        on_event: Listener | None = None,
        allow_http: bool = False,
        clock: Clock | None = None,
    ) -> None:
        check_bool("allow_http", allow_http)
        check_callable("on_event", on_event)
        _check_store(store)
        _check_kind("policy", policy, RefreshPolicy)
        _check_kind("clock", clock, Clock)
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
        self._open(source, home, allowed, _transport_for(token_client))

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

    def invalidate(self) -> None:
        """Reject the current token, as a 401 does: the next request replaces it. Clear remembered failures, too."""
        self._source.invalidate()

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
            "store": None if source.shared.store is PROCESS_STORE else source.shared.store,
            "policy": None if source.policy is _POLICY else source.policy,
            "origins": tuple(map(str, origins)),
            "token_client": self._transport.client,
            "on_event": source.listener,
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


def _check_store(store: object) -> None:
    # Not `isinstance`: before Python 3.12 it reads the object's properties, and reading `salt` may need I/O.
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
    raise TypeError("provider must be a dataclass that implements Provider")


def _present(token: Token | None) -> Token:
    assert token is not None, "a token source returns a snapshot with a token, or raises"  # noqa: S101 - narrows a type
    return token


def _transport_for(client: object) -> RequestsTransport | HttpxTransport | None:
    if client is None:
        return None
    if isinstance(client, requests.Session):
        return RequestsTransport(client)
    for kind in type(client).__mro__:
        root = kind.__module__.partition(".")[0]
        if root in ("httpx", "httpx2") and kind.__name__ == "Client":
            return HttpxTransport(library_of(type(client)), client)
    raise TypeError("token_client must be a requests.Session, an httpx.Client or an httpx2.Client")
