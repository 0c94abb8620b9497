"""The ledger of a simulator: every call, in order, without secrets. A token appears by its id only."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import Literal

from .wire import SimRequest

Endpoint = Literal["login", "refresh", "revoke", "verify", "api"]


@dataclass(frozen=True, slots=True)
class Call:
    """One request that reached the server.

    `status` is 0 if the connection broke. `token_id` is the id of the presented token if the simulator issued it.
    """

    at: float
    endpoint: Endpoint
    status: int
    method: str
    path: str
    token_id: str | None
    body_length: int
    body_sha256: str
    had_authorization: bool
    """Whether the call carried a token or any `Authorization` header."""
    granted: bool = False
    """Whether the call issued a token, even if the answer was lost."""


class Ledger:
    """The calls a simulator has seen since it was made, or since `clear()`."""

    def __init__(self) -> None:
        self._calls: list[Call] = []

    def calls(self, endpoint: Endpoint | None = None) -> tuple[Call, ...]:
        """Return the calls of one endpoint or of all endpoints, oldest first."""
        # Other threads may append: list() copies atomically, a loop over the list itself does not.
        return tuple(call for call in list(self._calls) if endpoint in (None, call.endpoint))

    def count(self, endpoint: Endpoint) -> int:
        """Return the number of calls of an endpoint, including refused and unanswered ones."""
        return len(self.calls(endpoint))

    @property
    def token_calls(self) -> int:
        """The number of calls to get a token: logins and refreshes."""
        return self.count("login") + self.count("refresh")

    def clear(self) -> None:
        """Forget all calls. The simulator's tokens stay valid."""
        self._calls.clear()

    def record(
        self,
        request: SimRequest,
        at: float,
        endpoint: Endpoint,
        status: int,
        token_id: str | None,
        *,
        carried: bool = False,
        granted: bool = False,
    ) -> None:
        """Record a request and its answer."""
        self._calls.append(
            Call(
                at=at,
                endpoint=endpoint,
                status=status,
                method=request.method,
                path=request.path,
                token_id=token_id,
                body_length=len(request.body),
                body_sha256=sha256(request.body).hexdigest(),
                had_authorization=carried or "authorization" in request.headers,
                granted=granted,
            )
        )
