"""Whatever a client sends, a simulator answers, and what it answers can be put on a wire."""

from __future__ import annotations

import json

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from auth_plugins.simulators import FyatuSimulator, SimRequest

# The first draw of all builds tables of Unicode, which is slow once.
relaxed = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

ANY_TEXT = st.text(st.characters())  # lone surrogates and control characters included
BASES = ["/api/v3", "https://api.fyatu.com/api/v3"]
PLACES = ["/auth/token", "/auth/refresh", "/auth/revoke", "/x", "/status/", "/redirect?to=", ""]
urls = ANY_TEXT | st.builds("{}{}{}".format, st.sampled_from(BASES), st.sampled_from(PLACES), ANY_TEXT)
methods = st.sampled_from(["GET", "POST", "HEAD"]) | ANY_TEXT
LOGIN_KEYS = st.sampled_from(["appId", "businessId", "secretKey", "grantType", "scopes"])
VALUES = st.none() | st.just("client_credentials") | st.text(min_size=16) | st.lists(ANY_TEXT) | st.integers()
bodies = st.binary() | st.dictionaries(LOGIN_KEYS, VALUES).map(lambda fields: json.dumps(fields).encode())
authorizations = ANY_TEXT | ANY_TEXT.map("Bearer {}".format)
headers = st.fixed_dictionaries(
    {},
    optional={"authorization": authorizations, "content-type": st.just("application/json") | ANY_TEXT},
)


def check(simulator: FyatuSimulator, request: SimRequest) -> None:
    answer = simulator.handle(request, 1_800_000_000.0)
    assert simulator.mistakes == []
    assert 200 <= answer.status <= 599
    assert all(name.isascii() and value.isprintable() for name, value in answer.headers.items())
    "".join(answer.headers.values()).encode("ascii")
    if answer.body:
        content = json.loads(answer.body)
        assert content["status"] == answer.status
        assert content["success"] == (answer.status < 400)
    else:
        assert request.method == "HEAD" or answer.status < 400
    assert len(simulator.ledger.calls()) == 1


@relaxed
@given(methods, urls, headers, bodies, st.sampled_from(["v3", "v3.20"]))
def test_any_request_gets_a_well_formed_answer(
    method: str, url: str, fields: dict[str, str], body: bytes, generation: str
) -> None:
    simulator = FyatuSimulator(generation="v3" if generation == "v3" else "v3.20", base_path="/api/v3")
    check(simulator, SimRequest(method, url, fields, body))


@relaxed
@given(methods, urls, bodies)
def test_any_request_with_a_valid_token_gets_a_well_formed_answer(method: str, url: str, body: bytes) -> None:
    simulator = FyatuSimulator()
    credentials = {"appId": simulator.app_id, "secretKey": "your_secret_key_here"}
    login = json.dumps({**credentials, "grantType": "client_credentials"}).encode()
    kind = {"content-type": "application/json"}
    answer = simulator.handle(SimRequest("POST", "/api/v3/auth/token", kind, login), 1_800_000_000.0)
    simulator.ledger.clear()
    token = json.loads(answer.body)["data"]["accessToken"]
    check(simulator, SimRequest(method, url, {"authorization": f"Bearer {token}"}, body))


@relaxed
@given(ANY_TEXT)
def test_a_path_begins_with_a_slash_and_holds_no_query(url: str) -> None:
    request = SimRequest("GET", url, {})
    assert request.path.startswith("/")
    assert not {"?", "#"} & set(request.path)


def test_paths_and_queries_are_read_from_absolute_and_relative_urls() -> None:
    for url in ("https://a.test:1/b%2Fc?d=/e://f#g", "/b%2Fc?d=/e://f"):
        request = SimRequest("GET", url, {})
        assert (request.path, request.query) == ("/b%2Fc", "d=/e://f")
    assert SimRequest("GET", "https://a.test", {}).path == "/"
    assert SimRequest("GET", "https://a.test?x", {}).query == "x"


def test_a_request_shows_neither_headers_nor_body() -> None:
    shown = repr(SimRequest("GET", "/", {"authorization": "Bearer hidden"}, b"hidden"))
    assert "hidden" not in shown
