"""What JWTPlus's endpoints take and answer (https://jwtplus.com/docs/, and measured on its server, version 1.1)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ...core import (
    Answer,
    AuthError,
    CredentialsRejected,
    ErrorInfo,
    InvalidTokenResponse,
    LoginRequired,
    Purpose,
    Token,
    TokenRequest,
    TokenResponse,
    as_mapping,
    as_text,
    json_object,
    role,
)
from .session import session_to_renew, token_from_pair

__all__ = ["HINT_BAD_KEY", "JWTPlusContract", "is_jwtplus_error"]


@dataclass(frozen=True, slots=True)
class JWTPlusContract:
    """One session of one app: of the subject and audience that are signed for, or of the pair that was given."""

    app_id: str = field(metadata=role("session"))
    app_key: str = field(repr=False)
    base_url: str = field(metadata=role("server"))
    ip: str
    user_agent: str
    subject: str | None = field(default=None, metadata=role("session"))
    audience: str | None = field(default=None, metadata=role("session"))
    claims: str = field(default="{}", repr=False, metadata=role("session"))
    """Further claims, as a JSON object."""
    auth_token: str | None = field(default=None, repr=False)
    refresh_token: str | None = field(default=None, repr=False)
    header: str = field(default="Authorization", metadata=role("tuning"))
    scheme: str = field(default="Bearer", metadata=role("tuning"))
    fresh_after: float = field(default=1.25, metadata=role("tuning"))

    name = "jwtplus"
    rotates = True

    @property
    def can_login(self) -> bool:
        """Whether it is known for whom to sign."""
        return self.subject is not None

    def initial_token(self) -> Token | None:
        """Return the tokens that the user gave; the server's clock is taken for ours until it has answered."""
        if self.refresh_token is None:
            return None
        if self.auth_token is None:
            return session_to_renew(self.refresh_token)
        return token_from_pair(self.auth_token, self.refresh_token, None, self.fresh_after)

    def login(self) -> TokenRequest:
        """Sign a new session."""
        body = {**json.loads(self.claims), "sub": self.subject, "aud": self.audience, **self._client_fields()}
        return self._call(Purpose.LOGIN, "sign", body)

    def refresh(self, token: Token, now: float) -> TokenRequest:
        """Renew a session: both its tokens are replaced."""
        body = {"refresh_token": token.refresh_token, **self._client_fields()}
        return self._call(Purpose.REFRESH, "renew", body, token)

    def revoke(self, token: Token) -> TokenRequest:
        """End a session, by its auth token: with the refresh token the server does nothing, and says "ok"."""
        return self._call(Purpose.REVOKE, "logout", {"token": token.access_token}, token)

    def verification(self, token: str) -> TokenRequest:
        """Ask whether an auth token is valid."""
        request = self._call(Purpose.LOGIN, "verify", {"token": token})
        return TokenRequest(
            request.purpose, request.url, request.headers, request.body, secrets=(*request.secrets, token)
        )

    def _client_fields(self) -> dict[str, str]:
        return {"ip": self.ip, "useragent": self.user_agent}

    def _call(self, grant: Purpose, verb: str, body: Mapping[str, Any], token: Token | None = None) -> TokenRequest:
        pair = () if token is None else (token.access_token, token.refresh_token or "")
        url = f"{self.base_url}/app/{self.app_id}/{verb}"
        # The key stands there as it is: with "Bearer" before it, it is another key.
        headers = {"Authorization": self.app_key}
        return TokenRequest.json(grant, url, body, headers=headers, token=token, secrets=(self.app_key, *pair))

    def read(self, answer: Answer, now: float) -> Token:
        """Read a session. A 200 may be empty or hold empty tokens, and is then not a success."""
        if answer.status >= 400:
            raise self._refused(answer)
        fields = answer.json
        auth_token, refresh_token = fields.get("auth_token"), fields.get("refresh_token")
        extra = {name: as_text(fields.get(name)) for name in ("key_id", "public_key")}
        moments = (now, max(now, answer.arrived_at))
        found = token_from_pair(auth_token, refresh_token, moments, self.fresh_after, extra)
        if found is not None:
            return found
        if answer.request.purpose is Purpose.REFRESH and auth_token == refresh_token == "":
            raise answer.error(LoginRequired, "JWTPlus ended the session instead of renewing it")
        if fields or not answer.response.body:
            raise answer.error(InvalidTokenResponse, "The answer holds no pair of tokens", hint=_NO_ENDPOINT)
        raise answer.unrecognized(hint=_NO_ENDPOINT)

    def _refused(self, answer: Answer) -> AuthError:
        if not is_jwtplus_error(answer):
            return answer.unrecognized(hint=_NO_ENDPOINT)
        if answer.status == 403:
            return answer.error(CredentialsRejected, "JWTPlus did not accept the app key", hint=HINT_BAD_KEY)
        if answer.request.purpose is Purpose.REFRESH:
            return answer.error(LoginRequired, "JWTPlus did not renew the session")
        if answer.status == 400:
            what = "JWTPlus did not accept what is to be signed"
            return answer.error(CredentialsRejected, what, hint=_HINT_FIELD)
        return answer.unrecognized(hint=_NO_ENDPOINT)

    def error_info(self, response: TokenResponse) -> ErrorInfo:
        """Find the words: in `message`, or in `errors`, which is a string, an object or a list of objects."""
        answer = json_object(response)
        errors = answer.get("errors")
        words = [_words(each) for each in (errors if isinstance(errors, list) else [errors])]
        return ErrorInfo(message=as_text(answer.get("message")) or as_text("; ".join(filter(None, words))))

    def headers(self, token: Token) -> Mapping[str, str]:
        """Carry the auth token where the user's API looks for it."""
        return {self.header: f"{self.scheme} {token.access_token}".lstrip()}


def is_jwtplus_error(answer: Answer) -> bool:
    """Whether a refusal has the shape that JWTPlus gives it, by its status.

    A bad key (403) is `errors`, a text; a bad body (400) is `errors`, of any type; a dead session (404) is one of two
    texts as `message`.
    """
    errors, message = answer.json.get("errors"), answer.json.get("message")
    if answer.status == 403:
        return isinstance(errors, str) and errors.startswith("invalid app")
    if answer.status == 400 and errors is not None:
        return True
    return message in ("invalid refresh token", "error")


_NO_ENDPOINT = "Check base_url; if it is right, what answers there is not JWTPlus 1.1."
HINT_BAD_KEY = "Check app_key and app_id; a key that was rotated is refused at once."
_HINT_FIELD = "Check subject, audience, ip, user_agent and claims: provider_message names the field."


def _words(error: object) -> str | None:
    field_of, message = (as_text(as_mapping(error).get(name)) for name in ("error_field", "error_message"))
    return as_text(error) or ": ".join(filter(None, (field_of, message)))
