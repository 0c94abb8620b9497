"""The commands for tokens and requests, in processes of their own, against a provider on a real socket."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from auth_plugins.simulators import FyatuSimulator
from auth_plugins.testing import serve

SECRET = "your_secret_key_here"
Command = Callable[..., Any]


@pytest.fixture
def simulator() -> Iterator[FyatuSimulator]:
    made = FyatuSimulator(secret_key=SECRET)
    with serve(made):
        yield made


@pytest.fixture
def variables(simulator: FyatuSimulator, tmp_path: Path) -> dict[str, str]:
    return {
        "FYATU_APP_ID": simulator.app_id,
        "FYATU_SECRET_KEY": SECRET,
        "FYATU_BASE_URL": simulator.base_url,
        "AUTH_PLUGINS_STORE": str(tmp_path / "tokens"),
        "AUTH_PLUGINS_PROFILES": str(tmp_path / "profiles.toml"),
    }


@pytest.fixture
def command(run: Command, variables: dict[str, str]) -> Command:
    return lambda *arguments, **more: run("-m", "auth_plugins", *arguments, **{**variables, **more})


@pytest.mark.slow
def test_a_token_goes_into_a_pipe_in_every_format_with_one_login(command: Command, simulator: FyatuSimulator) -> None:
    token = command("token", "fyatu").out.strip()
    assert token.startswith("eyJ")
    assert command("token", "fyatu", "--format", "header").out == f"Authorization: Bearer {token}\n"
    assert command("token", "fyatu", "--format", "curl").out == f'header = "Authorization: Bearer {token}"\n'
    assert json.loads(command("token", "fyatu", "--format", "json").out)["access_token"] == token
    credential = json.loads(command("token", "fyatu", "--format", "exec-credential").out)
    assert (credential["kind"], credential["status"]["token"]) == ("ExecCredential", token)
    assert simulator.ledger.token_calls == 1


@pytest.mark.slow
def test_a_login_is_shown_used_and_ended(command: Command, simulator: FyatuSimulator) -> None:
    assert "Logged in" in command("login", "fyatu").err
    described = json.loads(command("status", "fyatu", "--json").out)
    assert described["stored"]
    assert 86_000 < described["renews_in"] < described["valid_for"] <= 86_400
    answer = command("request", "POST", "/things", "-p", "fyatu", "-H", "X-Own: 1", "--json")
    assert (answer.code, json.loads(answer.out)["status"]) == (0, 200)
    assert command("request", "GET", "/status/404", "-p", "fyatu").code == 1
    elsewhere = command("request", "GET", "https://elsewhere.example/x", "-p", "fyatu")
    assert (elsewhere.code, "URL must be of" in elsewhere.err) == (2, True)
    assert "Logged out" in command("logout", "fyatu").err
    assert json.loads(command("status", "fyatu", "--json").out)["stored"] is False
    assert simulator.ledger.calls("login")


@pytest.mark.slow
def test_every_failure_has_its_exit_code_and_shows_no_secret(command: Command, simulator: FyatuSimulator) -> None:
    wrong = "another_secret_key_that_is_wrong"
    codes = {
        2: command("token", "nobody"),
        3: command("token", "fyatu", FYATU_SECRET_KEY=wrong),
        4: command("token", "fyatu", FYATU_BASE_URL="http://127.0.0.1:9/api/v3"),
        5: command("token", "fyatu", FYATU_APP_ID=""),
    }
    for code, finished in codes.items():
        assert finished.code == code, finished.err
        assert finished.out == ""
        assert finished.err
        assert "Traceback" not in finished.err
        assert not any(secret in finished.err for secret in (wrong, SECRET))


@pytest.mark.slow
def test_the_doctor_says_what_is_wrong_and_what_to_do(
    command: Command, simulator: FyatuSimulator, variables: dict[str, str]
) -> None:
    assert command("doctor", "fyatu").code == 0
    findings = json.loads(command("doctor", "fyatu", "--json").out)
    assert {each["name"] for each in findings} >= {"credentials", "store", "proxy", "DNS", "clock", "login"}
    assert all(each["ok"] for each in findings)
    unset = command("doctor", "fyatu", FYATU_APP_ID="")
    assert (unset.code, "WRONG  credentials: The environment lacks FYATU_APP_ID" in unset.out) == (1, True)
    os.chmod(variables["AUTH_PLUGINS_STORE"], 0o755)  # noqa: S103 - what the doctor is to find
    open_to_others = command("doctor", "fyatu", "--no-login")
    assert (open_to_others.code, "chmod 700" in open_to_others.out) == (1, True)
    refused = command("doctor", "fyatu", FYATU_BASE_URL="http://127.0.0.1:9/api/v3")
    assert "WRONG  connection" in refused.out


@pytest.mark.slow
def test_a_profile_takes_the_place_of_variables(command: Command, simulator: FyatuSimulator, tmp_path: Path) -> None:
    profiles = tmp_path / "profiles.toml"
    profiles.write_text(
        f"[work]\nprovider = 'fyatu'\napp_id = '{simulator.app_id}'\nsecret_key = '{SECRET}'\n"
        f"base_url = '{simulator.base_url}'\n"
    )
    profiles.chmod(0o600)
    assert command("token", "--profile", "work", FYATU_SECRET_KEY="").out.startswith("eyJ")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="a terminal of POSIX")
def test_on_a_terminal_a_token_is_masked_unless_it_is_to_be_shown(variables: dict[str, str]) -> None:
    import pty

    def shown(*arguments: str) -> str:
        leader, follower = pty.openpty()
        subprocess.run(
            [sys.executable, "-P", "-m", "auth_plugins", "token", "fyatu", *arguments],
            stdout=follower,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **variables},
            check=True,
        )
        os.close(follower)
        said = os.read(leader, 4096).decode()
        os.close(leader)
        return said

    assert shown().strip() == "***"
    assert shown("--format", "header").strip() == "Authorization: Bearer ***"
    assert shown("--show").startswith("eyJ")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize("arguments", [("serve", "fyatu"), ("demo", "fyatu", "--workers", "3")], ids=["serve", "demo"])
def test_ctrl_c_ends_with_130_without_a_traceback_and_leaves_no_process(arguments: tuple[str, ...]) -> None:
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "auth_plugins", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    if arguments[0] == "serve":
        assert process.stdout.readline().startswith("export FYATU_APP_ID=")
    else:
        while not children(process.pid):
            assert process.poll() is None
    workers = children(process.pid)
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 130, said
    assert "Traceback" not in said
    for worker in workers:
        wait_until_gone(worker)


def children(pid: int) -> list[int]:
    listed = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False)
    return [int(each) for each in listed.stdout.split()]


def wait_until_gone(pid: int) -> None:
    for _ in range(2000):
        state = Path(f"/proc/{pid}/stat")
        try:
            if state.read_text().rpartition(")")[2].split()[0] == "Z":
                return
        except FileNotFoundError:
            return
        subprocess.run(["sleep", "0.01"], check=True)
    raise AssertionError("a worker is left")


@pytest.mark.slow
def test_providers_lists_each_with_its_variables_within_80_columns(command: Command) -> None:
    listed = json.loads(command("providers", "--json").out)
    assert {"fyatu", "vault", "jwtplus", "marketiger"} <= {each["name"] for each in listed}
    fyatu = next(each for each in listed if each["name"] == "fyatu")
    assert {"name": "FYATU_APP_ID", "required": True} in fyatu["variables"]
    pages = [command(*arguments).out for arguments in (("providers",), ("--help",), ("token", "--help"))]
    assert max(len(line) for page in pages for line in page.splitlines()) <= 80
    assert "\x1b" not in "".join(pages)
