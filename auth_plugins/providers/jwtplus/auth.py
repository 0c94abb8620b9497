"""`JWTPlusAuth`, the auth class of JWTPlus."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Unpack

from ...auth import Options, TokenAuth
from ...core import (
    CredentialsRejected,
    InvalidTokenResponse,
    RefreshPolicy,
    Secret,
    Token,
    check_seconds,
    check_secret,
    check_url,
)
from .arguments import check_app_id, check_claims, check_header, check_ip, check_pair, check_words
from .contract import HINT_BAD_KEY, JWTPlusContract, is_jwtplus_error
from .session import server_clock_ahead
from .verifying import check_jwt, verified

__all__ = ["JWTPLUS_POLICY", "JWTPlusAuth"]

JWTPLUS_POLICY = RefreshPolicy(max_concurrent_calls=8)
"""The default policy of `JWTPlusAuth`. Each call opens a connection to the server's database, and the server crashes
when it has too many of them: a program with a session for each user must not sign for all of them at once."""


class JWTPlusAuth(TokenAuth):
    """JWTPlus: `session.auth = JWTPlusAuth(app_id, app_key, base_url=..., ip=..., user_agent=..., ...)`.

    With `subject` and `audience` the object signs new sessions. Without them it uses the supplied tokens while they can
    be renewed.

    Args:
        app_id: the app's ULID, 26 characters.
        app_key: the app's key, as a `Secret`: visible ASCII, 1 to 256 characters (JWTPlus makes 128).
        base_url: where the JWTPlus server is. Its origin gets the token; name your APIs in `origins`.
        ip: the IPv4 or IPv6 address that the session is for, at most 24 characters in its shortest form.
        user_agent: the user agent that the session is for; it is cut to 255 characters.
        subject: the user (`sub`) to sign for.
        audience: the application (`aud`) to sign for. `subject` and `audience` go together.
        claims: further claims of a new session, JSON values. A renewal keeps them.
        auth_token: the auth token of an existing session, as a `Secret`; a function is called now. Without it the first
            request renews the session.
        refresh_token: the refresh token of that session. Until the first renewal, the server's clock is assumed to
            agree with this machine's.
        header: the header from which your API reads the token. A header other than `Authorization` works with requests
            only: httpx and httpx2 would send it on cross-origin redirects, so their requests are refused.
        scheme: the word before the token; `""`: no word.
        fresh_after: seconds after a token's `nbf` in which the API still rejects it. The default is for an API that
            calls the server's `/verify`; use 0 for an API that checks the signature.
        options: see `auth_plugins.auth.Options`.

    Raises:
        TypeError: an argument is of a wrong type.
        ValueError: an argument is out of range. Neither text shows a value.
    """

    kind = "jwtplus"
    env_prefix = "JWTPLUS_"

    def __init__(
        self,
        app_id: str,
        app_key: Secret,
        *,
        base_url: str,
        ip: str,
        user_agent: str,
        subject: str | None = None,
        audience: str | None = None,
        claims: Mapping[str, Any] | None = None,
        auth_token: Secret | None = None,
        refresh_token: Secret | None = None,
        header: str = "Authorization",
        scheme: str = "Bearer",
        fresh_after: float = 1.25,
        **options: Unpack[Options],
    ) -> None:
        pair = check_pair(auth_token, refresh_token)
        if (subject is None) != (audience is None):
            raise ValueError("subject and audience must be given together")
        if subject is None and (claims is not None or pair[1] is None):
            raise ValueError("subject and audience must be given, or else refresh_token, without claims")
        check_header(header, scheme)
        contract = JWTPlusContract(
            check_app_id(app_id),
            check_secret("app_key", app_key, at_most=256),
            check_url("base_url", base_url, allow_http=True),
            check_ip(ip),
            check_words("user_agent", user_agent, cut=255),
            None if subject is None else check_words("subject", subject),
            None if audience is None else check_words("audience", audience),
            check_claims(claims),
            pair[0],
            pair[1],
            header,
            scheme,
            check_seconds("fresh_after", fresh_after),
        )
        self._contract = contract
        if options.get("policy") is None:
            options["policy"] = JWTPLUS_POLICY
        super().__init__(contract, **options)

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._contract = state["provider"]
        super().__setstate__(state)

    def verify(self, token: str | None = None) -> bool:
        """Return whether the server accepts an auth token as valid; `None` means the current token.

        The server rejects refresh tokens, tokens whose session was renewed or logged out, and tokens that were signed
        in the current second of its clock.

        Raises:
            TypeError, ValueError: the argument is not a JWT. The message does not show it.
            CredentialsRejected: the app's key is not accepted.
            TokenEndpointUnavailable: the server could not be reached, or something else answered.
            InvalidTokenResponse: the answer is not a verdict.
            AuthError: the current token could not be obtained.
        """
        checked = check_jwt(self.token().access_token if token is None else token)
        request, _ = self._source.request(lambda contract: contract.verification(checked))
        answer = self._source.call_endpoint(request, self._transport)
        if answer.status == 403 and is_jwtplus_error(answer):
            raise answer.error(CredentialsRejected, "JWTPlus did not accept the app key", hint=HINT_BAD_KEY)
        verdict = answer.json.get("verified")
        if isinstance(verdict, bool) and answer.status < 400:
            return verdict
        if answer.status >= 400 and not is_jwtplus_error(answer):
            raise answer.unrecognized()
        raise answer.error(InvalidTokenResponse, "JWTPlus did not verify the token")

    def verify_locally(
        self,
        token: str | None = None,
        public_key: str | bytes | Mapping[str, str | bytes] | None = None,
        *,
        leeway: float = 2.0,
    ) -> dict[str, Any]:
        """Verify an auth token's signature and times without a call, and return its claims.

        A logout is not noticed. Requires joserfc (the extra `jwtplus`). The token's algorithm must fit the key.

        Args:
            token: an auth token; `None`: the current one.
            public_key: PEM, or the base64 of it, as JWTPlus returns it; or a mapping from key ids to these. `None`: the
                key that came with the current token.
            leeway: seconds by which the clocks may differ, 2 or more.

        Raises:
            ImportError: joserfc is missing.
            TypeError: an argument is of a wrong type.
            ValueError: an argument is out of range, or the token is not valid. The message shows no token or key.
            AuthError: the current token could not be obtained.
        """
        other = None if token is None else check_jwt(token)
        current = self.token() if other is None or public_key is None else self._source.token
        keys = _own_keys(current) if public_key is None else public_key
        checked, ahead = other or "", 0.0
        if current is not None:
            checked, ahead = other or current.access_token, server_clock_ahead(current)
        return verified(checked, keys, self._source.clock() + ahead, leeway)


def _own_keys(current: Token | None) -> Mapping[str, str]:
    """Return the public key that came with a token, by its id; a token that the user supplied has no key."""
    extra: Mapping[str, str] = {} if current is None else current.extra
    return {extra["key_id"]: extra["public_key"]} if {"key_id", "public_key"} <= set(extra) else {}
