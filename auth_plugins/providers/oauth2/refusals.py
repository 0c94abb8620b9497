"""Whose refusal it is, and what it means: the authorization server's error codes (RFC 6749, section 5.2), or not."""

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
    "invalid_client": "Check client_id and client_secret, and client_auth: the server may want another.",
    "invalid_request": "Check client_auth, scope and extra: the server misses a field, or refuses one.",
    "invalid_scope": "Check scope: the server does not know it, or does not grant it here.",
    "invalid_target": "Check resource or audience in extra (RFC 8707): the server does not know it.",
    "unauthorized_client": "Allow this client this grant, at the authorization server.",
    "unsupported_grant_type": "Check token_url: what answers there does not know this grant at all.",
}
CODES = (*_HINTS, *_THEIRS, "access_denied", "invalid_grant")
_OWN_CODE = re.compile(r"[\w.:-]+", re.ASCII)


def refusal(answer: Answer, *, for_user: bool) -> AuthError:
    """Return the error for a refusal; `for_user`: the client has a user's refresh token, and cannot log in."""
    code, renewed = answer.error_info.code, answer.request.token is not None
    if not _is_the_servers(answer):
        return _unexplained(answer)
    hint = _HINTS.get(code or "", _HINT_CLIENT)
    if code in _THEIRS:
        return answer.error(TokenEndpointUnavailable, "The authorization server could not answer")
    if code == "invalid_grant" and (for_user or renewed):
        return answer.error(LoginRequired, "The refresh token is not valid any more")
    if renewed and not for_user and code != "invalid_client":
        # A client may be given a refresh token and not be allowed to use it; it can still log in.
        return answer.error(LoginRequired, "The authorization server did not refresh the token", hint=hint)
    return answer.error(CredentialsRejected, "The authorization server refused the client", hint=hint)


def _unexplained(answer: Answer) -> AuthError:
    # Glewlwyd refuses without a word: a dead refresh token by an empty 400, a client by an empty 403.
    empty = not answer.response.body.strip()
    if empty and answer.status == 400 and answer.request.purpose is Purpose.REFRESH:
        return answer.error(LoginRequired, "The authorization server refused the refresh token without a word")
    if empty and answer.status == 403 and answer.request.purpose is Purpose.LOGIN:
        what = "The authorization server refused the client without a word"
        return answer.error(CredentialsRejected, what, hint=_HINT_EMPTY_403)
    return answer.unrecognized(hint=HINT_NO_ENDPOINT)


def _is_the_servers(answer: Answer) -> bool:
    """Whether a refusal is the authorization server's own (5.2).

    A known code is, with any status. A code of the server's own invention is with the statuses of section 5.2, and with
    403 if it is written as such codes are: gateways answer `{"error": "Forbidden"}`, and sentences.
    """
    code = answer.error_info.code or ""
    if code in CODES or answer.status < 400:
        return True
    if answer.status not in (400, 401, 403) or not _OWN_CODE.fullmatch(code):
        return False
    return answer.status != 403 or code == code.lower()
