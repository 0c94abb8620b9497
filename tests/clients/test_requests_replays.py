"""What requests sends again after a 401: with which body, cookies and token, and what becomes of the first request."""

from __future__ import annotations

import io
import warnings
from typing import TYPE_CHECKING, Any

import httpx
import httpx2
import pytest
import requests
import responses
from requests.adapters import BaseAdapter

from auth_plugins import BodyNotReplayed
from tests.clients.test_adapters import Room
from tests.engine.test_token_source import URL

if TYPE_CHECKING:
    from pathlib import Path


class Api(BaseAdapter):
    """Answers by a script: a status and headers, or an exception. Keeps what it was sent."""

    def __init__(self, *script: Any) -> None:
        super().__init__()
        self.script, self.seen = list(script), list[Any]()

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        body: Any = request.body
        sent = body.read() if hasattr(body, "read") else body
        self.seen.append((request.url, dict(request.headers), sent))
        step = self.script.pop(0) if self.script else (200, {})
        if isinstance(step, Exception):
            raise step
        response = requests.Response()
        response.status_code, response.request, response.url = step[0], request, str(request.url)
        response.headers.update(step[1])
        response.raw, response.connection = io.BytesIO(), self  # type: ignore[assignment]
        return response

    def close(self) -> None:
        """Keep nothing open."""


def session_of(room: Room, *script: Any) -> Any:
    session = requests.Session()
    session.auth, session.trust_env = room.auth, False
    session.mount("https://", Api(*script))
    return session


def sent_by(session: requests.Session) -> list[Any]:
    api: Any = session.adapters["https://"]
    return api.seen  # type: ignore[no-any-return]


class Wrapper:
    """A body as upload wrappers make it: it can be read and can seek, and cannot be iterated."""

    def __init__(self, content: bytes) -> None:
        self._file = io.BytesIO(content)
        self.read, self.seek, self.tell = self._file.read, self._file.seek, self._file.tell

    def __len__(self) -> int:
        return len(self._file.getvalue())


class OneWay(Wrapper):
    def __init__(self, content: bytes) -> None:
        super().__init__(content)
        del self.seek, self.tell


@pytest.mark.parametrize("begin", [0, 2])
@pytest.mark.parametrize("status", [401, 307])
def test_a_body_that_can_seek_and_not_be_iterated_is_sent_again_from_where_it_began(begin: int, status: int) -> None:
    room, body = Room(), Wrapper(b"abcdef")
    body.seek(begin)
    with session_of(room, (status, {"Location": "/api/v3/y"})) as session:
        assert session.post(f"{URL}/x", data=body).status_code == 200
        assert [sent for _, _, sent in sent_by(session)] == [b"abcdef"[begin:]] * 2


def test_a_body_that_cannot_seek_is_handed_over_with_a_warning_that_says_so() -> None:
    with session_of(Room(), (401, {})) as session:
        with pytest.warns(BodyNotReplayed, match="cannot be sent again"):
            assert session.post(f"{URL}/x", data=OneWay(b"abc")).status_code == 401
        assert len(sent_by(session)) == 1


@pytest.mark.parametrize("kind", ["requests", "httpx", "httpx2"])
def test_a_warning_that_is_made_an_error_gives_the_connection_of_the_401_back(make_world: Any, kind: str) -> None:
    world = make_world(kind)
    auth = world.auth()
    auth.token()
    if kind == "requests":
        client: Any = requests.Session()
        client.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=1, pool_block=True))
    else:
        library: Any = {"httpx": httpx, "httpx2": httpx2}[kind]
        client = library.Client(limits=library.Limits(max_connections=1), trust_env=False)
    with client:
        client.auth = auth
        for _ in range(3):
            assert client.get(f"{world.url}/x", timeout=10.0).status_code == 200
            world.fyatu.revoke_all()
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                with pytest.raises(BodyNotReplayed):
                    client.post(f"{world.url}/x", **{"data" if kind == "requests" else "content": iter([b"once"])})
        assert client.get(f"{world.url}/x", timeout=10.0).status_code == 200


def session_cookie(name: str, value: str) -> requests.cookies.RequestsCookieJar:
    jar = requests.cookies.RequestsCookieJar()
    jar.set(name, value, domain="api.example", path="/")
    return jar


def test_cookies_that_the_401_sets_go_along() -> None:
    with requests.Session() as session, responses.RequestsMock() as mock:
        session.auth = Room().auth
        cookies = [
            ("Set-Cookie", "a=1; Path=/"),
            ("Set-Cookie", "b=2; Path=/"),
            ("Set-Cookie", "old=; Max-Age=0; Path=/"),
        ]
        for given, wanted in (
            ({}, "a=1; b=2"),
            ({"cookies": {"mine": "0"}}, "mine=0; a=1; b=2"),
            ({"cookies": session_cookie("old", "0")}, "a=1; b=2"),
            ({"headers": {"Cookie": "own=1"}}, "own=1"),
        ):
            session.cookies.clear()
            mock.get(f"{URL}/x", status=401, headers=cookies)
            mock.get(f"{URL}/x")
            response = session.get(f"{URL}/x", **given)
            sent: Any = response.request.headers["Cookie"]
            assert sorted(sent.split("; ")) == sorted(wanted.split("; ")), given
            mock.reset()


def test_what_is_recorded_as_the_first_request_keeps_the_token_it_was_sent_with() -> None:
    room = Room()
    with requests.Session() as session, responses.RequestsMock() as mock:
        mock.get(f"{URL}/x", status=401)
        mock.get(f"{URL}/x")
        session.auth = room.auth
        prepared = session.prepare_request(requests.Request("GET", f"{URL}/x", headers={"A": "1", "Z": "2"}))
        first = prepared.headers["Authorization"]
        response = session.send(prepared)
        rejected, accepted = (call.request for call in mock.calls)
    assert (rejected, response.history[0].request) == (prepared, prepared)
    assert rejected.headers["Authorization"] is first
    assert accepted.headers["Authorization"] == dict(room.shared.snapshot.headers)["Authorization"] != first
    assert response.request is accepted
    assert list(accepted.headers) == list(rejected.headers)


def test_a_redirect_home_keeps_the_token_also_after_one_to_a_stranger() -> None:
    with session_of(Room()) as session:
        prepared = session.prepare_request(requests.Request("GET", f"{URL}/x"))
        for target, signed in (("https://stranger.example/x", False), ("/y", True)):
            sent_by(session).clear()
            session.adapters["https://"].script = [(302, {"Location": target})]
            assert session.send(prepared).status_code == 200
            assert ["Authorization" in headers for _, headers, _ in sent_by(session)] == [True, signed]


def test_credentials_of_a_netrc_that_requests_puts_on_a_redirect_are_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hosts = ("api.example", "stranger.example")
    (tmp_path / "netrc").write_text("\n".join(f"machine {host} login me password secret" for host in hosts))
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    for target in ("/y", "https://stranger.example/x"):
        with session_of(Room(), (302, {"Location": target}), (401, {})) as session:
            session.trust_env = True
            assert session.get(f"{URL}/x").status_code == 401
            kinds = [headers["Authorization"].partition(" ")[0] for _, headers, _ in sent_by(session)]
            assert kinds == ["Bearer", "Basic"]


def test_a_token_whose_replay_was_cut_is_renewed_at_once_by_its_next_401() -> None:
    room = Room()
    with session_of(room, (401, {}), requests.ConnectionError(), (401, {}), (200, {})) as session:
        with pytest.raises(requests.ConnectionError):
            session.get(f"{URL}/x")
        assert session.get(f"{URL}/x").status_code == 200
    assert (room.shared.unauthorized.failures, room.fyatu.ledger.token_calls) == (0, 3)


def test_an_api_that_rejects_every_token_and_cuts_every_replay_causes_no_call_for_each_request() -> None:
    room = Room()
    with session_of(room, *[(401, {}), requests.ConnectionError()] * 2, *[(401, {})] * 20) as session:
        for _ in range(2):
            with pytest.raises(requests.ConnectionError):
                session.get(f"{URL}/x")
        for _ in range(20):
            assert session.get(f"{URL}/x").status_code == 401
    assert room.fyatu.ledger.token_calls == 3


def test_one_that_was_accepted_meanwhile_leaves_no_trace_of_a_cut_replay() -> None:
    room = Room()
    for _ in range(3):
        script = [(401, {}), requests.ConnectionError(), (200, {}), (401, {}), (200, {})]
        with session_of(room, *script) as session:
            with pytest.raises(requests.ConnectionError):
                session.get(f"{URL}/x")
            assert [session.get(f"{URL}/x").status_code for _ in range(2)] == [200, 200]
    assert room.fyatu.ledger.token_calls == 7
