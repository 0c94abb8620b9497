"""The contract of a token endpoint of RFC 6749: the client credentials grant (4.4) and the refresh token grant (6)."""

from __future__ import annotations

import base64
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import quote, urlencode

from ...core import (
    LONG_AGO,
    MAX_LIFETIME,
    NO_EXTRA,
    Answer,
    ErrorInfo,
    InvalidTokenResponse,
    Purpose,
    Token,
    TokenRequest,
    TokenResponse,
    as_number,
    as_text,
    is_token,
    json_object,
    role,
    scope_set,
)
from .refusals import CODES, HINT_NO_ENDPOINT, refusal

__all__ = ["ASSUMED_LIFETIME", "RESERVED_FIELDS", "ClientAuth", "OAuth2Contract"]

ClientAuth = Literal["client_secret_basic", "client_secret_post", "none"]
"""The methods of client authentication (section 2.3.1), by their names in RFC 7591, section 2."""

ASSUMED_LIFETIME = 3600.0
"""Seconds, for an answer without `expires_in`, which is only RECOMMENDED (5.1)."""
RESERVED_FIELDS = ("client_id", "client_secret", "grant_type", "refresh_token", "scope")
"""The form fields that the contract sets, so `extra` must not contain them."""
_NOT_SECRET = ("audience", "resource")


@dataclass(frozen=True, slots=True)
class OAuth2Contract:
    """The contract of a token endpoint, for a client, or for a user of that client."""

    token_url: str = field(metadata=role("session"))
    base_url: str
    client_id: str = field(metadata=role("session"))
    client_secret: str | None = field(default=None, repr=False)
    refresh_token: str | None = field(default=None, repr=False)
    """The user's first refresh token; `None`: the client acts for itself."""
    client_auth: ClientAuth = "client_secret_basic"
    scope: str | None = field(default=None, metadata=role("variant", key=scope_set))
    extra: tuple[tuple[str, str], ...] = field(default=(), repr=False, metadata=role("variant", key=sorted))
    assumed_lifetime: float = field(default=ASSUMED_LIFETIME, metadata=role("tuning"))
    """Seconds. The lifetime of a token whose answer has no `expires_in`."""
    scheme: str = field(default="Bearer", metadata=role("tuning"))
    """The word before the token in `Authorization`."""
    token_type: str | None = field(default=None, metadata=role("tuning"))
    """A further `token_type` to accept, in lower case."""
    keep: tuple[str, ...] = field(default=(), metadata=role("tuning"))
    """Names of members that are copied from an answer to `Token.extra`."""

    refresh_grace: float = field(default=0.0, metadata=role("tuning"))
    """Seconds for which the server answers a repeated refresh with the same refresh token; 0: it does not."""

    name = "oauth2"

    @property
    def can_login(self) -> bool:
        """Whether the client acts for itself: it cannot log in for a user."""
        return self.refresh_token is None

    @property
    def rotates(self) -> bool:
        """Whether there is a refresh token: the server may replace it at each use (RFC 6749, section 6)."""
        return not self.can_login

    def initial_token(self) -> Token | None:
        """Return the user's first refresh token, with an expired access token, or `None`."""
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
        """Return the call that exchanges the client's credentials for a token (4.4.2)."""
        return self._call(Purpose.LOGIN, {"scope": self.scope, "refresh_token": None})

    def refresh(self, token: Token, now: float) -> TokenRequest:
        """Return the call that exchanges the refresh token for a new token (6)."""
        # Without `scope` the server grants the original scope: a client's request, or all that the user granted.
        scope = None if self.refresh_token is None else self.scope
        return self._call(Purpose.REFRESH, {"scope": scope, "refresh_token": token.refresh_token}, token)

    def revoke(self, token: Token) -> TokenRequest | None:
        """Return `None`: RFC 6749 defines no revocation."""
        return None

    def _call(self, grant: Purpose, form: dict[str, str | None], token: Token | None = None) -> TokenRequest:
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
            body.encode("ascii"),
            token,
            (*(each for each in plain if each), *(value.removeprefix("Basic ") for value in headers.values())),
        )

    def read(self, answer: Answer, now: float) -> Token:
        """Return the token in a successful answer (5.1), or raise the error that a refusal (5.2) stands for."""
        fields, before = answer.json, answer.request.token
        access_token = fields.get("access_token")
        # Some servers send their errors with 200.
        if answer.status >= 400 or (answer.error_info.code is not None and not access_token):
            raise refusal(answer, for_user=not self.can_login)
        if not is_token(access_token):
            raise answer.unrecognized(hint=HINT_NO_ENDPOINT)
        self._check_type(answer, access_token)
        lifetime = as_number(fields.get("expires_in"))
        assumed = self.assumed_lifetime if lifetime is None else lifetime
        expires_at = now + min(max(assumed, 0.0), MAX_LIFETIME)
        # A missing `scope` means the requested scope (5.1); a missing `refresh_token` means the old one (6).
        scope, refresh_token = fields.get("scope"), fields.get("refresh_token")
        if not isinstance(refresh_token, str) or not is_token(refresh_token.replace(" ", "_")):
            refresh_token = None if before is None else before.refresh_token
        asked = tuple((self.scope or "").split()) if before is None else before.scopes
        return Token(
            access_token=access_token,
            issued_at=now,
            expires_at=expires_at,
            refresh_token=refresh_token,
            # No end of refresh tokens is stated, so they are always tried.
            refreshable_until=LONG_AGO if refresh_token is None else math.inf,
            scopes=tuple(scope.split()) if isinstance(scope, str) else asked,
            extra=self._kept(fields, NO_EXTRA if before is None else before.extra),
        )

    def _check_type(self, answer: Answer, access_token: str) -> None:
        """Accept the names of a bearer token. `token_type` is REQUIRED (5.1), but some servers omit it."""
        stated = answer.json.get("token_type")
        word = "" if stated is None else stated.strip().lower() if isinstance(stated, str) else None
        if word is not None and word in ("", "bearer", "bearertoken", self.token_type, self.scheme.lower()):
            return
        shown = (
            repr(stated) if isinstance(stated, str) and _SHORT.fullmatch(stated) else f"of type {type(stated).__name__}"
        )
        if access_token in shown:
            shown = "'***'"
        hint = "If the API accepts the token in the Authorization header, pass this value as token_type=."
        raise answer.error(InvalidTokenResponse, f"The answer's token_type is {shown}, and not Bearer", hint=hint)

    def _kept(self, fields: Mapping[str, Any], before: Mapping[str, str]) -> Mapping[str, str]:
        """Return the members in `keep`, text unchanged, other values as JSON. Omitted members keep their old value."""
        new = {name: fields[name] for name in self.keep if fields.get(name) is not None}
        if not new:
            return before
        return {
            **before,
            **{name: value if isinstance(value, str) else json.dumps(value) for name, value in new.items()},
        }

    def error_info(self, response: TokenResponse) -> ErrorInfo:
        """Return the error's code and description (5.2), or Okta's `errorCode` and `errorSummary`."""
        answer = json_object(response)
        code, other = as_text(answer.get("error")), as_text(answer.get("errorCode"))
        words = as_text(answer.get("error_description")) or as_text(answer.get("errorSummary"))
        return ErrorInfo(code=code or (other if other in CODES else None), message=words)

    def headers(self, token: Token) -> Mapping[str, str]:
        """Return the header `Authorization` with `scheme`, such as `Bearer` (RFC 6750, section 2.1), and the token."""
        return {"Authorization": f"{self.scheme} {token.access_token}"}


_SHORT = re.compile(r"[\w .:/+-]{1,40}", re.ASCII)


def _basic(client: Any, _: str, uri: str, headers: dict[str, str], body: str) -> tuple[str, Any, str]:
    """Add the credentials as section 2.3.1 requires: form-encoded, then Basic.

    This replaces authlib's `client_secret_basic`: versions 1.3.0 and 1.3.1 quote all characters but "/", other versions
    quote nothing, so a colon in an id or a percent sign in a secret is misread. A blank is sent as %20, which also
    servers decode that do not decode "+".
    """
    pair = ":".join(quote(each, safe="") for each in (client.client_id, client.client_secret))
    headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
    return uri, headers, body
