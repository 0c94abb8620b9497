"""The base class of simulators: knobs, a ledger, the issued tokens, and an API that accepts them.

A simulator is a server without a network: the answer of `handle(request, now)` depends on its arguments, the knobs and
the issued tokens. It opens no socket and reads no clock: the test passes the time.
"""

from __future__ import annotations

import re
import secrets
import traceback
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256
from threading import RLock
from typing import Any, Literal, assert_never

from .api import Api, answer_of, redirect
from .ledger import Endpoint, Ledger
from .wire import Dropped, SimRequest, SimResponse, json_response

Outage = Literal["unavailable", "drop", "lost"]
_WITHOUT_BODY = (204, 205, 304)


@dataclass(slots=True)
class Issued:
    """The server's record of a token: its exact end, in server time, and whether it was revoked."""

    end: float
    revoked: bool = False


class Simulator(ABC):
    """The base of all simulators. The knobs are plain attributes, which may be set at any time.

    Attributes:
        skew: The server's clock minus the true time, in seconds.
        latency: Seconds that a token endpoint takes to answer.
        request_latency: Seconds until a call reaches a token endpoint and takes effect.
        api_latency: Seconds that the API takes to answer.
        outage: What is wrong with the token endpoints. "unavailable": they answer 503. "drop": the connection
            breaks before the call takes effect. "lost": the call takes effect, then the connection breaks.
        rate_limit: The token endpoints answer 429 with this Retry-After.
        reject_all: The API answers 401 to every token, fresh ones too.
        api_status: The API answers every call with this status.
        rejection_status: The status with which the API answers a dead token; 401 by default.
        ledger: The calls, in order.
        mistakes: The tracebacks of exceptions in the simulator's code: each was answered with 500.
        api: What the API answers to a request with a valid token; see `Api`. `None`: an echo of the request.
        base_path: Where the provider's paths begin.
        base_url: The base URL of the API that a server has mounted, for the provider's `base_url`; empty without one.
    """

    def __init__(self, secret: str, base_path: str) -> None:
        self.base_path = base_path
        self.base_url = ""
        self.ledger = Ledger()
        self.skew = 0.0
        self.latency = 0.0
        self.request_latency = 0.0
        self.api_latency = 0.0
        self.outage: Outage | None = None
        self.rate_limit: float | None = None
        self.reject_all = False
        self.api_status: int | None = None
        self.api: Api | None = None
        self.rejection_status = 401
        self._secret = secret
        self._issued: dict[str, Issued] = {}
        self._time = 0.0
        self._lock = RLock()  # A handler of the API may use the simulator.
        self._granted = False
        self.mistakes: list[str] = []

    def handle(self, request: SimRequest, now: float) -> SimResponse:
        """Answer a request that arrives at the true time `now`.

        Raises:
            Dropped: The connection breaks instead.
        """
        with self._lock:
            self._time = now + self.skew
            try:
                answer, delay = self._handle(request, now)
            except Exception:
                # Raising it would hide it: the error of a token call has no cause, and a server sends a bare 500.
                self.mistakes.append(traceback.format_exc())
                return SimResponse(500, {"content-type": "text/plain; charset=utf-8"}, self.mistakes[-1].encode())
        if answer is None:
            raise Dropped(delay)
        if request.method == "HEAD" or answer.status in _WITHOUT_BODY:
            answer = replace(answer, body=b"")
        return replace(answer, delay=delay)

    def way_there(self, request: SimRequest) -> float:
        """Return how many seconds the transport has to wait before it passes a request to `handle`."""
        if not self.request_latency:
            return 0.0
        return self.request_latency if self.endpoint_of(request) != "api" else 0.0

    def revoke_all(self) -> None:
        """Revoke all issued tokens, as a provider does after a break-in."""
        with self._lock:
            for issued in self._issued.values():
                issued.revoked = True

    def expire_all(self) -> None:
        """Let all issued tokens expire at the time of the latest request."""
        with self._lock:
            for issued in self._issued.values():
                issued.end = min(issued.end, self._time)

    def rotate_secret(self, new: str) -> None:
        """Replace the secret: logins with the old one are refused at once; tokens stay valid."""
        with self._lock:
            self._secret = new

    # Methods that a subclass implements or overrides. They run under the lock.

    @abstractmethod
    def endpoint_of(self, request: SimRequest) -> Endpoint:
        """Return the endpoint of a request; "api" if it is not for a token endpoint."""

    @abstractmethod
    def answer_token_call(self, endpoint: Endpoint, request: SimRequest) -> SimResponse:
        """Return the answer of a token endpoint."""

    @abstractmethod
    def identify(self, token: str) -> str | None:
        """Return the id with which a token was issued; `None` if it was not issued here."""

    @abstractmethod
    def refuse(self, status: int) -> SimResponse:
        """Return an error in the provider's shape."""

    def token_of(self, request: SimRequest) -> str | None:
        """Return the token in a request, or `None`. Override it for another header or scheme."""
        return request.bearer

    def refuse_bearer(self, request: SimRequest) -> SimResponse:
        """Return the API's answer to a request without a valid token."""
        return self.refuse(401)

    # Methods for subclasses to call.

    @property
    def secret(self) -> str:
        """The secret that a login must send."""
        return self._secret

    @property
    def server_time(self) -> float:
        """The time of the server's clock at the latest request."""
        return self._time

    def issue(self, token_id: str, lifetime: float) -> None:
        """Record a token that expires in `lifetime` seconds."""
        self.issue_until(token_id, self._time + lifetime)

    def issue_until(self, token_id: str, end: float) -> None:
        """Record a token that expires at `end`, in server time."""
        self._issued[token_id] = Issued(end)
        self._granted = True

    def issued(self, request: SimRequest) -> Issued | None:
        """Return the record of the token in a request; `None` if the token was not issued here."""
        return self._issued.get(self._token_id(request) or "")

    def meta(self, request_id: str | None = None) -> dict[str, str]:
        """Return the `meta` member of an envelope."""
        return {"requestId": f"req_{request_id or secrets.token_hex(8)}", "timestamp": iso(self._time)}

    # The two kinds of call.

    def _token_id(self, request: SimRequest) -> str | None:
        token = self.token_of(request)
        return self.identify(token) if token else None

    def _handle(self, request: SimRequest, now: float) -> tuple[SimResponse | None, float]:
        self._granted = False
        endpoint = self.endpoint_of(request)
        token_id = self._token_id(request)
        answer = self._api(request) if endpoint == "api" else self._token_endpoint(endpoint, request)
        status, carried = answer.status if answer else 0, self.token_of(request) is not None
        self.ledger.record(request, now, endpoint, status, token_id, carried=carried, granted=self._granted)
        return answer, self.api_latency if endpoint == "api" else self.latency

    def _token_endpoint(self, endpoint: Endpoint, request: SimRequest) -> SimResponse | None:
        match self.outage:
            case "drop":
                return None
            case "lost":
                self.answer_token_call(endpoint, request)
                return None
            case "unavailable":
                return self.refuse(503)
            case None if self.rate_limit is not None:
                refusal = self.refuse(429)
                return replace(refusal, headers={**refusal.headers, "retry-after": f"{self.rate_limit:.10g}"})
            case None:
                return self.answer_token_call(endpoint, request)
            case _:
                assert_never(self.outage)

    def _api(self, request: SimRequest) -> SimResponse:
        if self.api_status is not None:
            return self._status(self.api_status, request)
        if self.reject_all:
            return self.refuse(401)
        token = self.issued(request)
        if token is None or token.revoked or self._time >= token.end:
            refused = self.refuse_bearer(request)
            return refused if self.rejection_status == 401 else replace(refused, status=self.rejection_status)
        if self.api is not None:
            return answer_of(self.api, request, self.base_path) or self.refuse(404)
        match request.path.removeprefix(self.base_path).split("/"):
            case ["", "redirect"]:
                return redirect(request) or self.refuse(400)
            case ["", "status", number] if re.fullmatch(r"[2-5][0-9]{2}", number):
                return self._status(int(number), request)
            case _:
                return self._status(200, request)

    def _status(self, status: int, request: SimRequest) -> SimResponse:
        if status >= 400:
            return self.refuse(status)
        return json_response(
            status, {"success": True, "status": status, "data": self._echo(request), "meta": self.meta()}
        )

    def _echo(self, request: SimRequest) -> dict[str, Any]:
        return {
            "method": request.method,
            "path": request.path,
            "query": request.query,
            "length": len(request.body),
            "sha256": sha256(request.body).hexdigest(),
            "token_id": self._token_id(request),
        }


def iso(seconds: float) -> str:
    """Return a time in ISO 8601, in whole seconds with "+00:00"."""
    return datetime.fromtimestamp(int(seconds), UTC).isoformat()
