"""What a token endpoint takes and answers, as RFC 6749 has it: the client credentials grant (4.4), the refresh (6)."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import quote, urlencode

from ...core import Grant, Said, Token, TokenEndpointUnavailable, TokenRequest, TokenResponse, bearer, role, scope_set
from ...core.answers import failure, is_token, json_object, longest_lifetime, number, text
from ...core.errors import AuthError, CredentialsRejected, InvalidTokenResponse, LoginRequired
from ...core.token import LONG_AGO
from ...core.wire import Masked, MaskedBytes

__all__ = ["ASSUMED_LIFETIME", "OURS", "ClientAuth", "OAuth2Contract"]

ClientAuth = Literal["client_secret_basic", "client_secret_post", "none"]
"""How a client says who it is (section 2.3.1), by the names of RFC 7591, section 2."""

ASSUMED_LIFETIME = 3600.0
"""Seconds, for an answer without `expires_in`, which is only RECOMMENDED (5.1). A 401 corrects it."""
OURS = ("client_id", "client_secret", "grant_type", "refresh_token", "scope")
"""The form fields that are ours to fill."""
_NOT_SECRET = ("audience", "resource")


@dataclass(frozen=True, slots=True)
class OAuth2Contract:
    """What a token endpoint takes and answers, for one client, or for one user of that client."""

    token_url: str = field(metadata=role("session"))
    base_url: str
    client_id: str = field(metadata=role("session"))
    client_secret: str | None = field(default=None, repr=False)
    refresh_token: str | None = field(default=None, repr=False)
    """The user's first one, got elsewhere; `None`: the client acts for itself."""
    client_auth: ClientAuth = "client_secret_basic"
    scope: str | None = field(default=None, metadata=role("variant", key=scope_set))
    extra: tuple[tuple[str, str], ...] = field(default=(), repr=False, metadata=role("variant", key=sorted))
    assumed_lifetime: float = field(default=ASSUMED_LIFETIME, metadata=role("tuning"))
    """Seconds, for an answer without `expires_in`."""

    name = "oauth2"

    @property
    def can_login(self) -> bool:
        """Whether the client acts for itself: it cannot log in for a user."""
        return self.refresh_token is None

    @property
    def rotates(self) -> bool:
        """Whether there is a refresh token: the server may replace it at each use (RFC 6749, section 6)."""
        return not self.can_login

    def given(self) -> Token | None:
        """Give the user's first refresh token, behind an access token that ended long ago."""
        if self.refresh_token is None:
            return None
        return Token(
            access_token="",
            issued_at=0.0,
            expires_at=0.0,
            refresh_token=self.refresh_token,
            refreshable_until=math.inf,
            scopes=tuple((self.scope or "").split()),
        )

    def login(self) -> TokenRequest:
        """Ask for a token by the client's credentials (4.4.2)."""
        return self._call(Grant.LOGIN, {"scope": self.scope, "refresh_token": None})

    def refresh(self, token: Token, now: float) -> TokenRequest:
        """Ask for a new token by the newest refresh token (6)."""
        # Without `scope` one gets what was granted at first: to a client what it asked for, of a user's all.
        scope = None if self.refresh_token is None else self.scope
        return self._call(Grant.REFRESH, {"scope": scope, "refresh_token": token.refresh_token}, token)

    def revoke(self, token: Token) -> TokenRequest | None:
        """Give `None`: RFC 6749 has no way to end a token."""
        return None

    def _call(self, grant: Grant, form: dict[str, str | None], token: Token | None = None) -> TokenRequest:
        from authlib.oauth2 import ClientAuth as Signer
        from authlib.oauth2.rfc6749.parameters import prepare_token_request

        kind = "client_credentials" if form["refresh_token"] is None else "refresh_token"
        way = _basic if self.client_auth == "client_secret_basic" else self.client_auth
        body = prepare_token_request(kind, urlencode(self.extra), **form)
        signer = Signer(self.client_id, self.client_secret, way)
        _, headers, body = signer.prepare("POST", self.token_url, {}, body)
        plain = [self.client_secret, form["refresh_token"], token and token.access_token]
        plain += [value for name, value in self.extra if name not in _NOT_SECRET]
        return TokenRequest(
            grant,
            self.token_url,
            {"Content-Type": "application/x-www-form-urlencoded", **headers},
            MaskedBytes(body.encode("ascii")),
            token,
            (*(each for each in plain if each), *(value.removeprefix("Basic ") for value in headers.values())),
        )

    def read(self, request: TokenRequest, response: TokenResponse, now: float) -> Token:
        """Read a successful answer (5.1); or say whose turn it is (5.2)."""
        answer, said = json_object(response), self.said(response)
        access_token, kind = answer.get("access_token"), answer.get("token_type")
        # Some servers send their errors with 200.
        if response.status >= 400 or (said.code is not None and not access_token):
            raise self._refused(request, response, said)
        if not is_token(access_token) or not isinstance(kind, str) or kind.lower() != "bearer":
            what = "The answer holds no Bearer token"
            raise failure(InvalidTokenResponse, what, request, response, said, hint=_NO_ENDPOINT)
        lifetime = number(answer.get("expires_in"))
        assumed = self.assumed_lifetime if lifetime is None else lifetime
        expires_at = now + min(max(assumed, 0.0), longest_lifetime)
        # What the answer leaves out is as it was (6), or as it was asked for (5.1).
        before = request.token
        scope, refresh_token = answer.get("scope"), answer.get("refresh_token")
        if not isinstance(refresh_token, str) or not is_token(refresh_token.replace(" ", "_")):
            refresh_token = None if before is None else before.refresh_token
        asked = tuple((self.scope or "").split()) if before is None else before.scopes
        return Token(
            access_token=str(access_token),
            issued_at=now,
            expires_at=expires_at,
            refresh_token=refresh_token,
            # How long a refresh token lives nobody says: one tries.
            refreshable_until=LONG_AGO if refresh_token is None else expires_at + longest_lifetime,
            scopes=tuple(scope.split()) if isinstance(scope, str) else asked,
        )

    def _refused(self, request: TokenRequest, response: TokenResponse, said: Said) -> AuthError:
        def error(kind: type[AuthError], what: str, hint: str | None = None) -> AuthError:
            return failure(kind, what, request, response, said, hint=hint or _HINTS.get(said.code or ""))

        known = said.code in _CODES if response.status in (404, 405) else said.code is not None
        if not known and response.status not in (400, 401, 403):
            return error(InvalidTokenResponse, "There is no token endpoint at token_url", _NO_ENDPOINT)
        if said.code in _THEIRS:
            return error(TokenEndpointUnavailable, "The authorization server could not answer")
        if said.code == "invalid_grant" and (self.refresh_token is not None or request.token is not None):
            return error(LoginRequired, "The refresh token is not valid any more")
        if request.token is not None and self.refresh_token is None and said.code != "invalid_client":
            # A client may be given a refresh token and not be allowed to use it; it can still log in.
            return error(LoginRequired, "The authorization server did not refresh the token")
        return error(CredentialsRejected, "The authorization server refused the client")

    def said(self, response: TokenResponse) -> Said:
        """Find the error's code and its description (5.2)."""
        answer = json_object(response)
        return Said(code=text(answer.get("error")), message=text(answer.get("error_description")))

    def headers(self, token: Token) -> Mapping[str, str]:
        """Carry the token as `Authorization: Bearer` (RFC 6750, section 2.1)."""
        return bearer(token)


_NO_ENDPOINT = "Check token_url; if it is right, the server does not keep to RFC 6749, section 5."
_THEIRS = ("server_error", "slow_down", "temporarily_unavailable")
_HINTS = {
    "invalid_client": "Check client_id and client_secret, and client_auth: the server may want another.",
    "invalid_request": "Check client_auth, scope and extra: the server misses a field, or refuses one.",
    "invalid_scope": "Check scope: the server does not know it, or does not grant it here.",
    "invalid_target": "Check resource or audience in extra (RFC 8707): the server does not know it.",
    "unauthorized_client": "Allow this client this grant, at the authorization server.",
    "unsupported_grant_type": "Check token_url: what answers there does not know this grant at all.",
}
_CODES = (*_HINTS, *_THEIRS, "access_denied", "invalid_grant")


def _basic(client: Any, _: str, uri: str, headers: dict[str, str], body: str) -> tuple[str, Any, str]:
    """Write the credentials as section 2.3.1 has it: form-encoded, then Basic.

    Not authlib's own way: 1.3.0 and 1.3.1 quote all but "/", other versions nothing, so that a colon in an id
    or a percent sign in a secret is misread. A blank goes as %20, which is read where "+" is not, too.
    """
    pair = ":".join(quote(each, safe="") for each in (client.client_id, client.client_secret))
    headers["Authorization"] = Masked(f"Basic {base64.b64encode(pair.encode()).decode()}")
    return uri, headers, body
