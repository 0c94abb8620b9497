from __future__ import annotations

import copy
import pickle
import traceback
from typing import Any

import httpx
import httpx2
import pytest
import requests

import auth_plugins
from auth_plugins.clients.errors import as_library_error
from auth_plugins.core import (
    AuthError,
    ConfigurationError,
    CredentialsRejected,
    InvalidTokenResponse,
    LoginRequired,
    StoreError,
    TokenEndpointUnavailable,
)

KINDS = [
    AuthError,
    ConfigurationError,
    CredentialsRejected,
    InvalidTokenResponse,
    LoginRequired,
    StoreError,
    TokenEndpointUnavailable,
]
BASES = [
    requests.RequestException,
    requests.ConnectionError,
    httpx.RequestError,
    httpx.TransportError,
    httpx2.RequestError,
    httpx2.TransportError,
]
FULL: dict[str, Any] = {
    "hint": "Do this",
    "status": 401,
    "provider_code": "CODE",
    "provider_message": "their words",
    "request_id": "req_1",
    "retry_after": 7.5,
}


def same(one: AuthError, other: AuthError) -> bool:
    return (one.message, one.details(), str(one), one.code, one.args) == (
        other.message,
        other.details(),
        str(other),
        other.code,
        other.args,
    )


def label(kind: type) -> str:
    return f"{kind.__module__.partition('.')[0]}.{kind.__name__}"


@pytest.mark.parametrize("kind", KINDS, ids=label)
class TestEach:
    def test_is_an_auth_error_with_a_code_and_a_hint_of_its_own(self, kind: type[AuthError]) -> None:
        assert issubclass(kind, AuthError)
        others = [other for other in KINDS if other is not kind]
        assert kind.code not in {other.code for other in others}
        assert kind.default_hint not in {other.default_hint for other in others}

    def test_can_be_had_from_the_package_itself(self, kind: type[AuthError]) -> None:
        assert getattr(auth_plugins, kind.__name__) is kind

    def test_bare_one_has_the_default_hint_and_nothing_else(self, kind: type[AuthError]) -> None:
        error = kind("It failed")
        assert error.message == "It failed"
        assert error.args == ("It failed",)
        assert error.details() == {**dict.fromkeys(FULL), "hint": kind.default_hint}
        assert str(error) == f"It failed. {kind.default_hint}"

    def test_keeps_what_it_was_told(self, kind: type[AuthError]) -> None:
        error = kind("It failed", **FULL)
        assert error.details() == FULL
        assert {name: getattr(error, name) for name in FULL} == FULL

    def test_says_all_that_somebody_needs_who_has_only_the_text(self, kind: type[AuthError]) -> None:
        assert (
            str(kind("It failed", **FULL)) == "It failed [CODE: their words] (request req_1) (retry after 8 s). Do this"
        )

    @pytest.mark.parametrize(
        ("told", "text"),
        [
            ({"provider_code": "CODE"}, "It failed [CODE]. Do this"),
            ({"provider_message": "words"}, "It failed [words]. Do this"),
            ({"request_id": "req_1"}, "It failed (request req_1). Do this"),
            ({"provider_code": "", "provider_message": "", "request_id": ""}, "It failed. Do this"),
        ],
        ids=["code", "message", "request", "nothing"],
    )
    def test_says_no_more_than_there_is(self, kind: type[AuthError], told: dict[str, Any], text: str) -> None:
        assert str(kind("It failed", hint="Do this", **told)) == text

    def test_survives_pickle_and_copies(self, kind: type[AuthError]) -> None:
        error = kind("It failed", **FULL)
        for again in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
            assert type(again) is kind
            assert same(again, error)

    def test_fresh_one_is_the_same_without_its_past(self, kind: type[AuthError]) -> None:
        def fail() -> None:
            raise kind("It failed", **FULL) from KeyError("the past")

        with pytest.raises(kind) as caught:
            fail()
        fresh = caught.value.clone()
        assert fresh is not caught.value
        assert type(fresh) is kind
        assert same(fresh, caught.value)
        assert (fresh.__traceback__, fresh.__cause__, fresh.__context__) == (None, None, None)


@pytest.mark.parametrize("base", BASES, ids=label)
@pytest.mark.parametrize("kind", KINDS, ids=label)
class TestWhatLeavesADoor:
    """It is ours and the library's own at once."""

    def twin(self, kind: type[AuthError], base: type[Exception]) -> AuthError:
        return as_library_error(kind("It failed", **FULL), base)

    def test_is_caught_by_either_name(self, kind: type[AuthError], base: type[Exception]) -> None:
        for name in (kind, base, AuthError):
            with pytest.raises(name):
                raise self.twin(kind, base)

    def test_is_caught_by_whatever_catches_the_librarys_own(self, kind: type[AuthError], base: type[Exception]) -> None:
        assert all(isinstance(self.twin(kind, base), ancestor) for ancestor in base.__mro__)

    def test_is_the_same_error(self, kind: type[AuthError], base: type[Exception]) -> None:
        error = kind("It failed", **FULL)
        assert same(as_library_error(error, base), error)

    def test_is_shown_under_its_own_name(self, kind: type[AuthError], base: type[Exception]) -> None:
        twin = self.twin(kind, base)
        shown = "".join(traceback.format_exception_only(twin))
        assert shown == f"{kind.__module__}.{kind.__qualname__}: {twin}\n"

    def test_survives_pickle_and_copies(self, kind: type[AuthError], base: type[Exception]) -> None:
        twin = self.twin(kind, base)
        for again in (pickle.loads(pickle.dumps(twin)), copy.copy(twin), copy.deepcopy(twin)):
            assert type(again) is type(twin)
            assert same(again, twin)

    def test_fresh_one_is_still_both(self, kind: type[AuthError], base: type[Exception]) -> None:
        twin = self.twin(kind, base)
        assert same(twin.clone(), twin)
        assert isinstance(twin.clone(), kind)
        assert isinstance(twin.clone(), base)

    def test_has_one_class_for_all_time(self, kind: type[AuthError], base: type[Exception]) -> None:
        assert type(self.twin(kind, base)) is type(self.twin(kind, base))

    def test_keeps_what_the_library_wants_of_its_own(self, kind: type[AuthError], base: type[Exception]) -> None:
        twin: Any = self.twin(kind, base)
        if issubclass(base, requests.RequestException):
            assert (twin.request, twin.response) == (None, None)
        else:
            twin.request = "the request"
            assert twin.request == "the request"
