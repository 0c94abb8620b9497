"""What one auth object brings to the slot that it shares: its provider, how that is asked, and who is told."""

from __future__ import annotations

import logging
from dataclasses import replace

from ..core.answers import unserved
from ..core.errors import AuthError
from ..core.events import Event, EventKind, Listener
from ..core.policy import RefreshPolicy
from ..core.provider import Provider
from ..core.token import Token
from ..core.wire import TokenRequest, TokenResponse
from .channel import Channel
from .clock import Clock

__all__ = ["Later", "Terms"]

_log = logging.getLogger("auth_plugins")
_log.addHandler(logging.NullHandler())  # A library is silent in a program that never asked for its log.


class Terms:
    """The credentials, in their contract, and how to go about it."""

    __slots__ = ("clock", "listener", "policy", "provider")

    def __init__(
        self, provider: Provider, policy: RefreshPolicy, clock: Clock, listener: Listener | None = None
    ) -> None:
        self.provider, self.policy, self.clock, self.listener = provider, policy, clock, listener

    def ask(self, request: TokenRequest, channel: Channel, deadline: float | None = None) -> TokenResponse:
        """Make a token call, and give what the provider itself has to say.

        It ends within `deadline` seconds; `None`: within the policy's.

        Raises:
            TokenEndpointUnavailable: there was no answer, or one that asks to come again.
            InvalidTokenResponse: the answer is too long, or no token endpoint's.
        """
        sent = self.clock()
        policy = self.policy if deadline is None else replace(self.policy, deadline=deadline)
        response = channel.send(request, policy)
        error = unserved(request, response, self.provider.said(response), sent)
        if error is not None:
            raise error
        return response

    def warn(self, text: str, *values: object) -> None:
        """Log a warning that an operator should see."""
        _log.warning("%s: " + text, self.provider.name, *values)

    def tell(self, kind: EventKind, token: Token | None = None, error: AuthError | None = None) -> None:
        """Log what happened, and tell the listener, whose own failures end here."""
        name = self.provider.name
        level = logging.DEBUG if error is None else logging.WARNING
        _log.log(level, "%s: %s%s", name, kind.value, f": {error}" if error is not None else "")
        if self.listener is not None:
            try:
                self.listener(Event(kind, name, token, error))
            except Exception as failure:
                _log.error("on_event raised %s", type(failure).__name__)


class Later(Terms):
    """The same, but what there is to tell is kept until its time comes."""

    __slots__ = ("_kept", "_terms")

    def __init__(self, terms: Terms) -> None:
        super().__init__(terms.provider, terms.policy, terms.clock, terms.listener)
        self._terms = terms
        self._kept: list[tuple[EventKind, Token | None, AuthError | None]] = []

    def tell(self, kind: EventKind, token: Token | None = None, error: AuthError | None = None) -> None:
        """Keep it."""
        self._kept.append((kind, token, error))

    def tell_all(self) -> None:
        """Tell what was kept, in its order."""
        for kept in self._kept:
            self._terms.tell(*kept)
