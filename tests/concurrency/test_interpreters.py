"""Processes, interpreters and greenlets: each has its own cache, and none hangs on a renewal that is another's."""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from typing import TYPE_CHECKING

import pytest
import requests

from auth_plugins import FyatuAuth
from auth_plugins.simulators import OAuth2Simulator
from auth_plugins.testing import serve

if TYPE_CHECKING:
    from tests.conftest import World

APP = ("A1B2C3D4E5F6G7H8", "your_secret_key_here")


def matrix(case: str, outcome: str) -> pytest.MarkDecorator:
    return pytest.mark.matrix(group="Processes and interpreters", case=case, outcome=outcome)


def run(program: str) -> str:
    """Run a program in an interpreter of its own; give what it printed."""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=50)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


GEVENT = """
from gevent import monkey
monkey.patch_all()
import gevent, sys
from auth_plugins import FyatuAuth
from auth_plugins.testing import open_client
auth = FyatuAuth({app!r}, {key!r}, base_url={url!r})
ticks = []
def tick_on():
    while True:
        ticks.append(1)
        gevent.sleep(0.02)
ticking = gevent.spawn(tick_on)
with open_client({kind!r}, auth) as client:
    statuses = [reply.status for reply in client.send_many(50, "GET", {url!r} + "/x")]
print(set(statuses), len(statuses), len(ticks) > 5)
"""


@matrix("gevent, monkey-patched: fifty greenlets without a token", "one token call, and the hub is not blocked")
@pytest.mark.parametrize("kind", ["requests", "httpx"])
def test_fifty_greenlets_make_one_token_call(kind: str, one_world: World) -> None:
    one_world.fyatu.latency = 0.3
    program = GEVENT.format(app=APP[0], key=APP[1], url=one_world.url, kind=kind)
    assert run(program) == "{200} 50 True"
    assert one_world.token_calls == 1


GEVENT_KILLED = """
from gevent import monkey
monkey.patch_all()
import gevent, requests
from auth_plugins import FyatuAuth
auth = FyatuAuth({app!r}, {key!r}, base_url={url!r})
def ask(): return requests.get({url!r} + "/x", auth=auth, timeout=20).status_code
leader, other = gevent.spawn(ask), gevent.spawn(ask)
gevent.sleep(0.1)
leader.kill()
print(other.get(timeout=20), ask())
"""


@matrix("gevent: the greenlet that started a renewal is killed", "the others get the token it waited for")
def test_a_killed_greenlet_takes_nobody_along(one_world: World) -> None:
    one_world.fyatu.latency = 0.4
    assert run(GEVENT_KILLED.format(app=APP[0], key=APP[1], url=one_world.url)) == "200 200"
    assert one_world.token_calls == 1


SUBINTERPRETER = """
import os, sys
try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters
program = '''
import warnings
warnings.simplefilter("ignore")
import requests  # Not httpx: it brings trio, which starts a process when it is imported, and may not in here.
from auth_plugins import FyatuAuth
auth = FyatuAuth({app!r}, {key!r}, base_url={url!r})
print(requests.get({url!r} + "/x", auth=auth, timeout=20).status_code, end=" ", flush=True)
'''
from auth_plugins import FyatuAuth
FyatuAuth({app!r}, {key!r}, base_url={url!r}).token()
failure = interpreters.run_string(interpreters.create(), program)
print(failure, flush=True)
os._exit(0)  # What the C extensions of others do at the end of a subinterpreter is not looked at.
"""


@pytest.mark.slow  # Nor is it run on the lowest versions: C extensions of that age can be loaded only once.
@matrix("A subinterpreter", "right: it has a cache of its own, and logs in for itself")
def test_a_subinterpreter_logs_in_for_itself(one_world: World) -> None:
    program = SUBINTERPRETER.format(app=APP[0], key=APP[1], url=one_world.url)
    assert run(program) == "200 None"
    assert one_world.token_calls == 2


FORKS = """
import os, sys, threading, time, warnings
warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 and later warn of just this.
from auth_plugins import FyatuAuth, MemoryStore
from auth_plugins.simulators import FyatuSimulator
from auth_plugins.testing import mock_transport
import httpx
fyatu = FyatuSimulator()
fyatu.latency = 0.01
lent = httpx.Client(transport=mock_transport(fyatu, time.time, sleep=time.sleep))
auth = FyatuAuth({app!r}, {key!r}, base_url="https://api.example/api/v3", token_client=lent, store=MemoryStore())
over = threading.Event()
def storm():
    while not over.is_set():
        auth.invalidate()
        auth.token()
threads = [threading.Thread(target=storm) for _ in range(4)]
for each in threads: each.start()
good = 0
for _ in range(20):
    fyatu._lock.acquire()  # The simulator is no part of this: what holds its lock does not go along.
    child = os.fork()
    fyatu._lock.release()
    if child == 0:
        auth.invalidate()
        os._exit(0 if auth.token().access_token else 1)
    ends = time.monotonic() + 10
    while time.monotonic() < ends:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            good += status == 0
            break
        time.sleep(0.005)
    else:
        os.kill(child, 9)
        os.waitpid(child, 0)
over.set()
for each in threads: each.join()
print(good)
"""


@matrix("Twenty forks while four threads renew without a pause", "every child gets a token of its own")
def test_a_fork_at_any_moment_of_a_renewal_leaves_a_child_that_works() -> None:
    assert run(FORKS.format(app=APP[0], key=APP[1])) == "20"


@matrix(
    "An auth object is sent to a spawned process, or to one of a fork server", "it works there, and logs in for itself"
)
@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_an_auth_object_works_in_another_process(method: str, one_world: World) -> None:
    auth = FyatuAuth(*APP, base_url=one_world.url)
    auth.token()
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context(method)) as pool:
        asked = [pool.submit(requests.get, f"{one_world.url}/x", auth=auth, timeout=20) for _ in range(3)]
        assert {each.result(40).status_code for each in asked} == {200}
    assert one_world.token_calls == 2


NOTEBOOK = """
import subprocess, sys
from dataclasses import dataclass
import cloudpickle
from auth_plugins import OAuth2ClientCredentialsAuth, TokenAuth
from auth_plugins.providers.oauth2 import OAuth2Contract
@dataclass(frozen=True, slots=True)
class Slotted(OAuth2Contract): pass
@dataclass(frozen=True)
class Wider(OAuth2Contract):
    more: str = "x"
class Derived(OAuth2ClientCredentialsAuth):
    def __init__(self, url): super().__init__(url + "/oauth2/token", "cid", "sec", base_url=url)
url = {url!r}
given = dict(token_url=url + "/oauth2/token", base_url=url, client_id="cid", client_secret="sec")
made = [TokenAuth(Slotted(**given)), TokenAuth(Wider(**given)), Derived(url)]
load = "import pickle, requests, sys\\nfor auth in pickle.load(sys.stdin.buffer): "
load += f"print(requests.get({url!r} + '/x', auth=auth, timeout=20).status_code)"
done = subprocess.run([sys.executable, "-c", load], input=cloudpickle.dumps(made), capture_output=True, timeout=40)
print(done.stdout.decode().split(), done.stderr.decode())
"""


@matrix("cloudpickle (joblib, Ray, Dask, Spark): classes that are defined in a script", "they work in another process")
def test_classes_of_a_script_survive_cloudpickle() -> None:
    with serve(OAuth2Simulator("cid", "sec")) as server:
        assert run(NOTEBOOK.format(url=server.url)) == "['200', '200', '200']"


SHUTDOWN = """
import asyncio, threading, sys
from auth_plugins import FyatuAuth
auth = FyatuAuth({app!r}, {key!r}, base_url={url!r}, on_event=lambda event: print(event.kind.value, flush=True))
async def main():
    waiting = [asyncio.create_task(auth.atoken()) for _ in range(5)]
    while auth._source.shared.flight is None:
        await asyncio.sleep(0)
    sys.exit(3)
asyncio.run(main())
"""


@matrix(
    "sys.exit or an unhandled error while tasks wait for a login", "the process ends at once, with its own exit status"
)
def test_a_program_that_ends_over_its_waiters_ends_with_its_own_code(one_world: World) -> None:
    one_world.fyatu.latency = 5.0
    program = SHUTDOWN.format(app=APP[0], key=APP[1], url=one_world.url)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30)
    assert (done.stdout.strip(), done.stderr, done.returncode) == ("", "", 3)
