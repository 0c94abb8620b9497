"""A request that was signed at home and is sent to another origin, and a replay without an answer."""

from __future__ import annotations

import copy
from typing import Any

import anyio
import httpx
import httpx2
import pytest

from tests.clients.test_adapters import URL, Room

LIBRARIES = [httpx, httpx2]
STRANGER = "https://stranger.example/x"
WAYS = [(library, loop) for library in LIBRARIES for loop in (None, "asyncio", "trio")]
every_way = pytest.mark.parametrize(
    ("library", "loop"), WAYS, ids=[f"{library.__name__}-{loop or 'sync'}" for library, loop in WAYS]
)


def send(room: Room, library: Any, loop: str | None, request: Any, answer: Any = None) -> Any:
    transport = library.MockTransport(answer or (lambda _request: library.Response(200)))
    if loop is None:
        with library.Client(auth=room.auth, transport=transport) as client:
            return client.send(request)

    async def main() -> Any:
        async with library.AsyncClient(auth=room.auth, transport=transport) as client:
            return await client.send(request)

    return anyio.run(main, backend=loop)


def signed(room: Room, library: Any, loop: str | None) -> Any:
    request = library.Request("GET", f"{URL}/x", headers=[("X", "y"), ("x", "z")])
    send(room, library, loop, request)
    assert request.headers["Authorization"].startswith("Bearer ")
    return request


@every_way
@pytest.mark.parametrize("first", [True, False], ids=["the long way", "the short way"])
@pytest.mark.parametrize("renewed", [False, True], ids=["current", "an earlier token"])
@pytest.mark.parametrize("way", ["url", "headers", "deepcopy", "signed twice"])
def test_a_signed_request_that_is_sent_elsewhere_leaves_the_token_behind_and_nothing_else(
    library: Any, loop: str | None, first: bool, renewed: bool, way: str
) -> None:
    room = Room()
    if not first:
        signed(room, library, loop)
    request = signed(room, library, loop)
    if way == "signed twice":
        send(room, library, loop, request)
    if renewed:
        room.replaced()
    if way == "headers":
        request = library.Request("GET", STRANGER, headers=request.headers)
    elif way == "deepcopy":
        request = library.Request("GET", STRANGER, headers=copy.deepcopy(request.headers))
    request.url = library.URL(STRANGER)
    sent = send(room, library, loop, request).request
    assert "Authorization" not in sent.headers
    assert sent.headers.get_list("x") == ["y", "z"]


@every_way
def test_a_copy_of_the_current_token_as_text_is_left_behind_too(library: Any, loop: str | None) -> None:
    room = Room()
    text = str(signed(room, library, loop).headers["Authorization"])
    sent = send(room, library, loop, library.Request("GET", STRANGER, headers={"authorization": text})).request
    assert "Authorization" not in sent.headers


@every_way
def test_what_is_not_ours_goes_elsewhere_as_it_is(library: Any, loop: str | None) -> None:
    ours, theirs = Room(), Room()
    others = signed(theirs, library, loop).headers["Authorization"]
    signed(ours, library, loop)
    for value in ("Basic eDp5", others):
        given = library.Request("GET", STRANGER, headers={"Authorization": value})
        before = given.headers
        sent = send(ours, library, loop, given).request
        assert sent.headers["Authorization"] == value
        assert sent.headers is before


def cut_after_a_401(library: Any) -> Any:
    answers = iter([401, None] * 10)

    def answer(_request: Any) -> Any:
        status = next(answers)
        if status is None:
            raise library.ConnectError("cut")
        return library.Response(status)

    return answer


@every_way
def test_a_replay_that_is_cut_does_not_count_against_its_token_twice_in_a_row_it_does(
    library: Any, loop: str | None
) -> None:
    room = Room()
    room.auth.token()
    calls = room.fyatu.ledger
    answer = cut_after_a_401(library)
    for each in (2, 3):
        with pytest.raises(library.ConnectError):
            send(room, library, loop, library.Request("GET", f"{URL}/x"), answer)
        assert calls.token_calls == each, "the cut replay is no reason not to renew"
    # An API that cuts each replay does not cause a renewal for each request.
    assert send(room, library, loop, library.Request("GET", f"{URL}/x"), answer).status_code == 401
    assert (calls.token_calls, room.shared.unauthorized.failures) == (3, 1)


@every_way
def test_a_token_that_is_accepted_after_a_cut_replay_makes_an_end_of_it(library: Any, loop: str | None) -> None:
    room = Room()
    room.auth.token()
    with pytest.raises(library.ConnectError):
        send(room, library, loop, library.Request("GET", f"{URL}/x"), cut_after_a_401(library))
    send(room, library, loop, library.Request("GET", f"{URL}/x"))
    assert (room.shared.unauthorized.token, room.shared.snapshot.unproven) == (None, False)
