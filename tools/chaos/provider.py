"""A provider that rotates refresh tokens, ends a session on reuse, and writes down when."""

from __future__ import annotations

import time
from collections import defaultdict
from hashlib import sha256

from auth_plugins.simulators import OAuth2Simulator

__all__ = ["CLIENT", "Provider", "digest_of"]

CLIENT = ("s6BhdRkqt3", "7Fjfp0ZBr1KtDRbnfVdmIw")
"""The client's name and secret: the simulator's own."""


def digest_of(token: str) -> str:
    """Return what a simulator and the workers call a refresh token."""
    return sha256(token.encode("utf-8", "surrogatepass")).hexdigest()[:16]


class Provider(OAuth2Simulator):
    """It answers after `latency`; a call is under way until then."""

    def __init__(self, lifetime: float, latency: float) -> None:
        super().__init__(*CLIENT, rotate=True, lifetime=lifetime)
        self.end_family, self.latency = True, latency
        self.renewals = 0
        self.families: dict[str, int] = {}
        """The session of each refresh token."""
        self.given_out: dict[int, list[tuple[float, str]]] = defaultdict(list)
        """The refresh tokens of each session, oldest first, and when they were issued."""
        self.ended: dict[int, tuple[float, str]] = {}
        """When a session ended, and the refresh token that came again."""
        self.last_call = 0.0

    def session(self) -> str:
        """Begin a session; return its first refresh token."""
        token = self.consent()
        self._note(len(self.given_out), digest_of(token))
        return token

    def _note(self, session: int, digest: str) -> None:
        self.families[digest] = session
        self.given_out[session].append((time.time(), digest))

    def _refresh(self, fields: dict[str, str]) -> object:  # type: ignore[override]
        used = digest_of(fields.get("refresh_token", ""))
        session = self.families.get(used, -1)
        known = self._refresh_tokens.get(used)
        if (known is None or known.used) and session not in self.ended:
            self.ended[session] = (time.time(), used)
        before = set(self._refresh_tokens)
        answer = super()._refresh(fields)
        for digest in set(self._refresh_tokens) - before:
            self._note(session, digest)
            self.renewals += 1
            self.last_call = time.time()
        return answer
