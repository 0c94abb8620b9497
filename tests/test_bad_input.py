"""A bad argument fails in the constructor, with an error that names the parameter and does not show the value."""

from __future__ import annotations

import inspect
import math
import threading
from collections.abc import Callable
from typing import Any

import httpx
import httpx2
import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st

from auth_plugins import (
    Backoff,
    Event,
    FyatuAuth,
    FyatuBusinessAuth,
    JWTPlusAuth,
    MarketigerAuth,
    MemoryStore,
    OAuth2ClientCredentialsAuth,
    OAuth2RefreshTokenAuth,
    RefreshPolicy,
    Token,
    TokenAuth,
    VaultAuth,
)
from auth_plugins.core import Provider
from auth_plugins.providers.fyatu import FyatuContract
from auth_plugins.stores import PROCESS_STORE

MARK = "s3cret"
"""In every bad value, so that it is missed if an error shows one."""
MARKED_NUMBER = 271_828_182_845
"""The same for numbers."""


class Nasty:
    """Shows itself at every occasion, and is true."""

    def __repr__(self) -> str:
        return MARK

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return MARK


class Broken:
    """Cannot be shown at all."""

    def __repr__(self) -> str:
        raise RuntimeError(MARK)

    __str__ = __repr__


GOOD: dict[Callable[..., Any], dict[str, Any]] = {
    FyatuAuth: {"app_id": "A1B2C3D4E5F6G7H8", "secret_key": "your_secret_key_here"},
    FyatuBusinessAuth: {"business_id": "N1S0W3Q8P0V1E5M6", "secret_key": "sk_biz_secret_key_here"},
    OAuth2ClientCredentialsAuth: {
        "token_url": "https://issuer.example/token",
        "client_id": "s6BhdRkqt3",
        "client_secret": "7Fjfp0ZBr1KtDRbnfVdmIw",
    },
    OAuth2RefreshTokenAuth: {
        "token_url": "https://issuer.example/token",
        "client_id": "s6BhdRkqt3",
        "refresh_token": "tGzv3JOkF0XG5Qx2TlKWIA",
    },
    VaultAuth: {
        "partner_id": 1042,
        "base_url": "https://vault.example",
        "email": "user@example.com",
        "password": "Correct-horse-7",
    },
    JWTPlusAuth: {
        "app_id": "01JMC6TCM1CH7NWG0E8A5SQTHA",
        "app_key": "an+app/key" * 12 + "12345678",
        "base_url": "https://jwtplus.example",
        "ip": "192.0.2.1",
        "user_agent": "tests",
        "subject": "user@example.org",
        "audience": "web-app",
    },
    MarketigerAuth: {"email": "user@example.com", "password": "your_password_here"},
    TokenAuth: {"provider": FyatuContract("A1B2C3D4E5F6G7H8", "your_secret_key_here")},
    RefreshPolicy: {},
    Backoff: {"first": 1.0, "cap": 2.0},
    MemoryStore: {},
}
DOORS = [FyatuAuth, FyatuBusinessAuth, VaultAuth, JWTPlusAuth, MarketigerAuth]
AUTHS = [*DOORS, OAuth2ClientCredentialsAuth, OAuth2RefreshTokenAuth, TokenAuth]

instances = st.sampled_from([Nasty(), object()])
nasty = instances | st.just(Nasty)
texts = st.sampled_from([MARK, f"{MARK} ", f"\n{MARK}", f"{MARK}é", f"https://{MARK}.example"])
raw = texts.map(lambda value: value.encode())
numbers = st.sampled_from([MARKED_NUMBER, MARKED_NUMBER + 0.5, math.nan, math.inf, 0, -MARKED_NUMBER, 1j])
booleans = st.booleans()
containers = texts.flatmap(lambda value: st.sampled_from([[value], (value,), {value: value}, {value}]))
nothing = st.none()

no_text = st.one_of(nothing, booleans, numbers, raw, containers, nasty)
no_number = st.one_of(nothing, booleans, texts, raw, containers, nasty, st.just(MARKED_NUMBER * 1j))
no_bool = st.one_of(nothing, numbers, texts, raw, containers, nasty)
not_callable = st.one_of(booleans, numbers, texts, raw, containers, instances)
no_option = not_callable | st.just(Nasty)

odd_characters = st.characters(max_codepoint=0x20) | st.characters(min_codepoint=0x7F, exclude_categories=[])
odd_text = st.builds(
    lambda odd, before: (MARK * 5 + odd) if before else (odd + MARK * 5), odd_characters, st.booleans()
)
long_text = st.just(MARK * 1000)


def short(length: int) -> st.SearchStrategy[str]:
    return st.integers(0, length - 1).map(lambda size: (MARK * 4)[:size])


bad_url = st.one_of(
    st.sampled_from(
        [
            "",
            MARK,
            f"/{MARK}",
            f"//{MARK}.example",
            f"http://{MARK}.example",
            f"HTTP://{MARK}.example/api",
            f"ftp://{MARK}.example",
            f"javascript:{MARK}",
            f"file:///{MARK}",
            f"https:{MARK}.example",
            f"https:///{MARK}",
            f"https://:443/{MARK}",
            f"https://me:{MARK}@api.example",
            f"https://{MARK}@api.example",
            f"https://api.example/{MARK}?",
            f"https://api.example/?{MARK}",
            f"https://api.example/#{MARK}",
            f"https://{MARK}.example:99999",
            f"https://{MARK}.example:-1",
            f"https://{MARK}.example:x",
            f"https://{MARK}.example: 443",
            f"https://{MARK}.example\\evil",
            f"https://[{MARK}",
            f"https://{MARK}é.example",
            f"https://{MARK}.example\r\nX-Evil: 1",
            "https://" + MARK * 1000,
        ]
    ),
    odd_characters.map(lambda odd: f"https://{MARK}{odd}.example"),
)
no_urls = st.one_of(nothing, booleans, numbers, texts, raw, nasty)
bad_urls = bad_url.map(lambda url: ["https://api.example", url])
no_url_list = no_text.map(lambda value: [value])

below_zero = st.floats(max_value=-5e-324) | st.integers(max_value=-1) | st.just(math.nan) | st.just(math.inf)
at_most_zero = below_zero | st.sampled_from([0, 0.0, -0.0])
above_one = st.floats(min_value=1.0, exclude_min=True)

MARKETIGER_TEXTS = ("email", "password", "access_token", "refresh_token")
OAUTH2 = [OAuth2ClientCredentialsAuth, OAuth2RefreshTokenAuth]
OAUTH2_TEXTS = [
    *((make, "client_id") for make in OAUTH2),
    (OAuth2ClientCredentialsAuth, "client_secret"),
    (OAuth2RefreshTokenAuth, "refresh_token"),
]


def not_blank(value: str) -> bool:
    """To RFC 6749 a blank is a character like others."""
    return " " not in value


def given_at_all(value: object) -> bool:
    """`None` says that there is none, which is another mistake."""
    return value is not None


class AsyncStore(MemoryStore):
    """One whose token would have to be awaited."""

    async def load(self, key: str) -> Token | None:  # type: ignore[override]
        return super().load(key)


async def never_awaited(_: Event) -> None: ...


CREDENTIALS = {
    (FyatuAuth, "app_id"): 8,
    (FyatuAuth, "secret_key"): 16,
    (FyatuBusinessAuth, "business_id"): 8,
    (FyatuBusinessAuth, "secret_key"): 16,
}
no_rule = st.sampled_from([401, "401", ["401"], [True], (), [200], [600], never_awaited])
CASES: list[tuple[Callable[..., Any], str, st.SearchStrategy[Any]]] = [
    *((make, name, no_text | odd_text | long_text | short(size)) for (make, name), size in CREDENTIALS.items()),
    *((make, "base_url", no_text | bad_url) for make in DOORS),
    *((make, "origins", no_urls | bad_urls | no_url_list) for make in AUTHS),
    *((make, "store", no_option | st.just(AsyncStore())) for make in AUTHS),
    *((make, "policy", no_option | st.just(Backoff(1.0, 2.0)) | st.just(RefreshPolicy)) for make in AUTHS),
    *((make, "token_client", no_option) for make in AUTHS),
    *((make, "on_event", not_callable | st.just(never_awaited)) for make in AUTHS),
    *((make, "renew_on", no_rule) for make in AUTHS),
    *((make, "allow_http", no_bool) for make in AUTHS),
    *((make, "clock", no_option | st.just(lambda: 0.0)) for make in AUTHS),
    (TokenAuth, "provider", no_text | texts | st.just(FyatuContract)),
    *((make, "token_url", no_text | bad_url.filter(lambda url: "?" not in url)) for make in AUTHS if make in OAUTH2),
    *((make, name, no_text | odd_text.filter(not_blank) | st.just("")) for make, name in OAUTH2_TEXTS),
    *((make, "base_url", (no_text | bad_url).filter(given_at_all)) for make in OAUTH2),
    *((make, "scope", (no_text | odd_text.filter(not_blank)).filter(given_at_all)) for make in OAUTH2),
    *((make, "scheme", no_text | odd_text) for make in OAUTH2),
    *((make, "token_type", (no_text | odd_text).filter(given_at_all)) for make in OAUTH2),
    *((make, "keep", no_urls | no_url_list) for make in OAUTH2),
    *((make, "client_auth", texts | raw | st.just("none")) for make in OAUTH2[:1]),
    (OAuth2RefreshTokenAuth, "client_auth", texts | raw | st.just("client_secret_basic")),
    (OAuth2RefreshTokenAuth, "client_secret", no_text.filter(given_at_all)),
    *((make, "extra", booleans | numbers | texts | raw | nasty) for make in OAUTH2),
    (VaultAuth, "partner_id", no_number | at_most_zero | st.just(MARKED_NUMBER)),
    (VaultAuth, "token_path", no_text | odd_text | long_text),
    (VaultAuth, "extra_body", booleans | numbers | texts | raw | nasty),
    *((VaultAuth, name, (no_text | odd_text).filter(given_at_all)) for name in ("email", "password")),
    *((VaultAuth, name, no_text.filter(given_at_all)) for name in ("refresh_token", "access_token")),
    *((MarketigerAuth, name, no_text.filter(given_at_all)) for name in MARKETIGER_TEXTS),
    *((make, "assumed_lifetime", no_number | at_most_zero) for make in (MarketigerAuth, VaultAuth, *OAUTH2)),
    (OAuth2RefreshTokenAuth, "refresh_grace", no_number | below_zero),
    *((JWTPlusAuth, name, no_text | odd_text | st.just("")) for name in ("app_id", "app_key", "header")),
    (JWTPlusAuth, "scheme", no_text | odd_text),
    *((JWTPlusAuth, name, no_text | st.just("")) for name in ("ip", "user_agent")),
    (JWTPlusAuth, "ip", texts | st.just("2001:db8:1111:2222:3333:4444:5555:6666")),
    *((JWTPlusAuth, name, (no_text | st.just("")).filter(given_at_all)) for name in ("subject", "audience")),
    *((JWTPlusAuth, name, no_text.filter(given_at_all)) for name in ("auth_token", "refresh_token")),
    (
        JWTPlusAuth,
        "claims",
        booleans | numbers | texts | raw | nasty | st.just({"exp": MARK}) | st.just({"a": Nasty()}),
    ),
    (JWTPlusAuth, "fresh_after", no_number | below_zero),
    (FyatuBusinessAuth, "scopes", booleans | numbers | texts | raw | nasty),
    (FyatuBusinessAuth, "scopes", (no_text | odd_text | long_text | st.just("")).map(lambda scope: ["a", scope])),
    *((RefreshPolicy, name, no_number | below_zero) for name in ("window", "retry_after_cap", "exit_timeout")),
    *((RefreshPolicy, name, no_number | below_zero | above_one) for name in ("window_share", "jitter")),
    *((RefreshPolicy, name, no_number | at_most_zero) for name in ("connect_timeout", "read_timeout", "deadline")),
    *(
        (RefreshPolicy, name, no_option | st.none())
        for name in ("early_backoff", "credentials_backoff", "outage_backoff", "unauthorized_backoff")
    ),
    (RefreshPolicy, "max_concurrent_calls", (no_number | st.integers(max_value=0) | st.floats()).filter(given_at_all)),
    *(
        (RefreshPolicy, name, no_number | st.integers(max_value=0) | st.floats())
        for name in ("tries", "max_response_bytes")
    ),
    *((Backoff, name, no_number | at_most_zero) for name in ("first", "cap")),
    (Backoff, "cap", st.floats(min_value=1e-9, max_value=1.0, exclude_max=True)),
    (MemoryStore, "maxsize", no_number | st.integers(max_value=0) | st.floats()),
    (MemoryStore, "lock_timeout", no_number | at_most_zero),
    (MemoryStore, "clock", not_callable | nothing),
]


def shown(value: object) -> list[str]:
    """What an error would contain if it showed the value. Zero and the like are in too many texts to tell."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return [str(value)] if len(str(value)) > 3 else []
    if isinstance(value, str):
        return [value] if len(value) > 5 else []
    return []


def refused(make: Callable[..., Any], name: str, value: object, **more: Any) -> None:
    kept, threads = len(PROCESS_STORE), set(threading.enumerate())
    with pytest.raises((TypeError, ValueError)) as caught:
        make(**{**GOOD[make], **more, name: value})
    error: BaseException | None = caught.value
    assert name in str(error)
    assert "unexpected keyword" not in str(error)
    while error is not None:  # Whoever logs it logs what it came from, too.
        text = f"{error} {error!r}"
        assert MARK not in text
        assert str(MARKED_NUMBER) not in text
        assert not any(part in text for part in shown(value))
        error = error.__cause__ or error.__context__
    assert len(PROCESS_STORE) == kept
    assert set(threading.enumerate()) <= threads


@pytest.mark.parametrize("make", GOOD, ids=lambda make: make.__name__)
def test_good_arguments_are_good(make: Callable[..., Any]) -> None:
    assert make(**GOOD[make]) is not None


@pytest.mark.parametrize(
    ("make", "name", "values"),
    [pytest.param(*case, id=f"{case[0].__name__}-{case[1]}-{number}") for number, case in enumerate(CASES)],
)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_bad_argument_is_named_and_not_shown(
    make: Callable[..., Any], name: str, values: st.SearchStrategy[Any], data: st.DataObject
) -> None:
    refused(make, name, data.draw(values))


@pytest.mark.parametrize(("make", "name"), dict.fromkeys((make, name) for make, name, _ in CASES))
def test_value_that_cannot_even_be_shown_is_refused_all_the_same(make: Callable[..., Any], name: str) -> None:
    refused(make, name, Broken())


def test_every_argument_of_every_constructor_is_tested() -> None:
    tested = {(make, name) for make, name, _ in CASES}
    options = {"store", "policy", "origins", "token_client", "on_event", "renew_on", "allow_http", "clock"}
    for make in GOOD:
        names = set(inspect.signature(make).parameters)
        names = (names - {"options"}) | options if "options" in names else names
        assert {name for made, name in tested if made is make} == names


@pytest.mark.parametrize(
    ("make", "name"),
    [(RefreshPolicy, "window"), (RefreshPolicy, "deadline"), (Backoff, "cap"), (MemoryStore, "lock_timeout")],
)
def test_a_number_that_no_float_can_hold_is_named(make: Callable[..., Any], name: str) -> None:
    refused(make, name, 10**400)


CLIENTS = [httpx.Client, httpx2.Client, requests.Session]


def full_name(kind: Callable[[], Any]) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


@pytest.mark.parametrize("make", AUTHS)
class TestClients:
    """Only what can make a token call by itself can be lent."""

    @pytest.mark.parametrize(
        "kind",
        [httpx.AsyncClient, httpx2.AsyncClient, httpx.HTTPTransport, requests.adapters.HTTPAdapter, threading.Lock],
        ids=full_name,
    )
    def test_others_are_refused(self, make: Callable[..., Any], kind: Callable[[], Any]) -> None:
        refused(make, "token_client", kind())

    @pytest.mark.parametrize("kind", CLIENTS, ids=full_name)
    def test_a_class_is_no_client(self, make: Callable[..., Any], kind: type) -> None:
        refused(make, "token_client", kind)

    @pytest.mark.parametrize("kind", CLIENTS, ids=full_name)
    def test_clients_of_every_library_are_taken_and_those_derived_from_them(
        self, make: Callable[..., Any], kind: type
    ) -> None:
        for lent in (kind(), type("Mine", (kind,), {})()):
            with lent:
                assert make(**GOOD[make], token_client=lent) is not None


@pytest.mark.parametrize("make", DOORS)
class TestPlainHttp:
    def test_to_another_machine_must_be_allowed(self, make: Callable[..., Any]) -> None:
        refused(make, "base_url", f"http://{MARK}.example/api")
        allowed = make(**{**GOOD[make], "base_url": "http://api.example/v3"}, allow_http=True)
        assert "api.example" in repr(allowed)

    def test_to_this_machine_is_allowed(self, make: Callable[..., Any]) -> None:
        for host in ("localhost:8000", "127.0.0.1", "[::1]:8000"):
            assert make(**{**GOOD[make], "base_url": f"http://{host}/v3"}) is not None

    @pytest.mark.parametrize("url", [f"http://me:{MARK}@api.example", f"http://api.example?{MARK}"])
    def test_allowed_is_nothing_else(self, make: Callable[..., Any], url: str) -> None:
        refused(make, "base_url", url, allow_http=True)


@pytest.mark.parametrize(
    ("make", "name", "least"), [(make, name, least) for (make, name), least in CREDENTIALS.items()]
)
def test_credentials_on_both_sides_of_their_shortest(make: Callable[..., Any], name: str, least: int) -> None:
    refused(make, name, (MARK * 4)[: least - 1])
    assert make(**{**GOOD[make], name: "x" * least}) is not None


@pytest.mark.parametrize("make", DOORS)
def test_credentials_are_not_given_by_keyword_twice_nor_left_out(make: Callable[..., Any]) -> None:
    for left_out in GOOD[make]:
        fewer = {name: value for name, value in GOOD[make].items() if name != left_out}
        # What has no default, or one of a pair that goes together.
        with pytest.raises((TypeError, ValueError), match=left_out):
            make(**fewer)


@pytest.mark.parametrize("make", AUTHS)
def test_an_option_that_there_is_not_is_named(make: Callable[..., Any]) -> None:
    with pytest.raises(TypeError, match="alow_http"):
        make(**GOOD[make], alow_http=True)


def test_a_providers_own_base_url_is_checked_as_well() -> None:
    contract: Provider = FyatuContract("A1B2C3D4E5F6G7H8", "your_secret_key_here", f"http://{MARK}.example")
    with pytest.raises(ValueError, match="base_url") as caught:
        TokenAuth(contract)
    assert MARK not in str(caught.value)
