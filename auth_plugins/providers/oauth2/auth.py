"""The auth classes, and the checks of their arguments."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Literal, Unpack

from ...auth import Options, TokenAuth
from ...core import MAX_TOKEN_LENGTH, Origin, Secret, check_seconds, check_secret, check_text, check_url
from .contract import ASSUMED_LIFETIME, RESERVED_FIELDS, ClientAuth, OAuth2Contract

__all__ = ["OAuth2ClientCredentialsAuth", "OAuth2RefreshTokenAuth"]


def _contract(
    options: Options, url: Any, base: Any, secret: Any, auth: Any, extra: Any, answers: dict[str, Any], **names: Any
) -> OAuth2Contract:
    # The URL may have a query, which must be kept (3.2), and a final slash, which belongs to the path.
    flat = url.replace("?", "/", 1) if isinstance(url, str) else url
    check_url("token_url", flat, allow_http=options.get("allow_http") is True)
    # Interned: many objects may hold the same string.
    base = sys.intern(str(Origin.of(url))) if base is None else check_url("base_url", base, allow_http=True)
    if not isinstance(extra, Mapping | None):
        raise TypeError("extra must be a mapping of str to str")
    fields = tuple((extra or {}).items())
    if not set(RESERVED_FIELDS).isdisjoint(check_text("extra", name) for name, _ in fields):
        raise ValueError(f"extra must have none of {', '.join(RESERVED_FIELDS)}")
    if "refresh_token" in names:
        size = MAX_TOKEN_LENGTH
        names["refresh_token"] = check_secret(
            "refresh_token", names["refresh_token"], _check, at_once=True, at_most=size
        )
    for name, value in [*names.items(), *(("extra", value) for _, value in fields)]:
        if name != "refresh_token" and (value is not None or name != "scope"):
            _check(name, value)
    if secret is not None:
        secret = check_secret("client_secret", secret, _check)
    if auth not in (("none",) if secret is None else ("client_secret_basic", "client_secret_post")):
        raise ValueError("client_auth must fit client_secret: 'none' without a secret, another method with a secret")
    given = {"client_secret": secret, "client_auth": auth, "extra": fields, **_answers(**answers)}
    return OAuth2Contract(url, base, **given, **names)


def _check(name: str, value: object, *, at_most: int = 16_384) -> str:
    """Return printable ASCII, with blanks, which `check_text` refuses."""
    check_text(name, value.replace(" ", "_") if isinstance(value, str) else value, at_most=at_most)
    return str(value)


def _answers(assumed_lifetime: Any, scheme: Any, token_type: Any, keep: Any) -> dict[str, Any]:
    check_seconds("assumed_lifetime", assumed_lifetime, above_zero=True)
    check_text("scheme", scheme, at_most=64)
    if token_type is not None:
        token_type = check_text("token_type", token_type, at_most=64).lower()
    if isinstance(keep, (str, bytes)) or not isinstance(keep, Iterable):
        raise TypeError("keep must be an iterable of str")
    # Sorted, because the order does not matter: equal contracts must have equal fields.
    names = tuple(sorted({check_text("keep", name) for name in keep}))
    if not {"access_token", "refresh_token"}.isdisjoint(names):
        raise ValueError("keep must have neither access_token nor refresh_token: a Token has them")
    return {"assumed_lifetime": assumed_lifetime, "scheme": scheme, "token_type": token_type, "keep": names}


class OAuth2ClientCredentialsAuth(TokenAuth):
    """A client that acts for itself: `OAuth2ClientCredentialsAuth(token_url, client_id, client_secret)`.

    RFC 6749, section 4.4. If the server issues a refresh token, it is used; a refused refresh is followed by a login.

    Args:
        token_url: the token endpoint.
        client_id: printable ASCII, blanks too, 1 to 16384 characters (appendix A.1).
        client_secret: likewise (A.2), as a `Secret`.
        scope: the scopes to ask for, separated by blanks; `None`: the server's default.
        client_auth: how the credentials are sent (2.3.1). Use `client_secret_post` if the server does not decode the
            header and the credentials have other characters than letters, digits and `-._~`.
        extra: further form fields of every token call, such as `audience` or `resource` (RFC 8707).
        base_url: where the API is; the token goes to its origin only. `None`: the origin of `token_url`.
        assumed_lifetime: seconds, for answers without `expires_in`. If it is too long, a 401 leads to a renewal.
        scheme: the word before the token in `Authorization`.
        token_type: a further value of `token_type` to accept. `Bearer`, `BearerToken` and `scheme` in any case, an
            empty value and a missing one are always accepted.
        keep: names of members to copy from the answer to `auth.token().extra`, such as `instance_url`. Text is
            copied unchanged, other values as JSON.
        options: see `auth_plugins.auth.Options`.

    Raises:
        TypeError, ValueError: an argument is of a wrong type, or out of range; no text shows a value.
    """

    kind = "oauth2-client-credentials"
    env_prefix = "OAUTH2_"

    def __init__(
        self,
        token_url: str,
        client_id: str,
        client_secret: Secret,
        *,
        scope: str | None = None,
        client_auth: Literal["client_secret_basic", "client_secret_post"] = "client_secret_basic",
        extra: Mapping[str, str] | None = None,
        base_url: str | None = None,
        assumed_lifetime: float = ASSUMED_LIFETIME,
        scheme: str = "Bearer",
        token_type: str | None = None,
        keep: Iterable[str] = (),
        **options: Unpack[Options],
    ) -> None:
        names = {"client_id": client_id, "scope": scope}
        answers = {"assumed_lifetime": assumed_lifetime, "scheme": scheme, "token_type": token_type, "keep": keep}
        contract = _contract(options, token_url, base_url, client_secret, client_auth, extra, answers, **names)
        super().__init__(contract, **options)


class OAuth2RefreshTokenAuth(TokenAuth):
    """A client that acts for a user: `OAuth2RefreshTokenAuth(token_url, client_id, refresh_token)`.

    RFC 6749, section 6. If the server rotates refresh tokens, the first one can be used only once: without a
    persistent `store=`, the next process needs a new grant by the user (`LoginRequired`).

    Args:
        token_url, client_id, scope, extra, base_url, options: see `OAuth2ClientCredentialsAuth`.
        refresh_token: the first refresh token, from the user's grant, as a `Secret`; printable ASCII, with blanks
            (A.17). It names the session, so a function is called now.
        client_secret: the client's secret, as a `Secret`; `None`: a public client.
        client_auth: `None`: `client_secret_basic`, or without a secret `none`, which sends only `client_id`.
        assumed_lifetime, scheme, token_type, keep: see `OAuth2ClientCredentialsAuth`.
        refresh_grace: the seconds for which the server is known to answer a repeated refresh with the same refresh
            token. A refresh whose answer was lost is then sent again at once. 0: it is not, because a strict server
            takes a second use for a theft, and ends the session (RFC 9700, section 4.14.2).

    Raises:
        TypeError, ValueError: an argument is of a wrong type, or out of range; no text shows a value.
    """

    kind = "oauth2-refresh-token"
    env_prefix = "OAUTH2_"

    def __init__(
        self,
        token_url: str,
        client_id: str,
        refresh_token: Secret,
        *,
        client_secret: Secret | None = None,
        scope: str | None = None,
        client_auth: ClientAuth | None = None,
        extra: Mapping[str, str] | None = None,
        base_url: str | None = None,
        assumed_lifetime: float = ASSUMED_LIFETIME,
        scheme: str = "Bearer",
        token_type: str | None = None,
        keep: Iterable[str] = (),
        refresh_grace: float = 0.0,
        **options: Unpack[Options],
    ) -> None:
        way = client_auth or ("none" if client_secret is None else "client_secret_basic")
        names = {"client_id": client_id, "refresh_token": refresh_token, "scope": scope}
        answers = {"assumed_lifetime": assumed_lifetime, "scheme": scheme, "token_type": token_type, "keep": keep}
        contract = _contract(options, token_url, base_url, client_secret, way, extra, answers, **names)
        grace = check_seconds("refresh_grace", refresh_grace)
        super().__init__(replace(contract, refresh_grace=grace), **options)
