"""What a subclass may override and add: httpx's documented extension points, and attributes that copies keep."""

from __future__ import annotations

import copy
import pickle
import threading
from collections.abc import AsyncGenerator, Generator
from typing import Any

import anyio
import httpx
import httpx2
import pytest

from auth_plugins import (
    AuthError,
    BodyNotReplayed,
    CredentialsRejected,
    FyatuAuth,
    MemoryStore,
    TokenEndpointUnavailable,
)
from auth_plugins.simulators import FyatuSimulator
from auth_plugins.testing import FakeClock, mock_transport
from tests.conftest import APP_ID, SECRET_KEY

BASE = "https://api.example/api/v3"
LIBRARIES = [httpx, httpx2]
WAYS = [(library, loop) for library in LIBRARIES for loop in (None, "asyncio", "trio")]
every_way = pytest.mark.parametrize(
    ("library", "loop"), WAYS, ids=[f"{library.__name__}-{loop or 'sync'}" for library, loop in WAYS]
)


class Stage:
    """A provider without a network that an object and the user's client share."""

    def __init__(self, kind: Any, *arguments: Any, **knobs: Any) -> None:
        self.clock, self.fyatu = FakeClock(), FyatuSimulator(**knobs)
        self.seen: list[Any] = []
        self.auth = kind(
            *arguments,
            base_url=BASE,
            store=MemoryStore(clock=self.clock),
            clock=self.clock,
            token_client=httpx.Client(transport=mock_transport(self.fyatu, self.clock)),
        )

    def transport(self, library: Any) -> Any:
        inner = mock_transport(self.fyatu, self.clock, library)

        def received(request: Any, body: bytes) -> Any:
            # A copy: the transport for tests would put the whole body in place of the stream.
            self.seen.append(library.Headers(request.headers))
            return library.Request(request.method, request.url, headers=request.headers, content=body)

        class Seeing(library.BaseTransport, library.AsyncBaseTransport):  # type: ignore[misc]
            def handle_request(self, request: Any) -> Any:
                return inner.handle_request(received(request, b"".join(request.stream)))

            async def handle_async_request(self, request: Any) -> Any:
                body = b"".join([piece async for piece in request.stream])
                return await inner.handle_async_request(received(request, body))

        return Seeing()

    def send(self, library: Any, loop: str | None, *requests_to_send: Any) -> Any:
        """Send requests one after the other, and return the last response."""
        if loop is None:
            with library.Client(auth=self.auth, transport=self.transport(library)) as client:
                return [client.send(request) for request in requests_to_send][-1]

        async def main() -> Any:
            async with library.AsyncClient(auth=self.auth, transport=self.transport(library)) as client:
                return [await client.send(request) for request in requests_to_send][-1]

        return anyio.run(main, backend=loop)


class Tenant(FyatuAuth):
    """As httpx documents it: a subclass that overrides `auth_flow`."""

    __slots__ = ("region",)

    def __init__(self, tenant: str, **options: Any) -> None:
        super().__init__(APP_ID, SECRET_KEY, **options)
        self.tenant, self.region = tenant, ["eu"]

    def auth_flow(self, request: Any) -> Generator[Any, Any, None]:
        request.headers["X-Tenant"] = self.tenant
        yield from super().auth_flow(request)


class ByHand(Tenant):
    """It takes the steps of the base's flow by itself."""

    def auth_flow(self, request: Any) -> Generator[Any, Any, None]:
        flow = FyatuAuth.auth_flow(self, request)
        request = next(flow)
        while True:
            request.headers["X-Signature"] = request.headers["Authorization"][-8:]
            response = yield request
            try:
                request = flow.send(response)
            except StopIteration:
                return


class Preflight(Tenant):
    """It sends another request first, while the base's flow waits."""

    def auth_flow(self, request: Any) -> Generator[Any, Any, None]:
        flow = FyatuAuth.auth_flow(self, request)
        signed = next(flow)
        yield type(request)("GET", f"{BASE}/preflight")
        response = yield signed
        try:
            yield flow.send(response)
        except StopIteration:
            return


class Alias(Tenant):
    """It sends a request for another name home."""

    def auth_flow(self, request: Any) -> Generator[Any, Any, None]:
        request.url = request.url.copy_with(host="api.example")
        yield from FyatuAuth.auth_flow(self, request)


class WithoutBase(Tenant):
    """It does not call the base's flow."""

    def auth_flow(self, request: Any) -> Generator[Any, Any, None]:
        yield request


class Mixin:
    def auth_flow(self, request: Any) -> Generator[Any, Any, None]:
        request.headers["X-Mixed"] = "1"
        yield from super().auth_flow(request)  # type: ignore[misc]


class Mixed(Mixin, Tenant):
    pass


class BothFlows(Tenant):
    """It overrides the flows of the two clients as well, and calls those of the base."""

    def sync_auth_flow(self, request: Any) -> Generator[Any, Any, None]:
        request.headers["X-Outer"] = "1"
        yield from super().sync_auth_flow(request)

    async def async_auth_flow(self, request: Any) -> AsyncGenerator[Any, Any]:
        request.headers["X-Outer"] = "1"
        flow = super().async_auth_flow(request)
        try:
            sending = await anext(flow)
            while True:
                response = yield sending
                sending = await flow.asend(response)
        except StopAsyncIteration:
            return
        finally:
            await flow.aclose()


def get(library: Any, url: str = f"{BASE}/x", **more: Any) -> Any:
    return library.Request("GET", url, **more)


@every_way
@pytest.mark.parametrize("kind", [Tenant, Mixed, BothFlows])
def test_an_overridden_auth_flow_is_driven_from_the_first_request_to_a_replay(
    library: Any, loop: str | None, kind: Any
) -> None:
    stage = Stage(kind, "seven")
    assert stage.send(library, loop, get(library), get(library)).status_code == 200
    stage.fyatu.revoke_all()
    response = stage.send(library, loop, get(library))
    assert (response.status_code, [each.status_code for each in response.history]) == (200, [401])
    assert [each["x-tenant"] for each in stage.seen] == ["seven"] * 4
    assert all("x-mixed" in each for each in stage.seen) is (kind is Mixed)
    assert all(each["authorization"].startswith("Bearer ") for each in stage.seen)
    assert stage.seen[-1]["authorization"] != stage.seen[-2]["authorization"]
    assert stage.fyatu.ledger.token_calls == 2
    assert all("x-outer" in each for each in stage.seen) is (kind is BothFlows)


@every_way
def test_a_flow_that_takes_the_steps_by_itself_sees_requests_alone(library: Any, loop: str | None) -> None:
    stage = Stage(ByHand, "seven")
    assert stage.send(library, loop, get(library)).status_code == 200
    stage.fyatu.revoke_all()
    assert stage.send(library, loop, get(library)).status_code == 200
    assert len(stage.seen) == 3
    for headers in stage.seen:
        assert headers["x-signature"] == headers["authorization"][-8:]


@every_way
def test_a_flow_may_send_requests_of_its_own_before_the_signed_one(library: Any, loop: str | None) -> None:
    stage = Stage(Preflight, "seven")
    assert stage.send(library, loop, get(library)).status_code == 200
    assert ["authorization" in each for each in stage.seen] == [False, True]
    stage.fyatu.revoke_all()
    stage.seen.clear()
    assert stage.send(library, loop, get(library)).status_code == 200
    assert ["authorization" in each for each in stage.seen] == [False, True, True]
    assert stage.fyatu.ledger.token_calls == 2


@every_way
def test_a_flow_may_send_a_request_home_that_was_not_made_for_it(library: Any, loop: str | None) -> None:
    stage = Stage(Alias, "seven")
    assert stage.send(library, loop, get(library, "https://alias.example/api/v3/x")).status_code == 200
    assert "authorization" in stage.seen[0]


@every_way
def test_a_flow_that_does_not_call_the_base_signs_nothing_and_renews_nothing(library: Any, loop: str | None) -> None:
    stage = Stage(WithoutBase, "seven")
    response = stage.send(library, loop, get(library))
    assert (response.status_code, response.history) == (401, [])
    assert "authorization" not in stage.seen[0]
    assert stage.fyatu.ledger.token_calls == (0 if loop is None else 1), (
        "one is fetched in case that the base is called"
    )


@every_way
def test_a_request_to_another_origin_is_sent_unsigned_through_an_overridden_flow(
    library: Any, loop: str | None
) -> None:
    stage = Stage(Tenant, "seven")
    stage.send(library, loop, get(library))
    stage.send(library, loop, get(library, "https://stranger.example/x"))
    assert [("authorization" in each, each["x-tenant"]) for each in stage.seen] == [(True, "seven"), (False, "seven")]


@every_way
def test_an_error_is_raised_in_the_flow_and_only_where_a_token_is_needed(library: Any, loop: str | None) -> None:
    caught: list[Exception] = []

    class Catching(Tenant):
        def auth_flow(self, request: Any) -> Generator[Any, Any, None]:
            try:
                yield from super().auth_flow(request)
            except AuthError as error:
                caught.append(error)
                raise

    stage = Stage(Catching, "seven")
    stage.auth._source.provider = type(stage.auth._provider)(APP_ID, "another_secret", BASE)
    with pytest.raises(CredentialsRejected) as raised:
        stage.send(library, loop, get(library))
    assert caught == [raised.value]
    assert isinstance(raised.value, library.RequestError)
    assert not isinstance(raised.value, TokenEndpointUnavailable)
    stage.send(library, loop, get(library, "https://stranger.example/x"))
    assert len(caught) == 1


@every_way
def test_a_refused_renewal_after_a_401_is_raised_in_the_flow(library: Any, loop: str | None) -> None:
    stage = Stage(Tenant, "seven")
    stage.send(library, loop, get(library))
    stage.fyatu.revoke_all()
    stage.auth._source.provider = type(stage.auth._provider)(APP_ID, "another_secret", BASE)
    with pytest.raises(CredentialsRejected):
        stage.send(library, loop, get(library))


@every_way
def test_a_body_that_is_used_up_is_not_replayed_through_an_overridden_flow(library: Any, loop: str | None) -> None:
    async def pieces() -> Any:
        yield b"body"

    stage = Stage(Tenant, "seven")
    stage.auth.token()
    stage.fyatu.revoke_all()
    content: Any = iter([b"body"]) if loop is None else pieces()
    with pytest.warns(BodyNotReplayed):
        response = stage.send(library, loop, library.Request("POST", f"{BASE}/x", content=content))
    assert response.status_code == 401
    assert len(stage.seen) == 1


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("loop", ["asyncio", "trio"])
def test_an_event_loop_goes_on_while_an_overridden_flow_waits_for_a_token(library: Any, loop: str) -> None:
    stage = Stage(Tenant, "seven")
    began, go_on = threading.Event(), threading.Event()
    inner = mock_transport(stage.fyatu, stage.clock)

    def slow(request: Any) -> Any:
        began.set()
        assert go_on.wait(20.0)
        return inner.handle_request(request)

    stage.auth._transport.lent._transport = httpx.MockTransport(slow)

    async def main() -> int:
        async with (
            library.AsyncClient(auth=stage.auth, transport=stage.transport(library)) as client,
            anyio.create_task_group() as tasks,
        ):

            async def release() -> None:
                while not began.is_set():  # noqa: ASYNC110 - set by a thread
                    await anyio.sleep(0.001)
                go_on.set()

            tasks.start_soon(release)
            response = await client.send(get(library))
        return int(response.status_code)

    assert anyio.run(main, backend=loop) == 200


@every_way
def test_a_subclass_gets_the_bodies_that_it_asks_for(library: Any, loop: str | None) -> None:
    class Reading(FyatuAuth):
        requires_request_body = requires_response_body = True

        def __init__(self, **options: Any) -> None:
            super().__init__(APP_ID, SECRET_KEY, **options)
            self.read: list[bytes] = []

        def auth_flow(self, request: Any) -> Generator[Any, Any, None]:
            self.read.append(request.content)
            flow = super().auth_flow(request)
            response = yield next(flow)
            self.read.append(response.content)

    async def pieces() -> Any:
        yield b"body"

    stage = Stage(Reading)
    content: Any = iter([b"body"]) if loop is None else pieces()
    response = stage.send(library, loop, library.Request("POST", f"{BASE}/x", content=content))
    assert stage.auth.read == [b"body", response.content]


@every_way
def test_a_flag_alone_is_enough_to_read_the_body_and_replay_it(library: Any, loop: str | None) -> None:
    class Reading(FyatuAuth):
        requires_request_body = True

        def __init__(self, **options: Any) -> None:
            super().__init__(APP_ID, SECRET_KEY, **options)

    async def pieces() -> Any:
        yield b"body"

    stage = Stage(Reading)
    stage.auth.token()
    stage.fyatu.revoke_all()
    content: Any = iter([b"body"]) if loop is None else pieces()
    response = stage.send(library, loop, library.Request("POST", f"{BASE}/x", content=content))
    assert (response.status_code, len(stage.seen)) == (200, 2)


def test_a_flow_of_one_object_inside_that_of_another_uses_its_own_token() -> None:
    inner = Stage(Tenant, "inner")
    token = inner.auth.token().access_token

    class Outer(Tenant):
        def auth_flow(self, request: Any) -> Generator[Any, Any, None]:
            yield from inner.auth.auth_flow(request)

    outer = Stage(Outer, "outer")
    outer.send(httpx, "asyncio", get(httpx))
    assert outer.seen[0]["authorization"] == f"Bearer {token}"


@every_way
def test_a_cancelled_request_closes_an_overridden_flow(library: Any, loop: str | None) -> None:
    closed: list[str] = []

    class Closing(Tenant):
        def auth_flow(self, request: Any) -> Generator[Any, Any, None]:
            try:
                yield from super().auth_flow(request)
            finally:
                closed.append("closed")

    def fail(_request: Any) -> Any:
        raise library.ConnectError("cut")

    stage = Stage(Closing, "seven")
    stage.transport = lambda _library: library.MockTransport(fail)  # type: ignore[method-assign, assignment]
    with pytest.raises(library.ConnectError):
        stage.send(library, loop, get(library))
    assert closed == ["closed"]


class Slotted(Tenant):
    __slots__ = ("__private", "unset")

    def __init__(self, tenant: str, /, *, level: int = 3, **options: Any) -> None:
        super().__init__(tenant, **options)
        self.__private = level
        self.notes = {"level": [level]}

    @property
    def level(self) -> int:
        return self.__private


def by_pickle(auth: Any) -> Any:
    return pickle.loads(pickle.dumps(auth))


COPIES = pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, by_pickle], ids=["copy", "deepcopy", "pickle"])


@COPIES
def test_a_copy_keeps_what_a_subclass_has_added_to_it(copied: Any) -> None:
    auth = Slotted("seven", level=5, base_url=BASE)
    twin = copied(auth)
    assert type(twin) is Slotted
    assert (twin.tenant, twin.region, twin.level, twin.notes) == ("seven", ["eu"], 5, {"level": [5]})
    assert not hasattr(twin, "unset")
    assert (twin.notes is auth.notes) is (copied is copy.copy)
    assert (twin.region is auth.region) is (copied is copy.copy)
    again = copied(twin)
    assert (again.tenant, again.level) == ("seven", 5)
    assert twin._source.shared is auth._source.shared


@COPIES
def test_a_copy_signs_with_what_was_added(copied: Any) -> None:
    auth = copied(Slotted("seven", base_url=BASE))
    request = get(httpx, "https://stranger.example/x")
    assert next(auth.sync_auth_flow(request)).headers["x-tenant"] == "seven"


def test_an_object_that_refers_to_itself_is_copied_with_itself() -> None:
    auth: Any = Slotted("seven", base_url=BASE)
    auth.me, auth.friends = auth, [auth]
    twin = copy.deepcopy(auth)
    assert twin.me is twin
    assert twin.friends == [twin]


def test_a_subclass_may_have_a_state_of_its_own() -> None:
    restored = by_pickle(WithState("seven", base_url=BASE))
    assert (restored.connection, restored.tenant) == ("opened anew", "seven")


class WithState(Tenant):
    """It leaves out of a pickle what cannot be pickled."""

    def __init__(self, tenant: str, **options: Any) -> None:
        super().__init__(tenant, **options)
        self.connection: Any = iter(())

    def __getstate__(self) -> dict[str, Any]:
        state = super().__getstate__()
        del state["attributes"]["connection"]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self.connection = "opened anew"


def test_a_pickle_of_a_subclass_holds_no_token() -> None:
    stage = Stage(Tenant, "seven")
    token = stage.auth.token().access_token
    state = stage.auth.__getstate__()
    assert set(state["attributes"]) == {"tenant", "region"}
    state["store"] = state["token_client"] = state["clock"] = None
    assert token.encode() not in pickle.dumps(state)
