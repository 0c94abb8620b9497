"""Which proxy a token call takes, by the variables of the environment."""

from __future__ import annotations

import pytest
from requests.utils import should_bypass_proxies

from auth_plugins import ConfigurationError
from auth_plugins.clients.environment import Proxy, is_loopback, proxy_for

VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "REQUEST_METHOD")


@pytest.fixture(autouse=True)
def without_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def chosen(url: str) -> str | None:
    proxy = proxy_for(url)
    return None if proxy is None else str(proxy.url)


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST",
        "localhost.",
        "api.localhost",
        "127.0.0.1",
        "127.255.255.254",
        "127.1",
        "2130706433",
        "0x7f.0.0.1",
        "0.0.0.0",  # noqa: S104 - an address to connect to
        "::",
        "::1",
        "::1%lo",
        "::ffff:127.0.0.1",
        "::ffff:7f00:1",
        "0:0:0:0:0:0:0:1",
    ],
)
def test_every_spelling_of_this_machine_is_loopback(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host",
    [
        "",
        "api.example",
        "localhost.example",
        "notlocalhost",
        "128.0.0.1",
        "12.7.0.1",
        "::2",
        "::ffff:10.0.0.1",
        "10.0.0.1",
        "127.0.0.1.example",
        "fe80::1",
    ],
)
def test_another_machine_is_not_loopback(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "auth.localhost"])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_call_to_this_machine_takes_no_proxy_whatever_the_environment_says(
    scheme: str, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://proxy.example:3128")
    assert proxy_for(f"{scheme}://{host}:8080/token") is None


def test_the_variable_of_the_scheme_comes_before_all_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    assert chosen("https://api.example/") is None
    monkeypatch.setenv("ALL_PROXY", "http://all.example")
    monkeypatch.setenv("HTTPS_PROXY", "http://secure.example")
    assert proxy_for("https://api.example/") == Proxy("http://secure.example", "HTTPS_PROXY")
    assert proxy_for("http://api.example/") == Proxy("http://all.example", "ALL_PROXY")


def test_a_proxy_without_a_scheme_is_an_http_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "proxy.example:3128")
    assert chosen("https://api.example/") == "http://proxy.example:3128"


def test_a_proxy_is_shown_without_its_user_name_and_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://user:password@[fd00::1]:3128/path")
    proxy = proxy_for("https://api.example/")
    assert str(proxy) == "http://[fd00::1]:3128"
    assert "password" not in repr(proxy)
    monkeypatch.setenv("HTTPS_PROXY", "socks5h://user:password@proxy.example")
    proxy = proxy_for("https://api.example/")
    assert (str(proxy), proxy is not None and proxy.uses_socks) == ("socks5h://proxy.example", True)


@pytest.mark.parametrize("value", ["http://", "http://proxy.example:port", "http://proxy.example:99999", "http://[::1"])
def test_what_is_no_proxy_url_is_named_by_its_variable_and_not_shown(
    value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", value.replace("://", "://user:password@"))
    with pytest.raises(ConfigurationError, match="the value of HTTPS_PROXY is not the URL of a proxy") as caught:
        proxy_for("https://api.example/")
    assert "password" not in str(caught.value)


STRAIGHT = [
    ("*", "https://api.example/"),
    ("other.example, *", "https://api.example/"),
    ("api.example", "https://api.example/"),
    ("API.Example", "https://api.example/"),
    ("example", "https://api.example/"),
    (".example", "https://api.example/"),
    ("*.example", "https://api.example/"),
    ("https://api.example", "https://api.example/"),
    ("all://api.example", "https://api.example/"),
    ("api.example:8443", "https://api.example:8443/"),
    ("10.1.2.3", "https://10.1.2.3/"),
    ("10.0.0.0/8", "https://10.1.2.3/"),
    ("fd07:b51a:cc66:f0::/64", "https://[fd07:b51a:cc66:f0::7]/"),
    ("[fd07::1]", "https://[fd07::1]/"),
    ("fd07::1", "https://[fd07:0::1]/"),
]
THROUGH = [
    ("", "https://api.example/"),
    ("other.example", "https://api.example/"),
    ("http://api.example", "https://api.example/"),
    ("api.example:8443", "https://api.example/"),
    ("10.0.0.0/8", "https://11.1.2.3/"),
    ("fd07:b51a:cc66:f0::/64", "https://[fd08::7]/"),
    ("fd07:b51a:cc66:f0::/64,[::1],no net/99", "https://api.example/"),
    (",,", "https://api.example/"),
]


@pytest.mark.parametrize(("no_proxy", "url"), STRAIGHT)
def test_no_proxy_is_read_as_requests_or_as_httpx_reads_it(
    no_proxy: str, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALL_PROXY", "http://proxy.example")
    monkeypatch.setenv("NO_PROXY", no_proxy)
    assert proxy_for(url) is None


def test_the_end_of_a_name_that_is_no_domain_of_it_is_read_as_requests_reads_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Old versions of requests take any end of a name for its domain, newer ones do not."""
    monkeypatch.setenv("ALL_PROXY", "http://proxy.example")
    monkeypatch.setenv("NO_PROXY", "pi.example")
    url = "https://api.example/"
    assert chosen(url) == (None if should_bypass_proxies(url, no_proxy=None) else "http://proxy.example")


@pytest.mark.parametrize(("no_proxy", "url"), THROUGH)
def test_what_no_proxy_does_not_name_takes_the_proxy(no_proxy: str, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "http://proxy.example")
    monkeypatch.setenv("NO_PROXY", no_proxy)
    assert chosen(url) == "http://proxy.example"
