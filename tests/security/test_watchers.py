"""Programs that watch a process: an error tracker, a tracer, an auditor. Each watches one of its own that lives a life.

They patch what they watch, and cannot all be taken off again: so each has an interpreter to itself.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

SECRET = "marked-secret-of-the-app"
TOKEN = "eyJ"  # How every JWT begins.

LIFE = '''
"""The secret comes from standard input, and into no variable: a tracker keeps those of modules, too."""
import sys
from auth_plugins import AuthError, FyatuAuth, MemoryStore
from auth_plugins.simulators import FyatuSimulator
from auth_plugins.testing import CLIENT_KINDS, FakeClock, open_client, serve

def lines():
    return iter(sys.stdin.read().split())

def one(kind, server, simulator, clock, secrets, on_error):
    simulator.rotate_secret(next(secrets))
    url = server.url + simulator.base_path
    auth = FyatuAuth(simulator.app_id, next(secrets), base_url=url, store=MemoryStore(clock=clock), clock=clock)
    def attempt(client):
        clock.advance(100_000)
        try:
            client.send("POST", url + "/x", content=b"mine")
        except AuthError as error:
            on_error(error)
    with open_client(kind, auth) as client:
        attempt(client)
        simulator.revoke_all()
        attempt(client)
        for simulator.outage in ("drop", "lost", "unavailable", None):
            attempt(client)
        simulator.rotate_secret("another_secret_key")
        attempt(client)

def live(on_error=lambda error: None):
    secrets, clock, simulator = lines(), FakeClock(), FyatuSimulator()
    with serve(simulator, clock=clock) as server:
        for kind in CLIENT_KINDS:
            one(kind, server, simulator, clock, secrets, on_error)
'''
SENTRY = """
import json, logging
import sentry_sdk
from sentry_sdk.scrubber import EventScrubber
from sentry_sdk.transport import Transport
kept = []
class Keep(Transport):
    def capture_envelope(self, envelope):
        kept.extend(item.payload.get_bytes().decode() for item in envelope.items)
    def flush(self, *_, **__): ...
logging.getLogger("auth_plugins").setLevel(logging.DEBUG)
sentry_sdk.init(
    "https://key@tracker.example/1",
    transport=Keep,
    traces_sample_rate=1.0,
    send_default_pii=True,
    attach_stacktrace=True,
    include_local_variables=True,
    max_request_body_size="always",
    max_value_length=100_000,
    max_breadcrumbs=1000,
    event_scrubber=EventScrubber(denylist=[], pii_denylist=[]),  # It shall hide nothing of what it got.
)
import life
with sentry_sdk.start_transaction(name="life"):
    life.live(sentry_sdk.capture_exception)
    sentry_sdk.capture_message("the end")
sentry_sdk.flush()
print("\\n".join(kept))
"""
OPENTELEMETRY = """
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
from opentelemetry.instrumentation.requests import RequestsInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
exporter, provider = InMemorySpanExporter(), TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
for instrumentor in (HTTPXClientInstrumentor, RequestsInstrumentor):
    instrumentor().instrument(tracer_provider=provider)
import life
def record(error):
    with provider.get_tracer("life").start_as_current_span("error") as span:
        span.record_exception(error)
life.live(record)
print("\\n".join(span.to_json() for span in exporter.get_finished_spans()))
"""
AUDIT = """
import json, os, sys
written, started, done = [], [], False
def audit(event, args):
    if done:
        return
    if event == "open" and isinstance(args[2], int) and args[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
        written.append(str(args[0]))
    if event.startswith(("os.mkdir", "os.rename", "os.link", "os.symlink", "os.truncate", "shutil.", "tempfile.",
                         "sqlite3.")):
        written.append(event)
    if event.startswith(("subprocess.", "os.exec", "os.spawn", "os.posix_spawn", "os.system", "os.putenv")):
        started.append(event)
import life, asyncio, trio, httpx, httpx2, requests
sys.addaudithook(audit)
life.live()
done = True
around = open("/proc/self/cmdline").read() + open("/proc/self/environ").read() + str(dict(os.environ))
print(json.dumps({"written": written, "started": started, "around": around, "here": os.listdir(".")}))
"""


def matrix(case: str, outcome: str) -> pytest.MarkDecorator:
    return pytest.mark.matrix(group="Where secrets must not be", case=case, outcome=outcome)


def watch(program: str, tmp_path: Path) -> str:
    """Run a watcher and the life that it watches; give what it kept."""
    (tmp_path / "life.py").write_text(LIFE)
    (tmp_path / "watcher.py").write_text(program)
    (tmp_path / "home").mkdir()
    home = str(tmp_path / "home")
    done = subprocess.run(
        [sys.executable, "-B", str(tmp_path / "watcher.py")],
        input=f"{SECRET} " * 2 * 7,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=home,
        env={**os.environ, "HOME": home, "TMPDIR": home},
    )
    assert done.returncode == 0, done.stderr
    for text in (done.stdout, done.stderr):
        assert SECRET not in text
        assert TOKEN not in text
    return done.stdout


@matrix("Events of Sentry: errors with locals, log lines, breadcrumbs, traces", "hold no secret, over every client")
def test_an_error_tracker_keeps_no_secret(tmp_path: Path) -> None:
    kept = watch(SENTRY, tmp_path)
    assert kept.count('"type":"CredentialsRejected"') >= 7
    assert kept.count('"type":"TokenEndpointUnavailable"') >= 7
    assert '"vars":{' in kept
    assert "/auth/token" in kept, "it saw the token calls"


@matrix("Spans of OpenTelemetry, of requests and httpx", "tell of token calls, and hold no secret")
def test_a_tracer_keeps_no_secret(tmp_path: Path) -> None:
    kept = watch(OPENTELEMETRY, tmp_path)
    assert "/auth/token" in kept, "it saw the token calls"
    assert "TokenEndpointUnavailable" in kept


@pytest.fixture
def audited(tmp_path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(watch(AUDIT, tmp_path))
    return found


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc is Linux's")
@matrix("The file system, the process list, the environment", "nothing is written, started or set, over every client")
def test_nothing_is_written_started_or_set(audited: dict[str, Any]) -> None:
    assert audited["written"] == []
    assert audited["started"] == []
    assert audited["here"] == []
    assert "watcher.py" in audited["around"]
