"""`JWTPlusAuth`: the class that people use."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Unpack

from ...auth import Options, TokenAuth
from ...core import (
    CredentialsRejected,
    InvalidTokenResponse,
    RefreshPolicy,
    Token,
    check_seconds,
    check_text,
    check_url,
)
from .arguments import check_app_id, check_claims, check_header, check_ip, check_pair, check_words
from .contract import HINT_BAD_KEY, JWTPlusContract, is_jwtplus_error
from .session import server_clock_ahead
from .verifying import check_jwt, verified

__all__ = ["JWTPLUS_POLICY", "JWTPlusAuth"]

JWTPLUS_POLICY = RefreshPolicy(max_concurrent_calls=8)
"""The policy of a `JWTPlusAuth` that is given none. Each call opens a connection to the server's database, and when
there are no more of them the server ends: a program with a session for each user must not sign for all at once."""


class JWTPlusAuth(TokenAuth):
    """JWTPlus: `session.auth = JWTPlusAuth(app_id, app_key, base_url=..., ip=..., user_agent=..., ...)`.

    With `subject` and `audience` it signs sessions by itself; else it uses the tokens it is given, as long as they can
    be renewed.

    Args:
        app_id: the app's ULID, 26 characters.
        app_key: the app's key, visible ASCII, 1 to 256 characters (JWTPlus makes 128).
        base_url: where the JWTPlus server is. Its origin gets the token; name your APIs in `origins`.
        ip: the IPv4 or IPv6 address that the session is for, at most 24 characters in its shortest form.
        user_agent: the user agent that the session is for; what is over 255 characters is cut off.
        subject: the user (`sub`), and ...
        audience: ... the application (`aud`) to sign for.
        claims: further claims of a session that is signed here: JSON values. A renewal keeps them.
        auth_token: the auth token of a session that exists already. It may be left out: the first call renews then.
        refresh_token: that session's refresh token. This machine's clock is taken for the server's until the first
            renewal.
        header: the header that your API reads the token from. Any but `Authorization` works with requests alone:
            httpx and httpx2 would carry it to wherever a redirect leads, so their requests are refused.
        scheme: what stands before the token; `""`: nothing.
        fresh_after: the seconds after its `nbf` in which an API rejects a token. Its default is for one that asks the
            server's `/verify`; 0 is for one that looks at the signature.
        options: see `auth_plugins.auth.Options`.

    Raises:
        TypeError: an argument is of a wrong type.
        ValueError: an argument is out of range. Neither text shows a value.
    """

    def __init__(
        self,
        app_id: str,
        app_key: str,
        *,
        base_url: str,
        ip: str,
        user_agent: str,
        subject: str | None = None,
        audience: str | None = None,
        claims: Mapping[str, Any] | None = None,
        auth_token: str | None = None,
        refresh_token: str | None = None,
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
            check_text("app_key", app_key, at_most=256),
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
        """Ask the server whether an auth token is valid; without an argument, the current one.

        It says no to a refresh token, to one that was renewed or logged out, and to one that was signed in the
        current second of its clock.

        Raises:
            TypeError, ValueError: the token is none. The text does not show it.
            CredentialsRejected: the app's key is not accepted.
            TokenEndpointUnavailable: the server could not be asked.
            InvalidTokenResponse: its answer makes no sense.
            AuthError: there is no current token.
        """
        request = self._contract.verification(check_jwt(self.token().access_token if token is None else token))
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
        """Verify an auth token's signature and times here, and give its claims. A logout is not noticed so.

        Needs joserfc (the extra `jwtplus`). The algorithm has to be one of the key's own.

        Args:
            token: `None`: the current one.
            public_key: PEM, or the base64 of it, as JWTPlus gives it; or a mapping of key ids to these. `None`: the
                key that came with the current token.
            leeway: seconds, 2 or more, by which the clocks may differ.

        Raises:
            ImportError: joserfc is missing.
            TypeError: an argument is of a wrong type.
            ValueError: an argument is out of range, or the token is not valid. The text shows neither.
            AuthError: there is no current token.
        """
        other = None if token is None else check_jwt(token)
        current = self.token() if other is None or public_key is None else self._source.shared.snapshot.token
        keys = _own_keys(current) if public_key is None else public_key
        checked, ahead = other or "", 0.0
        if current is not None:
            checked, ahead = other or current.access_token, server_clock_ahead(current)
        return verified(checked, keys, self._source.clock() + ahead, leeway)


def _own_keys(current: Token | None) -> Mapping[str, str]:
    """Give the key that came with a token; none came with a pair that was given."""
    extra: Mapping[str, str] = {} if current is None else current.extra
    return {extra["key_id"]: extra["public_key"]} if {"key_id", "public_key"} <= set(extra) else {}
