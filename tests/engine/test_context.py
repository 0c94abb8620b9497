"""What is logged, and what a listener is told."""

from __future__ import annotations

import logging

import pytest

from auth_plugins import AuthError, CredentialsRejected, Event, EventKind, RefreshPolicy, Token
from auth_plugins.core.events import Listener
from auth_plugins.engine.context import Context
from auth_plugins.providers.fyatu import FyatuContract
from auth_plugins.testing import FakeClock

TOKEN = Token(access_token="at", issued_at=0.0, expires_at=1.0)
LOGGER = "auth_plugins"


def context(listener: Listener | None = None) -> Context:
    return Context(FyatuContract("an_id", "a_key", "https://api.example"), RefreshPolicy(), FakeClock(), listener)


def told(caplog: pytest.LogCaptureFixture) -> list[tuple[str, int, str]]:
    return [record for record in caplog.record_tuples if record[0] == LOGGER]


def test_what_went_well_is_for_debugging(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, LOGGER)
    context().notify(EventKind.LOGGED_IN, TOKEN)
    assert told(caplog) == [(LOGGER, logging.DEBUG, "fyatu: logged_in")]


def test_what_failed_is_a_warning_that_says_all(caplog: pytest.LogCaptureFixture) -> None:
    error = CredentialsRejected("It failed", hint="Do this.")
    context().notify(EventKind.RENEWAL_FAILED, TOKEN, error)
    assert told(caplog) == [(LOGGER, logging.WARNING, "fyatu: renewal_failed: It failed. Do this.")]


def test_a_listener_is_told_all_there_is() -> None:
    events: list[Event] = []
    error = AuthError("It failed")
    tell = context(events.append).notify
    tell(EventKind.LOGGED_OUT)
    tell(EventKind.RENEWAL_FAILED, TOKEN, error)
    assert events == [
        Event(EventKind.LOGGED_OUT, "fyatu"),
        Event(EventKind.RENEWAL_FAILED, "fyatu", TOKEN, error),
    ]


def test_a_listener_that_raises_is_told_of_by_the_kind_alone(caplog: pytest.LogCaptureFixture) -> None:
    def listener(_event: Event) -> None:
        raise KeyError("s3cret")

    context(listener).notify(EventKind.LOGGED_IN, TOKEN)
    assert told(caplog) == [(LOGGER, logging.ERROR, "on_event raised KeyError")]
