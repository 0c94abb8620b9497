"""Random lives of an API with good, refusing and flapping endpoints, revocations and outages, for every adapter.

The law: a good endpoint whose acceptance was seen during a back-off is not answered 401 because of what another
endpoint answers; and the tokens issued stay under the bound of ADR 0004.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auth_plugins import AuthError, EventKind, FyatuAuth, MemoryStore
from auth_plugins.simulators import FyatuSimulator, SimRequest, SimResponse
from auth_plugins.testing import CLIENT_KINDS, FakeClock, open_client

URL = "https://api.example/api/v3"

ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("wait"), st.sampled_from([0.05, 1.0, 6.0, 31.0, 400.0])),
        st.tuples(st.just("good"), st.integers(0, 2)),
        st.tuples(st.just("refusing"), st.integers(0, 2)),
        st.tuples(st.just("flapping"), st.integers(0, 1)),
        st.tuples(st.just("revoke"), st.none()),
        st.tuples(st.just("outage"), st.none()),
    ),
    max_size=60,
)


class Life:
    def __init__(self, kind: str, jitter_fraction: list[bool]) -> None:
        self.clock, self.fyatu, self.jitter_fraction = FakeClock(), FyatuSimulator(), jitter_fraction
        self.issued = 0
        self.auth = FyatuAuth(
            "A1B2C3D4E5F6G7H8",
            "your_secret_key_here",
            base_url=URL,
            store=MemoryStore(clock=self.clock),
            clock=self.clock,
            on_event=self._count,
            token_client=open_tokens(self.fyatu, self.clock),
        )
        self.kind, self.streaks, self.flaps = kind, dict[str, int](), 0
        self.last_revocation, self.began = -5.0, self.clock.monotonic()
        handle = self.fyatu.handle

        def answer(request: SimRequest, now: float) -> SimResponse:
            response = handle(request, now)
            if "/refusing/" in request.path or ("/flapping/" in request.path and not self._serves()):
                return replace(response, status=401)
            return response

        self.fyatu.handle = answer  # type: ignore[method-assign]

    def _count(self, event: Any) -> None:
        self.issued += event.kind in (EventKind.LOGGED_IN, EventKind.REFRESHED)

    def _serves(self) -> bool:
        """Whether a flapping endpoint reaches a good node now: seven times in a row at most."""
        served = self.jitter_fraction[self.flaps % len(self.jitter_fraction)] and self.flaps % 7 != 0
        self.flaps += 1
        return served

    def play(self, actions: list[tuple[str, Any]], *, steady: int) -> None:
        """Play the actions. A good endpoint is known once it was seen accepting a token `steady` times."""
        with open_client(self.kind, self.auth, simulator=self.fyatu, clock=self.clock) as client:
            for kind, which in actions:
                if kind == "wait":
                    self.clock.advance(which)
                elif kind == "outage":
                    self.fyatu.outage = None if self.fyatu.outage else "unavailable"
                elif kind == "revoke":
                    if self.clock.monotonic() >= self.last_revocation + 6.0:
                        self.last_revocation = self.clock.monotonic()
                        self.fyatu.revoke_all()
                else:
                    for _ in range(steady if kind == "good" else 1):
                        self._send(client, kind, f"{URL}/{kind}/{which}", steady)

    def _send(self, client: Any, kind: str, url: str, steady: int) -> None:
        is_on = self.auth._shared.unauthorized.is_on
        try:
            reply = client.send("GET", url)
        except AuthError:
            assert self.fyatu.outage or self.auth._shared.failure is not None
            return
        if kind == "good":
            assert reply.status == 200 or self.streaks.get(url, 0) < steady
            if is_on and reply.status == 200 and not reply.history:
                self.streaks[url] = self.streaks.get(url, 0) + 1
            elif reply.history and steady > 1:
                self.streaks[url] = 0  # The reserve is for endpoints that were steady since their last 401.


def open_tokens(fyatu: FyatuSimulator, clock: FakeClock) -> Any:
    import httpx

    from auth_plugins.testing import mock_transport

    return httpx.Client(transport=mock_transport(fyatu, clock))


@pytest.mark.parametrize("kind", CLIENT_KINDS)
@given(ACTIONS)
@settings(max_examples=25)
def test_no_endpoint_that_accepted_pays_for_refusing_ones(kind: str, actions: list[tuple[str, Any]]) -> None:
    life = Life(kind, [True])
    life.play([each for each in actions if each[0] != "flapping"], steady=1)
    assert life.issued <= 1 + 20 + (life.clock.monotonic() - life.began) / 3


@pytest.mark.parametrize("kind", CLIENT_KINDS)
@given(ACTIONS, st.lists(st.booleans(), min_size=1, max_size=30))
@settings(max_examples=25)
def test_no_steady_endpoint_pays_for_flapping_ones(
    kind: str, actions: list[tuple[str, Any]], jitter_fraction: list[bool]
) -> None:
    life = Life(kind, jitter_fraction)
    life.play(actions, steady=10)
    assert life.issued <= 1 + 20 + (life.clock.monotonic() - life.began) / 3
