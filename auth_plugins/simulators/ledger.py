"""What a simulator saw: every call, in order, and never a secret. A token appears only by its id."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import Literal

from .wire import SimRequest

Endpoint = Literal["login", "refresh", "revoke", "verify", "api"]


@dataclass(frozen=True, slots=True)
class Call:
    """One request that reached the server.

    `status` is 0 where the connection broke; `token_id` names the token that was presented, if we issued it.
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
    """Whether it carried a token, or an `Authorization` of any kind."""
    granted: bool = False
    """Whether a token was issued for it, whatever the status was."""


class Ledger:
    """The calls a simulator has seen since it was made, or since `clear()`."""

    def __init__(self) -> None:
        self._calls: list[Call] = []

    def calls(self, endpoint: Endpoint | None = None) -> tuple[Call, ...]:
        """The calls of one endpoint, or of all of them, oldest first."""
        # list() is one step to other threads; iterating the live list is not.
        return tuple(call for call in list(self._calls) if endpoint in (None, call.endpoint))

    def count(self, endpoint: Endpoint) -> int:
        """How many calls an endpoint got, refused and unanswered ones included."""
        return len(self.calls(endpoint))

    @property
    def token_calls(self) -> int:
        """How many calls were made to get a token: logins and refreshes."""
        return self.count("login") + self.count("refresh")

    def clear(self) -> None:
        """Forget every call; the simulator's tokens live on."""
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
        """Write down a request and how it was answered."""
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
