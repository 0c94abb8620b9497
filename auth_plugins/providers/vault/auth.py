"""`VaultAuth`, the auth class of Vault, and the checks of its arguments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Unpack

from ...auth import Options, TokenAuth
from ...core import (
    MAX_TOKEN_LENGTH,
    Backoff,
    RefreshPolicy,
    Secret,
    check_count,
    check_seconds,
    check_secret,
    check_text,
    check_url,
)
from .contract import ASSUMED_LIFETIME, RESERVED_FIELDS, VaultContract

__all__ = ["VAULT_POLICY", "VaultAuth"]

VAULT_POLICY = RefreshPolicy(tries=1, credentials_backoff=Backoff(900.0, 86_400.0))
"""The default policy of `VaultAuth`. Refused logins may lock the account, and only Vault's support can unlock it. So a
renewal sends the password once, even if the call may not have arrived, and after a refusal logins pause for 15 minutes,
doubling up to a day. A failed refresh may still be followed by a login."""


class VaultAuth(TokenAuth):
    """Vault: `session.auth = VaultAuth(partner_id, base_url=..., email=..., password=...)`.

    The first token is the supplied one, or comes from a login. Without email and password, a new login is required
    (`LoginRequired`) when Vault refuses the newest refresh token: if Vault rotates them, use a persistent `store=`.

    Args:
        partner_id: the partner's id, from Vault's Key Account Manager: 1 to 2147483647.
        base_url: where the API is; the token goes to its origin and to no other. It is not documented: ask Vault.
        email: the user's email.
        password: the user's password, as a `Secret`. A renewal sends it at most once, and after a refusal logins pause
            for 15 minutes (`VAULT_POLICY`); your `policy=` replaces these rules.
        refresh_token: a refresh token from an earlier login, as a `Secret`; a function is called now.
        access_token: the access token that came with it, likewise. Without a readable `exp` it is used until a 401.
        token_path: where the token endpoint is, below `base_url`.
        extra_body: further members of the body of a login, such as a code that never changes (the sandbox's).
        assumed_lifetime: seconds, for answers without `expires_in`. If it is too long, a 401 leads to a renewal.
        options: see `auth_plugins.auth.Options`.

    Raises:
        TypeError: an argument is of a wrong type.
        ValueError: an argument is out of range or missing. Neither text shows a value.
    """

    kind = "vault"
    # Not VAULT_: HashiCorp's Vault and Ansible have such variables.
    env_prefix = "VAULT_IST_"

    def __init__(
        self,
        partner_id: int,
        *,
        base_url: str,
        email: str | None = None,
        password: Secret | None = None,
        refresh_token: Secret | None = None,
        access_token: Secret | None = None,
        token_path: str = "/v1/auth/token",  # noqa: S107 - a path
        extra_body: Mapping[str, str] | None = None,
        assumed_lifetime: float = ASSUMED_LIFETIME,
        **options: Unpack[Options],
    ) -> None:
        if check_count("partner_id", partner_id) > 2**31 - 1:
            raise ValueError("partner_id must not be more than 2147483647")
        url = check_url("base_url", base_url, allow_http=True)
        _check_means(email, password, refresh_token)
        user = None if email is None else check_text("email", email, at_most=16_384)
        secret = None if password is None else check_secret("password", password, at_most=16_384)
        if user is not None and "@" not in user:
            raise ValueError("email must be an e-mail address")
        tokens = _token("refresh_token", refresh_token), _token("access_token", access_token)
        _check_path(token_path)
        extra = _members(extra_body, can_login=email is not None)
        if options.get("policy") is None:
            options["policy"] = VAULT_POLICY
        assumed = check_seconds("assumed_lifetime", assumed_lifetime, above_zero=True)
        super().__init__(VaultContract(partner_id, url, user, secret, *tokens, token_path, extra, assumed), **options)


def _check_means(email: object, password: object, refresh_token: object) -> None:
    missing = [name for name, value in (("email", email), ("password", password)) if value is None]
    if len(missing) == 1:
        raise ValueError(f"{missing[0]} is missing: email and password go together")
    if missing and refresh_token is None:
        raise ValueError("email and password are missing, and so is refresh_token: either is needed")


def _token(name: str, value: object) -> str | None:
    return None if value is None else check_secret(name, value, at_once=True, at_most=MAX_TOKEN_LENGTH)


def _check_path(token_path: object) -> None:
    if not check_text("token_path", token_path).startswith("/") or not {"?", "#", "\\"}.isdisjoint(str(token_path)):
        raise ValueError("token_path must begin with a slash, without query or fragment")


def _members(extra_body: object, *, can_login: bool) -> tuple[tuple[str, str], ...]:
    if not isinstance(extra_body, Mapping | None):
        raise TypeError("extra_body must be a mapping of str to str")
    if extra_body is not None and not can_login:
        raise ValueError("extra_body is for logins, and email and password are missing")
    extra = dict(extra_body or {})
    for part in (*extra, *extra.values()):
        check_text("extra_body", part)
    if not set(RESERVED_FIELDS).isdisjoint(extra):
        raise ValueError(f"extra_body must have none of {', '.join(RESERVED_FIELDS)}")
    return tuple(sorted(extra.items()))
