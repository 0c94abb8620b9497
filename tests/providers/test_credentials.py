"""Credentials from the environment, from files that it names, and from profiles; the same for every provider."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import keyring
import pytest
from keyring.backend import KeyringBackend

from auth_plugins import (
    ConfigurationError,
    FyatuAuth,
    FyatuBusinessAuth,
    JWTPlusAuth,
    MarketigerAuth,
    MemoryStore,
    OAuth2ClientCredentialsAuth,
    OAuth2RefreshTokenAuth,
    TokenAuth,
    VaultAuth,
)
from auth_plugins.core import SecretSource
from auth_plugins.providers.kinds import KINDS, auth_class, from_profile

SECRET = "the-secret-of-16-characters"
ULID = "01JMC6TCM1CH7NWG0E8A5SQTHA"
JWT = "eyJhbGciOiJFUzI1NiJ9.eyJqaWQiOiJhIiwiaWF0IjoxLCJuYmYiOjYxLCJleHAiOjk5OTk5OTk5OTl9.c2ln"

Settings = dict[str, Any]
TABLE: dict[type[TokenAuth], tuple[Settings, Settings, str]] = {
    # The required settings; further ones; and the name of the secret among the first.
    FyatuAuth: ({"app_id": "A1B2C3D4", "secret_key": SECRET}, {"base_url": "https://fyatu.example/v3"}, "secret_key"),
    FyatuBusinessAuth: (
        {"business_id": "BUS_A1B2C3D4", "secret_key": SECRET},
        {"scopes": ["cards:read", "cards:write"]},
        "secret_key",
    ),
    VaultAuth: (
        {"partner_id": 1042, "base_url": "https://vault.example", "email": "a@b.example", "password": SECRET},
        {"token_path": "/reg/v1/auth/token", "extra_body": {"code": "123456"}, "assumed_lifetime": 60.5},
        "password",
    ),
    JWTPlusAuth: (
        {
            "app_id": ULID,
            "app_key": SECRET,
            "base_url": "https://jwtplus.example",
            "ip": "192.0.2.1",
            "user_agent": "me",
            "subject": "s",
            "audience": "a",
        },
        {"claims": {"role": "admin"}, "fresh_after": 0.0, "origins": ["https://api.example"]},
        "app_key",
    ),
    MarketigerAuth: ({"email": "a@b.example", "password": SECRET}, {"assumed_lifetime": 60.0}, "password"),
    OAuth2ClientCredentialsAuth: (
        {"token_url": "https://login.example/token", "client_id": "cid", "client_secret": SECRET},
        {"scope": "read write", "client_auth": "client_secret_post", "extra": {"audience": "x"}, "keep": ["a", "b"]},
        "client_secret",
    ),
    OAuth2RefreshTokenAuth: (
        {"token_url": "https://login.example/token", "client_id": "cid", "refresh_token": SECRET},
        {"allow_http": True},
        "refresh_token",
    ),
}
ALL = pytest.mark.parametrize("kind", TABLE, ids=lambda kind: kind.__name__)


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in os.environ:
        if name.startswith(("FYATU_", "VAULT_IST_", "JWTPLUS_", "MARKETIGER_", "OAUTH2_", "AUTH_PLUGINS_", "XDG_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))


def as_text(value: object) -> str:
    if isinstance(value, dict):
        return json.dumps(value)
    if isinstance(value, list):
        return " ".join(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def set_all(monkeypatch: pytest.MonkeyPatch, kind: type[TokenAuth], settings: Settings) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(kind.env_prefix + name.upper(), as_text(value))


def same(first: TokenAuth, second: TokenAuth) -> bool:
    return first._provider == second._provider and first._requests.allowed == second._requests.allowed


def write(path: Path, text: str, mode: int = 0o600) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


def toml(profile: str, settings: Settings) -> str:
    def value(each: object) -> str:
        if isinstance(each, dict):
            return "{" + ", ".join(f"{name} = {value(item)}" for name, item in each.items()) + "}"
        return json.dumps(each)

    return "\n".join([f"[{profile}]", *(f"{name} = {value(each)}" for name, each in settings.items())]) + "\n"


class TestEnvironment:
    @ALL
    def test_the_variables_are_the_parameters(self, kind: type[TokenAuth], monkeypatch: pytest.MonkeyPatch) -> None:
        needed, further, _ = TABLE[kind]
        set_all(monkeypatch, kind, needed)
        make: Any = kind
        assert same(kind.from_env(), make(**needed))
        set_all(monkeypatch, kind, further)
        assert same(kind.from_env(), make(**needed, **further))

    @ALL
    def test_every_unset_variable_is_named(self, kind: type[TokenAuth], monkeypatch: pytest.MonkeyPatch) -> None:
        needed = TABLE[kind][0]
        for name in needed:
            set_all(monkeypatch, kind, needed)
            variable = kind.env_prefix + name.upper()
            for unset in (monkeypatch.delenv, lambda variable: monkeypatch.setenv(variable, "")):
                unset(variable)
                with pytest.raises(ConfigurationError, match=rf"\b{variable}\b") as caught:
                    kind.from_env()
                assert SECRET not in str(caught.value)

    @ALL
    def test_a_file_may_have_the_secret(
        self, kind: type[TokenAuth], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        needed, _, secret = TABLE[kind]
        variable = kind.env_prefix + secret.upper()
        set_all(monkeypatch, kind, needed)
        path = write(tmp_path / "secret", f"{SECRET}\r\n")
        monkeypatch.setenv(f"{variable}_FILE", str(path))
        with pytest.raises(ConfigurationError, match=f"has both {variable} and {variable}_FILE"):
            kind.from_env()
        monkeypatch.delenv(variable)
        found = getattr(kind.from_env()._provider, secret)
        # The first refresh token names the session, so it is read at once.
        assert (found.ask() if isinstance(found, SecretSource) else found) == SECRET
        assert isinstance(found, SecretSource) is (secret != "refresh_token")

    def test_a_replaced_file_is_read_anew(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setenv("FYATU_APP_ID", "A1B2C3D4")
        path = write(tmp_path / "secret", SECRET)
        monkeypatch.setenv("FYATU_SECRET_KEY_FILE", str(path))
        source = FyatuAuth.from_env()._provider.secret_key  # type: ignore[attr-defined]
        write(path, f"another-{SECRET}\n")
        assert source.ask() == f"another-{SECRET}"
        path.unlink()
        with pytest.raises(ConfigurationError, match=r"FYATU_SECRET_KEY_FILE names cannot be read: No such file"):
            source.ask()

    def test_objects_with_the_same_file_share_what_they_know(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setenv("FYATU_APP_ID", "A1B2C3D4")
        monkeypatch.setenv("FYATU_SECRET_KEY_FILE", str(write(tmp_path / "secret", SECRET)))
        store = MemoryStore()
        assert FyatuAuth.from_env(store=store)._source.shared is FyatuAuth.from_env(store=store)._source.shared

    def test_the_secret_in_place_of_a_files_name_is_not_shown(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("FYATU_APP_ID", "A1B2C3D4")
        monkeypatch.setenv("FYATU_SECRET_KEY_FILE", SECRET)
        auth = FyatuAuth.from_env()
        with pytest.raises(ConfigurationError) as caught:
            auth.token()
        assert SECRET not in str(caught.value) + repr(caught.value) + repr(auth._provider)

    @pytest.mark.parametrize(
        ("variable", "value", "words"),
        [
            ("VAULT_IST_PARTNER_ID", "ten", "VAULT_IST_PARTNER_ID must be a whole number"),
            ("VAULT_IST_PARTNER_ID", "0", "VAULT_IST_PARTNER_ID must be 1 or more"),
            ("VAULT_IST_ASSUMED_LIFETIME", "long", "VAULT_IST_ASSUMED_LIFETIME must be a number"),
            ("VAULT_IST_EXTRA_BODY", "[1]", "VAULT_IST_EXTRA_BODY must be a JSON object"),
            ("VAULT_IST_EXTRA_BODY", "{", "VAULT_IST_EXTRA_BODY must be a JSON object"),
            ("VAULT_IST_ALLOW_HTTP", "maybe", "VAULT_IST_ALLOW_HTTP must be true or false"),
            ("VAULT_IST_EMAIL", "nobody", "VAULT_IST_EMAIL must be an e-mail address"),
            ("VAULT_IST_BASE_URL", "vault.example", "VAULT_IST_BASE_URL must be an absolute https:// URL"),
            ("VAULT_IST_EMAIL", "", "VAULT_IST_EMAIL is missing: VAULT_IST_EMAIL and VAULT_IST_PASSWORD go together"),
        ],
    )
    def test_a_wrong_variable_is_named(
        self, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, words: str
    ) -> None:
        set_all(monkeypatch, VaultAuth, TABLE[VaultAuth][0])
        monkeypatch.setenv(variable, value)
        with pytest.raises(ConfigurationError) as caught:
            VaultAuth.from_env()
        assert words in str(caught.value)
        assert caught.value.__context__ is None

    def test_two_sets_of_credentials_have_two_prefixes(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PAYOUT_APP_ID", "A1B2C3D4")
        monkeypatch.setenv("PAYOUT_SECRET_KEY", SECRET)
        assert same(FyatuAuth.from_env("PAYOUT_"), FyatuAuth("A1B2C3D4", SECRET))

    def test_options_take_precedence_and_their_errors_stay(self, monkeypatch: pytest.MonkeyPatch) -> None:
        set_all(monkeypatch, FyatuAuth, {**TABLE[FyatuAuth][0], "origins": ["https://one.example"]})
        auth = FyatuAuth.from_env(origins=["https://two.example"])
        assert {origin.host for origin in auth._requests.allowed.origins} == {"api.fyatu.com", "two.example"}
        with pytest.raises(TypeError, match="policy must be a RefreshPolicy"):
            FyatuAuth.from_env(policy=7)  # type: ignore[arg-type]

    def test_a_subclass_has_its_classes_variables(self, monkeypatch: pytest.MonkeyPatch) -> None:
        class Ours(FyatuAuth):
            pass

        set_all(monkeypatch, FyatuAuth, TABLE[FyatuAuth][0])
        assert type(Ours.from_env()) is Ours


class TestProfiles:
    @ALL
    def test_a_table_has_the_parameters(self, kind: type[TokenAuth], tmp_path: Path) -> None:
        needed, further, _ = TABLE[kind]
        path = write(tmp_path / "profiles.toml", toml("work", {"provider": kind.kind, **needed, **further}))
        make: Any = kind
        expected = make(**needed, **further)
        assert same(kind.from_profile("work", path=path), expected)
        found = from_profile("work", path=path)
        assert type(found) is kind
        assert same(found, expected)

    @ALL
    def test_a_missing_member_is_named(self, kind: type[TokenAuth], tmp_path: Path) -> None:
        needed = TABLE[kind][0]
        for name in needed:
            settings = {other: value for other, value in needed.items() if other != name}
            path = write(tmp_path / "profiles.toml", toml("work", settings))
            with pytest.raises(ConfigurationError, match=rf"\b{name}\b") as caught:
                kind.from_profile("work", path=path)
            assert SECRET not in str(caught.value)

    def test_the_place_is_a_variables_or_the_users_folder(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        for number, (variable, value, place) in enumerate(
            [
                ("HOME", str(tmp_path), ".config/auth-plugins/profiles.toml"),
                ("XDG_CONFIG_HOME", str(tmp_path / "xdg"), "xdg/auth-plugins/profiles.toml"),
                ("AUTH_PLUGINS_PROFILES", str(tmp_path / "own.toml"), "own.toml"),
            ]
        ):
            monkeypatch.setenv(variable, value)
            path = tmp_path / place
            path.parent.mkdir(parents=True, exist_ok=True)
            write(path, toml("work", {**TABLE[FyatuAuth][0], "app_id": f"A1B2C3D{number}"}))
            assert FyatuAuth.from_profile("work")._provider.account == f"A1B2C3D{number}"  # type: ignore[attr-defined]

    @pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o644])
    def test_a_file_that_others_may_open_is_refused(self, tmp_path: Path, mode: int) -> None:
        path = write(tmp_path / "profiles.toml", toml("work", TABLE[FyatuAuth][0]), mode)
        with pytest.raises(ConfigurationError, match="is open to other users") as caught:
            FyatuAuth.from_profile("work", path=path)
        assert f"chmod 600 {path}" in caught.value.hint

    def test_secrets_by_reference_are_read_when_needed(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        class Ring(KeyringBackend):
            priority = 1.0
            value: str | None = None

            def get_password(self, service: str, username: str) -> str | None:
                return self.value if (service, username) == ("fyatu", "A1B2C3D4") else None

            def set_password(self, service: str, username: str, password: str) -> None: ...
            def delete_password(self, service: str, username: str) -> None: ...

        ring, before = Ring(), keyring.get_keyring()  # type: ignore[no-untyped-call]
        keyring.set_keyring(ring)
        try:
            reference = {"keyring": "fyatu", "username": "A1B2C3D4"}
            settings = {"app_id": {"env": "MY_APP"}, "secret_key": reference}
            path = write(tmp_path / "profiles.toml", toml("work", settings))
            with pytest.raises(ConfigurationError, match="needs the variable MY_APP, which is not set"):
                FyatuAuth.from_profile("work", path=path)
            monkeypatch.setenv("MY_APP", "A1B2C3D4")
            source = FyatuAuth.from_profile("work", path=path)._provider.secret_key  # type: ignore[attr-defined]
            with pytest.raises(ConfigurationError, match="has no such entry"):
                source.ask()
            ring.value = SECRET
            assert source.ask() == SECRET
        finally:
            keyring.set_keyring(before)

    def test_a_file_by_reference_is_read_when_needed(self, tmp_path: Path) -> None:
        secret = write(tmp_path / "secret", f"{SECRET}\n")
        settings = {"app_id": "A1B2C3D4", "secret_key": {"file": str(secret)}}
        path = write(tmp_path / "profiles.toml", toml("work", settings))
        source = FyatuAuth.from_profile("work", path=path)._provider.secret_key  # type: ignore[attr-defined]
        assert source.ask() == SECRET

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("[work\n", r"is not TOML \(line 1"),
            (f"[work]\nsecret_key = {SECRET}\n", "is not TOML"),
            ("[other]\n", "has no profile work. Known are other"),
            ("work = 1\n", "has no profile work. Known are none"),
            ("[work]\nprovider = 'vault'\n", "is not one of fyatu"),
            ("[work]\napp = 'x'\n", "has the unknown member app"),
            ("[work]\napp_id = 7\nsecret_key = 'x'\n", "has a wrong app_id: it must be a text"),
            ("[work]\napp_id = 'A1B2C3D4'\nsecret_key = {file = 1}\n", "has a wrong secret_key"),
            (f"[work]\napp_id = 'A1B2'\nsecret_key = '{SECRET}'\n", "app_id must have 8 to 4096 characters"),
        ],
        ids=range(9),
    )
    def test_a_wrong_profile_is_named_without_values(self, tmp_path: Path, text: str, words: str) -> None:
        path = write(tmp_path / "profiles.toml", text)
        with pytest.raises(ConfigurationError, match=words) as caught:
            FyatuAuth.from_profile("work", path=path)
        assert SECRET not in str(caught.value)
        assert caught.value.__context__ is None

    def test_a_missing_file_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigurationError, match=r"none\.toml cannot be read: No such file"):
            FyatuAuth.from_profile("work", path=tmp_path / "none.toml")


def test_every_class_has_its_kind() -> None:
    assert {kind: auth_class(kind).kind for kind in KINDS} == {kind: kind for kind in KINDS}
    assert {auth_class(kind) for kind in KINDS} == set(TABLE)
    with pytest.raises(ConfigurationError, match="The provider 'x' is unknown"):
        auth_class("x")
