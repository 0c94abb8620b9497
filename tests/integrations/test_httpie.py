from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from auth_plugins.simulators import FyatuSimulator

SECRET = "your_secret_key_here"
Http = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def http(fyatu: FyatuSimulator, tmp_path: Path) -> Http:
    known = {
        "FYATU_BASE_URL": fyatu.base_url,
        "AUTH_PLUGINS_STORE": str(tmp_path / "tokens"),
        "AUTH_PLUGINS_PROFILES": str(tmp_path / "profiles.toml"),
        "HTTPIE_CONFIG_DIR": str(tmp_path / "httpie"),
    }

    def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "httpie", "--ignore-stdin", "--check-status", *arguments]
        environment = {**os.environ, **known, **environment}
        return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=50, check=False)

    return run


@pytest.mark.slow
def test_httpie_signs_by_id_and_secret_by_the_environment_and_by_profile_with_one_login(
    http: Http, fyatu: FyatuSimulator, tmp_path: Path
) -> None:
    profiles = tmp_path / "profiles.toml"
    profiles.write_text(
        f"[work]\nprovider = 'fyatu'\napp_id = '{fyatu.app_id}'\nsecret_key = '{SECRET}'\n"
        f"base_url = '{fyatu.base_url}'\n"
    )
    profiles.chmod(0o600)
    url = f"{fyatu.base_url}/things"
    assert http("--auth-type=fyatu", f"--auth={fyatu.app_id}:{SECRET}", url).returncode == 0
    assert http("--auth-type=fyatu", url, FYATU_APP_ID=fyatu.app_id, FYATU_SECRET_KEY=SECRET).returncode == 0
    assert http("--auth-type=fyatu", "--auth=work", url).returncode == 0
    assert fyatu.ledger.token_calls == 1
    fyatu.revoke_all()
    assert http("--auth-type=fyatu", "--auth=work", "POST", url, "a=b").returncode == 0


@pytest.mark.slow
def test_httpie_says_what_is_missing(http: Http, fyatu: FyatuSimulator) -> None:
    said = http("--auth-type=fyatu", f"{fyatu.base_url}/things")
    assert said.returncode != 0
    assert "The environment lacks FYATU_APP_ID and FYATU_SECRET_KEY" in said.stderr
    assert "Traceback" not in said.stderr
