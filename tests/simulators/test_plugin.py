"""The pytest plugin, as a user's project meets it: each test runs a project of its own in a process of its own."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import requests
import vcr

from auth_plugins.simulators import FyatuSimulator
from auth_plugins.testing import cassette_filter, serve

if TYPE_CHECKING:
    from tests.conftest import World

HEAD = """
import pytest
import requests
from auth_plugins import *
"""


def run(folder: Path, text: str, *arguments: str, outcome: str) -> str:
    """Run a project that has this one file of tests, and expect this outcome."""
    (folder / "test_project.py").write_text(HEAD + textwrap.dedent(text))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:randomly", "-p", "no:xdist", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, *arguments, "test_project.py"], cwd=folder, capture_output=True, text=True, timeout=50, check=False
    )
    assert outcome in done.stdout, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_every_provider_has_a_fixture_that_serves_it_over_http(tmp_path: Path) -> None:
    run(
        tmp_path,
        """
        def get(auth, simulator):
            assert requests.get(f"{simulator.base_url}/things", auth=auth, timeout=5).status_code == 200
            assert requests.get(f"{simulator.base_url}/things", timeout=5).status_code == 401

        def test_fyatu(fyatu):
            get(FyatuAuth(fyatu.app_id, fyatu.secret, base_url=fyatu.base_url), fyatu)

        def test_vault(vault):
            auth = VaultAuth(vault.partner_id, base_url=vault.base_url, email=vault.email, password=vault.secret)
            get(auth, vault)

        def test_jwtplus(jwtplus):
            client = {"ip": "192.0.2.1", "user_agent": "test", "subject": "user", "audience": "app"}
            get(JWTPlusAuth(jwtplus.app_id, jwtplus.secret, base_url=jwtplus.base_url, **client), jwtplus)

        def test_marketiger(marketiger):
            get(MarketigerAuth(marketiger.email, marketiger.secret, base_url=marketiger.base_url), marketiger)

        def test_oauth2(oauth2):
            url = f"{oauth2.base_url}/token"
            get(OAuth2ClientCredentialsAuth(url, oauth2.client_id, oauth2.secret), oauth2)
        """,
        outcome="5 passed",
    )


@pytest.mark.slow
def test_an_object_made_at_import_forgets_and_follows_the_clock(tmp_path: Path) -> None:
    run(
        tmp_path,
        """
        from auth_plugins.simulators import FyatuSimulator
        from auth_plugins.testing import serve

        SIMULATOR = FyatuSimulator()
        SERVING = serve(SIMULATOR)
        SERVING.__enter__()
        AUTH = FyatuAuth(SIMULATOR.app_id, SIMULATOR.secret, base_url=SIMULATOR.base_url)
        pytestmark = pytest.mark.usefixtures("fresh_tokens")

        def get():
            return requests.get(f"{SIMULATOR.base_url}/x", auth=AUTH, timeout=5).status_code

        @pytest.mark.parametrize("number", range(3))
        def test_each_logs_in_anew(number):
            before = SIMULATOR.ledger.token_calls
            assert (get(), get()) == (200, 200)
            assert SIMULATOR.ledger.token_calls == before + 1

        def test_refused_credentials_of_another_test_are_forgotten():
            SIMULATOR.rotate_secret("another")
            with pytest.raises(CredentialsRejected):
                get()

        def test_and_right_again():
            SIMULATOR.rotate_secret(AUTH._provider.secret_key)
            assert get() == 200

        def test_time_passes_for_it(auth_clock):
            SIMULATOR.ledger.calls()
            assert get() == 200
            before = SIMULATOR.ledger.token_calls
            auth_clock.advance(86_400)
            assert get() == 200
            assert SIMULATOR.ledger.token_calls == before + 1

        def test_the_clock_of_the_machine_is_back():
            import time
            auth = FyatuAuth(SIMULATOR.app_id, SIMULATOR.secret, base_url=SIMULATOR.base_url)
            assert abs(auth._home.wall() - time.time()) < 5
            assert AUTH._home.wall is time.time
        """,
        outcome="7 passed",
    )


@pytest.mark.slow
def test_the_clock_moves_simulators_and_auth_objects_together(tmp_path: Path) -> None:
    run(
        tmp_path,
        """
        def test_a_token_ends(fyatu, auth_clock, assert_token_calls):
            auth = FyatuAuth(fyatu.app_id, fyatu.secret, base_url=fyatu.base_url)
            with assert_token_calls(1, login=1):
                auth.token()
                auth.token()
            auth_clock.advance(86_400)
            with assert_token_calls(refresh=1, login=0):
                assert requests.get(f"{fyatu.base_url}/x", auth=auth, timeout=5).status_code == 200

        def test_a_wrong_number_names_the_calls(fyatu, assert_token_calls):
            auth = FyatuAuth(fyatu.app_id, fyatu.secret, base_url=fyatu.base_url)
            with pytest.raises(AssertionError, match="total: 1 instead of 2; in order: login"):
                with assert_token_calls(2):
                    auth.token()
            with pytest.raises(TypeError, match="needs a number"):
                with assert_token_calls():
                    pass
        """,
        outcome="2 passed",
    )


@pytest.mark.slow
def test_a_simulator_answers_as_the_project_says(tmp_path: Path) -> None:
    said = run(
        tmp_path,
        """
        import httpx
        from auth_plugins.simulators import SimResponse
        from auth_plugins.testing import through

        def auth_for(fyatu):
            return FyatuAuth(fyatu.app_id, fyatu.secret, base_url=fyatu.base_url)

        def test_json_and_handlers_by_path(fyatu):
            fyatu.api = {
                "/things": [{"id": 1}],
                "POST /things": lambda request: SimResponse(201, {}, request.body),
            }
            with requests.Session() as session:
                assert session.get(f"{fyatu.base_url}/things", timeout=5).status_code == 401
                session.auth = auth_for(fyatu)
                assert session.get(f"{fyatu.base_url}/things?a=b", timeout=5).json() == [{"id": 1}]
                answer = session.post(f"{fyatu.base_url}/things", data=b"new", timeout=5)
                assert (answer.status_code, answer.content) == (201, b"new")
                assert session.get(f"{fyatu.base_url}/others", timeout=5).status_code == 404

        def wsgi(environ, start_response):
            assert "HTTP_AUTHORIZATION" not in environ
            start_response("200 OK", [("Content-Type", "text/plain")])
            return [environ["PATH_INFO"].encode()]

        async def asgi(scope, receive, send):
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": scope["path"].encode()})

        @pytest.mark.parametrize("make", [
            lambda: httpx.WSGITransport(wsgi),
            lambda: httpx.ASGITransport(asgi),
            lambda: httpx.MockTransport(lambda request: httpx.Response(200, text=request.url.path)),
        ])
        def test_another_transport(fyatu, make):
            fyatu.api = through(make())
            answer = requests.get(f"{fyatu.base_url}/things", auth=auth_for(fyatu), timeout=5)
            assert (answer.status_code, answer.text) == (200, "/api/v3/things")
            assert requests.get(f"{fyatu.base_url}/things", timeout=5).status_code == 401

        def test_a_handler_that_raises_fails_the_test(fyatu):
            fyatu.api = {"/things": lambda request: 1 / 0}
            requests.get(f"{fyatu.base_url}/things", auth=auth_for(fyatu), timeout=5)
        """,
        outcome="5 passed, 1 error",
    )
    assert "ZeroDivisionError" in said


@pytest.mark.slow
def test_a_project_that_uses_no_fixture_imports_none_of_it(tmp_path: Path) -> None:
    (tmp_path / "test_project.py").write_text(
        "import sys\n\n"
        "def test_nothing():\n"
        "    loaded = [name for name in sys.modules if name.startswith('auth_plugins')]\n"
        "    assert set(loaded) <= {'auth_plugins', 'auth_plugins.testing', 'auth_plugins.testing.pytest_plugin'}\n"
        "    assert not {'requests', 'httpx', 'uvicorn', 'httpx2', 'aiohttp'} & set(sys.modules)\n"
    )
    quiet = [
        "-p",
        "no:randomly",
        "-p",
        "no:xdist",
        "-p",
        "no:anyio",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:hypothesispytest",
    ]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *quiet], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert "1 passed" in done.stdout, done.stdout


def test_a_cassette_has_no_token_call_and_no_token(one_world: World, tmp_path: Path) -> None:
    auth = one_world.auth()
    with vcr.VCR(**cassette_filter(auth)).use_cassette(str(tmp_path / "tape.yaml")):
        assert requests.get(f"{one_world.url}/things", auth=auth, timeout=5).status_code == 200
    tape = (tmp_path / "tape.yaml").read_text()
    assert "/things" in tape
    assert not any(word in tape for word in ("eyJ", "/auth/", "your_secret_key_here"))
    with pytest.raises(TypeError, match="auths must be the auth objects"):
        cassette_filter()


def test_a_server_listens_on_the_port_that_is_asked_for() -> None:
    with serve(FyatuSimulator()) as first:
        port = int(first.url.rpartition(":")[2])
        with pytest.raises(OSError, match="in use"), serve(port=port):
            pass
    with serve(FyatuSimulator(), port=port) as second:
        assert second.url == first.url
