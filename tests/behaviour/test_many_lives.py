"""Auth objects are copied, pickled, forked, wrapped and applied twice; clients do that to them."""

from __future__ import annotations

import copy
import multiprocessing
import os
import pickle
import subprocess
import sys
import threading
import time
import warnings
from typing import TYPE_CHECKING, Any

import httpx
import httpx2
import pytest
import requests

from auth_plugins import Event, FyatuAuth, MemoryStore, RefreshPolicy
from auth_plugins.auth import Options
from auth_plugins.simulators import FyatuSimulator
from auth_plugins.stores import PROCESS_STORE
from auth_plugins.testing import FakeClock, RequestsAdapter, mock_transport

if TYPE_CHECKING:
    from tests.conftest import World

APP = ("A1B2C3D4E5F6G7H8", "your_secret_key_here")


def test_an_auth_object_is_what_all_three_libraries_take_for_an_auth(one_world: World) -> None:
    kinds: tuple[type, ...] = (requests.auth.AuthBase, httpx.Auth, httpx2.Auth)
    assert all(isinstance(one_world.auth(), kind) for kind in kinds)


def test_making_one_calls_nobody(one_world: World) -> None:
    auth = one_world.auth()
    with requests.Session() as session, httpx.Client(auth=auth):
        session.auth = auth
    assert one_world.fyatu.ledger.calls() == ()


@pytest.mark.matrix(group="Many at once", case="An auth object is copied", outcome="the copy shares the token")
@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy])
def test_a_copy_shares_the_token(world: World, duplicate: Any) -> None:
    auth = world.auth()
    auth.token()
    with world.client(duplicate(auth)) as client:
        assert client.send("GET", f"{world.url}/x").status == 200
    assert world.token_calls == 1


@pytest.mark.matrix(
    group="Processes and interpreters", case="A pickle of an auth object", outcome="holds the credentials, and no token"
)
def test_a_pickle_keeps_the_credentials_and_no_token(one_world: World) -> None:
    auth = FyatuAuth(*APP, base_url=one_world.url)
    token = auth.token().access_token
    frozen = pickle.dumps(auth)
    assert token.encode() not in frozen
    assert pickle.loads(frozen).token().access_token == token, "in the same process it finds the same cache"


@pytest.mark.matrix(
    group="Processes and interpreters",
    case="An auth object is sent to a spawned process, or to one of a fork server",
    outcome="it works there, and logs in for itself",
)
def test_a_pickle_works_in_a_process_that_was_spawned(one_world: World) -> None:
    auth = FyatuAuth(*APP, base_url=one_world.url)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        given = {"auth": auth, "timeout": 20}
        assert pool.apply(requests.get, (f"{one_world.url}/x",), given).status_code == 200
    assert one_world.token_calls == 1


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy])
def test_a_copy_keeps_every_option(duplicate: Any) -> None:
    told: list[Event] = []
    with requests.Session() as lent:
        options: Options = {
            "store": MemoryStore(),
            "policy": RefreshPolicy(window=60.0),
            "origins": ("https://files.example", "http://plain.example:8080"),
            "token_client": lent,
            "on_event": told.append,
            "renew_on": (401, 419),
            "allow_http": True,
            "clock": FakeClock(),
        }
        assert options.keys() == Options.__annotations__.keys()
        state = duplicate(FyatuAuth(*APP, **options)).__getstate__()
    origins = {*options.pop("origins"), "https://api.fyatu.com"}
    assert set(state.pop("origins")) == origins
    assert state.pop("provider") == FyatuAuth(*APP)._provider
    assert state.pop("attributes") == {}
    assert state == options


def test_a_pickle_of_the_defaults_takes_those_of_the_process_that_reads_it() -> None:
    state = FyatuAuth(*APP).__getstate__()
    assert (state["store"], state["policy"], state["allow_http"]) == (None, None, False)
    assert pickle.loads(pickle.dumps(FyatuAuth(*APP)))._source.shared.store is PROCESS_STORE


def test_a_session_can_be_pickled_with_it(one_world: World) -> None:
    with requests.Session() as session:
        session.auth = FyatuAuth(*APP, base_url=one_world.url)
        with pickle.loads(pickle.dumps(session)) as again:
            assert again.get(f"{one_world.url}/x").status_code == 200


@pytest.mark.matrix(
    group="Where secrets must not be", case="Pickles of requests and responses", outcome="hold no credentials"
)
def test_a_pickled_request_or_response_takes_no_credentials_along(one_world: World) -> None:
    with requests.Session() as session:
        session.auth = one_world.auth()
        response = session.get(f"{one_world.url}/x")
    for thing in (response, response.request):
        assert APP[1].encode() not in pickle.dumps(thing)
        assert copy.deepcopy(thing) is not thing


@pytest.mark.matrix(
    group="Many at once", case="One request is signed twice, by two objects", outcome="one header, one hook, one retry"
)
def test_applied_twice_there_is_one_header_one_hook_and_one_retry(one_world: World) -> None:
    auth, other = one_world.auth(), one_world.auth()
    request = requests.Request("GET", f"{one_world.url}/x", auth=auth).prepare()
    for again in (auth, other, copy.copy(auth)):
        again(request)
    assert len(request.hooks["response"]) == 1
    one_world.fyatu.reject_all = True
    with requests.Session() as session:
        response = session.send(request)
    assert (response.status_code, len(response.history)) == (401, 1)
    assert one_world.fyatu.ledger.count("api") == 2


def test_copies_of_one_request_that_are_signed_for_two_accounts_renew_each_its_own(one_world: World) -> None:
    fyatu, theirs = FyatuSimulator("B1B2C3D4E5F6G7H8"), one_world.server
    there = theirs.mount("/account-b", fyatu, clock=one_world.clock)
    ours = one_world.auth()
    other = FyatuAuth("B1B2C3D4E5F6G7H8", APP[1], base_url=there, store=one_world.store, clock=one_world.clock)
    template = requests.Request("POST", f"{there}/x", data=b"pay").prepare()
    with requests.Session() as session:
        ours(template.copy())
        mine = other(template.copy())
        fyatu.revoke_all()
        assert session.send(mine).status_code == 200
        assert session.send(template).status_code == 401, "it was never signed"
    assert (one_world.token_calls, fyatu.ledger.token_calls) == (1, 2)


def test_a_prepared_request_and_its_copy_renew(one_world: World) -> None:
    auth = one_world.auth()
    request = requests.Request("GET", f"{one_world.url}/x", auth=auth).prepare().copy()
    one_world.fyatu.revoke_all()
    with requests.Session() as session:
        assert session.send(request).status_code == 200


@pytest.mark.matrix(
    group="Bodies and streams",
    case="`raise_for_status` in a hook of requests",
    outcome="it sees the last answer only",
    client="requests",
)
def test_other_hooks_see_the_last_response_only_and_may_raise_for_status(one_world: World) -> None:
    seen: list[int] = []
    auth = one_world.auth()
    auth.token()
    one_world.fyatu.revoke_all()
    with requests.Session() as session:
        session.auth = auth
        session.hooks["response"] = [
            lambda r, **_: seen.append(r.status_code),
            lambda r, **_: r.raise_for_status(),
        ]
        assert session.get(f"{one_world.url}/x").status_code == 200
    assert seen == [200]


def test_cookies_of_a_401_are_kept(one_world: World) -> None:
    answers = iter(
        [
            httpx.Response(401, headers={"Set-Cookie": "seen=yes"}),
            httpx.Response(200),
        ]
    )
    with httpx.Client(transport=httpx.MockTransport(lambda _: next(answers)), auth=one_world.auth()) as client:
        assert client.get(f"{one_world.url}/x").status_code == 200
        assert client.cookies["seen"] == "yes"


def test_with_httpx_mock_transports_and_requests_adapters_nothing_needs_a_network() -> None:
    clock, fyatu, url = FakeClock(), FyatuSimulator(), "https://api.example/api/v3"
    lent = httpx.Client(transport=mock_transport(fyatu, clock))
    auth = FyatuAuth(*APP, base_url=url, token_client=lent, clock=clock, store=MemoryStore(clock=clock))
    with requests.Session() as session:
        session.mount("https://", RequestsAdapter(fyatu, clock))
        session.auth = auth
        assert session.get(f"{url}/x").status_code == 200
    for library in (httpx, httpx2):
        with library.Client(transport=mock_transport(fyatu, clock, library), auth=auth) as client:
            assert client.get(f"{url}/x").status_code == 200
    assert fyatu.ledger.token_calls == 1


def test_responses_answers_token_calls_and_the_replay(one_world: World) -> None:
    import responses

    from auth_plugins.testing import register_responses

    url = "https://api.example/api/v3"
    with responses.RequestsMock() as rsps, requests.Session() as session:
        register_responses(one_world.fyatu, rsps, url, one_world.clock)
        session.auth = one_world.auth(base_url=url)
        assert session.get(f"{url}/x").status_code == 200
        one_world.fyatu.revoke_all()
        response = session.post(f"{url}/x", data=b"abc")
        assert (response.status_code, [each.status_code for each in response.history]) == (200, [401])
    assert one_world.token_calls == 2


@pytest.mark.matrix(
    group="Processes and interpreters",
    case="A fork while a renewal is up",
    outcome="the child does not hang, and logs in for itself",
)
def test_a_child_forked_while_a_renewal_is_up_logs_in_by_itself_and_does_not_hang(one_world: World) -> None:
    auth = FyatuAuth(*APP, base_url=one_world.url, store=MemoryStore())
    one_world.fyatu.latency = 1.0
    waiting = threading.Thread(target=auth.token)
    waiting.start()
    while auth._source.shared.flight is None or one_world.token_calls == 0:
        time.sleep(0.01)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 and later warn of just this.
        child = os.fork()
    if child == 0:
        os._exit(0 if auth.token().access_token else 1)
    deadline = time.monotonic() + 20
    ended = status = 0
    while ended == 0 and time.monotonic() < deadline:
        ended, status = os.waitpid(child, os.WNOHANG)
        time.sleep(0.02)
    if ended == 0:
        os.kill(child, 9)
        os.waitpid(child, 0)
    waiting.join()
    assert (ended, status) == (child, 0)
    assert one_world.token_calls == 2


@pytest.mark.matrix(group="Processes and interpreters", case="A fork with a valid token", outcome="the child uses it")
def test_a_child_forked_with_a_token_uses_it(one_world: World) -> None:
    auth = FyatuAuth(*APP, base_url=one_world.url, store=MemoryStore())
    auth.token()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        os._exit(0 if auth.token().access_token else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert one_world.token_calls == 1


@pytest.mark.matrix(group="Processes and interpreters", case="A request from an atexit handler", outcome="is served")
def test_a_request_from_an_atexit_handler_still_gets_its_token(one_world: World) -> None:
    program = f"""
import atexit, requests
from auth_plugins import FyatuAuth
auth = FyatuAuth({APP[0]!r}, {APP[1]!r}, base_url={one_world.url!r})
atexit.register(lambda: print(requests.get({one_world.url!r} + "/x", auth=auth, timeout=10).status_code))
"""
    done = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "200", "")


@pytest.mark.matrix(
    group="Processes and interpreters",
    case="A request from an atexit handler, in the window",
    outcome="is served; nothing is renewed in the background",
)
def test_a_request_from_an_atexit_handler_in_the_window_does_not_delay_the_exit(one_world: World) -> None:
    one_world.fyatu.latency = 0.2
    program = f"""
import atexit, requests
from auth_plugins import FyatuAuth, RefreshPolicy
url, policy = {one_world.url!r}, RefreshPolicy(window=1e6, window_share=1.0)
told = lambda event: print(event.kind.value, flush=True)
auth = FyatuAuth({APP[0]!r}, {APP[1]!r}, base_url=url, policy=policy, on_event=told)
auth.token()
atexit.register(lambda: print(requests.get(url + "/x", auth=auth, timeout=10).status_code))
"""
    done = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout.split(), done.stderr) == (0, ["logged_in", "200"], "")


def test_in_a_thread_that_outlives_the_main_one_renewals_still_have_threads_of_their_own(one_world: World) -> None:
    program = f"""
import threading
from auth_plugins import FyatuAuth
told = lambda event: print(event.kind.value, threading.current_thread().name)
auth = FyatuAuth({APP[0]!r}, {APP[1]!r}, base_url={one_world.url!r}, on_event=told)
def outlive():
    while threading.main_thread().is_alive(): pass
    auth.token()
threading.Thread(target=outlive).start()
"""
    done = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, timeout=30)
    # Python 3.12.0 and 3.12.1 start no thread any more once the main one has ended (CPython's issue 113964).
    where = "Thread-1 (outlive)" if (3, 12) <= sys.version_info < (3, 12, 2) else "auth_plugins renewal"
    assert (done.returncode, done.stdout, done.stderr) == (0, f"logged_in {where}\n", "")


ALIASED = """
import warnings
warnings.simplefilter("error")
{before}
import httpx
from auth_plugins import FyatuAuth
from auth_plugins.simulators import FyatuSimulator
from auth_plugins.testing import FakeClock, RequestsAdapter, mock_transport
import requests
clock, fyatu, url = FakeClock(), FyatuSimulator(), "https://api.example/api/v3"
lent = httpx.Client(transport=mock_transport(fyatu, clock, httpx))
auth = FyatuAuth({app!r}, {key!r}, base_url=url, token_client=lent, clock=clock)
assert len(set(type(auth).__mro__)) == len(type(auth).__mro__)
with httpx.Client(transport=mock_transport(fyatu, clock, httpx), auth=auth) as client:
    assert client.get(url + "/x").status_code == 200
    fyatu.revoke_all()
    assert client.post(url + "/x", content=b"abc").status_code == 200
with requests.Session() as session:
    session.mount("https://", RequestsAdapter(fyatu, clock))
    session.auth = auth
    assert session.get(url + "/x").status_code == 200
print(fyatu.ledger.token_calls, httpx.__name__)
"""
BLOCKED = """
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "httpx2": raise ModuleNotFoundError(name, name=name)
sys.meta_path.insert(0, Blocked())
"""


@pytest.mark.parametrize(
    ("before", "name"),
    [("", "httpx"), ("import httpx2; httpx2.alias_httpx()", "httpx2"), (BLOCKED, "httpx")],
    ids=["both", "aliased", "absent"],
)
def test_httpx2_may_be_there_aliased_or_absent(before: str, name: str) -> None:
    program = ALIASED.format(before=before, app=APP[0], key=APP[1])
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert (done.stdout.split(), done.stderr) == (["2", name], "")
