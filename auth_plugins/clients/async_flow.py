"""The flow for asynchronous clients: it drives an `auth_flow`, and awaits between its steps what the flow waits for."""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator, Callable, Generator
from contextvars import ContextVar
from typing import Any

from ..core.errors import AuthError
from ..engine import Snapshot
from .bodies import Body
from .httpx_flow import HttpxFlow

__all__ = ["AsyncFlow", "AsyncRun", "run_of"]

Request = Any
Response = Any
Flow = Generator[Request, Response, None]
Replay = tuple[Request, Snapshot]

_running: ContextVar[AsyncRun | None] = ContextVar("auth_plugins_running", default=None)


def run_of(auth: object) -> AsyncRun | None:
    """Return the run that is executing a step of a flow of `auth` in this context, or None."""
    run = _running.get()
    return run if run is not None and run.auth is auth else None


class AsyncRun:
    """One request of an asynchronous client.

    In httpx, `auth_flow` is an ordinary generator for both clients, and a subclass may override it, so it cannot await
    anything. What `TokenAuth.auth_flow` needs is therefore awaited before its first step and after each response. An
    error is raised in the flow, at the same place as in a synchronous client.
    """

    def __init__(self, auth: Any, adapter: HttpxFlow) -> None:
        self.auth = auth
        self._adapter = adapter
        self._flow: Flow | None = None
        self._body: Body | None = None
        self._token: Snapshot | AuthError | None = None
        self._signed: tuple[Request, Snapshot, Body] | None = None
        """The request that the flow has signed and sent, until the response arrives."""
        self._verdict: tuple[Response, Replay | AuthError | None] | None = None

    async def begin(self, request: Request) -> Request:
        """Return the first request to send.

        If a subclass overrides the flow, the token is fetched for a request to any origin: the flow may change the URL.
        """
        if self.auth.requires_request_body:
            await request.aread()
        if self.auth._has_own_flow or self._adapter.covers(request):
            self._body = Body(request.stream, self._adapter.library)
            try:
                self._token = await self._adapter.acurrent(request, self._body)
            except AuthError as error:
                self._token = error
        flow = self._flow = self._step(lambda: self.auth.auth_flow(request))
        return self._step(lambda: next(flow))

    async def resume(self, request: Request, snapshot: Snapshot, response: Response) -> Request | None:
        """Return the request to send after a 401 to a request that the fast path signed with `snapshot`, or None."""
        self._signed = (request, snapshot, Body(request.stream, self._adapter.library))
        await self._judge(response)
        again = self._verdict_on(response)
        if again is None:
            return None
        flow = self._flow = self._adapter.replay(*again)
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
        """Like `HttpxFlow.flow`, but with the token and the verdict that this run has awaited."""
        adapter, body, token = self._adapter, self._body, self._token
        if not adapter.covers(request):
            adapter.unsign(request)
            yield request
            return
        if isinstance(token, AuthError):
            raise token
        assert token is not None, "it was fetched before"  # noqa: S101 - narrows a type
        token = adapter.attach(request, token)
        self._signed = (request, token, body or Body(request.stream, adapter.library))
        try:
            response = yield request
        except BaseException as failure:
            adapter.learn_from_failure(failure, token)
            raise
        again = self._verdict_on(response)
        if again is not None:
            yield from adapter.replay(*again)

    async def _judge(self, response: Response) -> None:
        """Judge the response to the request that the flow has signed, and prepare the replay after a 401."""
        if self._signed is None:
            return
        request, snapshot, body = self._signed
        verdict: Replay | AuthError | None = None
        try:
            if self._adapter.is_rejected(response, snapshot):
                verdict = await self._adapter.aprepare_replay(request, response, snapshot, body)
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


class AsyncFlow(AsyncGenerator[Request, Response]):
    """The flow of one request of an asynchronous client.

    Not a generator function: Python closes an asynchronous generator without the exception for which it is closed. This
    class sees it, so it learns of a 401 for which a response hook has raised.
    """

    __slots__ = ("_auth", "_request", "_run", "_snapshot")

    def __init__(self, auth: Any, request: Request) -> None:
        self._auth, self._request = auth, request
        self._snapshot: Snapshot | None = None
        """The token of a request on the fast path, until its response arrives."""
        self._run: AsyncRun | None = None

    async def __anext__(self) -> Request:
        """Return the first request to send."""
        snapshot = self._snapshot = self._auth._sign_fast(self._request)
        return self._request if snapshot is not None else await self._start().begin(self._request)

    async def asend(self, response: Response) -> Request:
        """Return the next request to send.

        Raises:
            StopAsyncIteration: `response` goes to the caller.
        """
        snapshot, self._snapshot = self._snapshot, None
        if snapshot is not None:
            if response.status_code == 401:
                following = await self._start().resume(self._request, snapshot, response)
                if following is not None:
                    return following
        elif self._run is not None:
            following = await self._run.go_on(response)
            if following is not None:
                return following
        raise StopAsyncIteration

    async def athrow(self, kind: Any, value: Any = None, traceback: Any = None, /) -> Request:
        """End the flow with an exception, and raise it."""
        failure = kind if value is None else value
        failure = failure() if isinstance(failure, type) else failure
        self._end(failure)
        raise failure.with_traceback(traceback)

    async def aclose(self) -> None:
        """End the flow. The client does so after each request, also while it handles the failure of one."""
        if self._snapshot is not None or self._run is not None:
            self._end(sys.exc_info()[1])

    def _start(self) -> AsyncRun:
        self._run = AsyncRun(self._auth, self._auth._flow_for(self._request))
        return self._run

    def _end(self, failure: BaseException | None) -> None:
        snapshot, self._snapshot = self._snapshot, None
        if snapshot is not None:
            self._auth._flow_for(self._request).learn_from_failure(failure, snapshot)
        if self._run is not None:
            self._run.close()
