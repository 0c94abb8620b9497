"""Makes the token calls of a renewal, and asks for the secrets that they need."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..core.errors import AuthError, ConfigurationError, CredentialsRejected, InvalidTokenResponse
from ..core.secret import filled, secrets_of
from ..core.token import Token
from ..core.wire import TokenRequest
from .context import Context
from .failed_refresh import marked
from .irreplaceable import mark_irreplaceable
from .outcome import Outcome
from .shared_state import SharedState
from .store_entry import StoreEntry
from .token_transport import TokenTransport

__all__ = ["TokenCalls"]


class TokenCalls(Outcome):
    """The token calls of a renewal."""

    def __init__(
        self, context: Context, shared: SharedState, transport: TokenTransport, place: StoreEntry, stored: Token | None
    ) -> None:
        super().__init__(context, shared, place)
        self.transport, self.stored = transport, stored

    def call(self, refreshed: Token | None, now: float, ends: float) -> Token:
        """Log in, or refresh a token that was saved before. The call ends by `ends`, a monotonic time.

        Secrets that were refused are asked for once more: they may have been replaced a moment ago.

        Raises:
            AuthError: no token was obtained.
        """
        make = self._prepared(refreshed, now)
        request, contract = self.context.request(make)
        self.place.hold(contract)
        try:
            return self._send(request, ends)
        except CredentialsRejected as refused:
            failure = refused.clone()
        again = self._with_other_secrets(request, make)
        if again is None:
            raise failure
        return self._send(again, ends)

    def _prepared(self, refreshed: Token | None, now: float) -> Callable[[Any], TokenRequest]:
        if refreshed is None:
            return lambda provider: provider.login()
        if self.context.provider.rotates:
            self.context.hold_exit(self.context.policy.exit_timeout)
            # A store that does not even take the old one would not take the new one.
            self.save_before_call(marked(refreshed))
        return lambda provider: provider.refresh(refreshed, now)

    def save_before_call(self, refreshed: Token) -> None:
        """Save the token that is refreshed under the number that it has here or in the store."""
        number = self.shared.number if refreshed == self.shared.snapshot.token else 0
        if self.stored in (None, refreshed):
            number = max(number, self.place.number or 0)
        self.place.save(mark_irreplaceable(refreshed, self.context.provider), number, before_call=True)

    def _with_other_secrets(self, refused: TokenRequest, make: Callable[[Any], TokenRequest]) -> TokenRequest | None:
        """Return the refused request with the secrets of this moment; `None` if they are the same."""
        if not secrets_of(self.context.provider):
            return None
        try:
            contract = filled(self.context.provider)
        except ConfigurationError:
            return None
        request = make(contract)
        if (request.headers, request.body) == (refused.headers, refused.body):
            return None
        self.place.hold(contract)
        return request

    def _send(self, request: TokenRequest, ends: float) -> Token:
        answer = self.context.call_endpoint(request, self.transport, max(ends - self.context.clock.monotonic(), 0.001))
        try:
            return mark_irreplaceable(self.context.provider.read(answer, answer.sent_at), self.context.provider)
        except AuthError:
            raise
        except Exception as bug:  # The provider's page does not say that it may answer so.
            tripped = type(bug).__name__
        raise answer.error(InvalidTokenResponse, f"The answer could not be read ({tripped})")
