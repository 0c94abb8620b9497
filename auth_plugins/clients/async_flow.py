"""Drives an `auth_flow` for an asynchronous client: what the flow would wait for is awaited between its steps."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextvars import ContextVar
from typing import Any

from ..core.errors import AuthError
from ..engine import Snapshot
from .bodies import Body
from .httpx_flow import HttpxFlow

__all__ = ["AsyncRun", "run_of"]

Request = Any
Response = Any
Flow = Generator[Request, Response, None]
Replay = tuple[Request, Snapshot]

_running: ContextVar[AsyncRun | None] = ContextVar("auth_plugins_running", default=None)


def run_of(auth: object) -> AsyncRun | None:
    """Return the run that is just taking a step of a flow of `auth`, or None."""
    run = _running.get()
    return run if run is not None and run.auth is auth else None


class AsyncRun:
    """One request of an asynchronous client.

    httpx has `auth_flow` as an ordinary generator for both of its clients, and a subclass may override it, so nothing
    in it can be awaited. What `TokenAuth.auth_flow` needs is therefore awaited before its first step, and after each
    response; an error is raised in the flow, where it would have been raised without a client.
    """

    def __init__(self, auth: Any, door: HttpxFlow) -> None:
        self.auth = auth
        self._door = door
        self._flow: Flow | None = None
        self._body: Body | None = None
        self._token: Snapshot | AuthError | None = None
        self._signed: tuple[Request, Snapshot, Body] | None = None
        """What the flow has sent, while it waits for the response."""
        self._verdict: tuple[Response, Replay | AuthError | None] | None = None

    async def begin(self, request: Request) -> Request:
        """Return the first request to send.

        The token is fetched for a request to any origin where the flow is a subclass's: it may send the request home.
        """
        if self.auth.requires_request_body:
            await request.aread()
        if self.auth._has_own_flow or self._door.covers(request):
            self._body = Body(request.stream, self._door.library)
            try:
                self._token = await self._door.acurrent(request, self._body)
            except AuthError as error:
                self._token = error
        flow = self._flow = self._step(lambda: self.auth.auth_flow(request))
        return self._step(lambda: next(flow))

    async def resume(self, request: Request, snapshot: Snapshot, response: Response) -> Request | None:
        """Return what to send after the 401 to a request that was signed with `live` without a run, or None."""
        self._signed = (request, snapshot, Body(request.stream, self._door.library))
        await self._judge(response)
        again = self._verdict_on(response)
        if again is None:
            return None
        flow = self._flow = self._door.replay(*again)
        return next(flow)

    async def go_on(self, response: Response) -> Request | None:
        """Return the next request to send, or None: `response` goes to the caller."""
        if self.auth.requires_response_body:
            await response.aread()
        await self._judge(response)
        flow = self._flow
        assert flow is not None, "it was begun"  # noqa: S101 - narrows a type
        try:
            return self._step(lambda: flow.send(response))
        except StopIteration:
            return None

    def close(self) -> None:
        """End the flow, as a client does when a request fails."""
        if self._flow is not None:
            self._flow.close()

    def flow(self, request: Request) -> Flow:
        """Do as `HttpxDoor.flow`, without waiting for anything."""
        door, body, token = self._door, self._body, self._token
        if not door.covers(request):
            door.unsign(request)
            yield request
            return
        if isinstance(token, AuthError):
            raise token
        assert token is not None, "it was fetched before"  # noqa: S101 - narrows a type
        token = door.attach(request, token)
        self._signed = (request, token, body or Body(request.stream, door.library))
        response = yield request
        again = self._verdict_on(response)
        if again is not None:
            yield from door.replay(*again)

    async def _judge(self, response: Response) -> None:
        """Look at a response to what the flow has signed, and prepare the replay after a 401."""
        if self._signed is None:
            return
        request, snapshot, body = self._signed
        verdict: Replay | AuthError | None = None
        try:
            if self._door.is_rejected(response, snapshot):
                verdict = await self._door.areplay(request, response, snapshot, body)
        except AuthError as error:
            verdict = error
        if isinstance(verdict, tuple):
            self._token = verdict[1]
        self._verdict = (response, verdict)

    def _verdict_on(self, response: Response) -> Replay | None:
        judged, self._verdict, self._signed = self._verdict, None, None
        if judged is None or judged[0] is not response:
            return None  # The subclass gave its own response to the flow.
        if isinstance(judged[1], AuthError):
            raise judged[1]
        return judged[1]

    def _step(self, step: Callable[[], Any]) -> Any:
        reset = _running.set(self)
        try:
            return step()
        finally:
            _running.reset(reset)
