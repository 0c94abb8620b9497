"""What names a session, and an access token under it: the laws of both keys, for contracts as they are."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field, fields, make_dataclass, replace
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auth_plugins.core import Origin, Token, bearer, fingerprint, role, scope_set
from auth_plugins.core.identity import object_fingerprint, variant_fingerprint
from auth_plugins.providers.fyatu import FyatuContract
from auth_plugins.providers.jwtplus.contract import JWTPlusContract
from auth_plugins.providers.marketiger import MarketigerContract
from auth_plugins.providers.oauth2 import OAuth2Contract
from auth_plugins.providers.vault import VaultContract

SALT = b"0123456789abcdef"
URLS = ["https://api.example", "https://api.example/v2", "https://other.example", "http://api.example"]
OTHER_PATHS = {"https://api.example": "https://api.example/v2", "https://api.example/v2": "https://api.example"}
SCOPES = st.lists(st.sampled_from(["read", "write", "openid", "read write"]), max_size=4).map(" ".join)
EXTRA = st.dictionaries(st.sampled_from(["audience", "resource"]), st.sampled_from(["a", "b", "a b"]))


def some(*values: Any) -> st.SearchStrategy[Any]:
    return st.sampled_from(values)


clients = st.builds(
    OAuth2Contract,
    token_url=some("https://login.example/token", "https://login.example/other", "https://api.example"),
    base_url=st.sampled_from(URLS),
    client_id=some("a", "b"),
    client_secret=some(None, "a", "b"),
    client_auth=some("client_secret_basic", "client_secret_post", "none"),
    scope=st.none() | SCOPES,
    extra=EXTRA.map(lambda extra: tuple(extra.items())),
    assumed_lifetime=some(600.0, 3600.0),
)
sessions = st.builds(replace, clients, refresh_token=some("a", "b"))


def key(contract: Any, salt: bytes = SALT) -> str:
    return fingerprint(contract, salt)


def variant(contract: Any, salt: bytes = SALT) -> str | None:
    return variant_fingerprint(contract, salt)


def whose(contract: OAuth2Contract) -> tuple[Any, ...]:
    return contract.token_url, contract.client_id, contract.refresh_token


def what_for(contract: OAuth2Contract) -> tuple[Any, ...]:
    scopes = None if contract.scope is None else frozenset(contract.scope.split())
    return scopes, frozenset(contract.extra), Origin.of(contract.base_url)


class TestASessionThatWasGiven:
    @given(sessions, sessions)
    def test_is_named_by_token_endpoint_client_and_first_refresh_token_and_nothing_else(
        self, one: OAuth2Contract, other: OAuth2Contract
    ) -> None:
        assert (key(one) == key(other)) is (whose(one) == whose(other))

    @given(sessions, sessions)
    def test_has_an_access_token_for_each_set_of_scopes_extra_and_origin(
        self, one: OAuth2Contract, other: OAuth2Contract
    ) -> None:
        assert (variant(one) == variant(other)) is (what_for(one) == what_for(other))

    @given(sessions, st.data())
    def test_keeps_both_names_whatever_the_order_of_scopes_and_extra(
        self, one: OAuth2Contract, data: st.DataObject
    ) -> None:
        scope = None if one.scope is None else "  ".join(data.draw(st.permutations(one.scope.split())))
        other = replace(one, scope=scope, extra=tuple(data.draw(st.permutations(one.extra))))
        assert (key(other), variant(other)) == (key(one), variant(one))

    @given(clients, sessions)
    def test_never_has_the_name_of_one_that_credentials_open(self, one: OAuth2Contract, other: OAuth2Contract) -> None:
        assert key(one) != key(other)
        assert variant(one) is None
        assert variant(other) is not None


class TestASessionThatCredentialsOpen:
    @given(clients, clients)
    def test_is_named_by_all_of_them_and_no_tuning(self, one: OAuth2Contract, other: OAuth2Contract) -> None:
        def counts(contract: OAuth2Contract) -> tuple[Any, ...]:
            proof = contract.base_url, contract.client_secret, contract.client_auth
            return *whose(contract), *what_for(contract), *proof

        assert (key(one) == key(other)) is (counts(one) == counts(other))


@given(clients | sessions, clients | sessions)
def test_objects_share_all_they_know_only_if_every_field_is_equal(one: OAuth2Contract, other: OAuth2Contract) -> None:
    def counts(contract: OAuth2Contract) -> tuple[Any, ...]:
        rest = {each.name: getattr(contract, each.name) for each in fields(contract)} | {"scope": None, "extra": ()}
        return *what_for(contract), *rest.items()

    same = object_fingerprint(one, SALT) == object_fingerprint(other, SALT)
    assert same is (counts(one) == counts(other))


@given(clients | sessions)
def test_both_names_depend_on_the_salt_and_show_nothing(contract: OAuth2Contract) -> None:
    assert key(contract) != key(contract, b"another salt")
    if contract.refresh_token is not None:
        assert variant(contract) != variant(contract, b"another salt")
        assert len({key(contract), variant(contract), object_fingerprint(contract, SALT)}) == 3


def jwt(**claims: Any) -> str:
    return ".".join(
        base64.urlsafe_b64encode(part).decode().rstrip("=") for part in (b"{}", json.dumps(claims).encode(), b"s")
    )


VAULT = VaultContract(1042, URLS[0], "user@example.com", "password", "first", "access")
MARKETIGER = MarketigerContract("user@example.com", "password", URLS[0], "access", "first")
OAUTH2 = OAuth2Contract("https://login.example/token", URLS[0], "client", "secret", "first")
FIRST, OTHER = (jwt(iat=1, nbf=2, exp=1000, jid=jid) for jid in "ab")
JWTPLUS = JWTPlusContract(
    "01JMC6TCM1CH7NWG0E8A5SQTHA", "key", URLS[0], "192.0.2.1", "agent", "1", "tests", "{}", FIRST, FIRST
)

SAME_SESSION: list[tuple[Any, dict[str, Any]]] = [
    (OAUTH2, {"client_secret": "rotated"}),
    (OAUTH2, {"client_auth": "client_secret_post"}),
    (OAUTH2, {"scope": "read"}),
    (OAUTH2, {"extra": (("audience", "x"),)}),
    (OAUTH2, {"assumed_lifetime": 600.0}),
    (OAUTH2, {"base_url": URLS[1]}),
    (OAUTH2, {"base_url": URLS[2]}),
    (VAULT, {"password": "changed"}),
    (VAULT, {"access_token": None}),
    (VAULT, {"token_path": "/reg/v1/auth/token"}),
    (VAULT, {"extra_body": (("code", "123456"),)}),
    (VAULT, {"assumed_lifetime": 600.0}),
    (VAULT, {"base_url": URLS[1]}),
    (MARKETIGER, {"password": "changed"}),
    (MARKETIGER, {"access_token": "newer"}),
    (MARKETIGER, {"assumed_lifetime": 600.0}),
    (MARKETIGER, {"base_url": URLS[1]}),
    (JWTPLUS, {"app_key": "rotated"}),
    (JWTPLUS, {"ip": "192.0.2.2"}),
    (JWTPLUS, {"user_agent": "newer"}),
    (JWTPLUS, {"header": "X-Token"}),
    (JWTPLUS, {"scheme": "Token"}),
    (JWTPLUS, {"fresh_after": 0.0}),
    (JWTPLUS, {"base_url": URLS[1]}),
]
ANOTHER_SESSION: list[tuple[Any, dict[str, Any]]] = [
    (OAUTH2, {"token_url": "https://login.example/other"}),
    (OAUTH2, {"client_id": "other"}),
    (OAUTH2, {"refresh_token": "another"}),
    (VAULT, {"partner_id": 1043}),
    (VAULT, {"email": "other@example.com"}),
    (VAULT, {"refresh_token": "another"}),
    (VAULT, {"base_url": URLS[2]}),
    (MARKETIGER, {"email": "other@example.com"}),
    (MARKETIGER, {"refresh_token": "another"}),
    (MARKETIGER, {"base_url": URLS[2]}),
    (JWTPLUS, {"app_id": "01JMC6TCM1CH7NWG0E8A5SQTHB"}),
    (JWTPLUS, {"subject": "2"}),
    (JWTPLUS, {"audience": "other"}),
    (JWTPLUS, {"claims": '{"role": "admin"}'}),
    (JWTPLUS, {"refresh_token": OTHER}),
    (JWTPLUS, {"base_url": URLS[2]}),
]


def named(case: tuple[Any, dict[str, Any]]) -> str:
    contract, change = case
    return f"{contract.name}, {', '.join(f'{name}={str(value)[:40]}' for name, value in change.items())}"


@pytest.mark.parametrize("case", SAME_SESSION, ids=named)
def test_a_given_session_goes_on_after_a_change_of(case: tuple[Any, dict[str, Any]]) -> None:
    contract, change = case
    assert key(replace(contract, **change)) == key(contract)


@pytest.mark.parametrize("case", ANOTHER_SESSION, ids=named)
def test_a_given_session_is_another_one_with_another(case: tuple[Any, dict[str, Any]]) -> None:
    contract, change = case
    assert key(replace(contract, **change)) != key(contract)


@pytest.mark.parametrize("contract", [OAUTH2, VAULT, MARKETIGER, JWTPLUS], ids=lambda contract: contract.name)
def test_no_access_token_goes_to_another_origin(contract: Any) -> None:
    for one, other in combinations([replace(contract, base_url=url) for url in URLS], 2):
        same = Origin.of(one.base_url) == Origin.of(other.base_url)
        assert ((key(one), variant(one)) == (key(other), variant(other))) is same


def test_a_change_of_the_order_of_scopes_opens_no_other_session() -> None:
    one, other = (FyatuContract("id", "secret", scopes=scopes) for scopes in (("a", "b"), ("b", "a")))
    assert key(one) == key(other)


@dataclass(frozen=True)
class Given:
    """A contract of somebody else's, with a session that was given."""

    client: str
    first: str = field(repr=False)
    region: str = "eu"

    name = "acme"
    base_url = "https://api.acme.example"
    headers = staticmethod(bearer)

    def initial_token(self) -> Token | None:
        return Token(access_token="", issued_at=0.0, expires_at=0.0, refresh_token=self.first, refreshable_until=9e9)


@dataclass(frozen=True)
class Declared(Given):
    client: str = field(metadata=role("session"))


class TestAContractOfSomebodyElses:
    @pytest.mark.parametrize("change", [{"client": "b"}, {"first": "b"}, {"region": "us"}], ids=str)
    def test_without_roles_is_named_by_every_field(self, change: dict[str, Any]) -> None:
        contract = Given("a", "a")
        assert key(replace(contract, **change)) != key(contract)
        assert variant(contract) is None

    def test_that_forgets_a_role_is_still_named_by_its_first_refresh_token(self) -> None:
        contract = Declared("a", "a")
        assert key(replace(contract, first="b")) != key(contract)
        assert key(replace(contract, client="b")) != key(contract)
        assert key(replace(contract, region="us")) == key(contract)

    @pytest.mark.parametrize("part", ["__module__", "__qualname__", "name"])
    def test_never_shares_a_given_session_with_a_namesake(self, part: str) -> None:
        namesake = make_dataclass("Declared", [], bases=(Declared,), frozen=True)
        namesake.__module__, namesake.__qualname__ = Declared.__module__, Declared.__qualname__
        assert key(namesake("a", "a")) == key(Declared("a", "a"))
        setattr(namesake, part, "elsewhere")
        assert key(namesake("a", "a")) != key(Declared("a", "a"))

    def test_whose_default_server_changes_names_another_session(self) -> None:
        def made(url: str) -> Any:
            server = field(default=url, metadata=role("server"))
            return make_dataclass("Moved", [("base_url", str, server)], bases=(Declared,), frozen=True)("a", "a")

        assert key(made("https://v1.acme.example")) != key(made("https://v2.acme.example"))
        assert key(made("https://v1.acme.example")) == key(made("https://v1.acme.example/path"))


def test_a_role_that_is_misspelt_is_refused_and_does_not_leave_a_field_out() -> None:
    with pytest.raises(ValueError, match=r"^kind must be one of credential, session, server, variant, tuning$"):
        role("sesion")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("scope", "wanted"), [(None, None), ("", []), ("b  a b", ["a", "b"]), ("read", ["read"])], ids=str
)
def test_scopes_are_a_set(scope: str | None, wanted: list[str] | None) -> None:
    assert scope_set(scope) == wanted
