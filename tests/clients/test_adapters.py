"""What the doors do with a request and its answer, each shown alone."""

from __future__ import annotations

import copy
import io
import pickle
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import httpx
import httpx2
import pytest
import requests

from auth_plugins import AuthError, BodyNotReplayed, Token
from auth_plugins.clients import AllowedOrigins, HttpxFlow, RequestsHook
from auth_plugins.clients.bodies import Body
from auth_plugins.clients.library import library_of
from auth_plugins.clients.origins import default_port
from auth_plugins.core import Origin
from auth_plugins.providers.fyatu import FyatuContract
from tests.conftest import APP_ID, SECRET_KEY
from tests.engine import test_token_source as source

URL = source.URL
LIBRARIES = [httpx, httpx2]


class Room(source.Room):
    """A room with doors."""

    @property
    def door(self) -> RequestsHook:
        return self.auth._requests

    def httpx_door(self, library: Any) -> HttpxFlow:
        return self.auth._flow_for(library.Request("GET", URL))

    def signed(self, url: str = f"{URL}/x", **more: Any) -> requests.PreparedRequest:
        return self.auth(requests.Request("GET", url, **more).prepare())

    def replaced(self) -> Any:
        """Let the token at hand be rejected: the next one came on a 401."""
        snapshot = self.auth._source.current(self.auth._transport)
        found = self.auth._source.after_401(dict(snapshot.headers).get, self.auth._transport)
        if found is not None:
            self.auth._source.wait_usable(found)
        return self.shared.snapshot


def answered(request: requests.PreparedRequest, status: int, **headers: str) -> requests.Response:
    response = requests.Response()
    response.status_code, response.request, response.url = status, request, str(request.url)
    response.headers.update(headers)
    return response


def looked_at(request: requests.PreparedRequest, status: int) -> Any:
    """Let the hooks of a request look at an answer; whatever is sent again gets 200."""

    class Connection:
        def send(self, again: requests.PreparedRequest, **_: Any) -> requests.Response:
            return answered(again, 200)

    response: Any = answered(request, status)
    response.raw, response.connection = io.BytesIO(), Connection()
    for hook in request.hooks["response"]:
        response = hook(response)
    return response


class OwnRequest(requests.PreparedRequest):
    """A prepared request of a kind of the caller's own."""


@dataclass(frozen=True, slots=True)
class InAHeaderOfItsOwn(FyatuContract):
    def headers(self, token: Token) -> Mapping[str, str]:
        return {f"X-{token.access_token[-1]}": token.access_token, "X-Token": token.access_token}


class TestOfRequests:
    def test_an_answer_that_says_nothing_new_changes_nothing(self) -> None:
        room = Room()
        request = room.signed()
        before = room.shared.snapshot
        room.door(answered(request, 200))
        assert room.shared.snapshot is before

    @pytest.mark.parametrize("status", [200, 402, 404, 500])
    def test_any_answer_but_a_401_proves_the_token_that_came_on_a_401(self, status: int) -> None:
        room = Room()
        assert room.replaced().unproven
        room.door(answered(room.signed(), status))
        assert not room.shared.snapshot.unproven

    def test_a_200_does_not_prove_that_the_renewal_after_a_401_helped(self) -> None:
        room = Room()
        snapshot = room.replaced()
        room.auth._source.still_unauthorized(snapshot, f"GET {URL}/refusing")
        room.door(answered(room.signed(), 200))
        assert room.shared.unauthorized.failures == 1

    @pytest.mark.parametrize("url", ["https://stranger.example/x", "http://api.example/x", "////api.example/x", None])
    def test_a_copy_that_gets_a_url_elsewhere_loses_every_header_of_the_token(self, url: str | None) -> None:
        room = Room(InAHeaderOfItsOwn(APP_ID, SECRET_KEY, URL))
        request = room.signed()
        mine = [name for name in request.headers if name.startswith("X-")]
        assert len(mine) == 2
        followed = request.copy().copy()
        followed.url = f"{URL}/elsewhere"
        assert set(mine) <= set(followed.headers)
        followed.url = url
        assert not set(mine) & set(followed.headers)
        assert set(mine) <= set(request.headers), "the request itself may be sent once more"

    def test_a_header_that_an_earlier_token_had_is_taken_off_as_well(self) -> None:
        room = Room(InAHeaderOfItsOwn(APP_ID, SECRET_KEY, URL))
        old = room.signed()
        names = [name for name in old.headers if name.startswith("X-")]
        for _ in range(5):
            room.replaced()
            room.signed()
        followed = old.copy()
        followed.url = "https://stranger.example/x"
        assert not any(name in followed.headers for name in names)
        room.auth(old)
        assert set(dict(room.shared.snapshot.headers)) == {name for name in old.headers if name.startswith("X-")}

    @pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda r: pickle.loads(pickle.dumps(r))])
    def test_a_request_of_a_kind_of_its_own_stays_one(self, duplicate: Any) -> None:
        room = Room(InAHeaderOfItsOwn(APP_ID, SECRET_KEY, URL))
        made = OwnRequest()
        made.prepare("GET", f"{URL}/x", auth=room.auth)
        for each in (made, duplicate(made)):
            assert isinstance(each, OwnRequest)
            assert (each.url, "X-Token" in each.headers) == (f"{URL}/x", True)
        copied = copy.copy(made)
        copied.headers = made.headers.copy()
        copied.url = "https://stranger.example/x"
        assert ("X-Token" in made.headers, "X-Token" in copied.headers) == (True, False)

    def test_a_redirect_home_takes_nothing_off(self) -> None:
        room = Room()
        request = room.signed()
        room.door(answered(request, 302, Location="/elsewhere"))
        assert "Authorization" in request.copy().headers

    def test_a_request_without_a_url_is_not_signed(self) -> None:
        room = Room()
        request = requests.Request("GET", f"{URL}/x").prepare()
        request.url = None
        assert "Authorization" not in room.auth(request).headers

    def test_the_last_of_several_objects_that_sign_a_request_is_its_one_hook(self) -> None:
        room = Room()
        twin = RequestsHook(room.auth._source, room.door.allowed, room.auth._transport)
        request = room.signed()
        kept = request.hooks
        assert twin.sign(request).hooks["response"] == [twin]
        last, *others = [Room() for _ in range(20)]
        for other in [*others, last]:
            other.auth(room.auth(request))
        assert request.hooks["response"] == [last.door]
        assert kept == {"response": [room.door]}, "a copy may have it"

    @pytest.mark.parametrize("copied", [False, True], ids=["as it is", "as plain text"])
    def test_the_last_who_signed_a_copy_answers_for_it_and_for_no_other(self, copied: bool) -> None:
        ours, theirs = Room(), Room()
        template = requests.Request("GET", f"{URL}/x").prepare()
        mine, yours, both = template.copy(), template.copy(), template.copy()
        ours.auth(mine)
        theirs.auth(yours)
        theirs.auth(ours.auth(both))
        for each in (mine, yours, both) if copied else ():
            each.headers["Authorization"] = "".join(map(str, each.headers["Authorization"]))
        assert [each.hooks["response"] for each in (template, mine, yours, both)] == [
            [], [ours.door], [theirs.door], [theirs.door]
        ]  # fmt: skip
        for request, signer in ((mine, ours), (yours, theirs)):
            sent = request.headers["Authorization"]
            again = looked_at(request, 401)
            assert again.status_code == 200
            assert again.request.headers["Authorization"] == signer.shared.snapshot.headers[0][1]
            assert request.headers["Authorization"] is sent, "what was sent stays as it was"
            assert again.history[0].request is request
        # Of plain text nobody knows whose it was, once there is another token.
        assert looked_at(both, 401).status_code == (401 if copied else 200)
        assert (ours.fyatu.ledger.token_calls, theirs.fyatu.ledger.token_calls) == (2, 2)

    def test_nobody_answers_for_a_copy_that_he_did_not_sign(self) -> None:
        room = Room()
        template = requests.Request("GET", f"{URL}/x").prepare()
        signed = room.auth(template.copy())
        bare = signed.copy()
        del bare.headers["Authorization"]
        basic = requests.auth.HTTPBasicAuth("me", "secret")
        for unsigned in (template, basic(template.copy()), bare, basic(signed.copy())):
            assert looked_at(unsigned, 401).status_code == 401
        room.door(answered(signed, 302, Location="/elsewhere"))
        assert looked_at(bare, 401).status_code == 401, "it does not follow that redirect"
        assert room.fyatu.ledger.token_calls == 1

    @pytest.mark.parametrize(
        ("status", "location", "followed"),
        [
            (302, f"{URL}/x", True), (307, f"{URL}/x#part", True), (301, "//api.example/api/v3/x", True),
            (300, f"{URL}/x", False), (304, f"{URL}/x", False), (200, f"{URL}/x", False),
            (302, f"{URL}/y", False), (302, "/api/v3/x", False), (302, "//[", False),
        ],
    )  # fmt: skip
    def test_what_follows_a_redirect_and_lost_its_token_is_answered_for(
        self, status: int, location: str, followed: bool
    ) -> None:
        room = Room()
        request = room.signed(f"{URL}/go")
        room.door(answered(request, 302, Location="https://stranger.example/back"))
        bare = request.copy()
        del bare.headers["Authorization"]
        away, back, other = bare.copy(), bare.copy(), bare.copy()
        away.url = "https://stranger.example/back"
        room.door(answered(away, status, Location=location))
        back.url = other.url = f"{URL}/x"
        assert looked_at(back, 401).status_code == (200 if followed else 401)
        assert looked_at(other, 401).status_code == 401, "it has been followed"
        assert [type(hook) for hook in request.hooks["response"]] == [RequestsHook]

    def test_what_follows_a_redirect_home_has_its_token_and_a_copy_without_it_does_not_follow(self) -> None:
        room = Room()
        request = room.signed()
        room.door(answered(request, 302, Location="/api/v3/x"))
        for bare in (request.copy(), request):
            del bare.headers["Authorization"]
            assert looked_at(bare, 401).status_code == 401

    @pytest.mark.parametrize("status", [200, 302, 401])
    def test_a_response_whose_request_is_of_another_kind_is_left_as_it_is(self, status: int) -> None:
        room = Room()
        room.door(answered(room.signed(f"{URL}/go"), 302, Location="/api/v3/x"))
        cached: Any = SimpleNamespace(url=f"{URL}/x", headers={}, method="GET", body=None)
        response = answered(cached, status, Location="/api/v3/x")
        assert room.door(response) is response

    def test_a_request_that_is_signed_for_a_stranger_loses_its_token_and_nothing_else(self) -> None:
        ours, theirs = Room(), Room(InAHeaderOfItsOwn(APP_ID, SECRET_KEY, URL))
        for room in (ours, theirs):
            request = requests.Request("GET", f"{URL}/x", headers={"X-Mine": "1"}, hooks={"response": print}).prepare()
            theirs.auth(ours.auth(request))
            assert len(request.headers) == 4
            request.url = "https://stranger.example/x"
            room.auth(request)
            assert dict(request.headers) == {"X-Mine": "1"}
            assert request.hooks["response"] == [print]
            basic = requests.auth.HTTPBasicAuth("me", "secret")(request).headers["Authorization"]
            assert room.auth(request).headers["Authorization"] == basic

    @pytest.mark.parametrize("turned", [False, True], ids=["one way", "the other way"])
    def test_tokens_in_two_headers_are_looked_after_by_two_and_both_stay_behind(self, turned: bool) -> None:
        rooms = [Room(), Room(InAHeaderOfItsOwn(APP_ID, SECRET_KEY, URL))]
        request = requests.Request("GET", f"{URL}/x").prepare()
        for room in rooms[:: -1 if turned else 1]:
            room.auth(room.auth(request))
        hooks = request.hooks["response"]
        assert sorted(map(id, hooks)) == sorted(id(room.door) for room in rooms)
        followed = request.copy()
        followed.url = "https://stranger.example/x"
        assert not followed.headers
        assert len(request.headers) == 3

    @pytest.mark.parametrize("given", [[], [print]], ids=["alone", "beside another"])
    def test_a_request_that_is_signed_twice_has_one_hook_of_ours(self, given: list[Any]) -> None:
        room = Room()
        request = requests.Request("GET", f"{URL}/x", hooks={"response": given}).prepare()
        for _ in range(3):
            room.auth(request)
        assert request.hooks["response"] == [*given, room.door]

    @pytest.mark.parametrize("size", [0, 10, 65_536, 200_000])
    def test_a_401_is_read_to_its_end_or_given_up_before_the_request_goes_out_again(self, size: int) -> None:
        class Connection:
            def send(self, request: requests.PreparedRequest, **sending: Any) -> requests.Response:
                assert rejected.raw.closed is (size > 65_536)
                assert sending == {"timeout": 7.0}
                return answered(request, 200)

        room = Room()
        rejected: Any = answered(room.signed(), 401)
        rejected.raw, rejected.connection = io.BytesIO(bytes(size)), Connection()
        again = room.door(rejected, timeout=7.0)
        assert (again.status_code, again.history) == (200, [rejected])
        assert 0 <= again.elapsed.total_seconds() < 100
        assert len(rejected.content) == min(size, 5 * 16_384)
        assert rejected.request.headers["Authorization"] != again.request.headers["Authorization"]

    def test_what_cannot_be_sent_again_is_handed_back_with_a_warning(self) -> None:
        room = Room()
        room.auth.token()
        request = requests.Request("POST", f"{URL}/x", data=iter([b"body"])).prepare()
        response = answered(room.auth(request), 401)
        with pytest.warns(BodyNotReplayed, match=r"^A 401 was not answered: the request's body cannot be sent again$"):
            assert room.door(response) is response


@pytest.mark.parametrize("library", LIBRARIES)
class TestOfHttpx:
    def test_an_answer_that_says_nothing_new_changes_nothing(self, library: Any) -> None:
        room = Room()
        request = library.Request("GET", f"{URL}/x")
        snapshot = room.httpx_door(library).sign(request, Body(request.stream, library))
        assert not room.httpx_door(library).is_rejected(library.Response(200, request=request), snapshot)
        assert room.shared.snapshot is snapshot

    def test_only_what_was_sent_again_shows_that_the_renewal_helped(self, library: Any) -> None:
        room = Room()
        snapshot = room.replaced()
        room.auth._source.still_unauthorized(snapshot, f"GET {URL}/refusing")
        door, request = room.httpx_door(library), library.Request("GET", f"{URL}/x", headers=dict(snapshot.headers))
        response = library.Response(200, request=request)
        assert not door.is_rejected(response, snapshot)
        assert (room.shared.snapshot.unproven, room.shared.unauthorized.failures) == (False, 1)
        door.observe_replay(response, snapshot)
        assert room.shared.unauthorized.failures == 1, "the endpoint accepts tokens, so it needed no renewal"
        other = library.Request("GET", f"{URL}/y", headers=dict(snapshot.headers))
        door.observe_replay(library.Response(200, request=other), snapshot)
        assert room.shared.unauthorized.failures == 0

    def test_what_is_sent_again_is_the_same_request(self, library: Any) -> None:
        room = Room()
        extensions = {"timeout": {"connect": 1.0}, "own": object()}
        request = library.Request("PUT", f"{URL}/x?a=1", headers={"X": "y"}, content=b"body", extensions=extensions)
        door, body = room.httpx_door(library), Body(request.stream, library)
        signed = door.sign(request, body)
        made = door.prepare_replay(request, library.Response(401, request=request), signed, body)
        assert made is not None
        again, snapshot = made
        assert (again.method, again.url, again.stream) == ("PUT", request.url, request.stream)
        assert again.content == b"body"
        assert again.extensions == request.extensions
        assert again.headers["X"] == "y"
        assert (
            again.headers["Authorization"]
            == dict(snapshot.headers)["Authorization"]
            != request.headers["Authorization"]
        )

    def test_a_token_in_another_header_is_refused_and_told_what_to_do(self, library: Any) -> None:
        room = Room(InAHeaderOfItsOwn(APP_ID, SECRET_KEY, URL))
        request = library.Request("GET", f"{URL}/x")
        with pytest.raises(AuthError, match=rf"^{library.__name__} may leak this token's header") as caught:
            room.httpx_door(library).sign(request, Body(request.stream, library))
        assert caught.value.hint == "Carry the token in Authorization, or send these requests with requests."
        assert not any(name.startswith("x-") for name in request.headers)

    def test_what_cannot_be_sent_again_is_handed_back_with_a_warning(self, library: Any) -> None:
        room = Room()
        request = library.Request("POST", f"{URL}/x", content=iter([b"body"]))
        door, body = room.httpx_door(library), Body(request.stream, library)
        signed = door.sign(request, body)
        with pytest.warns(BodyNotReplayed, match=r"^A 401 was not answered: the request's body cannot be sent again$"):
            assert door.prepare_replay(request, library.Response(401, request=request), signed, body) is None

    def test_the_general_flow_is_the_synchronous_one(self, library: Any) -> None:
        room = Room()
        request = library.Request("GET", f"{URL}/x")
        assert next(room.auth.auth_flow(request)) is request
        assert request.headers["Authorization"] == dict(room.shared.snapshot.headers)["Authorization"]


class TestALibrary:
    @pytest.mark.parametrize("library", LIBRARIES)
    @pytest.mark.parametrize("place", ["", ".deep.inside"])
    def test_is_found_by_where_a_request_comes_from(self, library: Any, place: str) -> None:
        kind = type("Request", (), {"__module__": library.__name__ + place})
        assert library_of(type("Own", (kind,), {"__module__": "mine"})) is library

    def test_that_is_none_is_refused(self) -> None:
        with pytest.raises(TypeError, match=r"^request must be an httpx\.Request or an httpx2\.Request$"):
            library_of(requests.Request)


class TestAScope:
    @pytest.mark.parametrize(("scheme", "port"), [("https", 443), ("http", 80)])
    def test_knows_a_default_port_that_is_left_out(self, scheme: str, port: int) -> None:
        assert default_port(scheme) == port
        allowed = AllowedOrigins([Origin(scheme, "api.example", port)])
        assert allowed.covers_parts(scheme, "api.example", None)
        assert allowed.covers_parts(scheme, "api.example", port)
        assert not allowed.covers_parts(scheme, "api.example", port + 1)

    def test_covers_nothing_that_is_no_url(self) -> None:
        assert not AllowedOrigins([Origin("https", "api.example", 443)]).covers(None)


def test_nothing_is_said_where_there_is_nothing_to_say() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Room().signed()
