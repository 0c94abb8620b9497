"""Secrets are looked for in every place where they must not be, after whole scenarios with marked ones."""

from __future__ import annotations

import copy
import io
import logging
import pickle
import sys
import traceback
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import httpx
import httpx2
import pytest
import requests

from auth_plugins import AuthError, FyatuAuth, TokenAuth

if TYPE_CHECKING:
    from tests.conftest import World

SECRET = "marked-secret-key-of-the-app"
TOKEN_MARK = "eyJ"  # How every JWT begins.


@pytest.fixture
def everything_logged() -> Iterator[io.StringIO]:
    """What every library says at DEBUG."""
    said = io.StringIO()
    handler = logging.StreamHandler(said)
    root = logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield said
    root.setLevel(before)
    root.removeHandler(handler)


def clean(text: str | bytes) -> bool:
    raw = text.encode() if isinstance(text, str) else text
    return SECRET.encode() not in raw and TOKEN_MARK.encode() not in raw


def marked(world: World, **options: Any) -> FyatuAuth:
    world.fyatu.rotate_secret(SECRET)
    return world.auth(secret_key=SECRET, **options)


def scenario(world: World, auth: TokenAuth) -> list[AuthError]:
    """Log in, refresh, be revoked, be refused, be cut off: everything that makes a library talk."""
    failures: list[AuthError] = []

    def attempt(client: Any) -> None:
        try:
            client.send("GET", f"{world.url}/x")
        except AuthError as error:
            failures.append(error)

    with world.client(auth) as client:
        attempt(client)
        world.clock.advance(86_400)
        attempt(client)
        world.fyatu.revoke_all()
        attempt(client)
        world.fyatu.revoke_all()
        for outage in ("drop", "lost", "unavailable"):
            world.fyatu.outage = outage
            attempt(client)
            world.clock.advance(60)
        world.fyatu.outage = None
        world.fyatu.rotate_secret("another_secret_key")
        attempt(client)
    assert {failure.code for failure in failures} == {"token_endpoint_unavailable", "credentials_rejected"}
    return failures


def frames_of(error: BaseException | None) -> Iterator[Any]:
    """Every frame of an exception and of all that hang on it, as error trackers walk them."""
    seen: set[int] = set()
    todo = [error]
    while todo:
        current = todo.pop()
        if current is None or id(current) in seen:
            continue
        seen.add(id(current))
        todo += [current.__cause__, current.__context__]
        for frame, _ in traceback.walk_tb(current.__traceback__):
            yield frame


@pytest.mark.matrix(
    group="Where secrets must not be",
    case="The log of every library, at every level",
    outcome="holds no secret of any provider",
)
def test_no_log_line_of_any_library_holds_a_secret(world: World, everything_logged: io.StringIO) -> None:
    scenario(world, marked(world))
    said = everything_logged.getvalue()
    assert "auth/token" in said, "the libraries did log the token calls"
    assert clean(said)


@pytest.mark.matrix(
    group="Where secrets must not be", case="Pickles and copies of errors", outcome="holds no secret of any provider"
)
def test_no_error_holds_a_secret_in_its_text_its_attributes_or_its_pickle(world: World) -> None:
    for failure in scenario(world, marked(world)):
        for form in (
            str(failure),
            repr(failure),
            repr(vars(failure)),
            repr(failure.args),
            pickle.dumps(failure),
        ):
            assert clean(form)
        assert clean(pickle.dumps(copy.copy(failure)))


@pytest.mark.matrix(
    group="Where secrets must not be",
    case="Tracebacks with the locals of every frame, and of all chained errors",
    outcome="holds no secret of any provider",
)
def test_no_frame_of_an_error_has_a_local_variable_that_shows_a_secret(world: World) -> None:
    """As an error tracker records them: `repr` of every local of every frame of every chained exception."""
    for failure in scenario(world, marked(world)):
        inside = [frame for frame in frames_of(failure) if "test_leaks" not in frame.f_code.co_filename]
        assert inside
        for frame in inside:
            for name, value in frame.f_locals.items():
                assert clean(repr(value)), f"{name} in {frame.f_code.co_qualname}"


@pytest.mark.matrix(
    group="Where secrets must not be",
    case="Cause and context of an error",
    outcome="no error of a library: those hold the request",
)
def test_no_error_of_a_library_hangs_on_ours(world: World) -> None:
    """Theirs keep the request, and with it the credentials, in their frames."""
    for failure in scenario(world, marked(world)):
        chained = [failure.__cause__, failure.__context__]
        assert all(each is None or type(each).__module__ == "auth_plugins.core.errors" for each in chained)


def test_no_public_object_shows_a_secret(world: World) -> None:
    auth = marked(world)
    with world.client(auth) as client:
        client.send("GET", f"{world.url}/x")
    token = auth.token()
    shared = auth._source.shared
    things: list[object] = [auth, vars(auth), token, shared.snapshot, world.store, world.events, auth._source]
    things += [getattr(shared, name, None) for name in ("key", "snapshot", "rejected", "failure", "flight")]
    things += [
        auth._requests,
        auth._httpx,
        auth._provider,
        auth._provider.login(),
        auth._provider.refresh(token, 0),
    ]
    for thing in things:
        assert clean(repr(thing)), repr(thing)


@pytest.mark.matrix(
    group="Where secrets must not be", case="The headers of a signed request, printed", outcome="show *** for the token"
)
def test_headers_of_a_signed_request_do_not_show_the_token_when_printed(one_world: World) -> None:
    request = requests.Request("GET", f"{one_world.url}/x", auth=one_world.auth()).prepare()
    assert clean(repr(request.headers))
    assert clean(repr(dict(request.headers)))


@pytest.mark.matrix(
    group="Where secrets must not be",
    case="Event hooks and response.history",
    outcome="see the user's requests, and no token call",
)
@pytest.mark.parametrize("library", [httpx, httpx2], ids=["httpx", "httpx2"])
def test_event_hooks_and_history_see_the_users_requests_and_no_token_call(one_world: World, library: Any) -> None:
    seen: list[str] = []
    hooks = {
        "request": [lambda request: seen.append(str(request.url))],
        "response": [lambda response: seen.append(str(response.url))],
    }
    auth = marked(one_world)
    auth.token()
    one_world.fyatu.revoke_all()
    with library.Client(auth=auth, event_hooks=hooks) as client:
        response = client.get(f"{one_world.url}/x")
    assert [each.status_code for each in (*response.history, response)] == [401, 200]
    assert set(seen) == {f"{one_world.url}/x"}


@pytest.mark.matrix(
    group="Where secrets must not be",
    case="Event hooks and response.history",
    outcome="see the user's requests, and no token call",
)
def test_requests_hooks_and_history_see_no_token_call(one_world: World) -> None:
    seen: list[str] = []
    auth = marked(one_world)
    auth.token()
    one_world.fyatu.revoke_all()
    with requests.Session() as session:
        session.auth = auth
        session.hooks["response"] = [lambda response, **_: seen.append(response.url)]
        response = session.get(f"{one_world.url}/x")
    assert [each.status_code for each in (*response.history, response)] == [401, 200]
    assert {*seen, *[each.url for each in response.history]} == {f"{one_world.url}/x"}


@pytest.mark.matrix(
    group="Where secrets must not be",
    case="error.request of httpx after a renewal that failed",
    outcome="has no Authorization",
)
def test_a_header_that_was_rejected_is_not_in_the_error_that_follows(one_world: World) -> None:
    with httpx.Client(auth=marked(one_world)) as client:
        client.get(f"{one_world.url}/x")
        one_world.fyatu.revoke_all()
        one_world.fyatu.outage = "drop"
        with pytest.raises(httpx.RequestError) as caught:
            client.get(f"{one_world.url}/x")
    assert "authorization" not in caught.value.request.headers


@pytest.mark.matrix(
    group="Where secrets must not be", case="A provider that quotes the secret in its error", outcome="it is struck out"
)
def test_an_echo_of_the_secret_in_the_providers_message_is_struck_out(one_world: World) -> None:
    def echo(request: httpx.Request) -> httpx.Response:
        return httpx.Response(401, json={"error": {"code": SECRET, "message": f"{SECRET} is wrong"}})

    lent = httpx.Client(transport=httpx.MockTransport(echo))
    with pytest.raises(AuthError) as caught:
        one_world.auth(secret_key=SECRET, token_client=lent).token()
    assert "is wrong" in str(caught.value)
    assert clean(str(caught.value))


@pytest.mark.matrix(
    group="Where secrets must not be",
    case="A secret that cannot stand in a header (blank, line end, non-ASCII)",
    outcome="refused by name, and not shown",
)
@pytest.mark.parametrize("bad", ["SECRET\n", "SECRET\r\nX: y", "SÉCRET", " SECRET", "SECRET\x00"])
def test_a_secret_that_an_http_library_would_quote_is_refused_before(bad: str) -> None:
    value = bad.replace("SECRET", SECRET)
    with pytest.raises(ValueError, match="secret_key") as caught:
        FyatuAuth("A1B2C3D4E5F6G7H8", value)
    assert clean(str(caught.value))


@pytest.mark.matrix(
    group="Where secrets must not be",
    case="The file system, the process list, the environment",
    outcome="nothing is written, started or set, over every client",
)
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc is Linux's")
def test_the_process_list_and_thread_names_show_no_secret(one_world: World) -> None:
    import threading

    marked(one_world).token()
    with open("/proc/self/cmdline", "rb") as file:
        assert clean(file.read())
    assert all(clean(thread.name) for thread in threading.enumerate())


@pytest.mark.matrix(
    group="Where secrets must not be",
    case="A contract that raises something with the secret in it",
    outcome="InvalidTokenResponse that names the kind alone",
)
def test_a_broken_contract_is_told_by_its_kind_and_not_by_its_text(
    one_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    auth = one_world.auth()

    def trip(*_: object) -> Any:
        raise KeyError(SECRET)

    monkeypatch.setattr(type(auth._provider), "read", trip)
    with pytest.raises(AuthError) as caught:
        auth.token()
    assert caught.value.code == "invalid_token_response"
    assert "KeyError" in str(caught.value)
    assert clean(str(caught.value))
