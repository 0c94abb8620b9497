"""A response hook of httpx that raises for a 401 hides it from the flow: the next request has a new token."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import anyio
import httpx
import httpx2
import pytest

from auth_plugins.testing import settle

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.conftest import World

    Check = Callable[[Any], None]
    Get = Callable[[str], Awaitable[Any]]

LIBRARIES = {"httpx": httpx, "httpx2": httpx2}
WAYS = [f"{library}-{loop}" for library in LIBRARIES for loop in ("sync", "asyncio", "trio")]


def raise_for_status(response: Any) -> None:
    response.raise_for_status()


def run(way: str, auth: Any, check: Check, story: Callable[[Get], Awaitable[None]]) -> None:
    """Run a story of requests with a client of `way`, whose response hook is `check`."""
    name, _, loop = way.partition("-")
    library: Any = LIBRARIES[name]

    async def with_client() -> None:
        if loop == "sync":
            with library.Client(auth=auth, event_hooks={"response": [check]}, trust_env=False) as client:

                async def get(url: str) -> Any:
                    return client.get(url)

                await story(get)
            return

        async def acheck(response: Any) -> None:
            check(response)

        async with library.AsyncClient(auth=auth, event_hooks={"response": [acheck]}, trust_env=False) as client:
            await story(client.get)

    anyio.run(with_client, backend="trio" if loop == "trio" else "asyncio")


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def world(make_world: Callable[[str], World], way: str) -> World:
    return make_world(way.partition("-")[0])


@pytest.mark.matrix(
    group="Rejections",
    case="a response hook of httpx that raises for the 401 (`raise_for_status`)",
    outcome="that request fails; the next has a new token",
)
@pytest.mark.parametrize("slow", [False, True], ids=["fast path", "slow path"])
def test_a_401_that_a_hook_raises_for_heals_the_next_request(world: World, way: str, slow: bool) -> None:
    auth = world.auth(renew_on=(401, 419) if slow else None)

    async def story(get: Get) -> None:
        await get(f"{world.url}/x")
        for _ in range(3):
            world.fyatu.revoke_all()
            with pytest.raises(Exception, match="401"):
                await get(f"{world.url}/x")
            assert (await get(f"{world.url}/x")).status_code == 200

    run(way, auth, raise_for_status, story)
    assert world.token_calls == 1 + 3


def test_hidden_401s_of_a_server_that_refuses_everything_do_not_flood_it(world: World, way: str) -> None:
    world.fyatu.reject_all = True
    auth = world.auth()

    async def story(get: Get) -> None:
        for _ in range(20):
            with pytest.raises(Exception, match="401"):
                await get(f"{world.url}/x")
            await anyio.to_thread.run_sync(settle, auth)

    run(way, auth, raise_for_status, story)
    assert world.token_calls == 2


def test_a_hook_that_raises_for_another_status_renews_nothing(world: World, way: str) -> None:
    auth = world.auth()

    async def story(get: Get) -> None:
        await get(f"{world.url}/x")
        for status in (403, 500):
            with pytest.raises(Exception, match=str(status)):
                await get(f"{world.url}/status/{status}")

    run(way, auth, raise_for_status, story)
    assert world.token_calls == 1


def test_a_request_made_while_a_caller_handles_a_401_is_judged_by_itself(world: World, way: str) -> None:
    """The exception that the caller handles is still visible when the next request's flow is closed."""
    auth, failing = world.auth(), [True]

    def check(response: Any) -> None:
        if failing:
            response.raise_for_status()

    async def story(get: Get) -> None:
        await get(f"{world.url}/x")
        world.fyatu.revoke_all()
        try:
            await get(f"{world.url}/x")
        except Exception:
            failing.clear()
            for _ in range(3):
                assert (await get(f"{world.url}/x")).status_code == 200

    run(way, auth, check, story)
    assert world.token_calls == 2


def test_a_hook_can_report_the_token_before_it_raises_an_exception_of_its_own(world: World, way: str) -> None:
    auth = world.auth()

    def check(response: Any) -> None:
        if response.status_code == 401:
            auth.invalidate(response.request.headers["Authorization"].removeprefix("Bearer "))
            raise LookupError

    async def story(get: Get) -> None:
        await get(f"{world.url}/x")
        world.fyatu.revoke_all()
        with pytest.raises(LookupError):
            await get(f"{world.url}/x")
        assert (await get(f"{world.url}/x")).status_code == 200

    run(way, auth, check, story)
    assert world.token_calls == 2


@pytest.mark.parametrize("library", list(LIBRARIES.values()), ids=list(LIBRARIES))
def test_an_asynchronous_flow_can_be_closed_thrown_into_and_asked_again(make_world: Any, library: Any) -> None:
    auth = make_world(library.__name__).auth()
    url = f"{auth._provider.base_url}/x"

    async def story() -> None:
        await auth.atoken()
        for ended in ("fast path", "slow path"):
            content = {"content": iter([b"x"])} if ended == "slow path" else {}
            flow = auth.async_auth_flow(library.Request("GET", url, **content))
            await anext(flow)
            with pytest.raises(StopAsyncIteration):
                await flow.asend(library.Response(200, request=library.Request("GET", url)))
            with pytest.raises(StopAsyncIteration):
                await flow.asend(library.Response(200, request=library.Request("GET", url)))
            await flow.aclose()
            await flow.aclose()
            flow = auth.async_auth_flow(library.Request("GET", url, **content))
            await anext(flow)
            with pytest.raises(LookupError):
                await flow.athrow(LookupError)
            with contextlib.suppress(StopAsyncIteration):
                await flow.asend(library.Response(200, request=library.Request("GET", url)))
            await auth.async_auth_flow(library.Request("GET", url)).aclose()

    anyio.run(story)
