"""Translates refusals to errors, by the error codes of an authorization server (RFC 6749, section 5.2)."""

from __future__ import annotations

import re

from ...core import Answer, AuthError, CredentialsRejected, LoginRequired, Purpose, TokenEndpointUnavailable

__all__ = ["CODES", "HINT_NO_ENDPOINT", "refusal"]

HINT_NO_ENDPOINT = "Check token_url; if it is right, the server does not keep to RFC 6749, section 5."
_HINT_CLIENT = "Check client_id, client_secret and client_auth, and that they belong to this token_url."
_HINT_EMPTY_403 = (
    "Check client_id and client_secret; if they are right, a firewall or gateway before token_url may have refused "
    "this network, or the User-Agent."
)
_THEIRS = ("server_error", "slow_down", "temporarily_unavailable")
_HINTS = {
    "invalid_client": "Check client_id and client_secret, and client_auth: the server may require another method.",
    "invalid_request": "Check client_auth, scope and extra: a field is missing, or the server refuses its value.",
    "invalid_scope": "Check scope: the server does not know the scope, or does not grant it to this client.",
    "invalid_target": "Check resource or audience in extra (RFC 8707): the server does not know the value.",
    "unauthorized_client": "Allow this client this grant, at the authorization server.",
    "unsupported_grant_type": "Check token_url: the server there does not support this grant.",
}
CODES = (*_HINTS, *_THEIRS, "access_denied", "invalid_grant")
_OWN_CODE = re.compile(r"[\w.:-]+", re.ASCII)


def refusal(answer: Answer, *, for_user: bool) -> AuthError:
    """Return the error for a refusal. With `for_user` the client has a user's refresh token, and cannot log in."""
    code, renewed = answer.error_info.code, answer.request.token is not None
    if not _is_the_servers(answer):
        return _unexplained(answer)
    hint = _HINTS.get(code or "", _HINT_CLIENT)
    if code in _THEIRS:
        return answer.error(TokenEndpointUnavailable, "The authorization server could not answer")
    if code == "invalid_grant" and (for_user or renewed):
        return answer.error(LoginRequired, "The refresh token is not valid any more")
    if renewed and not for_user and code != "invalid_client":
        # A server may issue a refresh token that the client is not allowed to use. The client can still log in.
        return answer.error(LoginRequired, "The authorization server did not refresh the token", hint=hint)
    return answer.error(CredentialsRejected, "The authorization server refused the client", hint=hint)


def _unexplained(answer: Answer) -> AuthError:
    # Glewlwyd sends no body: an empty 400 for an invalid refresh token, an empty 403 for a refused client.
    empty = not answer.response.body.strip()
    if empty and answer.status == 400 and answer.request.purpose is Purpose.REFRESH:
        return answer.error(LoginRequired, "The authorization server refused the refresh token with an empty answer")
    if empty and answer.status == 403 and answer.request.purpose is Purpose.LOGIN:
        what = "The authorization server refused the client with an empty answer"
        return answer.error(CredentialsRejected, what, hint=_HINT_EMPTY_403)
    return answer.unrecognized(hint=HINT_NO_ENDPOINT)


def _is_the_servers(answer: Answer) -> bool:
    """Whether the authorization server sent the refusal (5.2), and not an intermediary.

    A known code counts with any status. An unknown code counts with 400 and 401, and with 403 if it is in lower case:
    gateways answer 403 with `{"error": "Forbidden"}` or with a sentence.
    """
    code = answer.error_info.code or ""
    if code in CODES or answer.status < 400:
        return True
    if answer.status not in (400, 401, 403) or not _OWN_CODE.fullmatch(code):
        return False
    return answer.status != 403 or code == code.lower()
